"""A client for each event loop, kept as an attribute of the loop; and one of each thread's."""

import asyncio
import threading

import httpx


def client():
    loop = asyncio.get_running_loop()
    found = getattr(loop, "http_client", None)
    if found is None:
        found = httpx.AsyncClient()
        loop.http_client = found
    return found


def of_thread():
    thread = threading.current_thread()
    if not hasattr(thread, "http_client"):
        thread.http_client = httpx.Client()
    return thread.http_client


async def session():
    for number in range(10):
        await client().get(f"https://api.example/{number}")
        of_thread().get(f"https://api.example/{number}")
    await client().aclose()


for _ in range(3):
    asyncio.run(session())
