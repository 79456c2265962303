"""Listening sockets on loopback: one port number, on IPv4 and, where it works, on IPv6."""

from __future__ import annotations

import errno
import socket

from connprof_server.errors import ServerError

__all__ = ["BACKLOG", "bind_loopback", "has_ipv6_loopback"]

# Ample: a burst of clients must queue in the kernel, not be refused.
BACKLOG = 1024
_TRIES_COUNT = 20


def has_ipv6_loopback() -> bool:
    """Whether a socket can be bound to ``::1`` here."""
    if not socket.has_ipv6:
        return False
    try:
        _bind(socket.AF_INET6, "::1", 0).close()
    except OSError:
        return False
    return True


def bind_loopback(port: int = 0) -> list[socket.socket]:
    """Sockets that listen on ``port`` of 127.0.0.1 and, where IPv6 works, of ::1.

    A name like ``localhost`` stands for both addresses, and a client that finds one of them closed makes a
    second connection attempt, which would then be measured.

    Args:
        port: 0 for any port that is free on both.

    Raises:
        ServerError: the port is in use or not allowed, or no port was free on both addresses.
    """
    ipv6 = has_ipv6_loopback()
    for _ in range(_TRIES_COUNT):
        try:
            bound = [_bind(socket.AF_INET, "127.0.0.1", port)]
        except OSError as error:
            raise _refusal("127.0.0.1", port, error) from error
        if not ipv6:
            return bound
        try:
            bound.append(_bind(socket.AF_INET6, "::1", bound[0].getsockname()[1]))
        except OSError as error:
            bound[0].close()
            if port or error.errno != errno.EADDRINUSE:
                raise _refusal("::1", port, error) from error
        else:
            return bound
    raise ServerError(f"no port was free on both 127.0.0.1 and ::1 in {_TRIES_COUNT} tries")


def _bind(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    # The protocol is named because asyncio sets TCP_NODELAY only where it reads TCP here. Without it,
    # answers written in two parts would wait 40 ms for the client's delayed acknowledgement.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        # A fixed port can be used again at once, in spite of old connections in TIME_WAIT.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((address, port))
        # With SO_REUSEADDR two sockets may bind to one port; only listening shows that it is taken.
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock


def _refusal(address: str, port: int, error: OSError) -> ServerError:
    if error.errno == errno.EADDRINUSE:
        return ServerError(f"port {port} on {address} is in use")
    return ServerError(f"port {port} on {address} cannot be used: {error.strerror}")
