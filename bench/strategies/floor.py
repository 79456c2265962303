from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from bench.registry import strategy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.registry import Send
    from bench.workloads import Call
    from connprof_server import Target

_PIECE_BYTES = 65_536


class RawAnswer(NamedTuple):
    """As much of an answer as can be had without a library."""

    status_code: int
    content: bytes


@strategy("floor", contexts="one", handshakes="origins")
def floor(target: Target) -> Iterator[Send]:
    """Raw TLS sockets of the standard library, one per origin: the cheapest there is."""
    context = ssl.create_default_context()
    sockets: dict[str, ssl.SSLSocket] = {}

    def send(call: Call) -> RawAnswer:
        url = urlsplit(target.origins[call.origin])
        if call.origin not in sockets:
            assert url.hostname is not None
            raw = socket.create_connection((url.hostname, url.port), timeout=10)
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sockets[call.origin] = context.wrap_socket(raw, server_hostname=url.hostname)
        connection = sockets[call.origin]
        connection.sendall(f"{call.method} {call.path} HTTP/1.1\r\nHost: {url.netloc}\r\n\r\n".encode())
        return read_answer(connection)

    yield send
    for connection in sockets.values():
        connection.close()


def read_answer(connection: ssl.SSLSocket) -> RawAnswer:
    """Read one answer that says its length, or has no body."""
    received = connection.recv(_PIECE_BYTES)
    while b"\r\n\r\n" not in received:
        received += _more(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    status_line, *lines = head.split(b"\r\n")
    headers = dict(line.lower().split(b": ", 1) for line in lines)
    pieces, missing = [body], int(headers.get(b"content-length", b"0")) - len(body)
    while missing > 0:
        pieces.append(_more(connection))
        missing -= len(pieces[-1])
    return RawAnswer(int(status_line.split()[1]), b"".join(pieces))


def _more(connection: ssl.SSLSocket) -> bytes:
    piece = connection.recv(_PIECE_BYTES)
    if not piece:
        raise ConnectionError("the server closed the connection in the middle of an answer")
    return piece
