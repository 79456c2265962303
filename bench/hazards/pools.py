"""Makes the pools of a strategy's clients small and quick to lose patience, without a change to the strategy.

With 100 connections, 5 s of keep-alive and 5 s of patience some hazards take hours to show. Here they take seconds: the
figures are smaller, what happens is the same.
"""

from __future__ import annotations

import functools
import importlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["tightened"]

# Where httpx, and the fork of it, have their pools.
_CORES = ("httpcore", "httpcore2")
_POOLS = {"AsyncConnectionPool": "handle_async_request", "ConnectionPool": "handle_request"}


@contextmanager
def tightened(*, timeouts: dict[str, float] | None = None, **limits: float) -> Iterator[int]:
    """Pools that are made in the block have these limits, and requests sent in it these timeouts.

    Args:
        timeouts: ``pool``, ``connect``, ``read``, ``write`` -> seconds.
        limits: ``max_connections``, ``max_keepalive_connections``, ``keepalive_expiry`` (seconds).

    Yields:
        How many kinds of pool were found: none where the strategies' library is no relative of httpx.
    """
    found = [
        (getattr(core, name), method)
        for core in filter(None, map(_imported, _CORES))
        for name, method in _POOLS.items()
    ]
    before = [(pool, pool.__init__, getattr(pool, method), method) for pool, method in found]
    try:
        for pool, init, handle, method in before:
            pool.__init__ = _with_limits(init, limits)
            setattr(pool, method, _with_timeouts(handle, timeouts or {}))
        yield len(found)
    finally:
        for pool, init, handle, method in before:
            pool.__init__ = init
            setattr(pool, method, handle)


def _imported(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def _with_limits(init: Any, limits: dict[str, float]) -> Any:
    @functools.wraps(init)
    def tight(self: Any, *arguments: Any, **options: Any) -> None:
        init(self, *arguments, **options | limits)

    return tight


def _with_timeouts(handle: Any, timeouts: dict[str, float]) -> Any:
    @functools.wraps(handle)
    def impatient(self: Any, request: Any) -> Any:
        request.extensions = {
            **request.extensions, "timeout": {**request.extensions.get("timeout", {}), **timeouts},
        }  # fmt: skip
        return handle(self, request)

    return impatient
