"""The functions and classes that the observer itself uses, taken before anything is replaced.

A leaf: it imports nothing of ours, so that no replaced function can recurse into itself through here.
"""

from __future__ import annotations

import _ssl
import errno
import socket
import ssl
import threading
import time
from typing import Any

__all__ = [
    "INTERNET",
    "IN_PROGRESS",
    "SOCKETPAIR_CODES",
    "SSLContext",
    "SSLObject",
    "SSLSocket",
    "make_lock",
    "now_ns",
    "real_ssl_context_class",
    "socket_class",
]

now_ns = time.perf_counter_ns
make_lock = threading.RLock
"""Reentrant: a garbage collection in a locked stretch may run a finalizer that closes a socket."""

socket_class = socket.socket
SSLObject = ssl.SSLObject
SSLSocket = ssl.SSLSocket

INTERNET = (socket.AF_INET, socket.AF_INET6)

IN_PROGRESS = frozenset(
    getattr(errno, name)
    for name in (
        "EINPROGRESS",
        "EWOULDBLOCK",
        "EAGAIN",
        "EALREADY",
        "EINTR",
        "WSAEINPROGRESS",
        "WSAEWOULDBLOCK",
        "WSAEALREADY",
    )
    if hasattr(errno, name)
)
"""What a connect that has only begun answers."""

SOCKETPAIR_CODES = frozenset(
    id(function.__code__)
    for name in ("socketpair", "_fallback_socketpair")
    if (function := getattr(socket, name, None)) is not None and hasattr(function, "__code__")
)
"""Where the system has no socket pairs, Python connects two loopback sockets for each event loop."""


def real_ssl_context_class(start: type[Any]) -> type[Any]:
    """The standard library's own context class, even when a subclass has taken its name in :mod:`ssl`."""
    for candidate in start.__mro__:
        if candidate.__base__ is _ssl._SSLContext:  # noqa: SLF001 - its only mark
            return candidate
    return start


SSLContext = real_ssl_context_class(ssl.SSLContext)
