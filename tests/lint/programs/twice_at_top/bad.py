import asyncio

import aiohttp

session = aiohttp.ClientSession()  # expect: CP006 certain


async def fetch(url):
    return await session.get(url)


asyncio.run(fetch("https://a.example"))
asyncio.run(fetch("https://b.example"))
