"""One client for all: over HTTP/2 one connection carries ten calls beside each other.

server: h2
contexts: 1
handshakes: 1
"""

import asyncio
import os

import httpx

API = os.environ["API_URL"]


async def fetch(client, number):
    return (await client.get(f"{API}/api/items/{number}")).json()


async def main():
    async with httpx.AsyncClient(http2=True, timeout=20) as client:
        print(len(await asyncio.gather(*(fetch(client, number) for number in range(10)))), "items")


asyncio.run(main())
