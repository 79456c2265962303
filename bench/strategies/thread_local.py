from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import httpx

from bench.registry import strategy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.registry import Send
    from bench.workloads import Call
    from connprof_server import Target


@strategy(
    "thread-local",
    contexts="threads",
    handshakes="threads",
    fixes="per-call-client",
    scope="process",
    world="threads",
)
def thread_local(target: Target) -> Iterator[Send]:
    """An httpx.Client for each thread, in a threading.local.

    Nobody closes them: a thread cannot reach another one's client, and none knows when it is about to end. Where every
    job gets a thread of its own, so does every job a client.
    """
    local = threading.local()

    def client() -> httpx.Client:
        if not hasattr(local, "client"):
            local.client = httpx.Client()
        found: httpx.Client = local.client
        return found

    def send(call: Call) -> httpx.Response:
        return client().request(call.method, target.url(call.path, call.origin))

    yield send
