from contextlib import asynccontextmanager, contextmanager

import httpx

_shared = httpx.AsyncClient()


@asynccontextmanager
async def opened(token):
    yield _shared


@contextmanager
def opened_sync():
    client = httpx.Client()
    try:
        yield client
    finally:
        client.close()


async def fetch(url, token):
    async with opened(token) as client:
        return await client.get(url)


def main(urls):
    with opened_sync() as client:
        for url in urls:
            client.get(url)
