"""What leaves the observer: frozen values, raw counts, times in nanoseconds since the window opened."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "CallSite",
    "Certainty",
    "Counts",
    "Errors",
    "Event",
    "EventKind",
    "Handshake",
    "OriginCounts",
    "SiteCounts",
    "by_rank",
]

Certainty = Literal["stack", "context", "creation", "unknown"]
EventKind = Literal["connect", "handshake", "connection"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Counts of what happened in the window.

    Attributes:
        contexts_count: SSL contexts created, of whatever class; a wrapper that builds another is two.
        ca_loads_count: times a trust store was loaded into a context. ``load_default_certs`` is one load.
        handshakes_full_count: client-side handshakes that succeeded without a resumed session.
        handshakes_resumed_count: client-side handshakes that succeeded with one.
        handshakes_failed_count: client-side handshakes that raised, or whose connection was closed half-way.
        connections_count: TCP connections opened.
        connections_failed_count: TCP connects that were refused, timed out or were given up.
        connections_unknown_count: of those opened, on how many nothing was sent by a library that is known, nor were
            they opened by a client of one: whether they carried requests, nobody can tell.
        connection_attempts_count: TCP connects begun; more than the two above where some are still under way.
        requests_count: HTTP requests whose head was written. ``None`` when no request was seen and no library
            that sends them was first imported in the window, so that nobody can tell whether there were any.
    """

    contexts_count: int = 0
    ca_loads_count: int = 0
    handshakes_full_count: int = 0
    handshakes_resumed_count: int = 0
    handshakes_failed_count: int = 0
    connections_count: int = 0
    connections_failed_count: int = 0
    connections_unknown_count: int = 0
    connection_attempts_count: int = 0
    requests_count: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginCounts:
    """The share of one peer, ``host:port``."""

    handshakes_full_count: int = 0
    handshakes_resumed_count: int = 0
    handshakes_failed_count: int = 0
    connections_count: int = 0
    connections_failed_count: int = 0
    connection_attempts_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSite:
    """A line of the user's code, and how it was found.

    ``stack``: it was on the call stack. ``context``: the event came from an event loop's callback, another task
    or a pool's thread, and the line is the one that made the request or started that task. ``creation``: the
    line that created the SSL context. ``unknown``: none of these; ``file`` is empty and ``line`` is 0.
    """

    file: str
    line: int
    function: str
    certainty: Certainty


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteCounts:
    """What one line pays. A line found in two ways has an entry for each ``certainty``."""

    site: CallSite
    counts: Counts

    @property
    def rank(self) -> tuple[int, int, int, int]:
        """What to sort lines by: contexts cost most, then handshakes, connections, requests."""
        counts = self.counts
        return (
            counts.contexts_count + counts.ca_loads_count,
            counts.handshakes_full_count + counts.handshakes_resumed_count + counts.handshakes_failed_count,
            counts.connections_count + counts.connections_failed_count,
            counts.requests_count or 0,
        )


def by_rank(entries: Iterable[SiteCounts]) -> tuple[SiteCounts, ...]:
    """The costliest first; lines that pay the same in the order of their places, not of who happened to be first."""
    return tuple(sorted(entries, key=lambda each: ([-count for count in each.rank], astuple(each.site))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One bar of the timeline. A ``connection`` still open at the window's end ends there."""

    kind: EventKind
    origin: str
    start_ns: int
    end_ns: int
    ok: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Handshake:
    """One client-side TLS handshake, from the first call to its outcome.

    ``tls_version``, ``cipher`` and ``alpn`` are ``None`` where there is none, as after a failure; ``error`` is
    the exception's class and message, or ``None``.
    """

    origin: str
    start_ns: int
    end_ns: int
    ok: bool
    resumed: bool
    tls_version: str | None
    cipher: str | None
    alpn: str | None
    error: str | None
    site: CallSite

    @property
    def duration_ns(self) -> int:
        """From the first call of ``do_handshake`` to its outcome; waiting for the peer included."""
        return self.end_ns - self.start_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """Failures of the observer itself. The observed calls went on; counts may lack something."""

    errors_count: int = 0
    first: str | None = None
