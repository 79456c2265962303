"""uvloop, which connects below Python.

environment: others
handshakes: 6
unknown: 0
"""

import asyncio
import os

import httpx
import uvloop

API = os.environ["API_URL"]


async def fetch(client):
    await client.get(f"{API}/gate/2/uvloop")  # pays: 2 handshakes


async def main():
    async with httpx.AsyncClient() as client:
        await asyncio.gather(fetch(client), fetch(client))
    async with httpx.AsyncClient() as client:
        calls = [client.get(f"{API}/gate/3/uvloop3") for _ in range(3)]
        await asyncio.gather(*calls)  # pays: 3 handshakes
    async with httpx.AsyncClient() as client:
        await asyncio.create_task(client.get(f"{API}/close"))  # pays: 1 handshakes
    print("done")


uvloop.run(main())
