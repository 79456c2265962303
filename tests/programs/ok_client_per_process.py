"""Spawned workers, each with a client of its own.

contexts: 3
handshakes: 3
"""

import multiprocessing
import os

import httpx


def work(first, sending):
    with httpx.Client(base_url=os.environ["API_URL"]) as client:
        sending.send([client.get(f"/api/items/{number}").status_code for number in range(first, first + 4)])


if __name__ == "__main__":
    spawn = multiprocessing.get_context("spawn")
    receiving, sending = spawn.Pipe(duplex=False)
    workers = [spawn.Process(target=work, args=(number, sending)) for number in range(3)]
    for worker in workers:
        worker.start()
    print([receiving.recv() for _ in workers])
    for worker in workers:
        worker.join()
