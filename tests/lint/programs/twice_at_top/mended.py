import asyncio

import aiohttp


async def fetch(url, session):
    return await session.get(url)


async def main():
    async with aiohttp.ClientSession() as session:
        await fetch("https://a.example", session)
        await fetch("https://b.example", session)


asyncio.run(main())
