"""A client for every one of ten calls beside each other, over HTTP/2.

server: h2
contexts: 10
handshakes: 10
"""

import asyncio
import os

import httpx

API = os.environ["API_URL"]


async def fetch(number):
    async with httpx.AsyncClient(http2=True, timeout=20) as client:  # finding: CP001
        return (await client.get(f"{API}/api/items/{number}")).json()


async def main():
    print(len(await asyncio.gather(*(fetch(number) for number in range(10)))), "items")


asyncio.run(main())
