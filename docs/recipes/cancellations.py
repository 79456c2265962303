"""Many cancellations: a client for each call, all with one SSL context.

    python docs/recipes/cancellations.py https://api.example.org

A call that is cancelled takes nothing but its own client with it. In a shared pool of httpx 0.28 it can keep its slot
for ever, until every later call ends in PoolTimeout.
"""

import asyncio
import sys

import httpx


async def main(base_url: str) -> None:
    """Give up on ten slow calls at once, then make ten that are answered."""
    context = httpx.create_ssl_context()

    async def fetch(path: str) -> int:
        async with httpx.AsyncClient(verify=context) as client:
            response = await client.get(base_url + path)
            return len(response.raise_for_status().content)

    async def within(limit_s: float, path: str) -> bool:
        try:
            async with asyncio.timeout(limit_s):
                await fetch(path)
        except TimeoutError:
            return False
        return True

    slow = await asyncio.gather(*(within(0.3, "/delay/5000") for _ in range(10)))
    after = [await within(10, f"/api/datasets/{number}") for number in range(10)]
    print(slow.count(False), "given up,", after.count(True), "of", len(after), "answered afterwards")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
