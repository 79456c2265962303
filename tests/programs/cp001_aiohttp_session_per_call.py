"""aiohttp: a session for every call. Its contexts are made at import and shared: only handshakes are lost.

environment: others
contexts: 2
handshakes: 10
"""

import asyncio
import os

import aiohttp

API = os.environ["API_URL"]


async def item(number):
    async with aiohttp.ClientSession() as session:  # finding: CP001
        async with session.get(f"{API}/api/items/{number}") as answer:
            return await answer.json()


async def main():
    for number in range(10):
        print((await item(number))["path"])


asyncio.run(main())
