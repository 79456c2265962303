"""The child makes a client of its own.

contexts: 2
handshakes: 2
"""

import multiprocessing
import os

import httpx

API = os.environ["API_URL"]


def work(sending):
    with httpx.Client(base_url=API) as client:
        sending.send([client.get(f"/api/jobs/{number}").status_code for number in range(3)])


if __name__ == "__main__":
    fork = multiprocessing.get_context("fork")
    with httpx.Client(base_url=API) as client:
        print(client.get("/api/plan").status_code)
    receiving, sending = fork.Pipe(duplex=False)
    process = fork.Process(target=work, args=(sending,))
    process.start()
    print(receiving.recv())
    process.join()
