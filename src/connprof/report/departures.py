"""What each axis changes: one section for each on which the cases of a report differ.

A case belongs to the section of the axis on which it departs from the report's base; beside it stands the same
strategy's case on the base. Each section begins with a sentence that answers its question from these cases.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec import structs

from connprof import stats
from connprof.axes import AXES, base_values, varied
from connprof.model import Case
from connprof.report import series, words
from connprof.report.cases import State, of_one_run
from connprof.report.marks import STATE_MARKS, bad_mark, figure_text, part_of
from connprof.report.safety import library_cells, outcome_phrase
from connprof.report.shapes import AxisView, Cell, Column, Plot, Row, Table
from connprof.safety import hazard_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from connprof.model import Report
    from connprof.report.cases import Seen

__all__ = ["KEYS", "OTHER", "axis_views"]

OTHER = "Other combinations"
"""The title of the section of cases that depart on several axes."""

_MOST_LINES = 9
_MOST_BARS = 18
_TWO_POINTS = 2
_LIBRARY = Case(strategy="", workload="", calls_count=1).client_library

_PAUSING = ("burst", "gaps-short", "gaps-long")
_RHYTHMS = ("single-origin", *_PAUSING)
"""Workloads that make the same calls to the same origin, each in a rhythm of its own."""

_TRUST = {
    "bundle": "the real CA bundle and ours",
    "system-file": "the system's CA file and ours",
    "system-directory": "a hashed directory",
    "our-ca": "our CA alone",
    "truststore": "truststore",
    "none": "verify=False",
}


@dataclass(frozen=True, slots=True)
class _Point:
    """One case of a section, with its place on the section's axis in words."""

    one: Seen
    case: Case
    place: str
    is_base: bool


@dataclass(frozen=True, slots=True)
class _Section:
    """A section to be: ``axes`` are those that its cases may differ on, the first of ``needed`` at least one."""

    key: str
    short: str
    title: str
    column: str
    needed: frozenset[str]
    axes: frozenset[str]
    place: Callable[[Case], str]
    answer: Callable[[Sequence[_Point]], str]
    plots: Callable[[Sequence[_Point]], tuple[Plot, ...]]
    with_protocol: bool = False
    base_note: str = "the default"


def axis_views(report: Report, all_seen: tuple[Seen, ...]) -> tuple[AxisView, ...]:
    """The sections that have cases, in a fixed order."""
    cases = {one.case: one for one in all_seen if one.case is not None}
    base = base_values(cases, calls_count=report.verdict.incident.calls_count)
    by_section: dict[str, list[_Point]] = {}
    for case, one in cases.items():
        departs = frozenset(varied(case, base))
        if departs:
            section = _section_of(departs, case)
            place = one.axes if section is _OTHER else section.place(case)
            by_section.setdefault(section.key, []).append(_Point(one, case, place, is_base=False))
    incident = report.verdict.incident
    beside: dict[str, dict[Case, Seen]] = {}
    in_rhythm: set[Case] = set()
    for section in _SECTIONS:
        own = {point.case: _counterparts(point.case, section, base) for point in by_section.get(section.key, [])}
        wanted = [other for others in own.values() for other in others if other not in own]
        if section.key == "rhythm":
            in_rhythm = {case for case, others in own.items() if not cases.keys().isdisjoint(others)}
        if section.key == "library":
            # Another library has strategies of its own: what they are held against is the incident's.
            names = {incident.before, incident.after, "one-client"}
            wanted += [case for case in cases if case.strategy in names and not varied(case, base)]
        beside[section.key] = {case: cases[case] for case in wanted if case in cases}
    # A case that another section is held against is no departure of its own, unless its own holds it against others.
    counterparts = {case for found in beside.values() for case in found} - in_rhythm
    found = []
    for section in (*_SECTIONS, _OTHER):
        points = [point for point in by_section.get(section.key, []) if point.case not in counterparts]
        held_against = {other for point in points for other in _counterparts(point.case, section, base)}
        points += [
            _Point(one, case, section.place(case), is_base=True)
            for case, one in beside.get(section.key, {}).items()
            if case in held_against or section.key == "library"
        ]
        hazards = _library_hazards(report) if section.key == "library" else None
        if any(not point.is_base for point in points) or (hazards is not None and hazards.rows):
            found.append(_view(section, points, hazards))
    return tuple(found)


def _counterparts(case: Case, section: _Section, base: Mapping[str, object]) -> tuple[Case, ...]:
    """The same case with an axis of the section where the base has it; in another rhythm of the same calls."""
    if section is _OTHER:
        return ()
    if section.key == "rhythm":
        return tuple(structs.replace(case, workload=name) for name in _RHYTHMS if name != case.workload)
    return tuple(
        structs.replace(case, **{axis: base[axis]})
        for axis in sorted(section.needed)
        if getattr(case, axis) != base[axis]
    )


def _section_of(departs: frozenset[str], case: Case) -> _Section:
    """Where a case belongs. One of a workload that has no pauses differs in whom it calls, not in its rhythm."""
    found = next((each for each in _SECTIONS if departs & each.needed and departs <= each.axes), _OTHER)
    return _OTHER if found.key == "rhythm" and case.workload not in _PAUSING else found


def _view(section: _Section, points: list[_Point], hazards: Table | None) -> AxisView:
    points = sorted(points, key=lambda point: (point.one.name, _order(section, point), point.place))
    whole = [point for point in points if point.one.state is State.MEASURED]
    tables = [_table(section, points)] if any(not point.is_base for point in points) else []
    if hazards is not None and hazards.rows:
        tables.append(hazards)
    # That another protocol was spoken makes a case invalid, and is part of the answer.
    answering = [point for point in points if point.one.ledger] if section.key == "protocol" else whole
    answers = any(not point.is_base for point in answering)
    sentence = section.answer(answering) if answers else ""
    return AxisView(
        key=section.key,
        short=section.short,
        title=section.title,
        sentence=sentence
        or (
            "The cases measured here do not answer the question; see the table."
            if answers
            else "No case of this section was measured to its end."
        ),
        plots=section.plots(whole) if answers else (),
        tables=tuple(tables),
    )


def _order(section: _Section, point: _Point) -> tuple[float, ...]:
    """Numbers by size; names of things in the order of their words."""
    case = point.case
    if section.key == "round-trip":
        return (case.rtt_ms,)
    if section.key == "calls":
        return (case.calls_count,)
    return (not point.is_base, case.concurrency_count, case.calls_count, case.rtt_ms)


def _table(section: _Section, points: Sequence[_Point]) -> Table:
    rows = []
    for point in points:
        one = point.one
        latency = words.milliseconds(stats.percentile(one.latency_ns, 50)) if one.latency_ns else words.ABSENT
        cells = [
            Cell(text=one.name, note=one.role),
            Cell(text=point.place, note=section.base_note if point.is_base else ""),
            Cell(text=words.count(point.case.calls_count)),
            Cell(text=figure_text(one.contexts)),
            Cell(text=figure_text(one.handshakes)),
            Cell(text=figure_text(one.connections)),
            Cell(text=words.megabytes(one.ssl_bytes) if one.ssl_bytes is not None else words.ABSENT),
            Cell(text=latency),
        ]
        if section.with_protocol:
            cells.append(_protocol(one, point.case))
        cells.append(Cell(mark=STATE_MARKS[one.state]))
        rows.append(Row(cells=tuple(cells), tone=series.tone(one), details=one.sentences))
    columns = [
        Column(title="Strategy", is_number=False),
        Column(title=section.column, is_number=False),
        Column(title="Calls"),
        Column(title="SSL contexts"),
        Column(title="TLS hand\u00adshakes"),
        Column(title="Connec\u00adtions"),
        Column(title="SSL, cumu\u00adlative", unit="MB"),
        Column(title="p50", unit="ms"),
        *([Column(title="Spoken", is_number=False)] if section.with_protocol else []),
        Column(title="State", is_number=False),
    ]
    return Table(caption="Every case of this section", columns=tuple(columns), rows=tuple(rows))


def _spoken(one: Seen) -> dict[str, int]:
    return {words.plain(name) or "none": number for name, number in one.ledger.alpn.items()} if one.ledger else {}


def _protocol(one: Seen, case: Case) -> Cell:
    """What ALPN settled on, loud where HTTP/2 was asked for and something else was spoken."""
    spoken = _spoken(one)
    said = ", ".join(f"{name} ({words.count(number)})" for name, number in sorted(spoken.items())) or words.ABSENT
    if case.http_version == "2" and set(spoken) - {"h2"}:
        return Cell(mark=bad_mark(f"asked for HTTP/2, spoke {said}"))
    return Cell(text=said)


# --- figures ------------------------------------------------------------------------------------------------------


def _by_strategy(points: Iterable[_Point]) -> dict[str, list[_Point]]:
    found: dict[str, list[_Point]] = {}
    for point in points:
        found.setdefault(point.one.name, []).append(point)
    return found


def _p50_ms(one: Seen) -> float | None:
    return stats.percentile(one.latency_ns, 50) / 1e6 if one.latency_ns else None


def _ssl_mb(one: Seen) -> float | None:
    return one.ssl_bytes / 1e6 if one.ssl_bytes is not None else None


def _lines(
    points: Sequence[_Point], x: Callable[[Case], float], y: Callable[[Seen], float | None]
) -> dict[str, tuple[Seen, list[tuple[float, float]]]]:
    """For each strategy with at least two different places on the axis its points, ascending."""
    found = {}
    for name, own in _by_strategy(points).items():
        at = {x(point.case): value for point in own if (value := y(point.one)) is not None}
        if len(at) >= _TWO_POINTS:
            found[name] = (own[0].one, sorted(at.items()))
    return found


def _fit(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Slope and intercept of the least-squares line."""
    found = stats.line([x for x, _ in points], [y for _, y in points])
    return found.slope, found.intercept


def _line_plot(
    key: str,
    title: str,
    takeaway: str,
    lines: Mapping[str, tuple[Seen, list[tuple[float, float]]]],
    labels: tuple[str, str],
    *,
    whole_x: bool,
) -> tuple[Plot, ...]:
    if not lines:
        return ()
    # Costliest first: the names at the right end then stand in the order of their lines.
    names = sorted(lines, key=lambda name: (series.tone(lines[name][0]) == "other", -lines[name][1][-1][1], name))
    shown, rest = names[:_MOST_LINES], names[_MOST_LINES:]
    drawn = series.Lines(
        lines=tuple(
            series.Line(label=name, tone=series.tone(lines[name][0]), points=tuple(lines[name][1])) for name in shown
        ),
        x=series.linear(max(lines[name][1][-1][0] for name in shown), labels[0], whole=whole_x),
        y=series.linear(max(y for name in shown for _, y in lines[name][1]), labels[1]),
    )
    described = "; ".join(
        f"{name} from {lines[name][1][0][1]:.1f} at {lines[name][1][0][0]:g} to {lines[name][1][-1][1]:.1f} at "
        f"{lines[name][1][-1][0]:g}"
        for name in shown
    )
    return (
        Plot(
            key=key,
            title=title,
            takeaway=takeaway,
            alt=f"Lines of {labels[1]} over {labels[0]}: {described}.",
            series=drawn,
            left_out=f"{words.plural(len(rest), 'more strategy', 'more strategies')} in the table." if rest else "",
        ),
    )


def _bar_plot(
    key: str, title: str, takeaway: str, points: Sequence[_Point], parts: Callable[[Seen], tuple[int, int] | None]
) -> tuple[Plot, ...]:
    """Contexts and handshakes of each case: one row for each strategy and place."""
    bars = []
    for point in points:
        found = parts(point.one)
        if found is not None:
            contexts, handshakes = found
            bars.append(
                series.Bar(
                    label=f"{point.one.name}, {point.place}",
                    tone="other",
                    role="",
                    segments=(
                        series.Segment(key="context", value=contexts, text=words.count(contexts)),
                        series.Segment(key="handshake", value=handshakes, text=words.count(handshakes)),
                    ),
                    total=max(contexts, handshakes),
                    text=f"{words.count(contexts)} and {words.count(handshakes)}",
                )
            )
    if not bars:
        return ()
    shown, rest = bars[:_MOST_BARS], bars[_MOST_BARS:]
    drawn = series.StackedBars(
        bars=tuple(shown),
        axis=series.linear(max(bar.total for bar in shown), "events in one session", whole=True),
        legend=(("context", "SSL contexts created"), ("handshake", "full TLS handshakes")),
        stacked=False,
    )
    return (_bars(key, title, takeaway, drawn, len(rest)),)


def _byte_plot(key: str, title: str, takeaway: str, points: Sequence[_Point]) -> tuple[Plot, ...]:
    """SSL bytes of each case by what they were spent on."""
    bars = []
    for point in points:
        ssl = point.one.ssl
        if ssl is not None:
            sizes: tuple[tuple[series.Key, int], ...] = (
                ("context", ssl.context_bytes),
                ("handshake", ssl.handshake_bytes),
                ("io", ssl.io_bytes),
            )
            bars.append(
                series.Bar(
                    label=f"{point.one.name}, {point.place}",
                    tone="other",
                    role="",
                    segments=tuple(
                        series.Segment(key=name, value=size / 1e6, text=words.megabytes(size)) for name, size in sizes
                    ),
                    total=ssl.total_bytes / 1e6,
                    text=words.bytes_text(ssl.total_bytes),
                )
            )
    if not bars:
        return ()
    shown, rest = bars[:_MOST_BARS], bars[_MOST_BARS:]
    drawn = series.StackedBars(
        bars=tuple(shown),
        axis=series.linear(max(bar.total for bar in shown), "cumulative SSL bytes, MB"),
        legend=tuple(series.CATEGORIES.items()),
        stacked=True,
    )
    return (_bars(key, title, takeaway, drawn, len(rest)),)


def _bars(key: str, title: str, takeaway: str, drawn: series.StackedBars, rest: int) -> Plot:
    described = "; ".join(f"{bar.label} {bar.text}" for bar in drawn.bars)
    return Plot(
        key=key,
        title=title,
        takeaway=takeaway,
        alt=f"Bars: {described}.",
        series=drawn,
        left_out=f"{words.plural(rest, 'more case')} in the table." if rest else "",
    )


def _events(one: Seen) -> tuple[int, int] | None:
    return None if one.contexts is None or one.handshakes is None else (one.contexts, one.handshakes)


def _nothing(_points: Sequence[_Point]) -> tuple[Plot, ...]:
    return ()


# --- round trip ---------------------------------------------------------------------------------------------------


def _of_one_run(points: Sequence[_Point]) -> Sequence[_Point]:
    """Times of two runs are of two machines: no line goes from one to the other."""
    kept = of_one_run(point.one for point in points)
    return [point for point in points if point.one in kept]


def _round_trip_answer(points: Sequence[_Point]) -> str:
    lines = _lines(_of_one_run(points), lambda case: case.rtt_ms, _p50_ms)
    slopes = {name: _fit(line)[0] for name, (_, line) in lines.items()}
    if not slopes:
        return ""
    steep = max(sorted(slopes), key=lambda name: slopes[name])
    flat = min(sorted(slopes), key=lambda name: slopes[name])
    sentence = f"Each millisecond of round trip adds {slopes[steep]:.1f} ms to the median call of {steep}"
    if steep != flat:
        sentence += f" and {slopes[flat]:.1f} ms to that of {flat}: what a new connection waits for, on every call"
    return f"{sentence}."


def _round_trip_plots(points: Sequence[_Point]) -> tuple[Plot, ...]:
    return _line_plot(
        "axis-round-trip",
        "Latency over round trip",
        "The median of a call, over a modelled round trip. A model: it delays bytes and the connect, and loses none.",
        _lines(_of_one_run(points), lambda case: case.rtt_ms, _p50_ms),
        ("round trip, ms", "median latency of a call, ms"),
        whole_x=True,
    )


# --- calls --------------------------------------------------------------------------------------------------------


def _calls_answer(points: Sequence[_Point]) -> str:
    fits = {
        name: _fit(line) for name, (_, line) in _lines(points, lambda case: float(case.calls_count), _ssl_mb).items()
    }
    if not fits:
        return ""
    steep = max(sorted(fits), key=lambda name: fits[name][0])
    flat = min(sorted(fits), key=lambda name: fits[name][0])

    def said(name: str) -> str:
        slope, intercept = fits[name]
        return f"{slope:.2f} MB with {name} (and {intercept:z.1f} MB once)"

    sentence = f"Each further call costs {said(steep)}"
    return f"{sentence} and {said(flat)}." if steep != flat else f"{sentence}."


def _calls_plots(points: Sequence[_Point]) -> tuple[Plot, ...]:
    lines = _lines(points, lambda case: float(case.calls_count), _ssl_mb)
    fits = [
        f"{name} {slope:.2f} MB a call and {intercept:z.1f} MB once"
        for name, (slope, intercept) in sorted((name, _fit(line)) for name, (_, line) in lines.items())
    ]
    return _line_plot(
        "axis-calls",
        "SSL bytes over calls",
        "Each point is a session of its own. Least-squares lines, slope and intercept: " + "; ".join(fits) + ".",
        lines,
        ("calls in the session", "cumulative SSL bytes, MB"),
        whole_x=True,
    )


# --- rhythm, concurrency ------------------------------------------------------------------------------------------


def _per_call(one: Seen, case: Case) -> float | None:
    return None if one.handshakes is None else one.handshakes / case.calls_count


def _alike(points: Sequence[_Point], axis: str) -> list[list[_Point]]:
    """Those that differ on ``axis`` alone, where there are several."""
    found: dict[tuple[object, ...], list[_Point]] = {}
    for point in points:
        others = (getattr(point.case, name) for name in AXES if name != axis)
        found.setdefault((point.case.strategy, *others), []).append(point)
    return [own for own in found.values() if len(own) >= _TWO_POINTS]


def _spread(groups: Iterable[Sequence[_Point]]) -> tuple[_Point, _Point] | None:
    """Of the group whose handshakes per call differ most over the section: where they are fewest, and most."""
    widest: tuple[float, _Point, _Point] | None = None
    for own in groups:
        rated = [(value, point) for point in own if (value := _per_call(point.one, point.case)) is not None]
        if len(rated) < _TWO_POINTS:
            continue
        low = min(rated, key=lambda pair: pair[0])
        high = max(rated, key=lambda pair: pair[0])
        if widest is None or high[0] - low[0] > widest[0]:
            widest = (high[0] - low[0], low[1], high[1])
    return None if widest is None else (widest[1], widest[2])


def _handshakes(point: _Point) -> str:
    return f"{words.plural(point.one.handshakes or 0, 'handshake')} for {words.plural(point.case.calls_count, 'call')}"


def _spread_answer(groups: Iterable[Sequence[_Point]], lead: str, same: str) -> str:
    found = _spread(groups)
    if found is None:
        return ""
    low, high = found
    if _per_call(low.one, low.case) == _per_call(high.one, high.case):
        return same
    return f"{lead}: {low.one.name} makes {_handshakes(low)} ({low.place}), but {_handshakes(high)} ({high.place})."


def _rhythm_answer(points: Sequence[_Point]) -> str:
    return _spread_answer(
        _alike(points, "workload"),
        "What a kept connection saves depends on the rhythm",
        "No strategy measured here makes more or fewer handshakes per call under another rhythm.",
    )


def _rhythm_plots(points: Sequence[_Point]) -> tuple[Plot, ...]:
    return _bar_plot(
        "axis-rhythm",
        "Handshakes by rhythm",
        "Where the pauses are longer than a connection is kept, keeping it saves nothing but the context.",
        [point for own in _alike(points, "workload") for point in own],
        _events,
    )


def _concurrency_answer(points: Sequence[_Point]) -> str:
    answers = (
        _spread_answer(
            _alike(points, "concurrency_count"),
            "How many calls are made at once changes what a kept connection saves",
            "No strategy measured here makes more or fewer handshakes per call at another concurrency.",
        ),
        _spread_answer(
            _alike(points, "limits"),
            "Limits of the pool change what a kept connection saves",
            "No strategy measured here makes more or fewer handshakes per call with other limits.",
        ),
    )
    return " ".join(answer for answer in answers if answer)


def _concurrency_plots(points: Sequence[_Point]) -> tuple[Plot, ...]:
    return _bar_plot(
        "axis-concurrency",
        "Handshakes by concurrency and limits",
        "Contexts and handshakes of one session, at so many calls at once and with such limits.",
        points,
        _events,
    )


# --- trust stores, libraries, protocols, Pythons ------------------------------------------------------------------


def _trust_answer(points: Sequence[_Point]) -> str:
    parts = []
    for name, own in sorted(_by_strategy(points).items()):
        sizes = sorted((size, point.place) for point in own if (size := point.one.ssl_bytes) is not None)
        if len(sizes) >= _TWO_POINTS:
            (low, least), (high, most) = sizes[0], sizes[-1]
            dear, cheap = words.bytes_text(high), words.bytes_text(low)
            parts.append(f"{name} costs {dear} of SSL bytes with {most} and {cheap} with {least}")
    return f"What a context loads is what it costs: {'; '.join(parts)}." if parts else ""


def _trust_plots(points: Sequence[_Point]) -> tuple[Plot, ...]:
    return _byte_plot("axis-trust", "SSL bytes by trust store", "The same calls, with other CA certificates.", points)


def _library_answer(points: Sequence[_Point]) -> str:
    """Of the cases that open a connection for each call: how many make a context for each as well."""
    others = [point for point in points if point.case.client_library != _LIBRARY]
    each = [
        point
        for point in others
        if point.one.handshakes is not None and point.one.handshakes >= point.case.calls_count > 1
    ]
    if not others:
        return ""
    names = sorted({point.place for point in others})
    if not each:
        return f"None of the cases with {words.joined(names)} makes a handshake for each call."
    contexts = [
        point for point in each if point.one.contexts is not None and point.one.contexts >= point.case.calls_count
    ]
    fixed = sorted({point.place for point in each} - {point.place for point in contexts})
    libraries = {point.place for point in each}
    sentence = (
        f"Changing the library alone does not fix it: with {part_of(len(libraries), len(names), 'others')} a client "
        "per call still makes a handshake for each call"
    )
    still = sorted({point.place for point in contexts})
    if still:
        sentence += f", and a context for each with {words.joined(still)}"
    if fixed:
        sentence += f"; {words.joined(fixed)} {'keeps' if len(fixed) == 1 else 'keep'} the context"
    return f"{sentence}."


def _library_plots(points: Sequence[_Point]) -> tuple[Plot, ...]:
    return _bar_plot(
        "axis-library",
        "Contexts and handshakes by library",
        "The same calls with other client libraries, each in an environment of its own.",
        points,
        _events,
    )


def _library_hazards(report: Report) -> Table:
    """Cells of other libraries beside those of the default one."""
    others = library_cells(report, default=False)
    libraries = sorted({cell.client_library for cell in others})
    every = {(cell.strategy, cell.hazard, cell.client_library): cell for cell in report.safety}
    pairs = sorted({(cell.strategy, cell.hazard) for cell in others}, key=lambda pair: (hazard_order(pair[1]), pair[0]))
    rows = tuple(
        Row(
            cells=(
                Cell(text=words.plain(strategy)),
                Cell(text=words.plain(hazard)),
                *(
                    Cell(text=outcome_phrase(every[strategy, hazard, library]))
                    if (strategy, hazard, library) in every
                    else Cell(text=words.ABSENT)
                    for library in (_LIBRARY, *libraries)
                ),
            )
        )
        for strategy, hazard in pairs
    )
    return Table(
        caption="Hazards by library",
        columns=(
            Column(title="Strategy", is_number=False),
            Column(title="Hazard", is_number=False),
            *(Column(title=words.plain(library), is_number=False) for library in (_LIBRARY, *libraries)),
        ),
        rows=rows,
    )


def _protocol_answer(points: Sequence[_Point]) -> str:
    asked = [point for point in points if point.case.http_version == "2" and point.one.ledger]
    if not asked:
        return ""
    spoke = [point for point in asked if set(_spoken(point.one)) == {"h2"} and point.one.state is State.MEASURED]
    sentence = f"HTTP/2 was asked for in {words.plural(len(asked), 'case')} and spoken in {words.count(len(spoke))}"
    own = {point.one.name: point.one for point in points if point.is_base}
    fewer = [
        (own[point.one.name].handshakes or 0, point.one.handshakes or 0, point.one.name)
        for point in spoke
        if point.one.name in own and (own[point.one.name].handshakes or 0) > (point.one.handshakes or 0)
    ]
    if fewer:
        old, new, name = max(fewer)
        sentence += f"; {name} then makes {words.count(new)} handshakes instead of {words.count(old)}"
    elif spoke:
        sentence += "; it saved no handshake in any of them"
    return f"{sentence}."


def _protocol_plots(points: Sequence[_Point]) -> tuple[Plot, ...]:
    return _byte_plot(
        "axis-protocol", "SSL bytes by protocol", "The same calls over HTTP/1.1 and with HTTP/2 asked for.", points
    )


def _python_answer(points: Sequence[_Point]) -> str:
    widest: tuple[float, str] | None = None
    for name, own in _by_strategy(points).items():
        sizes = [one for point in own if (one := point.one.ssl_bytes)]
        if len(sizes) >= _TWO_POINTS:
            ratio = max(sizes) / min(sizes)
            widest = max(widest or (0.0, ""), (ratio, name))
    if widest is None:
        return ""
    versions = words.joined(sorted({point.place for point in points}))
    return (
        f"Over {versions} the SSL bytes of one strategy differ by at most {100 * (widest[0] - 1):.1f} % ({widest[1]})."
    )


def _python_plots(points: Sequence[_Point]) -> tuple[Plot, ...]:
    return _byte_plot("axis-python", "SSL bytes by Python", "The same calls on other interpreters.", points)


def _python_place(case: Case) -> str:
    return f"Python {words.plain(case.python)}" if case.python else "the suite's Python"


def _at_once(case: Case) -> str:
    parts = [words.plural(case.concurrency_count, "call") + " at once"]
    if case.limits != "default":
        parts.append(f"limits {words.plain(case.limits)}")
    return ", ".join(parts)


def _http(case: Case) -> str:
    parts = [f"HTTP/{words.plain(case.http_version)}"]
    if case.concurrency_count != 1:
        parts.append(_at_once(case))
    if case.rtt_ms:
        parts.append(f"{case.rtt_ms:g} ms")
    return ", ".join(parts)


def _library(case: Case) -> str:
    parts = [words.plain(case.client_library).replace("==", " ")]
    if case.http_version != "1.1":
        parts.append(f"HTTP/{words.plain(case.http_version)}")
    if case.trust_store != "bundle":
        parts.append(f"trust store {words.plain(case.trust_store)}")
    return ", ".join(parts)


_SECTIONS = (
    _Section(
        key="library",
        short="Libraries",
        title="Does changing the library fix it?",
        column="Library",
        needed=frozenset({"client_library"}),
        axes=frozenset({"client_library", "http_version", "trust_store"}),
        place=_library,
        answer=_library_answer,
        plots=_library_plots,
        with_protocol=True,
    ),
    _Section(
        key="round-trip",
        short="Round trip",
        title="What does a handshake cost on a real network?",
        column="Round trip",
        needed=frozenset({"rtt_ms"}),
        axes=frozenset({"rtt_ms"}),
        place=lambda case: f"{case.rtt_ms:g} ms",
        answer=_round_trip_answer,
        plots=_round_trip_plots,
    ),
    _Section(
        key="calls",
        short="Calls",
        title="What does one more call cost?",
        column="Calls",
        needed=frozenset({"calls_count"}),
        axes=frozenset({"calls_count"}),
        place=lambda case: words.plural(case.calls_count, "call"),
        answer=_calls_answer,
        plots=_calls_plots,
    ),
    _Section(
        key="rhythm",
        short="Rhythm",
        title="Does the rhythm of the calls matter?",
        column="Workload",
        needed=frozenset({"workload"}),
        axes=frozenset({"workload"}),
        place=lambda case: words.plain(case.workload),
        answer=_rhythm_answer,
        plots=_rhythm_plots,
        base_note="for comparison",
    ),
    _Section(
        key="concurrency",
        short="Concurrency",
        title="What do concurrency and limits change?",
        column="At once",
        needed=frozenset({"concurrency_count", "limits"}),
        axes=frozenset({"concurrency_count", "limits", "workload"}),
        place=_at_once,
        answer=_concurrency_answer,
        plots=_concurrency_plots,
    ),
    _Section(
        key="trust",
        short="Trust stores",
        title="What does the trust store cost?",
        column="Trust store",
        needed=frozenset({"trust_store"}),
        axes=frozenset({"trust_store"}),
        place=lambda case: _TRUST.get(case.trust_store, words.plain(case.trust_store)),
        answer=_trust_answer,
        plots=_trust_plots,
    ),
    _Section(
        key="protocol",
        short="HTTP/2",
        title="Is HTTP/2 better?",
        column="Asked for",
        needed=frozenset({"http_version"}),
        axes=frozenset({"http_version", "concurrency_count", "limits", "rtt_ms"}),
        place=_http,
        answer=_protocol_answer,
        plots=_protocol_plots,
        with_protocol=True,
    ),
    _Section(
        key="python",
        short="Pythons",
        title="Does the version of Python matter?",
        column="Python",
        needed=frozenset({"python"}),
        axes=frozenset({"python"}),
        place=_python_place,
        answer=_python_answer,
        plots=_python_plots,
    ),
)

_OTHER = _Section(
    key="other",
    short=OTHER,
    title=OTHER,
    column="Axes",
    needed=frozenset(),
    axes=frozenset(),
    place=lambda _case: "the default",
    answer=lambda points: f"{words.plural(len(points), 'case')} with more than one difference from the default.",
    plots=_nothing,
    with_protocol=True,
)

KEYS = tuple(f"axis-{section.key}" for section in _SECTIONS)
"""The keys of all plots that a section may have."""
