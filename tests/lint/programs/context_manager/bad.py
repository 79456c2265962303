"""A context manager that makes a client, entered for each call."""
from contextlib import asynccontextmanager, contextmanager

import httpx


@asynccontextmanager
async def opened(token):
    async with httpx.AsyncClient(headers={"Authorization": token}) as client:
        yield client


@contextmanager
def opened_sync():
    client = httpx.Client()
    try:
        yield client
    finally:
        client.close()


async def fetch(url, token):
    async with opened(token) as client:  # expect: CP001 likely
        return await client.get(url)


def fetch_all(urls):
    for url in urls:
        with opened_sync() as client:  # expect: CP004 certain
            client.get(url)
