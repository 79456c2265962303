"""Bursts of ten calls on a pool that keeps two connections.

contexts: 1
handshakes: 26
"""

import asyncio
import os

import httpx


async def main():
    limits = httpx.Limits(max_connections=20, max_keepalive_connections=2)
    async with httpx.AsyncClient(base_url=os.environ["API_URL"], limits=limits) as client:  # finding: CP012
        for burst in range(3):
            answers = await asyncio.gather(*(client.get(f"/gate/10/burst{burst}") for _ in range(10)))
            print(burst, [answer.status_code for answer in answers])


asyncio.run(main())
