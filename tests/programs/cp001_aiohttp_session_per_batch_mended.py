"""aiohttp: one session for all pages, which forgets its cookies between them.

environment: others
handshakes: 1
"""

import asyncio
import os
import ssl

import aiohttp

API = os.environ["API_URL"]


async def page(session, number, context):
    session.cookie_jar.clear()
    for path in ("/redirect/2", f"/api/pages/{number}/head", f"/api/pages/{number}"):
        async with session.get(f"{API}{path}", ssl=context) as response:
            body = await response.read()
    return body


async def main():
    context = ssl.create_default_context()
    async with aiohttp.ClientSession() as session:
        for number in range(5):
            print(len(await page(session, number, context)))


asyncio.run(main())
