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


class LoopClients:
    """A client for each event loop; those of closed loops are dropped when a new one comes."""

    def __init__(self) -> None:
        self._clients: dict[asyncio.AbstractEventLoop, httpx.AsyncClient] = {}

    def client(self) -> httpx.AsyncClient:
        """The running loop's client, made now if there is none."""
        loop = asyncio.get_running_loop()
        if loop not in self._clients:
            for other in [other for other in list(self._clients) if other.is_closed()]:
                self._clients.pop(other, None)
            self._clients[loop] = httpx.AsyncClient()
        return self._clients[loop]

    async def close(self) -> None:
        """Close the running loop's client, before that loop ends."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose()


@strategy("loop-registry", contexts="loops", handshakes="loops", fixes="module-client", scope="process", world="loops")
async def loop_registry(target: Target) -> AsyncIterator[AsyncSend]:
    """An AsyncClient for each event loop, in a registry that drops those of closed loops."""
    clients = LoopClients()

    async def send(call: Call) -> httpx.Response:
        return await clients.client().request(call.method, target.url(call.path, call.origin))

    yield send
    await clients.close()
