"""A client of its own unless one is passed, and nobody passes one."""
import httpx


async def fetch(url, client=None):
    own = client is None
    if own:
        client = httpx.AsyncClient()  # expect: CP001 certain
    try:
        return await client.get(url)
    finally:
        if own:
            await client.aclose()


async def every(urls):
    for url in urls:
        await fetch(url)


class Api:
    def __init__(self, http=None):
        self.http = http if http is not None else httpx.Client()


def use(url):
    return Api().http.get(url)  # expect: CP001 likely
