"""http.client of the standard library: a connection is the client."""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bench.libraries import PER_CALL, SHARED, PlainAnswer, library

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.registry import Send
    from bench.workloads import Call
    from connprof_server.target import Target

LIBRARY = library("http.client", modules=("http.client",))


def _get(connection: http.client.HTTPSConnection, path: str) -> PlainAnswer:
    connection.request("GET", path)
    answer = connection.getresponse()
    return PlainAnswer(answer.status, answer.read())


@LIBRARY.strategy(PER_CALL, contexts="calls", handshakes="calls")
def per_call(target: Target) -> Iterator[Send]:
    """An HTTPSConnection for each call."""

    def send(call: Call) -> PlainAnswer:
        connection = http.client.HTTPSConnection(urlsplit(target.origins[call.origin]).netloc, timeout=10)
        try:
            return _get(connection, call.path)
        finally:
            connection.close()

    yield send


@LIBRARY.strategy(SHARED, contexts="origins", handshakes="origins")
def shared_client(target: Target) -> Iterator[Send]:
    """One HTTPSConnection for each origin."""
    connections: dict[str, http.client.HTTPSConnection] = {}

    def send(call: Call) -> PlainAnswer:
        if call.origin not in connections:
            netloc = urlsplit(target.origins[call.origin]).netloc
            connections[call.origin] = http.client.HTTPSConnection(netloc, timeout=10)
        return _get(connections[call.origin], call.path)

    yield send
    for connection in connections.values():
        connection.close()
