"""httpx, in an environment that holds nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.libraries import PER_CALL, SHARED, library

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

    from bench.registry import AsyncSend
    from bench.workloads import Call
    from connprof_server.target import Target

LIBRARY = library("httpx", modules=("httpx",), versions=("0.28.1",))


@LIBRARY.strategy(PER_CALL, contexts="calls", handshakes="calls")
async def per_call(target: Target) -> AsyncIterator[AsyncSend]:
    """An AsyncClient for each call."""
    import httpx

    async def send(call: Call) -> httpx.Response:
        async with httpx.AsyncClient() as client:
            return await client.get(target.url(call.path, call.origin))

    yield send


@LIBRARY.strategy(SHARED, contexts="one", handshakes="origins")
async def shared_client(target: Target) -> AsyncIterator[AsyncSend]:
    """One AsyncClient."""
    import httpx

    async with httpx.AsyncClient() as client:

        async def send(call: Call) -> httpx.Response:
            return await client.get(target.url(call.path, call.origin))

        yield send
