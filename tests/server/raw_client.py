"""A client of the standard library's sockets alone, so that it shares no code with what it checks."""

import contextlib
import socket
import ssl
from pathlib import Path
from urllib.parse import urlsplit


def client_context(target, *, tls=None, keylog=None, trust=True):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if trust:
        context.load_verify_locations(target.bundle)
    if tls is not None:
        context.minimum_version = context.maximum_version = tls
    if keylog is not None:
        context.keylog_filename = str(keylog)
    return context


def port_of(target, origin=None):
    return urlsplit(target.url("/", origin)).port


def tcp(target, origin=None, *, address="127.0.0.1"):
    return socket.create_connection((address, port_of(target, origin)), timeout=10)


def handshakes_in(keylog):
    """Handshakes by an independent count: each has a client random of its own in the key log."""
    return len({line.split()[1] for line in Path(keylog).read_text().splitlines() if not line.startswith("#")})


class RawConnection:
    """One TLS connection, one request after another."""

    def __init__(self, target, context, *, origin=None, session=None, address="127.0.0.1"):
        self._rest = bytearray()
        sock = tcp(target, origin, address=address)
        try:
            self.tls = context.wrap_socket(sock, server_hostname="localhost", session=session)
        except BaseException:
            sock.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        with contextlib.suppress(OSError):
            self.tls.close()

    def send(self, path, method="GET", headers=""):
        self.tls.sendall(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n".encode())

    def receive(self, method="GET"):
        while b"\r\n\r\n" not in self._rest:
            self._more()
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        status = int(first.split()[1])
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        if method == "HEAD" or status in (204, 304):
            return status, headers, b""
        if headers.get("transfer-encoding") == "chunked":
            return status, headers, self._chunks()
        return status, headers, self._take(int(headers["content-length"]))

    def get(self, path, method="GET", headers=""):
        self.send(path, method, headers)
        return self.receive(method)

    def is_closed_by_server(self):
        return self.tls.recv(1) == b""

    def _more(self):
        received = self.tls.recv(65536)
        if not received:
            raise ConnectionError("the server closed the connection")
        self._rest += received

    def _take(self, count):
        while len(self._rest) < count:
            self._more()
        taken = bytes(self._rest[:count])
        del self._rest[:count]
        return taken

    def _chunks(self):
        body = b""
        while True:
            while b"\r\n" not in self._rest:
                self._more()
            size, _, self._rest = self._rest.partition(b"\r\n")
            body += self._take(int(size, 16))
            self._take(2)
            if int(size, 16) == 0:
                return body
