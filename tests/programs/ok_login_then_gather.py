"""Login once, then calls at once that all send the cookie of that login.

contexts: 1
handshakes: 5
"""

import asyncio
import os

import httpx


async def login(client):
    (await client.get("/cookies/set", params={"session": "me"})).raise_for_status()


async def page(client, number):
    return (await client.get("/cookies")).json(), (await client.get(f"/gate/5/{number // 5}")).status_code


async def main():
    async with httpx.AsyncClient(base_url=os.environ["API_URL"]) as client:
        await login(client)
        await asyncio.gather(*(client.get("/gate/5/first") for _ in range(5)))
        for cookies, code in await asyncio.gather(*(page(client, number) for number in range(5))):
            print(cookies, code)


asyncio.run(main())
