"""A TaskGroup's tasks: the line that started each, where it has no line of its own.

handshakes: 5
unknown: 0
"""

import asyncio
import os

import httpx

API = os.environ["API_URL"]


async def fetch(client):
    await client.get(f"{API}/gate/2/group")  # pays: 2 handshakes


async def main():
    async with httpx.AsyncClient() as client, asyncio.TaskGroup() as group:
        group.create_task(fetch(client))
        group.create_task(fetch(client))
    async with httpx.AsyncClient() as client, asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(client.get(f"{API}/gate/3/group"))  # pays: 3 handshakes
    print("done")


asyncio.run(main())
