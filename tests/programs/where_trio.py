"""trio: nurseries, and functions of a library started in them.

environment: others
handshakes: 5
unknown: 0
"""

import os

import httpx
import trio

API = os.environ["API_URL"]


async def fetch(client):
    await client.get(f"{API}/gate/2/nursery")  # pays: 2 handshakes


async def main():
    async with httpx.AsyncClient() as client:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fetch, client)
            nursery.start_soon(fetch, client)
    async with httpx.AsyncClient() as client:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.get, f"{API}/close")  # pays: 1 handshakes
            nursery.start_soon(client.get, f"{API}/close")  # pays: 1 handshakes
        await client.get(f"{API}/close")  # pays: 1 handshakes
    print("done")


trio.run(main)
