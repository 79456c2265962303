import asyncio
import atexit
from contextlib import AsyncExitStack, ExitStack, aclosing, closing

import httpx
import requests


def main():
    client = httpx.Client()
    try:
        print(client.get("https://api.example"))
    finally:
        client.close()
    with closing(httpx.Client()) as other:
        other.get("https://api.example")
    third = httpx.Client()
    with third:
        third.get("https://api.example")
    with ExitStack() as stack:
        fourth = stack.enter_context(httpx.Client())
        fourth.get("https://api.example")
        fifth = httpx.Client()
        stack.callback(fifth.close)
        fifth.get("https://api.example")
    sixth = httpx.Client()
    atexit.register(sixth.close)
    sixth.get("https://api.example")
    requests.Session().get("https://api.example")


async def amain():
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(httpx.AsyncClient())
        await client.get("https://api.example")
    clients = [httpx.AsyncClient(), httpx.AsyncClient()]
    await asyncio.gather(*(each.get("https://api.example") for each in clients))
    for each in clients:
        await each.aclose()


if __name__ == "__main__":
    main()
    asyncio.run(amain())
