"""Many event loops: a client for each, as an attribute of its loop, closed before the loop ends.

    python docs/recipes/many_loops.py https://api.example.org

An AsyncClient belongs to the loop that used it first. Kept on the loop itself it can neither be found by another one
nor outlive it, which a module-level client, or a registry that holds loops, does.
"""

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor

import httpx


def client() -> httpx.AsyncClient:
    """The running loop's client, made now if there is none. No await, so no lock is needed."""
    loop = asyncio.get_running_loop()
    found: httpx.AsyncClient | None = getattr(loop, "http_client", None)
    if found is None:
        found = httpx.AsyncClient()
        loop.http_client = found  # type: ignore[attr-defined]
    return found


async def session(base_url: str, calls_count: int) -> int:
    """What one loop does: some calls, from anywhere in it, and then close its client."""
    sizes = []
    for number in range(calls_count):
        response = await client().get(f"{base_url}/api/datasets/{number}")
        sizes.append(len(response.raise_for_status().content))
    await client().aclose()
    return len(sizes)


def main(base_url: str) -> None:
    """Three loops one after another, then four at once in threads."""
    done = [asyncio.run(session(base_url, 5)) for _ in range(3)]
    with ThreadPoolExecutor(4) as pool:
        done += pool.map(lambda _: asyncio.run(session(base_url, 5)), range(4))
    print(sum(done), "calls answered in", len(done), "loops")


if __name__ == "__main__":
    main(sys.argv[1])
