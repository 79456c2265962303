"""A pool of forked workers, each with a client of its own from its start on.

contexts: 2
handshakes: 2
"""

import multiprocessing
import os

import httpx

client = None


def begin():
    global client
    client = httpx.Client(base_url=os.environ["API_URL"])


def work(number):
    return client.get(f"/gate/2/both{number}").status_code


if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(2, begin) as pool:
        for number in range(3):
            print(pool.map(work, [number, number], chunksize=1))  # each waits for the other
        pool.close()
        pool.join()
