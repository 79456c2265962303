from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from bench.registry import strategy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bench.registry import AsyncSend
    from bench.workloads import Call
    from connprof_server import Target


@strategy("one-client", contexts="one", handshakes="origins", fixes="per-call-async")
async def one_client(target: Target) -> AsyncIterator[AsyncSend]:
    """One AsyncClient for everything."""
    async with httpx.AsyncClient() as client:

        async def send(call: Call) -> httpx.Response:
            return await client.request(call.method, target.url(call.path, call.origin))

        yield send
