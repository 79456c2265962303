"""A small TLS server on threads, counting on its own what it saw: the oracle for the observer's counts."""

from __future__ import annotations

import contextlib
import socket
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-type: text/plain\r\n\r\nok"


@dataclass
class Seen:
    connections_count: int = 0
    requests_count: int = 0
    failed_count: int = 0


@dataclass
class Server:
    """Accepts connections and answers every request head with a few bytes, until closed by the client."""

    context: ssl.SSLContext | None = None
    seen: Seen = field(default_factory=Seen)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._open: set[socket.socket] = set()
        self._closing = False
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(256)
        self._listener.settimeout(0.05)
        self.port = self._listener.getsockname()[1]
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    @property
    def url(self) -> str:
        return f"{'http' if self.context is None else 'https'}://127.0.0.1:{self.port}/"

    @property
    def origin(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def full_count(self) -> int:
        stats = self.context.session_stats()
        return stats["accept_good"] - stats["hits"]

    @property
    def resumed_count(self) -> int:
        return self.context.session_stats()["hits"]

    def _accept(self) -> None:
        while not self._closing:
            try:
                sock, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            with self._lock:
                self.seen.connections_count += 1
            thread = threading.Thread(target=self._serve, args=(sock,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        sock.settimeout(20)
        with contextlib.ExitStack() as stack:
            stack.enter_context(contextlib.suppress(OSError))
            stack.callback(sock.close)
            if self.context is not None:
                try:
                    sock = self.context.wrap_socket(sock, server_side=True)
                except OSError:
                    with self._lock:
                        self.seen.failed_count += 1
                    return
                stack.callback(sock.close)
            with self._lock:
                self._open.add(sock)
            stack.callback(self._open.discard, sock)
            waiting = b""
            while chunk := sock.recv(65536):
                waiting += chunk
                while b"\r\n\r\n" in waiting:
                    _, _, waiting = waiting.partition(b"\r\n\r\n")
                    with self._lock:
                        self.seen.requests_count += 1
                    sock.sendall(ANSWER)

    def close(self) -> None:
        self._closing = True
        self._acceptor.join(5)
        self._listener.close()
        for sock in list(self._open):
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)


def keylog_handshakes_count(path: Path) -> int:
    """Distinct client randoms in a key log: one for each handshake that got as far as keys."""
    if not path.exists():
        return 0
    lines = path.read_text("ascii").splitlines()
    return len({line.split()[1] for line in lines if line and not line.startswith("#")})
