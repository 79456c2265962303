"""aiohttp: a session for every page, with a few calls each.

environment: others
handshakes: 5
"""

import asyncio
import os
import ssl

import aiohttp

API = os.environ["API_URL"]


async def page(number, context):
    async with aiohttp.ClientSession() as session:  # finding: CP001
        for path in ("/redirect/2", f"/api/pages/{number}/head", f"/api/pages/{number}"):
            async with session.get(f"{API}{path}", ssl=context) as response:
                body = await response.read()
        return body


async def main():
    context = ssl.create_default_context()
    for number in range(5):
        print(len(await page(number, context)))


asyncio.run(main())
