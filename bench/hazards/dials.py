"""Turns dials of clients that strategies make as they please: limits, expiry, timeouts, HTTP/2, where a name leads.

A hazard that takes 5 s by default, or 50 callers, is raised in a fraction of it when every limit is made smaller by the
same factor: strategies that set limits of their own keep their distance from the defaults. Dials reach httpx's own
transports when a request passes through them, so that clients made earlier, at import too, are turned as well.
Processes that a strategy starts inherit them, if they call :func:`inherit`. Standard library only.
"""

from __future__ import annotations

import functools
import json
import os
import socket
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["VARIABLE", "Dials", "inherit", "reach"]

VARIABLE = "CONNPROF_DIALS"
_LIBRARIES = ("httpx", "httpx2")
_TRANSPORTS = {"HTTPTransport": "handle_request", "AsyncHTTPTransport": "handle_async_request"}
_INHERITED = (
    "expiry_factor", "limits_factor", "most_connections_count", "longest_s", "retries_count", "address_file",
)  # fmt: skip


@dataclass(slots=True)
class Dials:
    """What is changed, from now on, in this process and in those that it starts.

    Attributes:
        expiry_factor: multiplies the keep-alive expiry.
        limits_factor: multiplies the limits on connections, open and kept alive.
        most_connections_count: no pool may hold more than that, in use or not.
        longest_s: no timeout is longer, by kind: ``connect``, ``read``, ``write``, ``pool``.
        retries_count: the transport's ``retries=``, where it is more than the transport's own; may be set later, too.
        http2: asked for each pool that is first used: whether to turn HTTP/2 on, or off; ``None`` leaves it.
        address_file: a file with the address for which ``localhost`` stands; read at each look-up.
        pools_count: how many pools were turned in this process.
        protocols_of_context: the identity of each SSL context -> the protocols that its pools ask for.
    """

    expiry_factor: float = 1.0
    limits_factor: float = 1.0
    most_connections_count: int | None = None
    longest_s: dict[str, float] = field(default_factory=dict)
    retries_count: int = 0
    http2: Callable[[], bool | None] = lambda: None
    address_file: str | None = None
    pools_count: int = 0
    protocols_of_context: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    _pools: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        os.environ[VARIABLE] = json.dumps({name: getattr(self, name) for name in _INHERITED} | {"http2": self.http2()})
        # One of them may stand in for the other, and must not be turned twice.
        for library in {sys.modules[name] for name in _LIBRARIES if name in sys.modules}:
            for transport, handle in _TRANSPORTS.items():
                self._attach(getattr(library, transport), handle)
        if self.address_file is not None:
            _lead_to(Path(self.address_file))

    def _attach(self, transport: type, handle: str) -> None:
        original: Callable[..., Any] = getattr(transport, handle)

        @functools.wraps(original)
        def turned(carrier: Any, request: Any) -> Any:
            pool = carrier._pool  # noqa: SLF001 - httpx has no public way to it
            if not hasattr(pool, "connprof_turned"):
                pool.connprof_turned = True
                self._turn(pool)
            pool._retries = max(pool._retries, self.retries_count)  # noqa: SLF001 - as above
            timeouts = request.extensions.get("timeout")
            if timeouts and self.longest_s:
                shorter = {kind: _shorter(value, self.longest_s.get(kind)) for kind, value in timeouts.items()}
                request.extensions = {**request.extensions, "timeout": shorter}
            return original(carrier, request)

        setattr(transport, handle, turned)

    def _turn(self, pool: Any) -> None:
        self.pools_count += 1
        if pool._keepalive_expiry is not None:  # noqa: SLF001 - as above
            pool._keepalive_expiry *= self.expiry_factor  # noqa: SLF001
        pool._max_connections = _scaled(pool._max_connections, self.limits_factor)  # noqa: SLF001
        pool._max_keepalive_connections = _scaled(pool._max_keepalive_connections, self.limits_factor)  # noqa: SLF001
        if self.most_connections_count is not None:
            pool._max_connections = min(pool._max_connections, self.most_connections_count)  # noqa: SLF001
        if (http2 := self.http2()) is not None:
            pool._http2 = http2  # noqa: SLF001
        self.protocols_of_context[id(pool._ssl_context)].add("HTTP/2" if pool._http2 else "HTTP/1.1")  # noqa: SLF001
        self._pools.append(pool)  # so that no other context gets the identity of one that is gone


def inherit() -> None:
    """Turn the dials that the process that started this one has turned, if it has; once in a line of processes."""
    word = os.environ.get(VARIABLE)
    if word is not None and not _inherited:
        values = json.loads(word)
        http2 = values.pop("http2")
        _inherited.append(Dials(**values, http2=lambda: http2))


_inherited: list[Dials] = []


def reach(client_library: str) -> bool:
    """Whether limits, expiry, timeouts and HTTP/2 of this library's clients can be turned; ``requests==2.34.2``: no."""
    return client_library.partition("==")[0] in _LIBRARIES


def _lead_to(file: Path) -> None:
    """From now on ``localhost`` stands for the address in ``file``."""
    original = socket.getaddrinfo

    def look_up(host: Any, *arguments: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        return original(file.read_text() if name == "localhost" else host, *arguments, **options)

    socket.getaddrinfo = look_up


def _scaled(count: int, factor: float) -> int:
    # No limit is a very large number there.
    return count if count == sys.maxsize else max(1, round(count * factor))


def _shorter(value: float | None, longest: float | None) -> float | None:
    if longest is None:
        return value
    return longest if value is None else min(value, longest)
