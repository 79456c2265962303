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


@strategy("tuned-client", contexts="one", handshakes="origins", fixes="tuned-per-call")
async def tuned_client(target: Target) -> AsyncIterator[AsyncSend]:
    """One AsyncClient with the options that its case's axes ask for.

    HTTP/2, limits, verification and truststore are arguments that other strategies do not pass.
    """
    async with httpx.AsyncClient(**axes.current().client_options()) as client:

        async def send(call: Call) -> httpx.Response:
            return await client.request(call.method, target.url(call.path, call.origin))

        yield send
