"""The counting behind the ledger, inside the server's process.

Three independent views of each origin are kept, and compared at each snapshot:

- the listening socket counts what it accepts, and each accepted socket reports its first byte and its end;
- OpenSSL counts the handshakes of the origin's own ``SSLContext`` (``session_stats()``);
- the HTTP protocol reports each connection once its handshake is finished.

The handshakes finished are OpenSSL's own ``accept_good``. Which of them were resumed is asked of each
connection (``SSL_session_reused``), since ``hits`` counts a session when it is found in the ClientHello: a
resumption that is then broken off counts too, and one after a HelloRetryRequest counts twice. ``hits`` is
used as a check only.
"""

from __future__ import annotations

import socket
from collections import Counter
from typing import TYPE_CHECKING, Any

from connprof_server.ledger import LedgerSnapshot, OriginLedger

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    from _typeshed import WriteableBuffer

__all__ = ["Connection", "CountedSocket", "ListeningSocket", "OriginCounts", "snapshot"]


class Connection:
    """One TLS connection after its handshake; the application adds to its requests."""

    __slots__ = ("requests_count",)

    def __init__(self) -> None:
        self.requests_count = 0


class OriginCounts:
    """The running counts of one origin.

    Attributes:
        context: the origin's own TLS context, whose handshakes OpenSSL counts.
        accepts_count: TCP connections accepted.
        open_sockets: the accepted sockets that are open now, by file descriptor.
        without_bytes_count: sockets that closed before a byte had come.
        failed_count: sockets that closed after bytes, but without a finished handshake.
        resumed_count: connections whose handshake resumed a session.
        connections: all connections ever opened, in order.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        self.context = context
        self.accepts_count = 0
        self.open_sockets: dict[int, CountedSocket] = {}
        self.without_bytes_count = 0
        self.failed_count = 0
        self.resumed_count = 0
        self.connections: list[Connection] = []
        self.tls_versions: Counter[str] = Counter()
        self.ciphers: Counter[str] = Counter()
        self.alpn: Counter[str] = Counter()

    def accepted(self, sock: CountedSocket) -> None:
        """The listening socket accepted ``sock``."""
        self.accepts_count += 1
        self.open_sockets[sock.fileno()] = sock

    def opened(self, file_descriptor: int, ssl_object: ssl.SSLObject) -> Connection:
        """The handshake on the socket ``file_descriptor`` is finished."""
        connection = Connection()
        self.connections.append(connection)
        # Absent only if a socket came past the listening one; the accepts then disagree, and the snapshot
        # says so.
        if sock := self.open_sockets.get(file_descriptor):
            sock.is_connection = True
            sock.number = len(self.connections) - 1
        self.resumed_count += bool(ssl_object.session_reused)
        cipher = ssl_object.cipher()
        self.tls_versions[ssl_object.version() or "unknown"] += 1
        self.ciphers[cipher[0] if cipher else "unknown"] += 1
        self.alpn[ssl_object.selected_alpn_protocol() or "none"] += 1
        return connection

    def closed(self, file_descriptor: int) -> None:
        """The accepted socket ``file_descriptor`` is about to be closed."""
        sock = self.open_sockets.pop(file_descriptor, None)
        if sock is None or sock.is_connection:
            return
        if sock.has_bytes:
            self.failed_count += 1
        else:
            self.without_bytes_count += 1

    def open_numbers(self) -> list[int]:
        """The connections that are open now, by their place in :attr:`connections`."""
        return sorted(sock.number for sock in self.open_sockets.values() if sock.is_connection)

    def ledger(self) -> OriginLedger:
        """The counts as they stand."""
        requests = tuple(connection.requests_count for connection in self.connections)
        open_count = sum(sock.is_connection for sock in self.open_sockets.values())
        return OriginLedger(
            tcp_accepts_count=self.accepts_count,
            tcp_accepts_without_bytes_count=self.without_bytes_count,
            handshakes_full_count=self.context.session_stats()["accept_good"] - self.resumed_count,
            handshakes_resumed_count=self.resumed_count,
            handshakes_failed_count=self.failed_count,
            handshakes_in_progress_count=len(self.open_sockets) - open_count,
            connections_opened_count=len(self.connections),
            connections_open_count=open_count,
            requests_count=sum(requests),
            requests_per_connection=requests,
            tls_versions=dict(self.tls_versions),
            ciphers=dict(self.ciphers),
            alpn=dict(self.alpn),
        )

    def disagreements(self, name: str) -> list[str]:
        """Sentences on what the three views of the origin ``name`` do not agree about."""
        seen, stats = self.ledger(), self.context.session_stats()
        found = []
        if stats["accept_good"] != seen.connections_opened_count:
            found.append(
                f"{name}: OpenSSL finished {stats['accept_good']} handshakes, but {seen.connections_opened_count} "
                "connections were opened"
            )
        unfinished = seen.handshakes_failed_count + seen.tcp_accepts_without_bytes_count
        openssl_unfinished = stats["accept"] - stats["accept_good"]
        # A socket just accepted has not always reached OpenSSL yet, so those in progress may count or not.
        if not unfinished <= openssl_unfinished <= unfinished + seen.handshakes_in_progress_count:
            found.append(
                f"{name}: OpenSSL did not finish {openssl_unfinished} handshakes, but {unfinished} connections closed "
                f"without one and {seen.handshakes_in_progress_count} are in progress"
            )
        # See the module's docstring for why hits may be higher, and by how much.
        unfinished += seen.handshakes_in_progress_count
        resumed = seen.handshakes_resumed_count
        if not resumed <= stats["hits"] <= 2 * (resumed + unfinished):
            found.append(f"{name}: OpenSSL found {stats['hits']} sessions again, but {resumed} handshakes were resumed")
        parts = seen.handshakes_count + unfinished
        if seen.tcp_accepts_count != parts:
            found.append(
                f"{name}: {seen.tcp_accepts_count} TCP connections were accepted, but {parts} are accounted for"
            )
        return found


class CountedSocket(socket.socket):
    """An accepted socket that reports its first byte and its end to the counts."""

    def __init__(self, accepted: socket.socket, counts: OriginCounts) -> None:
        super().__init__(accepted.family, accepted.type, accepted.proto, accepted.detach())
        self.is_connection = False
        self.number = -1
        self.has_bytes = False
        self._counts = counts
        counts.accepted(self)

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        """As of any socket."""
        received = super().recv(bufsize, flags)
        if received:
            self.has_bytes = True
        return received

    def recv_into(self, buffer: WriteableBuffer, nbytes: int = 0, flags: int = 0) -> int:
        """As of any socket."""
        received_bytes = super().recv_into(buffer, nbytes, flags)
        if received_bytes:
            self.has_bytes = True
        return received_bytes

    def close(self) -> None:
        """As of any socket; may be called again."""
        if self.fileno() >= 0:
            self._counts.closed(self.fileno())
        super().close()


class ListeningSocket(socket.socket):
    """A listening socket that counts what it accepts."""

    def __init__(self, bound: socket.socket, counts: OriginCounts) -> None:
        super().__init__(bound.family, bound.type, bound.proto, bound.detach())
        self._counts = counts

    def accept(self) -> tuple[socket.socket, Any]:
        """As of any socket, but the accepted one is counted."""
        accepted, address = super().accept()
        return CountedSocket(accepted, self._counts), address


def snapshot(counts: Mapping[str, OriginCounts]) -> LedgerSnapshot:
    """The ledgers of all origins, with what their views disagree about."""
    return LedgerSnapshot(
        origins={name: origin.ledger() for name, origin in counts.items()},
        disagreements=tuple(line for name, origin in counts.items() for line in origin.disagreements(name)),
    )
