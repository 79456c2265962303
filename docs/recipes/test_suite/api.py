"""The code under test: it calls an API, with a client at module level unless it is given one."""

import os

import httpx

client = httpx.AsyncClient(base_url=os.environ["UPSTREAM"])


async def size(path: str, by: httpx.AsyncClient = client) -> int:
    """The size of one answer."""
    response = await by.get(path)
    return len(response.raise_for_status().content)
