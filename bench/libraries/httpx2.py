"""httpx2 in three eras: certifi, truststore, and the paths of the system."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.libraries import PER_CALL, SHARED, Claim, library

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx2

    from bench.registry import AsyncSend
    from bench.workloads import Call
    from connprof_server.target import Target

LIBRARY = library("httpx2", modules=("httpx2",), versions=("2.2.0", "2.14.0", "2.16.2"))


@LIBRARY.strategy(PER_CALL, contexts="calls", handshakes="calls", eras={"2.14.0": Claim("calls", "calls", factor=2)})
async def per_call(target: Target) -> AsyncIterator[AsyncSend]:
    """An AsyncClient for each call."""
    import httpx2

    async def send(call: Call) -> httpx2.Response:
        async with httpx2.AsyncClient() as client:
            return await client.get(target.url(call.path, call.origin))

    yield send


@LIBRARY.strategy(SHARED, contexts="one", handshakes="origins", eras={"2.14.0": Claim(2, "origins")})
async def shared_client(target: Target) -> AsyncIterator[AsyncSend]:
    """One AsyncClient."""
    import httpx2

    async with httpx2.AsyncClient() as client:

        async def send(call: Call) -> httpx2.Response:
            return await client.get(target.url(call.path, call.origin))

        yield send
