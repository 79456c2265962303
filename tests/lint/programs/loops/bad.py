"""Made anew in each round."""
import asyncio

import httpx


def main(urls):
    for url in urls:
        with httpx.Client() as client:  # expect: CP004 certain
            client.get(url)


def poll():
    while True:
        client = httpx.Client()  # expect: CP004 certain
        client.get("https://api.example/health")
        client.close()


async def gathered(urls):
    clients = [httpx.AsyncClient() for _ in urls]  # expect: CP001 likely
    await asyncio.gather(*(client.get(url) for client, url in zip(clients, urls)))
    for client in clients:
        await client.aclose()


async def fetch(url):
    async with httpx.AsyncClient() as client:  # expect: CP001 certain
        return await client.get(url)


async def gathered_again(urls):
    return await asyncio.gather(*[fetch(url) for url in urls])


def mapped(pool, urls):
    return list(pool.map(lambda url: httpx.Client().get(url), urls))  # expect: CP004 certain, CP007 likely


for number in range(3):
    with httpx.Client() as client:  # expect: CP004 certain
        client.get(f"https://api.example/{number}")
