"""Made by way of a partial."""
import functools

import httpx

make = functools.partial(httpx.Client, timeout=5)


def a(url):
    mk = functools.partial(httpx.Client)
    with mk() as client:  # expect: CP001 likely
        return client.get(url)


async def b(url):
    client = make()  # expect: CP001 likely, CP007 likely
    return client.get(url)


def made():
    return make()


def c(url):
    with made() as client:  # expect: CP001 likely
        return client.get(url)
