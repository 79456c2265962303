from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import httpx

from bench.registry import strategy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bench.registry import AsyncSend
    from bench.workloads import Call
    from connprof_server import Target


@strategy(
    "loop-weak-registry", contexts="loops", handshakes="loops", fixes="module-client", scope="process", world="loops"
)
async def loop_weak_registry(target: Target) -> AsyncIterator[AsyncSend]:
    """An AsyncClient for each event loop, in a WeakKeyDictionary that never lets go.

    Known bad: each value holds its key. A pooled connection refers to the loop that it was opened in, so no loop and
    no client is ever freed.
    """
    clients: WeakKeyDictionary[asyncio.AbstractEventLoop, httpx.AsyncClient] = WeakKeyDictionary()

    def client() -> httpx.AsyncClient:
        loop = asyncio.get_running_loop()
        if loop not in clients:
            clients[loop] = httpx.AsyncClient()
        return clients[loop]

    async def send(call: Call) -> httpx.Response:
        return await client().request(call.method, target.url(call.path, call.origin))

    yield send
