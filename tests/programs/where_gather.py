"""Whose calls they are in a gather: those of the coroutines' own lines where they have any, else the gather's.

handshakes: 7
unknown: 0
"""

import asyncio
import os

import httpx

API = os.environ["API_URL"]


async def fetch(client, name):
    answer = await client.get(f"{API}/gate/4/{name}")  # pays: 4 handshakes
    return answer.status_code


async def main():
    async with httpx.AsyncClient() as client:
        print(await asyncio.gather(*(fetch(client, "own") for _ in range(4))))
    async with httpx.AsyncClient() as client:
        calls = [client.get(f"{API}/gate/3/gathered") for _ in range(3)]
        print(len(await asyncio.gather(*calls)))  # pays: 3 handshakes


asyncio.run(main())
