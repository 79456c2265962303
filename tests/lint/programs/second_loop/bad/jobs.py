"""A client of the module, used by several runs of asyncio."""
import asyncio

import clients
from clients import client


async def fetch(url):
    return await client.get(url)


def all_of(urls):
    return [asyncio.run(fetch(url)) for url in urls]


async def fetch_lazily(url):
    return await clients.lazy().get(url)


def one(url):
    return asyncio.run(fetch_lazily(url))
