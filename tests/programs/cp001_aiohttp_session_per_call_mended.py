"""aiohttp: one session.

environment: others
contexts: 2
handshakes: 1
"""

import asyncio
import os

import aiohttp

API = os.environ["API_URL"]


async def item(session, number):
    async with session.get(f"{API}/api/items/{number}") as answer:
        return await answer.json()


async def main():
    async with aiohttp.ClientSession() as session:
        for number in range(10):
            print((await item(session, number))["path"])


asyncio.run(main())
