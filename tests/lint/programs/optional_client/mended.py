import httpx

shared = httpx.AsyncClient()


async def fetch(url, client=None):
    client = client or shared
    return await client.get(url)


async def every(urls):
    async with httpx.AsyncClient() as client:
        for url in urls:
            await fetch(url, client=client)


class Api:
    def __init__(self, http=None):
        self.http = http if http is not None else httpx.Client()


http = httpx.Client()


def use(url):
    return Api(http).http.get(url)


async def main():
    await every([])
    await fetch("https://api.example")


def chosen(given=None):
    return given or httpx.Client()


def ask(url):
    return chosen(http).get(url)


async def fetch_own(url, client=None):
    own = client is None
    if own:
        client = httpx.AsyncClient()
    try:
        return await client.get(url)
    finally:
        if own:
            await client.aclose()


async def all_of(urls, client):
    for url in urls:
        await fetch_own(url, client)
