from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from bench.registry import strategy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.registry import Send
    from bench.workloads import Call
    from connprof_server import Target


@strategy("per-call-client", contexts="calls", handshakes="calls", scope="call")
def per_call_client(target: Target) -> Iterator[Send]:
    """An httpx.Client made inside the function.

    It looks like reuse, but the client lives for one call.
    """

    def send(call: Call) -> httpx.Response:
        with httpx.Client() as client:
            return client.request(call.method, target.url(call.path, call.origin))

    yield send
