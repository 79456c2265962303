"""What one test cost: a row of windows, closed while fixtures of a wider scope are set up."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

from connprof.observe import CallSite, Counts, Observation, OriginCounts, SiteCounts, Window, observe
from connprof.observe.figures import by_rank

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from connprof.observe import Handshake
    from connprof.plugin.ssl_bytes import SslBytes

__all__ = ["Seen", "TestWindows", "by_line", "minus", "plus", "sites_minus", "sites_plus"]

_Tally = TypeVar("_Tally", Counts, OriginCounts)


class Seen:
    """What one test has cost so far. Every property may be read at any time.

    What fixtures of a wider scope than the test's do while they are set up is not in it.
    """

    def __init__(self, observations: list[Observation]) -> None:
        self._observations = observations

    @property
    def counts(self) -> Counts:
        """Contexts, CA loads, handshakes, connections and requests."""
        return _sum(Counts, (each.counts for each in self._observations))

    @property
    def sites(self) -> tuple[SiteCounts, ...]:
        """The same, split by the line that pays, the costliest first."""
        return sites_plus(entry for each in self._observations for entry in each.sites)

    @property
    def origins(self) -> dict[str, OriginCounts]:
        """Connections and handshakes, split by ``host:port``."""
        origins: dict[str, OriginCounts] = {}
        for each in self._observations:
            for origin, counts in each.origins.items():
                origins[origin] = plus(origins[origin], counts) if origin in origins else counts
        return origins

    @property
    def handshakes(self) -> tuple[Handshake, ...]:
        """Each handshake with TLS version, cipher and ALPN, in order of its outcome."""
        return tuple(handshake for each in self._observations for handshake in each.handshakes)

    @property
    def blind_spots(self) -> tuple[str, ...]:
        """Sentences on what these figures leave out; known when the test's own part has ended."""
        return tuple(dict.fromkeys(sentence for each in self._observations for sentence in each.blind_spots))

    def __repr__(self) -> str:
        return f"<connprof {self.counts!r}>"


class TestWindows:
    """The windows of one test, from its setup to the end of its call."""

    __test__ = False  # nothing for pytest to collect

    def __init__(self, ssl_bytes: SslBytes | None = None) -> None:
        self._observations: list[Observation] = []
        self._window: Window | None = None
        self._ssl_bytes = ssl_bytes
        self.seen = Seen(self._observations)

    def open(self) -> None:
        """Count from here on."""
        if self._window is None:
            window = observe()
            self._observations.append(window.__enter__())
            self._window = window
            if self._ssl_bytes is not None:
                self._ssl_bytes.start()

    def close(self) -> None:
        """Count no more. May be called again."""
        window, self._window = self._window, None  # a timeout may be raised amid what follows
        if window is not None:
            try:
                if self._ssl_bytes is not None:
                    self._ssl_bytes.pause()
            finally:
                window.__exit__(None, None, None)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Count nothing in the block, if anything was counted before it."""
        was_open = self._window is not None
        self.close()
        try:
            yield
        finally:
            if was_open:
                self.open()


def plus(one: _Tally, other: _Tally) -> _Tally:
    """Both together. A number that is known of one of them only is that one's."""
    return _combined(one, other, lambda a, b: a + b)


def minus(one: _Tally, other: _Tally) -> _Tally:
    """What ``one`` has and ``other`` has not; never below zero."""
    return _combined(one, other, lambda a, b: max(a - b, 0))


def sites_minus(sites: Iterable[SiteCounts], others: Iterable[SiteCounts]) -> tuple[SiteCounts, ...]:
    """What is left of ``sites`` without ``others``, the costliest first."""
    taken = {entry.site: entry.counts for entry in sites_plus(others)}
    left = (
        replace(entry, counts=minus(entry.counts, taken[entry.site])) if entry.site in taken else entry
        for entry in sites
    )
    return tuple(entry for entry in left if entry.rank > (0, 0, 0, 0))


def _combined(one: _Tally, other: _Tally, how: Callable[[int, int], int]) -> _Tally:
    changed: dict[str, Any] = {}
    for item in fields(one):
        mine, theirs = getattr(one, item.name), getattr(other, item.name)
        changed[item.name] = None if mine is None and theirs is None else how(mine or 0, theirs or 0)
    return replace(one, **changed)


def _sum(kind: type[_Tally], counts: Iterable[_Tally]) -> _Tally:
    total = kind()
    for each in counts:
        total = plus(total, each)
    return total


def sites_plus(entries: Iterable[SiteCounts]) -> tuple[SiteCounts, ...]:
    """Each call site once, the costliest first."""
    by_site: dict[CallSite, Counts] = {}
    for entry in entries:
        known = by_site.get(entry.site)
        by_site[entry.site] = entry.counts if known is None else plus(known, entry.counts)
    return by_rank(SiteCounts(site=site, counts=counts) for site, counts in by_site.items())


def by_line(entries: Iterable[SiteCounts]) -> tuple[SiteCounts, ...]:
    """Each line once, however it was found, the costliest first."""
    first: dict[tuple[str, int, str], CallSite] = {}
    same = []
    for entry in entries:
        site = entry.site
        same.append(replace(entry, site=first.setdefault((site.file, site.line, site.function), site)))
    return sites_plus(same)
