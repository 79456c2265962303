"""A helper function in another module makes and returns the client."""
from clients import make_client as new


async def fetch(url, token):
    async with new(token) as client:  # expect: CP001 likely
        return await client.get(url)


async def fetch_all(urls, token):
    for url in urls:
        client = new(token)  # expect: CP004 certain, CP007 likely
        await client.get(url)
