"""A client in a function, closed right after: a context and a handshake for each call."""
import httpx


def fetch(url):
    with httpx.Client() as client:  # expect: CP001 likely
        return client.get(url)


def fetch_and_close(url):
    client = httpx.Client()  # expect: CP001 likely
    try:
        return client.get(url)
    finally:
        client.close()


async def fetch_async(url):
    async with httpx.AsyncClient() as client:  # expect: CP001 likely
        response = await client.get(url)
    return response.json()


def fetch_at_once(url):
    return httpx.Client().get(url)  # expect: CP001 likely, CP007 likely


class Api:
    def fetch(self, path):
        with httpx.Client(base_url=self.base) as client:  # expect: CP001 likely
            return client.get(path)


class Search:
    def run(self, query):
        with httpx.Client() as client:  # expect: CP001 likely
            return client.get("https://api.example", params={"q": query})

    def setup(self):
        with httpx.Client() as client:  # expect: CP001 guess
            client.get("https://api.example")
