"""A session for every call, some of a server that closes the connection, one that comes too late.

environment: others
handshakes: 8
"""

import asyncio
import os

import aiohttp

API = os.environ["API_URL"]


async def get(path, seconds=20.0):
    async with aiohttp.ClientSession() as session:  # finding: CP001
        try:
            async with session.get(f"{API}{path}", timeout=aiohttp.ClientTimeout(20, sock_read=seconds)) as response:
                return len(await response.read()) > 0
        except TimeoutError:
            return False


async def main():
    for path in ("/close", "/api/items/1", "/api/items/2", "/close", "/api/items/3", "/api/items/4", "/api/items/5"):
        await get(path)
    print(await get("/delay/3000", 0.2))


asyncio.run(main())
