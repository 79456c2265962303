from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from bench.registry import strategy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bench.registry import AsyncSend
    from bench.workloads import Call
    from connprof_server import Target


@strategy("per-call-async", contexts="calls", handshakes="calls", scope="call")
async def per_call_async(target: Target) -> AsyncIterator[AsyncSend]:
    """A new AsyncClient for each call (the regression).

    What the incident's helpers did: make a client, call, close it.
    """

    async def send(call: Call) -> httpx.Response:
        async with httpx.AsyncClient() as client:
            return await client.request(call.method, target.url(call.path, call.origin))

    yield send
