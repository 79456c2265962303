from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from bench.registry import strategy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bench.registry import AsyncSend
    from bench.workloads import Call
    from connprof_server import Target


@strategy("module-client", contexts="one", handshakes="origins", fixes="per-call-async", scope="process")
async def module_client(target: Target) -> AsyncIterator[AsyncSend]:
    """A module-level AsyncClient that is used from wherever.

    What stands here before the ``yield`` stands at the top of a module elsewhere. Nobody closes such a client, and no
    event loop owns it: known bad wherever there is more than one.
    """
    client = httpx.AsyncClient()

    async def send(call: Call) -> httpx.Response:
        return await client.request(call.method, target.url(call.path, call.origin))

    yield send
