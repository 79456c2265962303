"""Which line of code pays for a figure that got worse."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from connprof.abridged import MeasuredFigures

if TYPE_CHECKING:
    from collections.abc import Callable

    from connprof.abridged import AbridgedReport, FailedFigures
    from connprof.model import ClientCounts, SiteCounts

__all__ = ["Payers", "Place"]


class Place(msgspec.Struct, frozen=True):
    """A line of the candidate's code."""

    file: str
    line: int
    function: str


def _handshakes(counts: ClientCounts) -> int:
    return counts.handshakes_full_count + counts.handshakes_resumed_count


_COUNT_OF: dict[str, Callable[[ClientCounts], int]] = {
    "contexts": lambda counts: counts.contexts_count,
    "ca_loads": lambda counts: counts.ca_loads_count,
    "handshakes": _handshakes,
    "handshakes_full": lambda counts: counts.handshakes_full_count,
    "handshakes_failed": lambda counts: counts.handshakes_failed_count,
    "connections_failed": lambda counts: counts.connections_failed_count,
    "connections": lambda counts: counts.connections_count,
    "requests": lambda counts: counts.requests_count or 0,
    # Bytes have no lines of their own: contexts and handshakes make most of them.
    "context_bytes": lambda counts: counts.contexts_count,
    "ssl_bytes": lambda counts: counts.contexts_count + _handshakes(counts),
    "peak_bytes": lambda counts: counts.contexts_count,
    "retained_bytes": lambda counts: counts.contexts_count,
}


class Payers:
    """Looks up, for a case and a metric, the line whose share grew most."""

    def __init__(self, baseline: AbridgedReport, candidate: AbridgedReport) -> None:
        self._before = {record.case: record.outcome for record in baseline.records}
        self._after = {record.case: record.outcome for record in candidate.records}
        self._cases = {case.key: case for case in self._after}

    def place(self, key: str, metric: str) -> Place | None:
        """The line that pays most of what was added; ``None`` where no line is known."""
        count, case = _COUNT_OF.get(metric), self._cases.get(key)
        if count is None or case is None:
            return None
        # By file and function: a line moves with every edit above it.
        before: dict[tuple[str, str], int] = {}
        for one in _sites(self._before.get(case)):
            place = (one.site.file, one.site.function)
            before[place] = before.get(place, 0) + count(one.counts)
        best, most = None, (0, 0)
        for one in _sites(self._after.get(case)):
            now = count(one.counts)
            added = (now - before.get((one.site.file, one.site.function), 0), now)
            if one.site.certainty != "unknown" and one.site.line > 0 and now > 0 and (best is None or added > most):
                best, most = one.site, added
        return None if best is None else Place(best.file, best.line, best.function)


def _sites(outcome: MeasuredFigures | FailedFigures | None) -> tuple[SiteCounts, ...]:
    counts = outcome.counts if isinstance(outcome, MeasuredFigures) else None
    return counts.sites if counts is not None else ()
