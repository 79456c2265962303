"""aiohttp builds two contexts when it is imported, used or not.

environment: others
contexts: 2
handshakes: 1
"""

import asyncio
import os

import aiohttp


async def main():
    async with aiohttp.ClientSession() as session:
        for number in range(5):
            async with session.get(f"{os.environ['API_URL']}/api/items/{number}") as answer:
                print((await answer.json())["path"])


asyncio.run(main())
