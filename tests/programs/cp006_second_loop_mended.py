"""One loop for all, and the client is made inside.

contexts: 1
handshakes: 1
"""

import asyncio
import os

import httpx


async def tool(client, name):
    return (await client.get(f"/api/tools/{name}")).status_code


async def main():
    async with httpx.AsyncClient(base_url=os.environ["API_URL"]) as client:
        for name in ("search", "fetch", "rank", "cite"):
            print(name, await tool(client, name))


asyncio.run(main())
