"""A client in every task of a gather, four of them at once.

contexts: 12
handshakes: 12
"""

import asyncio
import os

import httpx

API = os.environ["API_URL"]


async def ping(round_number):
    async with httpx.AsyncClient() as client:  # finding: CP001
        return (await client.get(f"{API}/gate/4/ping{round_number}")).status_code


async def main():
    codes = []
    for round_number in range(3):
        codes += await asyncio.gather(*(ping(round_number) for _ in range(4)))
    print(codes)


asyncio.run(main())
