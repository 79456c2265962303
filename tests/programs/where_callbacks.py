"""Callbacks of the loop: the line in the callback, or the one that handed it to the loop.

handshakes: 4
unknown: 0
"""

import asyncio
import os

import httpx

API = os.environ["API_URL"]
done = []


async def one():
    async with httpx.AsyncClient() as client:
        await client.get(f"{API}/close")  # pays: 2 handshakes
    done.append("async")


def tick():
    httpx.get(f"{API}/close")  # pays: 2 handshakes
    done.append("sync")


async def main():
    loop = asyncio.get_running_loop()
    loop.call_soon(tick)
    loop.call_later(0.01, tick)
    tasks = [loop.create_task(one())]
    tasks[0].add_done_callback(lambda _: tasks.append(loop.create_task(one())))
    while len(done) < 4:
        await asyncio.sleep(0.01)
    print(sorted(done))


asyncio.run(main())
