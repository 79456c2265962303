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


_ATTRIBUTE = "_http_client"


@strategy("client-on-loop", contexts="loops", handshakes="loops", fixes="module-client", scope="process", world="loops")
async def client_on_loop(target: Target) -> AsyncIterator[AsyncSend]:
    """An AsyncClient for each event loop, kept as an attribute of the loop.

    It goes when its loop goes; who wants it closed in order calls ``close`` before the loop ends.
    """

    def client() -> httpx.AsyncClient:
        loop = asyncio.get_running_loop()
        found: httpx.AsyncClient | None = getattr(loop, _ATTRIBUTE, None)
        if found is None:
            found = httpx.AsyncClient()
            setattr(loop, _ATTRIBUTE, found)
        return found

    async def close() -> None:
        found = vars(asyncio.get_running_loop()).pop(_ATTRIBUTE, None)
        if found is not None:
            await found.aclose()

    async def send(call: Call) -> httpx.Response:
        return await client().request(call.method, target.url(call.path, call.origin))

    yield send
    await close()
