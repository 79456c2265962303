"""Tests' clients, which speak to nobody.

contexts: 0
handshakes: 0
"""

import asyncio

import httpx

answering = httpx.MockTransport(lambda request: httpx.Response(200, json={"path": request.url.path}))


def check(number):
    with httpx.Client(transport=answering) as client:
        return client.get(f"https://api.example/items/{number}").json()["path"]


async def check_async(number):
    async with httpx.AsyncClient(transport=answering) as client:
        return (await client.get(f"https://api.example/items/{number}")).json()["path"]


for number in range(15):
    print(check(number), asyncio.run(check_async(number)))
