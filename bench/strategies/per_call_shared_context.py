from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import httpx

from bench.registry import strategy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bench.registry import AsyncSend
    from bench.workloads import Call
    from connprof_server import Target


@strategy("per-call-shared-context", contexts="one", handshakes="calls", fixes="per-call-async", scope="call")
async def per_call_shared_context(target: Target) -> AsyncIterator[AsyncSend]:
    """A new AsyncClient for each call, one SSLContext for all.

    No state is shared between calls but the trust store, which is where the bytes are.
    """
    context = ssl.create_default_context()

    async def send(call: Call) -> httpx.Response:
        async with httpx.AsyncClient(verify=context) as client:
            return await client.request(call.method, target.url(call.path, call.origin))

    yield send
