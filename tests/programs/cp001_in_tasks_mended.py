"""One client for all tasks: as many connections as there are calls at once.

contexts: 1
handshakes: 4
"""

import asyncio
import os

import httpx

API = os.environ["API_URL"]


async def ping(client, round_number):
    return (await client.get(f"{API}/gate/4/ping{round_number}")).status_code


async def main():
    codes = []
    async with httpx.AsyncClient() as client:
        for round_number in range(3):
            codes += await asyncio.gather(*(ping(client, round_number) for _ in range(4)))
    print(codes)


asyncio.run(main())
