from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from bench import axes
from bench.registry import strategy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bench.registry import AsyncSend
    from bench.workloads import Call
    from connprof_server import Target


@strategy("tuned-per-call", contexts="calls", handshakes="calls", scope="call")
async def tuned_per_call(target: Target) -> AsyncIterator[AsyncSend]:
    """A new AsyncClient for each call, with the options that its case's axes ask for."""

    async def send(call: Call) -> httpx.Response:
        async with httpx.AsyncClient(**axes.current().client_options()) as client:
            return await client.request(call.method, target.url(call.path, call.origin))

    yield send
