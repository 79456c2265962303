"""aiohttp: one session.

environment: others
handshakes: 1
"""

import asyncio
import os
import ssl

import aiohttp

API = os.environ["API_URL"]


async def fetch(session, context):
    async with session.get(f"{API}/redirect/2", ssl=context) as response:
        return await response.read()


async def main():
    context = ssl.create_default_context()
    async with aiohttp.ClientSession() as session:
        for _ in range(8):
            print(len(await fetch(session, context)))


asyncio.run(main())
