"""A gather on one client, as wide as its pool keeps connections.

contexts: 1
handshakes: 10
"""

import asyncio
import os

import httpx


async def main():
    async with httpx.AsyncClient(base_url=os.environ["API_URL"]) as client:
        for burst in range(3):
            answers = await asyncio.gather(*(client.get(f"/gate/10/burst{burst}") for _ in range(10)))
            print([answer.status_code for answer in answers])


asyncio.run(main())
