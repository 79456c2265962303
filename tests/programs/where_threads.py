"""Threads and their pools: the line in the function, or the one that submitted a library's function.

handshakes: 8
unknown: 0
"""

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx

API = os.environ["API_URL"]


def fetch(_):
    return httpx.get(f"{API}/close").status_code  # pays: 2 handshakes


async def main():
    print((await asyncio.to_thread(httpx.get, f"{API}/close")).status_code)  # pays: 1 handshakes
    loop = asyncio.get_running_loop()
    print((await loop.run_in_executor(None, httpx.get, f"{API}/close")).status_code)  # pays: 1 handshakes


with ThreadPoolExecutor(2) as pool:
    print(list(pool.map(fetch, range(2))))
    print(pool.submit(httpx.get, f"{API}/close").result().status_code)  # pays: 1 handshakes
    print(len(list(pool.map(httpx.get, [f"{API}/close"] * 2))))  # pays: 2 handshakes
thread = threading.Thread(target=httpx.get, args=(f"{API}/close",))
thread.start()  # pays: 1 handshakes
thread.join()
asyncio.run(main())
