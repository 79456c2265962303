from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from bench.registry import strategy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.registry import Send
    from bench.workloads import Call
    from connprof_server import Target


@strategy(
    "shared-sync-client",
    contexts="one",
    handshakes="origins",
    fixes="per-call-client",
    scope="process",
    world="threads",
)
def shared_sync_client(target: Target) -> Iterator[Send]:
    """One httpx.Client that all threads share.

    Its pool is thread-safe; its cookies and its headers are everybody's.
    """
    client = httpx.Client()

    def send(call: Call) -> httpx.Response:
        return client.request(call.method, target.url(call.path, call.origin))

    yield send
    client.close()
