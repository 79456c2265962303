from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Self

import httpx

from bench.registry import strategy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from bench.registry import Send
    from bench.workloads import Call
    from connprof_server import Target

_LOOPS_COUNT = 2


class LoopThread:
    """A thread that runs an event loop with a client of its own; other threads hand it their calls."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._client = httpx.AsyncClient()
        return self

    def request(self, method: str, url: str) -> httpx.Response:
        """Make a call on this loop and wait for its answer, from any thread."""
        return asyncio.run_coroutine_threadsafe(self._client.request(method, url), self._loop).result()

    async def _close(self) -> None:
        await self._client.aclose()
        # Whoever still waits for an answer is told before the loop stops, or would wait for ever.
        await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}), return_exceptions=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@strategy(
    "loops-in-threads",
    contexts=_LOOPS_COUNT,
    handshakes="origins",
    fixes="module-client",
    scope="process",
    world="loops",
)
def loops_in_threads(target: Target) -> Iterator[Send]:
    """Several event loops in several threads, an AsyncClient in each.

    Each origin's calls always go to the same loop, so that its connection is used again.
    """
    with LoopThread() as first, LoopThread() as second:
        loops = (first, second)
        loop_of = {origin: loops[number % _LOOPS_COUNT] for number, origin in enumerate(target.origins)}

        def send(call: Call) -> httpx.Response:
            return loop_of[call.origin].request(call.method, target.url(call.path, call.origin))

        yield send
