"""A module's async client under several asyncio.run(): every other one fails.

contexts: 1
handshakes: 2
"""

import asyncio
import os

import httpx

client = httpx.AsyncClient(base_url=os.environ["API_URL"])  # finding: CP006


async def tool(name):
    return (await client.get(f"/api/tools/{name}")).status_code


for name in ("search", "fetch", "rank", "cite"):
    try:
        print(name, asyncio.run(tool(name)))
    except RuntimeError as error:
        print(name, error)
