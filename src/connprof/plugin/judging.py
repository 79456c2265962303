"""Limits against counts: what a test did not keep, in sentences with the lines that pay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from connprof.memory import CONTEXT, HANDSHAKE, IO
from connprof.plugin.cost import handshakes_count, line_text
from connprof.plugin.windows import by_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from connprof.observe import Counts, SiteCounts
    from connprof.plugin.markers import Limit

__all__ = ["Exceeded", "exceeded", "uncounted", "untested"]

_LINES_MAX_COUNT = 5
_NEEDS_CONNECTIONS: Final = {"max_handshakes", "max_connections", "min_requests_per_connection"}


@dataclass(frozen=True, slots=True)
class Exceeded:
    """One limit that was not kept.

    Attributes:
        sentence: figure and limit.
        lines: the lines that pay, as finished strings.
    """

    sentence: str
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """Sentence and lines, as a failure shows them."""
        return "\n".join((f"connprof: {self.sentence}", *(f"    {line}" for line in self.lines)))


def exceeded(
    limits: Sequence[Limit],
    counts: Counts,
    sites: Sequence[SiteCounts],
    ssl_bytes: Mapping[str, int] | None,
    shown: Callable[[str], str],
) -> tuple[Exceeded, ...]:
    """Which limits were not kept.

    Args:
        limits: those in force.
        counts: what the test cost.
        sites: the same by line.
        ssl_bytes: SSL bytes by category; ``None`` where they were not recorded.
        shown: how to show a file's name.
    """
    found = []
    for limit in limits:
        if limit.name == "max_ssl_bytes":
            sentence = _bytes_sentence(limit, ssl_bytes or {})
        elif limit.name == "min_requests_per_connection":
            sentence = _requests_sentence(limit, counts)
        else:
            sentence = _count_sentence(limit, counts)
        if sentence:
            found.append(Exceeded(sentence, _lines(sites, _PAYS[limit.name], shown)))
    return tuple(found)


def untested(limits: Sequence[Limit], counts: Counts) -> tuple[Limit, ...]:
    """Limits that were not put to the test if requests were made, because nothing that they count could be seen."""
    if counts.connection_attempts_count or counts.requests_count:
        return ()
    return tuple(limit for limit in limits if limit.name in _NEEDS_CONNECTIONS or not counts.contexts_count)


def uncounted(limits: Sequence[Limit], counts: Counts) -> tuple[Limit, ...]:
    """Limits on requests, where connections were opened and nobody can tell how many requests there were."""
    known = 0 if counts.requests_count is None else counts.connections_count - counts.connections_unknown_count
    if known or not counts.connections_count:
        return ()
    return tuple(limit for limit in limits if limit.name == "min_requests_per_connection" and limit.value)


def _contexts(counts: Counts) -> tuple[tuple[int, str], ...]:
    return ((counts.contexts_count, "SSL context"),)


def _handshakes(counts: Counts) -> tuple[tuple[int, str], ...]:
    return ((handshakes_count(counts), "TLS handshake"),)


def _connections(counts: Counts) -> tuple[tuple[int, str], ...]:
    return ((counts.connections_count, "connection"),)


_PAYS: Final[dict[str, Callable[[Counts], tuple[tuple[int, str], ...]]]] = {
    "max_ssl_contexts": _contexts,
    "max_handshakes": _handshakes,
    "max_connections": _connections,
    "min_requests_per_connection": _connections,
    "max_ssl_bytes": lambda counts: _contexts(counts) + _handshakes(counts),
}
"""What of a line's counts pays for a limit."""


def _count_sentence(limit: Limit, counts: Counts) -> str:
    ((amount, what),) = _PAYS[limit.name](counts)
    if amount <= limit.value:
        return ""
    return f"{_number(amount, what)}, at most {limit.value:,.0f} allowed by {limit.written}"


def _requests_sentence(limit: Limit, counts: Counts) -> str:
    sent, unknown = counts.requests_count, counts.connections_unknown_count
    opened = counts.connections_count - unknown
    # Compared without a division, so that nothing is lost to rounding.
    if sent is None or sent >= limit.value * opened:
        return ""
    ratio = f"{sent / opened:.2f}".rstrip("0").rstrip(".")
    beside = f", {unknown:,} left out that nothing known sent on" if unknown else ""
    figures = f"{_number(sent, 'request')} on {_number(opened, 'connection')}{beside}"
    what = "request" if ratio == "1" else "requests"
    return f"{ratio} {what} per connection ({figures}), at least {limit.value:g} required by {limit.written}"


def _bytes_sentence(limit: Limit, ssl_bytes: Mapping[str, int]) -> str:
    total_bytes = sum(ssl_bytes.values())
    if total_bytes <= limit.value:
        return ""
    parts = ", ".join(
        f"{what} {ssl_bytes.get(category, 0):,}"
        for category, what in ((CONTEXT, "contexts"), (HANDSHAKE, "handshakes"), (IO, "reading and writing"))
    )
    return f"{total_bytes:,} SSL bytes ({parts}), at most {limit.value:,.0f} allowed by {limit.written}"


def _lines(
    sites: Sequence[SiteCounts], pays: Callable[[Counts], tuple[tuple[int, str], ...]], shown: Callable[[str], str]
) -> tuple[str, ...]:
    """The lines that pay for one limit, each once, the costliest first."""
    paid = []
    for entry in by_line(sites):
        parts = [(amount, what) for amount, what in pays(entry.counts) if amount]
        if parts:
            text = ", ".join(_number(amount, what) for amount, what in parts)
            line = line_text(entry.site, shown(entry.site.file))
            paid.append((tuple(amount for amount, _ in parts), f"{text}: {line}"))
    texts = [text for _, text in sorted(paid, key=lambda each: each[0], reverse=True)]
    left_count = len(texts) - _LINES_MAX_COUNT
    more = (f"and {_number(left_count, 'more line')}",) if left_count > 0 else ()
    return (*texts[:_LINES_MAX_COUNT], *more)


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
