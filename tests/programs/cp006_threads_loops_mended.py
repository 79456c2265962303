"""Each thread's loop has a client of its own.

contexts: 2
handshakes: 2
"""

import asyncio
import os
import threading

import httpx


async def work(name):
    async with httpx.AsyncClient(base_url=os.environ["API_URL"]) as client:
        print(name, (await client.get("/close")).status_code)


for name in ("first", "second"):
    thread = threading.Thread(target=lambda name=name: asyncio.run(work(name)))
    thread.start()
    thread.join()
