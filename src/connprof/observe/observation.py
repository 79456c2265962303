"""What one window saw. Cheap to add to; everything derived is made when it is read."""

from __future__ import annotations

import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from connprof.observe.figures import CallSite, Counts, Errors, Event, Handshake, OriginCounts, SiteCounts, by_rank
from connprof.observe.originals import now_ns
from connprof.observe.owners import Expense, Story
from connprof.observe.sites import TYPED

if TYPE_CHECKING:
    from collections.abc import Callable

    from connprof.observe.figures import EventKind
    from connprof.observe.owners import Context
    from connprof.observe.sites import SiteFinder, SiteKey

__all__ = ["EVENTS_MAX", "Bar", "Field", "HandshakeOutcome", "Observation"]

EVENTS_MAX: Final = 20_000
"""How many events, and how many handshakes, a window keeps; counting goes on beyond."""
_ORIGINS_MAX: Final = 1_000


class Field:
    """Places in a tally, which is a plain list of integers because adding to it must cost nothing."""

    CONTEXTS, CA_LOADS, FULL, RESUMED, FAILED, CONNECTIONS, CONNECTIONS_FAILED, ATTEMPTS, REQUESTS, UNKNOWN = range(10)
    SIZE = 10


class Bar:
    """An event, shared by all windows that see it. Times are of ``perf_counter_ns``; ``end_ns`` may lack."""

    __slots__ = ("end_ns", "kind", "ok", "origin", "start_ns")

    def __init__(self, kind: EventKind, origin: str, start_ns: int, end_ns: int | None, *, ok: bool) -> None:
        self.kind: EventKind = kind
        self.origin = origin
        self.start_ns = start_ns
        self.end_ns = end_ns
        self.ok = ok


class HandshakeOutcome:
    """What is known of a handshake beside its bar."""

    __slots__ = ("alpn", "cipher", "error", "resumed", "tls_version")

    def __init__(
        self,
        *,
        resumed: bool = False,
        tls_version: str | None = None,
        cipher: str | None = None,
        alpn: str | None = None,
        error: str | None = None,
    ) -> None:
        self.resumed = resumed
        self.tls_version = tls_version
        self.cipher = cipher
        self.alpn = alpn
        self.error = error


class Observation:
    """What happened in one window, so far or in all. Made by :func:`connprof.observe.observe`.

    Every property is a snapshot and may be read while the window is open.
    """

    def __init__(
        self,
        finder: SiteFinder,
        lock: Any,
        settle: Callable[[], None],
        events_max: int,
        blind_now: Callable[[], tuple[str, ...]] = tuple,
    ) -> None:
        self.blind_now = blind_now
        self.finder = finder
        self._lock = lock
        self._settle = settle
        self._events_max = events_max
        self._final_blind_spots: tuple[str, ...] = ()
        self.ended_ns: int | None = None
        self.is_fork = False
        self.idle_at_end: Any = None
        self.under_way_at_end: Any = None
        self.clear()
        self.started_at_ns = time.time_ns()

    def clear(self) -> None:
        """Forget everything and begin the window anew; a forked child starts like this."""
        self.started_ns = now_ns()
        self.started_at_ns = time.time_ns()
        self._total = [0] * Field.SIZE
        self._sites: dict[SiteKey, list[int]] = {}
        self._origins: dict[str, list[int]] = {}
        self._bars: list[Bar] = []
        self._bars_cut_count = 0
        self._handshakes: list[tuple[Bar, HandshakeOutcome, SiteKey]] = []
        self._requests_seen = False
        self._requests_nowhere = 0
        self._unknown_now: list[tuple[SiteKey, str]] = []
        self.story = Story()
        self._costs = [0] * Expense.SIZE
        self._site_costs: dict[SiteKey, list[int]] = {}
        self._origin_costs: dict[str, list[int]] = {}
        self._alpn: dict[str, dict[str, int]] = {}
        self._errors_count = 0
        self._first_error: str | None = None

    # --- adding: the recorder calls these, holding the lock -----------------------------------------------

    def add(self, field: int, key: SiteKey, origin: str | None = None, count: int = 1) -> None:
        """Count an event, or several alike, for the window, its line and, where there is one, its peer."""
        self._total[field] += count
        tally = self._sites.get(key)
        if tally is None:
            tally = self._sites[key] = [0] * Field.SIZE
        tally[field] += count
        if origin is not None:
            self._origin(origin)[field] += count
        elif field == Field.REQUESTS:
            self._requests_nowhere += count

    def _bounded(self, origin: str) -> str:
        """The name to count a peer under: from the thousandth on all others are one, ``…``."""
        return origin if origin in self._origins or len(self._origins) < _ORIGINS_MAX else "…"

    def _origin(self, origin: str) -> list[int]:
        tally = self._origins.get(origin)
        if tally is None:
            name = self._bounded(origin)
            tally = self._origins.get(name)
            if tally is None:
                tally = self._origins[name] = [0] * Field.SIZE
        return tally

    def unknown_now(self, connections: list[tuple[SiteKey, str]]) -> None:
        """Of the connections that are open: on which of them nothing known was sent so far, by line and peer."""
        for key, origin in self._unknown_now:
            self.add(Field.UNKNOWN, key, origin, -1)
        for key, origin in connections:
            self.add(Field.UNKNOWN, key, origin)
        self._unknown_now = connections

    def add_bar(self, bar: Bar) -> None:
        """Put an event on the timeline, while there is room."""
        if len(self._bars) < self._events_max:
            self._bars.append(bar)
        else:
            self._bars_cut_count += 1

    def add_handshake(self, bar: Bar, outcome: HandshakeOutcome, key: SiteKey) -> None:
        """Keep a handshake's particulars, while there is room."""
        if len(self._handshakes) < self._events_max:
            self._handshakes.append((bar, outcome, key))

    def add_error(self, message: str) -> None:
        """Note a failure of the observer itself."""
        self._errors_count += 1
        if self._first_error is None:
            self._first_error = message

    def spend(self, expense: int, spent_ns: int, key: SiteKey, origin: str | None = None) -> None:
        """Add time spent, for the window, a line and, where there is one, a peer."""
        self._costs[expense] += spent_ns
        costs = self._site_costs.get(key)
        if costs is None:
            costs = self._site_costs[key] = [0] * Expense.SIZE
        costs[expense] += spent_ns
        if origin is not None:
            name = self._bounded(origin)
            costs = self._origin_costs.get(name)
            if costs is None:
                costs = self._origin_costs[name] = [0] * Expense.SIZE
            costs[expense] += spent_ns

    def moved(self, field: int, earlier: str, origin: str, expense: int = 0, spent_ns: int = 0) -> None:
        """What was counted for one peer, and the time spent, was another's."""
        name = self._bounded(earlier)
        tally = self._origins.get(name)
        if tally is None or not tally[field]:
            return
        tally[field] -= 1
        self._origin(origin)[field] += 1
        costs = self._origin_costs.get(name)
        if costs is not None and spent_ns:
            costs[expense] -= spent_ns
            self._origin_costs.setdefault(self._bounded(origin), [0] * Expense.SIZE)[expense] += spent_ns

    def lets_go_of(self, origin: str) -> None:
        """Forget a peer of which nothing is left."""
        if not any(self._origins.get(origin, ())):
            self._origins.pop(origin, None)
            self._origin_costs.pop(origin, None)

    def add_timed(  # noqa: PLR0917 - an event, whose it is, and two times
        self, field: int, key: SiteKey, origin: str | None, cpu_expense: int, cpu_ns: int, wall_ns: int
    ) -> None:
        """Count an event, and add its CPU time, and the wall time that comes after it in the list of times."""
        wall_expense = cpu_expense + 1
        self._total[field] += 1
        self._costs[cpu_expense] += cpu_ns
        self._costs[wall_expense] += wall_ns
        tally = self._sites.get(key)
        if tally is None:
            tally = self._sites[key] = [0] * Field.SIZE
        tally[field] += 1
        costs = self._site_costs.get(key)
        if costs is None:
            costs = self._site_costs[key] = [0] * Expense.SIZE
        costs[cpu_expense] += cpu_ns
        costs[wall_expense] += wall_ns
        if origin is not None:
            name = self._bounded(origin)
            self._origin(name)[field] += 1
            costs = self._origin_costs.get(name)
            if costs is None:
                costs = self._origin_costs[name] = [0] * Expense.SIZE
            costs[cpu_expense] += cpu_ns
            costs[wall_expense] += wall_ns

    def agreed(self, origin: str, alpn: str | None) -> None:
        """Note what a handshake agreed on."""
        name = self._bounded(origin)
        protocols = self._alpn.get(name)
        if protocols is None:
            protocols = self._alpn[name] = {}
        protocols[alpn or "none"] = protocols.get(alpn or "none", 0) + 1

    def context_used(self, origin: str, context: Context) -> None:
        """A context has had its first handshake, with this peer, for which it was made."""
        name = self._bounded(origin)
        tally = self._origin(name)
        tally[Field.CONTEXTS] += 1
        tally[Field.CA_LOADS] += context.loads
        costs = self._origin_costs.get(name)
        if costs is None:
            costs = self._origin_costs[name] = [0] * Expense.SIZE
        costs[Expense.CONTEXT_CPU] += context.cpu_ns
        costs[Expense.CONTEXT_WALL] += context.wall_ns

    def see_requests(self) -> None:
        """From now on the number of requests is known, be it zero."""
        self._requests_seen = True

    def end(self, blind_spots: tuple[str, ...]) -> None:
        """Close the window."""
        self.ended_ns = now_ns()
        self._final_blind_spots = blind_spots

    # --- reading ------------------------------------------------------------------------------------------

    @property
    def counts(self) -> Counts:
        """The totals of the window."""
        self._settle()
        with self._lock:
            return self._counts_of(self._total)

    @property
    def sites(self) -> tuple[SiteCounts, ...]:
        """The totals split by the line that pays, the costliest first. Their sum is :attr:`counts`."""
        self._settle()
        with self._lock:
            tallies = [(key, list(tally)) for key, tally in self._sites.items()]
            made = [SiteCounts(site=_call_site(key), counts=self._counts_of(tally)) for key, tally in tallies]
        return by_rank(made)

    @property
    def origins(self) -> dict[str, OriginCounts]:
        """Connections and handshakes split by peer, ``host:port`` as it was asked for where that is known."""
        self._settle()
        with self._lock:
            return {
                origin: OriginCounts(
                    handshakes_full_count=tally[Field.FULL],
                    handshakes_resumed_count=tally[Field.RESUMED],
                    handshakes_failed_count=tally[Field.FAILED],
                    connections_count=tally[Field.CONNECTIONS],
                    connections_failed_count=tally[Field.CONNECTIONS_FAILED],
                    connection_attempts_count=tally[Field.ATTEMPTS],
                )
                for origin, tally in self._origins.items()
            }

    @property
    def events(self) -> tuple[Event, ...]:
        """The timeline, in order of start; at most :data:`EVENTS_MAX` unless told otherwise.

        What began before the window begins with it, and what goes on after it ends with it.
        """
        self._settle()
        with self._lock:
            bars = list(self._bars)
        events = []
        for bar in bars:
            start_ns, end_ns = self._span(bar)
            events.append(Event(kind=bar.kind, origin=bar.origin, start_ns=start_ns, end_ns=end_ns, ok=bar.ok))
        return tuple(sorted(events, key=lambda event: event.start_ns))

    @property
    def handshakes(self) -> tuple[Handshake, ...]:
        """Every client-side handshake in order of its outcome, bounded like :attr:`events`."""
        self._settle()
        with self._lock:
            kept = list(self._handshakes)
        made = []
        for bar, outcome, key in kept:
            start_ns, end_ns = self._span(bar)
            made.append(
                Handshake(
                    origin=bar.origin,
                    start_ns=start_ns,
                    end_ns=end_ns,
                    ok=bar.ok,
                    resumed=outcome.resumed,
                    tls_version=outcome.tls_version,
                    cipher=outcome.cipher,
                    alpn=outcome.alpn,
                    error=outcome.error,
                    site=_call_site(key),
                )
            )
        return tuple(made)

    @property
    def errors(self) -> Errors:
        """Failures of the observer itself; normally none."""
        with self._lock:
            return Errors(errors_count=self._errors_count, first=self._first_error)

    @property
    def blind_spots(self) -> tuple[str, ...]:
        """What these figures leave out, in sentences; known when the window has closed."""
        with self._lock:
            sentences = self._left_out()
            if self._errors_count:
                sentences.append(
                    f"The observer met {self._errors_count} internal errors and may have missed events;"
                    f" the first was {self._first_error}."
                )
        return tuple(sentences)

    def _left_out(self) -> list[str]:
        sentences = list(self._final_blind_spots)
        if self._bars_cut_count and self._events_max:
            sentences.append(
                f"The timeline holds the first {len(self._bars)} events;"
                f" {self._bars_cut_count} more are counted but not shown."
            )
        return sentences

    def to_dict(self, relative_to: str | os.PathLike[str] | None = None) -> dict[str, Any]:
        """The observation as plain values that JSON can hold.

        Args:
            relative_to: a folder; files below it are given relative to it, others stay absolute.

        Returns:
            ``client`` (totals), ``sites``, ``events`` and ``blind_spots``.
        """
        sites = []
        for entry in self.sites:
            site = asdict(entry.site)
            site["file"] = _relative(entry.site.file, relative_to)
            sites.append({"site": site, "counts": _report_dict(entry.counts)})
        return {
            "client": _report_dict(self.counts),
            "sites": sites,
            "events": [asdict(event) for event in self.events],
            "blind_spots": list(self.blind_spots),
        }

    def snapshot(self, *, ended: str = "running", signal: int | None = None) -> dict[str, Any]:
        """All that is known by now, as plain values that JSON can hold: a ``connprof.profile.ProcessProfile``.

        Args:
            ended: how the process ends: ``exit``, ``os._exit``, ``signal``, ``exec``; ``running`` where it goes on.
            signal: the signal that ends it, if one does.
        """
        from connprof.observe.snapshot import snapshot

        return snapshot(self, ended=ended, signal=signal)

    def __repr__(self) -> str:
        state = "open" if self.ended_ns is None else "closed"
        return f"<Observation {state} {self.counts!r}>"

    # --- for a snapshot, which holds the lock -------------------------------------------------------------

    @property
    def total(self) -> list[int]:
        """The window's tally."""
        return self._total

    @property
    def costs(self) -> list[int]:
        """The window's times, by :class:`connprof.observe.owners.Expense`."""
        return self._costs

    def site_keys(self) -> list[SiteKey]:
        """Every line that pays or waits."""
        return list(dict.fromkeys((*self._sites, *self._site_costs)))

    def origin_names(self) -> list[str]:
        """Every peer."""
        return list(self._origins)

    def site_tally(self, key: SiteKey) -> list[int]:
        """What a line pays."""
        return self._sites.get(key) or [0] * Field.SIZE

    def site_costs(self, key: SiteKey) -> list[int] | None:
        """A line's times."""
        return self._site_costs.get(key)

    def origin_tally(self, origin: str) -> list[int]:
        """What a peer costs."""
        return self._origins[origin]

    def origin_costs(self, origin: str) -> list[int] | None:
        """A peer's times."""
        return self._origin_costs.get(origin)

    def alpn_of(self, origin: str) -> dict[str, int]:
        """What handshakes with a peer agreed on."""
        return dict(self._alpn.get(origin, {}))

    def tally_counts(self, tally: list[int]) -> dict[str, int | None]:
        """A tally with its names."""
        return _client_dict(self._counts_of(tally))

    def current_blind_spots(self) -> tuple[str, ...]:
        """What the figures leave out, by now, but for failures: see :meth:`error_sentences`."""
        with self._lock:
            return (*(self.blind_now() if self.ended_ns is None else ()), *self._left_out())

    def error_sentences(self) -> list[str]:
        """Failures of the observer itself; normally none."""
        if not self._errors_count:
            return []
        return [f"The observer met {self._errors_count} internal errors; the first was {self._first_error}."]

    def _counts_of(self, tally: list[int]) -> Counts:
        return Counts(
            contexts_count=tally[Field.CONTEXTS],
            ca_loads_count=tally[Field.CA_LOADS],
            handshakes_full_count=tally[Field.FULL],
            handshakes_resumed_count=tally[Field.RESUMED],
            handshakes_failed_count=tally[Field.FAILED],
            connections_count=tally[Field.CONNECTIONS],
            connections_failed_count=tally[Field.CONNECTIONS_FAILED],
            connections_unknown_count=self._unknown(tally),
            connection_attempts_count=tally[Field.ATTEMPTS],
            requests_count=tally[Field.REQUESTS] if self._requests_seen else None,
        )

    def _unknown(self, tally: list[int]) -> int:
        """Requests of which it is not known where they went may have gone there."""
        if tally is self._total:
            return max(tally[Field.UNKNOWN] - self._requests_nowhere, 0)
        return 0 if self._requests_nowhere else tally[Field.UNKNOWN]

    def _span(self, bar: Bar) -> tuple[int, int]:
        """Start and end of a bar since the window opened, cut to the window."""
        latest_ns = now_ns() if self.ended_ns is None else self.ended_ns
        end_ns = latest_ns if bar.end_ns is None else min(bar.end_ns, latest_ns)
        start_ns = max(bar.start_ns - self.started_ns, 0)
        return start_ns, max(end_ns - self.started_ns, start_ns)


def _call_site(key: SiteKey) -> CallSite:
    file, line, function, certainty = key
    path = file if not file or file in TYPED else os.path.abspath(file)  # noqa: PTH100 - Path adds nothing to a string kept as one
    return CallSite(file=path, line=line, function=function, certainty=certainty)


def _client_dict(counts: Counts) -> dict[str, int | None]:
    """Counts as a profile holds them: attempts are left out, since they follow from the others."""
    fields: dict[str, int | None] = asdict(counts)
    del fields["connection_attempts_count"]
    return fields


def _report_dict(counts: Counts) -> dict[str, int | None]:
    """Counts as a report holds them, where all clients are known ones."""
    fields = _client_dict(counts)
    del fields["connections_unknown_count"]
    return fields


def _relative(file: str, folder: str | os.PathLike[str] | None) -> str:
    if folder is None or not file:
        return file
    try:
        return Path(file).relative_to(Path(folder).resolve()).as_posix()
    except ValueError:
        return file
