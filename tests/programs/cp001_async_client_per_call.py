"""An async client for every call, made by a function of its own and closed in a ``finally``.

contexts: 10
handshakes: 10
"""

import asyncio
import os

import httpx

API = os.environ["API_URL"]


def new_client():
    return httpx.AsyncClient(base_url=API, headers={"accept": "application/json"})  # finding: CP001


async def dataset(name):
    client = new_client()
    try:
        answer = await client.get(f"/api/datasets/{name}")
        return answer.json()
    finally:
        await client.aclose()


async def main():
    for number in range(10):
        found = await dataset(f"d{number}")
        print(found["path"])


asyncio.run(main())
