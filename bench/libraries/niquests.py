"""niquests, which installs a urllib3 of its own: never in one environment with requests or urllib3."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.libraries import PER_CALL, SHARED, library

if TYPE_CHECKING:
    from collections.abc import Iterator

    import niquests

    from bench.registry import Send
    from bench.workloads import Call
    from connprof_server.target import Target

LIBRARY = library("niquests", modules=("niquests",), versions=("3.21.2",))


@LIBRARY.strategy(PER_CALL, contexts="one", handshakes="calls")
def per_call(target: Target) -> Iterator[Send]:
    """niquests.get for each call."""
    import niquests

    def send(call: Call) -> niquests.Response:
        return niquests.get(target.url(call.path, call.origin), timeout=10)

    yield send


@LIBRARY.strategy(SHARED, contexts="one", handshakes="origins")
def shared_client(target: Target) -> Iterator[Send]:
    """One niquests.Session."""
    import niquests

    with niquests.Session() as session:

        def send(call: Call) -> niquests.Response:
            return session.get(target.url(call.path, call.origin), timeout=10)

        yield send
