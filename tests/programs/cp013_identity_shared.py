"""A service's own client, with a jar: what one visitor is given is sent for the next.

contexts: 1
handshakes: 1
"""

import asyncio
import os

import httpx


async def visit(client, user):
    before = (await client.get("/cookies")).json()
    await client.get("/cookies/set", params={"session": user})
    print(user, before)


async def main():
    async with httpx.AsyncClient(base_url=os.environ["API_URL"]) as client:  # finding: CP013
        for user in ("alice", "bob", "carol", "dave"):
            await asyncio.create_task(visit(client, user))


asyncio.run(main())
