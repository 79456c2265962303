"""Many threads, one synchronous client: with as many connections as there are threads.

    python docs/recipes/shared_client.py https://api.example.org

An httpx.Client may be used by several threads at once, an AsyncClient may not be used by several loops. Its cookies are
everybody's, though; and with fewer connections than threads, threads wait for each other, and now and then in vain.
"""

import sys
from concurrent.futures import ThreadPoolExecutor

import httpx

THREADS_COUNT = 4


def main(base_url: str) -> None:
    """40 calls in four threads."""
    limits = httpx.Limits(max_connections=THREADS_COUNT, max_keepalive_connections=THREADS_COUNT, keepalive_expiry=4)
    with httpx.Client(base_url=base_url, limits=limits) as client:

        def fetch(number: int) -> int:
            return len(client.get(f"/api/datasets/{number}").raise_for_status().content)

        with ThreadPoolExecutor(THREADS_COUNT) as pool:
            sizes = list(pool.map(fetch, range(40)))
    print(len(sizes), "calls answered")


if __name__ == "__main__":
    main(sys.argv[1])
