from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx

from bench.registry import InParallel, strategy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from bench.workloads import Call
    from connprof_server import Target


@strategy("gather", contexts="batches", handshakes="calls", fixes="per-call-async")
async def gather(target: Target) -> AsyncIterator[InParallel]:
    """Calls beside each other with asyncio.gather, on one AsyncClient for the batch.

    When one of them raises, ``gather`` raises at once and leaves its siblings running, and the block around it closes
    the client under them. And calls that start together find no connection to reuse.
    """

    async def send_all(calls: Sequence[Call]) -> list[httpx.Response]:
        async with httpx.AsyncClient() as client:
            return await asyncio.gather(
                *(client.request(call.method, target.url(call.path, call.origin)) for call in calls)
            )

    async def send(call: Call) -> httpx.Response:
        (answer,) = await send_all([call])
        return answer

    yield InParallel(send, send_all)
