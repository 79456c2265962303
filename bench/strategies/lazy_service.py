from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx

from bench.registry import strategy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bench.registry import AsyncSend
    from bench.workloads import Call
    from connprof_server import Target


class ClientService:
    """A chat bot's HTTP service: makes its client on first use and hands out the same one after that.

    The lock sees to it that no two tasks make a client each; it guards the tasks of one event loop and no other.
    """

    def __init__(self) -> None:
        self._client: httpx.AsyncClient | None = None
        self._lock = asyncio.Lock()

    async def client(self) -> httpx.AsyncClient:
        """The shared client, made now if there is none."""
        if self._client is None:
            async with self._lock:
                if self._client is None:
                    self._client = httpx.AsyncClient(
                        limits=httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=30),
                        timeout=httpx.Timeout(connect=10, read=30, write=10, pool=5),
                        http2=True,
                        follow_redirects=True,
                        headers={"User-Agent": "chat-bot/1.0"},
                    )
        return self._client

    async def request(self, method: str, url: str, **options: Any) -> httpx.Response:
        """Send a request; ``options`` are httpx's, such as a ``timeout`` of its own."""
        client = await self.client()
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
        """Close the client, at shutdown; the next use makes a new one."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()


@strategy("lazy-service", contexts="one", handshakes="origins", fixes="per-call-async", scope="process")
async def lazy_service(target: Target) -> AsyncIterator[AsyncSend]:
    """A client service that makes its AsyncClient on first use, behind an asyncio.Lock."""
    service = ClientService()

    async def send(call: Call) -> httpx.Response:
        return await service.request(call.method, target.url(call.path, call.origin))

    yield send
    await service.close()
