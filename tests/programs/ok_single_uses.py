"""Scripts and tests make a client here and there, and each is used once.

contexts: 4
handshakes: 4
"""

import asyncio
import os

import httpx

API = os.environ["API_URL"]


def check_items():
    with httpx.Client() as client:
        assert client.get(f"{API}/api/items/1").status_code == 200


async def check_users():
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"{API}/api/users/1")).status_code == 200


def check_missing():
    assert httpx.get(f"{API}/status/404").status_code == 404


def check_redirects():
    with httpx.Client(follow_redirects=True) as client:
        assert client.get(f"{API}/redirect/3").status_code == 200


check_items()
asyncio.run(check_users())
check_missing()
check_redirects()
print("all well")
