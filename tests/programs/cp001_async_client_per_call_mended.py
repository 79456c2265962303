"""One async client for the program, closed at its end.

contexts: 1
handshakes: 1
"""

import asyncio
import os

import httpx

API = os.environ["API_URL"]


def new_client():
    return httpx.AsyncClient(base_url=API, headers={"accept": "application/json"})


async def dataset(client, name):
    answer = await client.get(f"/api/datasets/{name}")
    return answer.json()


async def main():
    async with new_client() as client:
        for number in range(10):
            found = await dataset(client, f"d{number}")
            print(found["path"])


asyncio.run(main())
