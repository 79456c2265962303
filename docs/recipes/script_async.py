"""A script with an event loop: one client in a block around the whole batch, and every call's failure is its own.

    python docs/recipes/script_async.py https://api.example.org

With `gather` alone, the first failure would leave the block and close the client under the calls that still run.
"""

import asyncio
import sys

import httpx


async def main(base_url: str) -> None:
    """Make 20 calls, at most 4 at once, and say what came of each."""
    limits = httpx.Limits(max_connections=4, max_keepalive_connections=4)
    timeout = httpx.Timeout(10, pool=60)  # a call may wait long for one of the four connections
    async with httpx.AsyncClient(base_url=base_url, limits=limits, timeout=timeout) as client:

        async def fetch(path: str) -> int:
            response = await client.get(path)
            response.raise_for_status()
            return len(response.content)

        paths = [f"/api/datasets/{number}" for number in range(19)] + ["/status/503"]
        results = await asyncio.gather(*map(fetch, paths), return_exceptions=True)
    for path, result in zip(paths, results, strict=True):
        print(path, result if isinstance(result, int) else f"failed: {type(result).__name__}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
