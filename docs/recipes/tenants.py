"""Many tenants: a thin client for each, with cookies and headers of its own, over one shared transport.

    python docs/recipes/tenants.py https://api.example.org

The connections, and the SSL context, are everybody's; what identifies a tenant is not. Leaving a client does not close
the transport: that is done once, when the program ends.
"""

import asyncio
import sys

import httpx


class SharedTransport(httpx.AsyncBaseTransport):
    """Passes requests on to a pool that outlives the clients."""

    def __init__(self) -> None:
        self._pool = httpx.AsyncHTTPTransport(limits=httpx.Limits(max_connections=50, keepalive_expiry=4))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request over a connection of the pool."""
        return await self._pool.handle_async_request(request)

    async def shut_down(self) -> None:
        """Close the pool. `aclose`, which every client calls when it is left, does nothing."""
        await self._pool.aclose()


async def main(base_url: str) -> None:
    """Log in as 20 tenants at once, and ask for each who the other side takes it for."""
    transport = SharedTransport()

    async def visit(tenant: str) -> bool:
        async with httpx.AsyncClient(transport=transport, base_url=base_url) as client:
            await client.get("/cookies/set", params={"session": tenant})
            await asyncio.sleep(0.05)
            answer = await client.get("/cookies")
            return bool(answer.json() == {"session": tenant})

    try:
        right = await asyncio.gather(*(visit(f"tenant-{number}") for number in range(20)))
    finally:
        await transport.shut_down()
    print(right.count(True), "of", len(right), "tenants were taken for themselves")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
