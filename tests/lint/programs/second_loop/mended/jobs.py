import asyncio

import httpx
from clients import client


async def fetch(url):
    return await client.get(url)


async def all_of(urls):
    return await asyncio.gather(*[fetch(url) for url in urls])


async def main(urls):
    async with httpx.AsyncClient() as own:
        await own.get("https://api.example")
    await all_of(urls)


if __name__ == "__main__":
    asyncio.run(main([]))
