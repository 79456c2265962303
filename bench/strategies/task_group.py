from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx

from bench.registry import InParallel, strategy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from bench.workloads import Call
    from connprof_server import Target


@strategy("task-group", contexts="batches", handshakes="calls", fixes="per-call-async")
async def task_group(target: Target) -> AsyncIterator[InParallel]:
    """Calls beside each other in a TaskGroup, on one AsyncClient for the batch.

    When one of them raises, its siblings are cancelled and waited for before the client is closed. As with ``gather``,
    calls that start together find no connection to reuse.
    """

    async def send_all(calls: Sequence[Call]) -> list[httpx.Response]:
        async with httpx.AsyncClient() as client:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(client.request(call.method, target.url(call.path, call.origin))) for call in calls
                ]
            return [task.result() for task in tasks]

    async def send(call: Call) -> httpx.Response:
        (answer,) = await send_all([call])
        return answer

    yield InParallel(send, send_all)
