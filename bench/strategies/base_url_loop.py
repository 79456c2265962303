from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import httpx

from bench.registry import strategy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.registry import Send
    from bench.workloads import Call
    from connprof_server import Target


@strategy("base-url-loop", contexts="origins", handshakes="origins", fixes="per-call-get")
def base_url_loop(target: Target) -> Iterator[Send]:
    """A loop inside one httpx.Client with a base_url; one block for each API."""
    with ExitStack() as stack:
        clients: dict[str, httpx.Client] = {}

        def send(call: Call) -> httpx.Response:
            if call.origin not in clients:
                clients[call.origin] = stack.enter_context(httpx.Client(base_url=target.origins[call.origin]))
            return clients[call.origin].request(call.method, call.path)

        yield send
