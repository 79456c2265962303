"""aiohttp: a session for every call, each of which follows two redirects.

environment: others
handshakes: 8
"""

import asyncio
import os
import ssl

import aiohttp

API = os.environ["API_URL"]


async def fetch(context):
    async with aiohttp.ClientSession() as session:  # finding: CP001
        async with session.get(f"{API}/redirect/2", ssl=context) as response:
            return await response.read()


async def main():
    context = ssl.create_default_context()
    for _ in range(8):
        print(len(await fetch(context)))


asyncio.run(main())
