"""An async client in the event loops of two threads, one after the other.

contexts: 1
handshakes: 2
"""

import asyncio
import os
import threading

import httpx

client = httpx.AsyncClient(base_url=os.environ["API_URL"])  # finding: CP006


async def work(name):
    print(name, (await client.get("/close")).status_code)


for name in ("first", "second"):
    thread = threading.Thread(target=lambda name=name: asyncio.run(work(name)))
    thread.start()
    thread.join()
