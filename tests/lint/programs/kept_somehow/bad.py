"""Handed about, and gone all the same."""
import asyncio

import httpx


def use(client, url):
    return client.get(url)


def a(url):
    with httpx.Client() as client:  # expect: CP001 likely
        return use(client, url)


async def b(urls):
    async with httpx.AsyncClient() as client:  # expect: CP001 guess

        async def fetch(url):
            return await client.get(url)

        return await asyncio.gather(*[fetch(url) for url in urls])


class Wrapper:
    def __init__(self, client):
        self.client = client


def c(url):
    with httpx.Client() as client:  # expect: CP001 likely
        return Wrapper(client).client.get(url)


def d(urls):
    clients = {}
    clients["one"] = httpx.Client()  # expect: CP001 likely, CP007 likely
    return [clients["one"].get(url) for url in urls]


def e(url, library):
    client = httpx.Client()  # expect: CP001 guess
    return library.fetch(client, url)


def f(url):
    if (client := httpx.Client()) is not None:  # expect: CP001 likely, CP007 likely
        return client.get(url)
