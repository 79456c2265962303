import service
from service import Api, Managed, Typed


def a(path):
    return Api("https://api.example").get(path)  # expect: CP001 likely


def b(path):
    users = service.Users()  # expect: CP001 likely
    return users.get(path)


async def c(url):
    async with Typed() as client:  # expect: CP001 likely
        return await client.get(url)


async def d(url):
    async with Managed() as managed:  # expect: CP001 likely
        return await managed.get(url)


def e(paths):
    for path in paths:
        Api("https://api.example").get(path)  # expect: CP004 certain
