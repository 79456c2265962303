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
