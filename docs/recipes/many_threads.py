"""Many threads: a synchronous client for each, made by the pool when it starts a thread, all closed at the end.

    python docs/recipes/many_threads.py https://api.example.org

They share one SSL context, which is the dear part of a client and may be used by all threads.
"""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx

local = threading.local()


def fetch(url: str) -> int:
    """The size of one answer, by the client of the thread that this runs in."""
    client: httpx.Client = local.client
    return len(client.get(url).raise_for_status().content)


def main(base_url: str) -> None:
    """40 calls in four threads."""
    context = httpx.create_ssl_context()
    with ExitStack() as clients:

        def prepare() -> None:
            local.client = clients.enter_context(httpx.Client(verify=context))

        with ThreadPoolExecutor(4, initializer=prepare) as pool:
            sizes = list(pool.map(fetch, [f"{base_url}/api/datasets/{number}" for number in range(40)]))
    print(len(sizes), "calls answered")


if __name__ == "__main__":
    main(sys.argv[1])
