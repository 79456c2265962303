from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx

from bench.registry import strategy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bench.registry import AsyncSend
    from bench.workloads import Call
    from connprof_server import Target


class ClientService:
    """Makes its client on first use, hands out the same one after that, and can be closed and used again."""

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
                        follow_redirects=True,
                        headers={"User-Agent": "chat-service/1.0"},
                    )
        return self._client

    async def close(self) -> None:
        """Close the client; the next use makes a new one."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()


@strategy("lazy-service", contexts="one", handshakes="origins", fixes="per-call-async", scope="process")
async def lazy_service(target: Target) -> AsyncIterator[AsyncSend]:
    """A client service that makes its AsyncClient on first use."""
    service = ClientService()

    async def send(call: Call) -> httpx.Response:
        client = await service.client()
        return await client.get(target.url(call.path, call.origin))

    yield send
    await service.close()
