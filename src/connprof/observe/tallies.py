"""Requests on the hot path: added to where they happen, without a lock, and told to the windows when somebody looks.

Nothing here is ever set back: a reader remembers how much it has told already. Each addition is one
``x.attribute += n`` on a slot, between whose steps CPython with its global lock never changes threads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connprof.observe.figures import Certainty
    from connprof.observe.owners import Client
    from connprof.observe.sites import Lines

__all__ = ["Lane", "Tally"]


class Tally:
    """Requests of one lane to one peer, and the time that they took; ``origin`` is ``None`` where it is not known."""

    __slots__ = ("_requests_told", "_spent_told_ns", "origin", "requests", "spent_ns")

    def __init__(self, origin: str | None) -> None:
        self.origin = origin
        self.requests = self.spent_ns = self._requests_told = self._spent_told_ns = 0

    def news(self) -> tuple[int, int]:
        """Requests and nanoseconds since the last time that somebody asked. The recorder's lock is held."""
        requests = self.requests - self._requests_told
        spent_ns = self.spent_ns - self._spent_told_ns
        self._requests_told += requests
        self._spent_told_ns += spent_ns
        return requests, spent_ns


class Lane:
    """All requests that one client makes from one line; ``client`` is ``None`` for those of clients not followed.

    ``live`` ends with the stretch of windows that it was made in.
    """

    __slots__ = ("certainty", "client", "lines", "live", "nowhere", "tallies")

    def __init__(self, client: Client | None, lines: Lines, certainty: Certainty) -> None:
        self.client = client
        self.lines = lines
        self.certainty: Certainty = certainty
        self.live = True
        self.nowhere = Tally(None)
        self.tallies: dict[str | None, Tally] = {None: self.nowhere}

    def tally(self, origin: str | None) -> Tally:
        """Its part for a peer, which may be new; the recorder's lock is held."""
        found = self.tallies.get(origin)
        return self.tallies.setdefault(origin, Tally(origin)) if found is None else found
