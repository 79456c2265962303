"""Classes that make a client when they are made."""
import httpx


class Api:
    def __init__(self, base):
        self._open(base)

    def _open(self, base):
        self.client = httpx.Client(base_url=base)

    def get(self, path):
        return self.client.get(path)


class Users(Api):
    def __init__(self):
        super().__init__("https://users.example")


class Typed(httpx.AsyncClient):
    pass


class Managed:
    async def __aenter__(self):
        self._client = httpx.AsyncClient()
        return self

    async def __aexit__(self, *exc):
        await self._client.aclose()

    async def get(self, url):
        return await self._client.get(url)
