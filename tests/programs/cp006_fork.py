"""A client that was made, and used, before a fork: the child goes on with its parent's connection.

contexts: 1
handshakes: 1
"""

import multiprocessing
import os

import httpx

client = httpx.Client(base_url=os.environ["API_URL"])  # finding: CP006


def work(sending):
    sending.send([client.get(f"/api/jobs/{number}").status_code for number in range(3)])


if __name__ == "__main__":
    fork = multiprocessing.get_context("fork")
    print(client.get("/api/plan").status_code)
    receiving, sending = fork.Pipe(duplex=False)
    process = fork.Process(target=work, args=(sending,))
    process.start()
    print(receiving.recv())
    process.join()
