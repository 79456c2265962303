from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from bench.registry import strategy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bench.registry import AsyncSend
    from bench.workloads import Call
    from connprof_server import Target


class SharedTransport(httpx.AsyncBaseTransport):
    """Passes requests on to a transport that outlives the clients: leaving a client does not close it."""

    def __init__(self) -> None:
        self._transport = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send ``request`` over a connection of the shared pool."""
        return await self._transport.handle_async_request(request)

    async def shut_down(self) -> None:
        """Close the pool, when the program ends. ``aclose``, which every client calls, does nothing."""
        await self._transport.aclose()


@strategy("shared-transport", contexts="one", handshakes="origins", fixes="per-call-async", scope="process")
async def shared_transport(target: Target) -> AsyncIterator[AsyncSend]:
    """A thin AsyncClient for each call over one transport that it does not close.

    Each call has cookies and headers of its own, and the pool is everybody's. The pool belongs to the event loop that
    used it first, as any other.
    """
    transport = SharedTransport()

    async def send(call: Call) -> httpx.Response:
        async with httpx.AsyncClient(transport=transport) as client:
            return await client.request(call.method, target.url(call.path, call.origin))

    yield send
    await transport.shut_down()
