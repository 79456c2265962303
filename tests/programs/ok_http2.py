"""HTTP/2 asked for and spoken: many calls at once on one connection.

server: h2
contexts: 1
handshakes: 1
"""

import asyncio
import os

import httpx


async def main():
    async with httpx.AsyncClient(base_url=os.environ["API_URL"], http2=True) as client:
        await client.get("/api/first")
        answers = await asyncio.gather(*(client.get(f"/api/items/{number}") for number in range(10)))
        print({answer.http_version for answer in answers})


asyncio.run(main())
