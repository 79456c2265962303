"""Which lines, origins and connections the counts belong to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from connprof.model import EventKind
from connprof.report import series, words
from connprof.report.marks import figure_text
from connprof.report.shapes import Cell, Column, Row, Table

if TYPE_CHECKING:
    from connprof.model import CountsPass, SiteCounts
    from connprof.report.cases import Seen

__all__ = ["origin_table", "site_table", "tls_table"]

_MOST_SITES = 60

_CERTAINTY = {
    "stack": "on the call stack",
    "context": "made the request",
    "creation": "created the context",
    "unknown": "unknown",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Payer:
    """What one line pays, whatever led to it."""

    place: str
    function: str
    contexts: int
    handshakes: int
    connections: int
    requests: int | None
    found: str


def _payers(counts: CountsPass) -> list[_Payer]:
    """The call sites of one case, one for each line, costliest first."""
    by_line: dict[tuple[str, int, str], list[SiteCounts]] = {}
    for each in counts.sites:
        by_line.setdefault((each.site.file, each.site.line, each.site.function), []).append(each)
    found = []
    for (file, line, function), parts in by_line.items():
        requests = [part.counts.requests_count for part in parts if part.counts.requests_count is not None]
        ways = {part.site.certainty for part in parts}
        found.append(
            _Payer(
                place=f"{words.plain(file)}:{line}" if file else "no line known",
                function=words.plain(function),
                contexts=sum(part.counts.contexts_count for part in parts),
                handshakes=sum(part.counts.handshakes_full_count for part in parts),
                connections=sum(part.counts.connections_count for part in parts),
                requests=sum(requests) if requests else None,
                found=", ".join(said for way, said in _CERTAINTY.items() if way in ways),
            )
        )
    return sorted(found, key=lambda one: (-one.contexts, -one.handshakes, -one.connections, one.place))


_SITES_NOTE = (
    "How the line is known: it was on the call stack when the event happened; or the event came from the event loop, "
    "and the line made the request that was being served; or it created the SSL context that was in use. "
    f"{words.ABSENT} under Requests: no client library was seen there that sends requests, so they could not be "
    "counted in the client."
)


def site_table(all_seen: tuple[Seen, ...]) -> Table:
    """The lines that pay."""
    found = [(one, payer) for one in all_seen if one.counts for payer in _payers(one.counts)]
    rows = tuple(
        Row(
            cells=(
                Cell(text=payer.place, note=payer.function, is_code=True),
                Cell(text=one.label),
                Cell(text=words.count(payer.contexts)),
                Cell(text=words.count(payer.handshakes)),
                Cell(text=words.count(payer.connections)),
                Cell(text=figure_text(payer.requests)),
                Cell(text=payer.found),
            ),
            tone=series.tone(one),
        )
        for one, payer in found[:_MOST_SITES]
    )
    more = len(found) - len(rows)
    return Table(
        caption="Who pays: the lines that cause contexts and handshakes",
        columns=(
            Column(title="Line", is_number=False),
            Column(title="Strategy", is_number=False),
            Column(title="SSL contexts"),
            Column(title="TLS handshakes"),
            Column(title="Connections"),
            Column(title="Requests"),
            Column(title="How the line is known", is_number=False),
        ),
        rows=rows,
        note=_SITES_NOTE + (f" {words.plural(more, 'more line')} in report.json." if more else ""),
        empty="No counts pass was made, so no line is known.",
    )


def origin_table(before: Seen | None, after: Seen | None) -> Table:
    """Calls, connections and handshakes of each origin."""
    sides = [(title, one) for title, one in (("Regression", before), ("Fix", after)) if one and one.counts]
    kinds = (
        (EventKind.CALL, "calls"),
        (EventKind.CONNECTION, "connections"),
        (EventKind.HANDSHAKE, "handshakes"),
    )
    tallies = [
        Counter((event.origin, event.kind) for event in one.counts.events) if one.counts else Counter()
        for _, one in sides
    ]
    names = list(dict.fromkeys(origin for tally in tallies for origin, _ in tally))
    return Table(
        caption="By origin",
        columns=(
            Column(title="Origin", is_number=False),
            *(Column(title=word.capitalize()) for _ in sides for _, word in kinds),
        ),
        groups=(("", 1), *((title, len(kinds)) for title, _ in sides)),
        rows=tuple(
            Row(
                cells=(
                    Cell(text=words.plain(name)),
                    *(Cell(text=words.count(tally[name, kind])) for tally in tallies for kind, _ in kinds),
                )
            )
            for name in names
        ),
        empty="No session of the regression or of its fix was recorded.",
    )


def _shares(counted: dict[str, int]) -> str:
    return ", ".join(
        f"{words.plain(name) or 'none'} ({words.count(number)})"
        for name, number in sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    )


def tls_table(all_seen: tuple[Seen, ...]) -> Table:
    """What the server saw of TLS."""
    rows = tuple(
        Row(
            cells=(
                Cell(text=one.label),
                Cell(text=words.count(one.ledger.handshakes_full_count)),
                Cell(text=words.count(one.ledger.handshakes_resumed_count)),
                Cell(text=words.count(one.ledger.handshakes_failed_count)),
                Cell(text=_shares(one.ledger.tls_versions) or words.ABSENT),
                Cell(text=_shares(one.ledger.ciphers) or words.ABSENT),
                Cell(text=_shares(one.ledger.alpn) or words.ABSENT),
            )
        )
        for one in all_seen
        if one.ledger
    )
    return Table(
        caption="TLS as the server saw it",
        columns=(
            Column(title="Strategy", is_number=False),
            Column(title="Full"),
            Column(title="Resumed"),
            Column(title="Failed"),
            Column(title="Version", is_number=False),
            Column(title="Cipher", is_number=False),
            Column(title="ALPN", is_number=False),
        ),
        groups=(("", 1), ("Handshakes", 3), ("Negotiated (connections)", 3)),
        rows=rows,
        empty="No pass was made that the server could count.",
    )
