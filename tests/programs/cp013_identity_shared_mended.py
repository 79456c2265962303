"""The client's jar keeps nothing; what a visitor is given is sent with the visitor's own requests.

contexts: 1
handshakes: 1
"""

import asyncio
import os
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx


async def visit(client, user):
    before = (await client.get("/cookies")).json()
    given = (await client.get("/cookies/set", params={"session": user})).headers["set-cookie"]
    mine = (await client.get("/cookies", headers={"cookie": given.partition(";")[0]})).json()
    print(user, before, mine)


async def main():
    nothing = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
    async with httpx.AsyncClient(base_url=os.environ["API_URL"], cookies=nothing) as client:
        for user in ("alice", "bob", "carol", "dave"):
            await asyncio.create_task(visit(client, user))


asyncio.run(main())
