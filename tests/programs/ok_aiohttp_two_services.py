"""aiohttp: two services, a task for each, and one session. Both set a cookie of the same name, and get their own back.

environment: others
handshakes: 2
"""

import asyncio
import os
import ssl

import aiohttp

API = os.environ["API_URL"]


async def call(session, service, context):
    for number in range(3):
        for path in ("/cookies/set?session=1", "/cookies"):
            async with session.get(f"{service}{path}", ssl=context) as response:
                body = await response.text()
        print(number, body)
        await asyncio.sleep(0.1)


async def main():
    context = ssl.create_default_context()
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        async with asyncio.TaskGroup() as group:
            for service in (API, API.replace("localhost", "127.0.0.1")):
                group.create_task(call(session, service, context))
                await asyncio.sleep(0.05)


asyncio.run(main())
