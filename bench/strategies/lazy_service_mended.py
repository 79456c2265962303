from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx

from bench.registry import strategy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bench.registry import AsyncSend
    from bench.workloads import Call
    from connprof_server import Target


class LoopClient:
    """One event loop's client, and how many requests use it."""

    def __init__(self) -> None:
        self.client = httpx.AsyncClient(
            limits=httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=30),
            timeout=httpx.Timeout(connect=10, read=30, write=10, pool=5),
            http2=True,
            follow_redirects=True,
            headers={"User-Agent": "chat-bot/1.0"},
        )
        self.users_count = 0
        self.closing = False


class ClientService:
    """The chat bot's HTTP service with a client for each event loop, and so for each thread that runs one.

    Making a client takes no ``await``, so an ordinary lock guards it, for a moment and against all threads. Clients of
    closed loops are dropped. Closing waits for nobody and cuts nobody off: the last request that uses a client
    closes it.
    """

    def __init__(self) -> None:
        self._clients: dict[asyncio.AbstractEventLoop, LoopClient] = {}
        self._lock = threading.Lock()

    @asynccontextmanager
    async def client(self) -> AsyncIterator[httpx.AsyncClient]:
        """The running loop's client, made now if there is none; open for as long as it is used."""
        loop = asyncio.get_running_loop()
        with self._lock:
            if loop not in self._clients:
                self._clients = {other: kept for other, kept in self._clients.items() if not other.is_closed()}
                self._clients[loop] = LoopClient()
            used = self._clients[loop]
        used.users_count += 1
        try:
            yield used.client
        finally:
            used.users_count -= 1
            if used.closing and not used.users_count:
                await used.client.aclose()

    async def request(self, method: str, url: str, **options: Any) -> httpx.Response:
        """Send a request; ``options`` are httpx's, such as a ``timeout`` of its own."""
        async with self.client() as client:
            return await client.request(method, url, **options)

    async def get(self, url: str, **options: Any) -> httpx.Response:
        """GET ``url``."""
        return await self.request("GET", url, **options)

    async def post(self, url: str, **options: Any) -> httpx.Response:
        """POST to ``url``."""
        return await self.request("POST", url, **options)

    async def put(self, url: str, **options: Any) -> httpx.Response:
        """PUT to ``url``."""
        return await self.request("PUT", url, **options)

    async def delete(self, url: str, **options: Any) -> httpx.Response:
        """DELETE ``url``."""
        return await self.request("DELETE", url, **options)

    async def close(self) -> None:
        """Close the running loop's client, at shutdown; the next use makes a new one."""
        with self._lock:
            used = self._clients.pop(asyncio.get_running_loop(), None)
        if used is not None:
            used.closing = True
            if not used.users_count:
                await used.client.aclose()


@strategy(
    "lazy-service-mended", contexts="loops", handshakes="loops", fixes="lazy-service", scope="process", world="loops"
)
async def lazy_service_mended(target: Target) -> AsyncIterator[AsyncSend]:
    """A client service that makes its AsyncClient on first use, one for each event loop."""
    service = ClientService()

    async def send(call: Call) -> httpx.Response:
        return await service.request(call.method, target.url(call.path, call.origin))

    yield send
    await service.close()
