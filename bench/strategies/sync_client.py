from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from bench.registry import strategy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.registry import Send
    from bench.workloads import Call
    from connprof_server import Target


@strategy("sync-client", contexts="one", handshakes="origins", fixes="per-call-client")
def sync_client(target: Target) -> Iterator[Send]:
    """One httpx.Client in a with block around the batch."""
    with httpx.Client() as client:

        def send(call: Call) -> httpx.Response:
            return client.request(call.method, target.url(call.path, call.origin))

        yield send
