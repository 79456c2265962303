"""urllib3 by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.libraries import PER_CALL, SHARED, PlainAnswer, library

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.registry import Send
    from bench.workloads import Call
    from connprof_server.target import Target

LIBRARY = library("urllib3", modules=("urllib3",), versions=("2.8.0",))


@LIBRARY.strategy(PER_CALL, contexts="calls", handshakes="calls")
def per_call(target: Target) -> Iterator[Send]:
    """A PoolManager for each call."""
    import urllib3

    def send(call: Call) -> PlainAnswer:
        with urllib3.PoolManager() as pool:
            answer = pool.request("GET", target.url(call.path, call.origin), timeout=10)
            return PlainAnswer(answer.status, answer.data)

    yield send


@LIBRARY.strategy(SHARED, contexts="origins", handshakes="origins")
def shared_client(target: Target) -> Iterator[Send]:
    """One PoolManager."""
    import urllib3

    with urllib3.PoolManager() as pool:

        def send(call: Call) -> PlainAnswer:
            answer = pool.request("GET", target.url(call.path, call.origin), timeout=10)
            return PlainAnswer(answer.status, answer.data)

        yield send
