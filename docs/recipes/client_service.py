"""A client service: one object for the whole program, that makes a client on first use, one for each event loop.

    python docs/recipes/client_service.py https://api.example.org        (needs httpx[http2])

People often guard the first use with an asyncio.Lock, which belongs to a loop itself: two threads then wait for each
other for ever. Making a client takes no await, so an ordinary lock does, for a moment and against all threads.
"""

import asyncio
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx


class ClientService:
    """Sends requests with the running loop's client; clients of loops that have ended are dropped."""

    def __init__(self) -> None:
        self._clients: dict[asyncio.AbstractEventLoop, httpx.AsyncClient] = {}
        self._lock = threading.Lock()

    def _client(self) -> httpx.AsyncClient:
        loop = asyncio.get_running_loop()
        with self._lock:
            if loop not in self._clients:
                self._clients = {other: kept for other, kept in self._clients.items() if not other.is_closed()}
                self._clients[loop] = httpx.AsyncClient(http2=True, timeout=httpx.Timeout(10, read=30, pool=5))
            return self._clients[loop]

    async def get(self, url: str) -> httpx.Response:
        """GET ``url``."""
        return await self._client().get(url)

    async def close(self) -> None:
        """Close the running loop's client, once nothing uses it any more; the next use makes a new one."""
        with self._lock:
            client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose()


service = ClientService()


async def session(base_url: str, start: threading.Barrier) -> int:
    """What one loop does: five calls at the same time as the other loops, and then close its client."""
    start.wait()
    answers = [await service.get(f"{base_url}/api/datasets/{number}") for number in range(5)]
    await service.close()
    return sum(answer.is_success for answer in answers)


def main(base_url: str) -> None:
    """Four loops in four threads, twice."""
    start = threading.Barrier(4)
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: asyncio.run(session(base_url, start)), range(8)))
    print(sum(done), "calls answered in", len(done), "loops")


if __name__ == "__main__":
    main(sys.argv[1])
