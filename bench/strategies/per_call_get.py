from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from bench.registry import strategy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.registry import Send
    from bench.workloads import Call
    from connprof_server import Target


@strategy("per-call-get", contexts="calls", handshakes="calls", scope="call")
def per_call_get(target: Target) -> Iterator[Send]:
    """A plain httpx.get for each call.

    The first thing that everybody writes; inside, it is a client made for the one call, and so is ``httpx.request``,
    which ``httpx.get`` calls.
    """

    def send(call: Call) -> httpx.Response:
        return httpx.request(call.method, target.url(call.path, call.origin))

    yield send
