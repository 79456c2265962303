"""aiohttp, which makes two contexts when it is imported and shares them from then on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.libraries import PER_CALL, SHARED, PlainAnswer, library

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bench.registry import AsyncSend
    from bench.workloads import Call
    from connprof_server.target import Target

LIBRARY = library("aiohttp", modules=("aiohttp",), versions=("3.14.5",))


@LIBRARY.strategy(PER_CALL, contexts=0, handshakes="calls")
async def per_call(target: Target) -> AsyncIterator[AsyncSend]:
    """A ClientSession for each call."""
    import aiohttp

    async def send(call: Call) -> PlainAnswer:
        async with aiohttp.ClientSession() as session, session.get(target.url(call.path, call.origin)) as answer:
            return PlainAnswer(answer.status, await answer.read())

    yield send


@LIBRARY.strategy(SHARED, contexts=0, handshakes="origins")
async def shared_client(target: Target) -> AsyncIterator[AsyncSend]:
    """One ClientSession."""
    import aiohttp

    async with aiohttp.ClientSession() as session:

        async def send(call: Call) -> PlainAnswer:
            async with session.get(target.url(call.path, call.origin)) as answer:
                return PlainAnswer(answer.status, await answer.read())

        yield send
