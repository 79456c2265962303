"""Login in a task of its own, and then calls of the one who waited for it: one person, one cookie.

contexts: 1
handshakes: 1
"""

import asyncio
import os

import httpx


async def login(client):
    (await client.get("/cookies/set", params={"session": "me"})).raise_for_status()


async def main():
    async with httpx.AsyncClient(base_url=os.environ["API_URL"]) as client:
        await asyncio.wait_for(asyncio.create_task(login(client)), 10)
        for _ in range(4):
            print((await client.get("/cookies")).json())


asyncio.run(main())
