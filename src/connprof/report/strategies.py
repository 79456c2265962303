"""The tables of all strategies, for the page and for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connprof import stats
from connprof.report import series, words
from connprof.report.cases import FLOOR
from connprof.report.marks import STATE_MARKS, figure_text
from connprof.report.shapes import Cell, Column, Row, Table

if TYPE_CHECKING:
    from connprof.report.cases import Seen

__all__ = ["brief_table", "strategy_table"]


def _floor_for(one: Seen, all_seen: tuple[Seen, ...]) -> Seen | None:
    """The floor measured under the same axes, by the same run: a ratio over another's would be one of two machines."""
    return next(
        (
            each
            for each in all_seen
            if each.name == FLOOR and each.axes == one.axes and each.shard == one.shard and each.timing
        ),
        None,
    )


def _over_floor(one: Seen, all_seen: tuple[Seen, ...]) -> tuple[str, str]:
    floor = _floor_for(one, all_seen)
    if floor is None or not one.timing:
        return words.ABSENT, words.ABSENT
    found = []
    for ours, base in (
        (one.wall_minima_ns, floor.wall_minima_ns),
        (one.cpu_minima_ns, floor.cpu_minima_ns),
    ):
        below = stats.median(base)
        found.append(words.times(stats.ratio(stats.median(ours), below)) if below > 0 else words.ABSENT)
    return found[0], found[1]


def _latency_cells(one: Seen) -> tuple[str, str, str]:
    samples = one.latency_ns
    if not samples:
        return words.ABSENT, words.ABSENT, words.ABSENT
    p50, p95, p99 = (words.milliseconds(stats.percentile(samples, percent)) for percent in (50, 95, 99))
    return p50, p95, p99


def _per_connection(one: Seen) -> str:
    value = one.requests_per_connection
    if value is None:
        return words.ABSENT
    return words.count(value) if value == round(value) else f"{value:,.1f}"


def _strategy_row(one: Seen, all_seen: tuple[Seen, ...]) -> Row:
    memory, counts = one.memory, one.counts
    note = one.name if one.title != one.name else ""
    if one.axes:
        note = f"{note} ({one.axes})"
    if one.role and one.role != f"the {one.name}":
        note = f"{note} · {one.role}" if note else one.role
    figures = (
        figure_text(one.contexts),
        figure_text(counts.client.ca_loads_count if counts else None),
        figure_text(one.handshakes),
        figure_text(one.connections),
        _per_connection(one),
        words.megabytes(memory.ssl.total_bytes) if memory else words.ABSENT,
        words.megabytes(memory.peak_bytes) if memory else words.ABSENT,
        f"{one.retained_bytes / 1e6:,.2f}" if one.retained_bytes is not None else words.ABSENT,
        *_latency_cells(one),
        *_over_floor(one, all_seen),
    )
    return Row(
        cells=(
            Cell(text=one.title, note=note),
            *(Cell(text=figure) for figure in figures),
            Cell(mark=STATE_MARKS[one.state]),
        ),
        tone=series.tone(one),
        details=one.sentences,
    )


def strategy_table(all_seen: tuple[Seen, ...], elsewhere: str = "") -> Table:
    """All strategies with all of their figures; ``elsewhere`` says where the other cases are."""
    return Table(
        caption="All strategies, costliest first",
        groups=(
            ("", 1),
            ("In one session", 5),
            ("Bytes", 3),
            ("Latency of a call", 3),
            ("Over the floor", 2),
            ("", 1),
        ),
        columns=(
            Column(title="Strategy", is_number=False),
            Column(title="SSL contexts"),
            Column(title="CA loads"),
            Column(title="TLS hand\u00adshakes"),
            Column(title="Connec\u00adtions"),
            Column(title="Requests per conn."),
            Column(title="SSL, cumu\u00adlative", unit="MB"),
            Column(title="Peak", unit="MB"),
            Column(title="Retained", unit="MB"),
            Column(title="p50", unit="ms"),
            Column(title="p95", unit="ms"),
            Column(title="p99", unit="ms"),
            Column(title="Wall"),
            Column(title="CPU"),
            Column(title="State", is_number=False),
        ),
        rows=tuple(_strategy_row(one, all_seen) for one in all_seen),
        note=(
            f"{f'{elsewhere}. ' if elsewhere else ''}"
            "Contexts and CA loads are the client's counts; handshakes, connections and requests per connection (the "
            "mean) are the server's. “Over the floor” divides by the strategy named floor: medians over processes of "
            f"each process's {'fastest round' if _rounds(all_seen) > 1 else 'session'}. "
            f"{words.ABSENT} means not measured"
            f"{', or measured by another run than its floor' if len(_runs(all_seen)) > 1 else ''}."
        ),
        empty="No strategy is known to this report.",
    )


def _runs(all_seen: tuple[Seen, ...]) -> set[str]:
    return {one.shard for one in all_seen if one.timing}


def _rounds(all_seen: tuple[Seen, ...]) -> int:
    """The most sessions that were timed in one process."""
    return max((len(each.wall_ns) for one in all_seen for each in one.timing), default=0)


def brief_table(all_seen: tuple[Seen, ...]) -> Table:
    """The strategy table for a terminal of 80 columns."""
    rows = []
    for one in all_seen:
        figures = (
            figure_text(one.contexts),
            figure_text(one.handshakes),
            words.megabytes(one.ssl_bytes) if one.ssl_bytes is not None else words.ABSENT,
            _latency_cells(one)[0],
            _over_floor(one, all_seen)[1],
        )
        rows.append(
            Row(
                cells=(
                    Cell(text=f"{one.name} ({one.axes})" if one.axes else one.name, note=one.role),
                    *(Cell(text=figure) for figure in figures),
                    Cell(mark=STATE_MARKS[one.state]),
                ),
                tone=series.tone(one),
            )
        )
    return Table(
        caption="Strategies",
        columns=(
            Column(title="strategy", is_number=False),
            Column(title="contexts"),
            Column(title="handshakes"),
            Column(title="SSL MB"),
            Column(title="p50 ms"),
            Column(title="CPU"),
            Column(title="state", is_number=False),
        ),
        rows=tuple(rows),
    )
