"""requests in three eras: 2.32.2 to 2.32.4 shared one context, made at import, before that was taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.libraries import PER_CALL, SHARED, Claim, library

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.registry import Send
    from bench.workloads import Call
    from connprof_server.target import Target

LIBRARY = library("requests", modules=("requests",), versions=("2.31.0", "2.32.4", "2.34.2"))


@LIBRARY.strategy(PER_CALL, contexts="calls", handshakes="calls", eras={"2.32.4": Claim(0, "calls")})
def per_call(target: Target) -> Iterator[Send]:
    """requests.get for each call."""
    import requests

    def send(call: Call) -> requests.Response:
        return requests.get(target.url(call.path, call.origin), timeout=10)

    yield send


@LIBRARY.strategy(SHARED, contexts="origins", handshakes="origins", eras={"2.32.4": Claim(0, "origins")})
def shared_client(target: Target) -> Iterator[Send]:
    """One requests.Session."""
    import requests

    with requests.Session() as session:

        def send(call: Call) -> requests.Response:
            return session.get(target.url(call.path, call.origin), timeout=10)

        yield send
