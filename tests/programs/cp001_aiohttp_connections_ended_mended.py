"""One session: its connection lasts from each call that ends it to the next.

environment: others
handshakes: 3
"""

import asyncio
import os

import aiohttp

API = os.environ["API_URL"]


async def get(session, path, seconds=20.0):
    try:
        async with session.get(f"{API}{path}", timeout=aiohttp.ClientTimeout(20, sock_read=seconds)) as response:
            return len(await response.read()) > 0
    except TimeoutError:
        return False


async def main():
    async with aiohttp.ClientSession() as session:
        for path in ("/close", "/api/items/1", "/api/items/2", "/close", "/api/items/3", "/api/items/4", "/api/items/5"):
            await get(session, path)
        print(await get(session, "/delay/3000", 0.2))


asyncio.run(main())
