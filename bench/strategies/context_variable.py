from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

import httpx

from bench.registry import strategy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bench.registry import AsyncSend
    from bench.workloads import Call
    from connprof_server import Target


@strategy("context-variable", contexts="tasks", handshakes="tasks", fixes="per-call-async", scope="process")
async def context_variable(target: Target) -> AsyncIterator[AsyncSend]:
    """An AsyncClient in a context variable, made where there is none.

    Known bad: a task sees what was set before it started, and what it sets itself is seen by nobody else. So every
    task that starts without a client makes its own, and nobody closes it: among many short tasks that is worse than a
    client for each call.
    """
    current: ContextVar[httpx.AsyncClient | None] = ContextVar("current", default=None)

    def client() -> httpx.AsyncClient:
        found = current.get()
        if found is None:
            found = httpx.AsyncClient()
            current.set(found)
        return found

    async def send(call: Call) -> httpx.Response:
        return await client().request(call.method, target.url(call.path, call.origin))

    yield send
