"""A client per worker, each of which makes many calls with it."""
import asyncio
import multiprocessing
import queue
import threading

import httpx
import requests


def worker(tasks):
    session = requests.Session()
    while (item := tasks.get()) is not None:
        session.get(item)


def started(tasks):
    with requests.Session() as session:
        while True:
            session.get(tasks.get())


async def aworker(tasks):
    async with httpx.AsyncClient() as client:
        while True:
            await client.get(await tasks.get())


def main():
    tasks = queue.Queue()
    threads = [threading.Thread(target=worker, args=(tasks,)) for _ in range(4)]
    for each in threads:
        each.start()
    for _ in range(4):
        multiprocessing.Process(target=started, args=(tasks,)).start()
    asyncio.run(amain())


async def amain():
    tasks = asyncio.Queue()
    running = [asyncio.create_task(aworker(tasks)) for _ in range(4)]
    await asyncio.gather(*running)


if __name__ == "__main__":
    main()
