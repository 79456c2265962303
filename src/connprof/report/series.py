"""What is drawn: for each plot its values and finished words. The drawing itself is in :mod:`.plots`.

Values are in the unit that the axis names. A row's ``tone`` says what it is in the incident, so that the regression
and its fix look the same in every plot: ``before``, ``after`` or ``other``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from connprof import stats
from connprof.model import EventKind
from connprof.report import words

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from connprof.model import Event, Incident
    from connprof.report.cases import Seen

__all__ = [
    "Axis",
    "Band",
    "Bar",
    "Box",
    "Boxes",
    "Dot",
    "Harm",
    "Line",
    "Lines",
    "Mark",
    "Panel",
    "Reference",
    "Segment",
    "Series",
    "Span",
    "StackedBars",
    "Strip",
    "Timeline",
    "Tone",
    "Track",
    "bytes_by_category",
    "counts",
    "growth",
    "latency",
    "linear",
    "logarithmic",
    "over_runs",
    "published_bytes",
    "timeline",
    "tone",
]

Tone: TypeAlias = Literal["before", "after", "other"]
Key: TypeAlias = Literal["context", "handshake", "io"]

CATEGORIES: dict[Key, str] = {
    "context": "creating contexts",
    "handshake": "handshakes",
    "io": "reading and writing",
}
_TONES: dict[str, Tone] = {"the regression": "before", "the fix": "after"}
_MOST_EVENTS = 900
_MB = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """An axis from ``low`` to ``high`` with its finished tick labels."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    label: str
    is_log: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One part of a bar."""

    key: Key
    value: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One row of bars: stacked end to end, or one below the other."""

    label: str
    tone: Tone
    role: str
    segments: tuple[Segment, ...]
    total: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A marked line across the plot."""

    value: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StackedBars:
    """Rows of bars. ``stacked`` says whether a row's segments are parts of one whole."""

    bars: tuple[Bar, ...]
    axis: Axis
    legend: tuple[tuple[Key, str], ...]
    stacked: bool
    reference: Reference | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of points, labelled at its last one; ``steps`` are those of them that get a ring."""

    label: str
    tone: Tone
    points: tuple[tuple[float, float], ...]
    steps: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """Lines over common axes."""

    lines: tuple[Line, ...]
    x: Axis
    y: Axis


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A marked place in a distribution, with its figure."""

    value: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """One distribution: whiskers from the 5th percentile, box between the quartiles, marks at 50, 95 and 99."""

    label: str
    tone: Tone
    role: str
    low: float
    quartile_1: float
    quartile_3: float
    p50: Mark
    p95: Mark
    p99: Mark


@dataclass(frozen=True, slots=True, kw_only=True)
class Boxes:
    """Distributions over a common logarithmic axis."""

    boxes: tuple[Box, ...]
    axis: Axis


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A bar on the timeline. ``lane`` counts from 0 and keeps spans of one kind from covering each other."""

    start: float
    end: float
    lane: int
    ok: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """One origin's part of a session."""

    origin: str
    calls: tuple[Span, ...]
    connections: tuple[Span, ...]
    handshakes: tuple[Span, ...]
    calls_lanes_count: int
    connections_lanes_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One session."""

    title: str
    tally: str
    tone: Tone
    tracks: tuple[Track, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Sessions one above the other, over the same axis."""

    panels: tuple[Panel, ...]
    axis: Axis


Harm: TypeAlias = Literal["spared", "broke", "harm"]
"""The worst that came of a strategy; ``broke`` stands for hangs too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """One strategy at its price.

    ``short`` is its label where there is little room, ``harms_count`` under how many hazards it did silent harm.
    """

    value: float
    label: str
    short: str
    harm: Harm
    harms_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """The strategies that the same number of points counts against."""

    label: str
    dots: tuple[Dot, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """Bands one below the other, safest first, over a common price; each dot has a lane of its own."""

    bands: tuple[Band, ...]
    axis: Axis
    y_label: str
    legend: tuple[tuple[Harm, str], ...]


Series: TypeAlias = StackedBars | Lines | Boxes | Timeline | Strip


# --- axes ---------------------------------------------------------------------------------------------------------


def _step(high: float, about: int) -> float:
    """The round step (1, 2 or 5 times a power of ten) that comes nearest to that many parts of ``high``."""
    power = 10.0 ** math.floor(math.log10(high / about))
    return min((factor * power for factor in (1, 2, 5, 10)), key=lambda step: abs(math.log(high / about / step)))


def linear(high: float, label: str, *, about: int = 5, whole: bool = False) -> Axis:
    """From 0 to ``high``; with ``whole`` no tick lies between two whole numbers."""
    high = high if high > 0 else 1.0
    step = _step(high, about)
    if whole:
        step = max(1.0, step)
    digits = max(0, -math.floor(math.log10(step)))
    ticks = tuple((k * step, f"{k * step:,.{digits}f}") for k in range(math.floor(high / step * 1.0001) + 1))
    return Axis(low=0.0, high=high, ticks=ticks, label=label)


def over_runs(lines: Sequence[Line], runs_count: int, label: str, *, whole: bool) -> Lines:
    """Lines over the numbers of runs, from 1 on; ``whole`` says that the figures are counts."""
    every = max(1, math.ceil(runs_count / 12))
    ticks = tuple((float(k), str(k)) for k in range(1, runs_count + 1, every))
    return Lines(
        lines=tuple(lines),
        x=Axis(low=0.0, high=float(runs_count), ticks=ticks, label="run, in order of time"),
        y=linear(max(y for line in lines for _, y in line.points), label, whole=whole),
    )


def logarithmic(values: Sequence[float], label: str) -> Axis:
    """All values with a little room, ticks at 1, 2 and 5 times the powers of ten."""
    low, high = min(values) / 1.25, max(values) * 1.25
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    factors = (1, 2, 5) if math.log10(high / low) < 3 else (1,)  # noqa: PLR2004  decades that have room for three
    ticks = tuple(
        (factor * 10.0**power, f"{factor * 10.0**power:,.{max(0, -power)}f}")
        for power in range(first, last + 1)
        for factor in factors
        if low <= factor * 10.0**power <= high
    )
    return Axis(low=low, high=high, ticks=ticks, label=label, is_log=True)


def tone(one: Seen) -> Tone:
    """What a case is in the incident."""
    return _TONES.get(one.role, "other")


# --- the plots ----------------------------------------------------------------------------------------------------


def published_bytes(incident: Incident, calls_count: int) -> float:
    """The published SSL bytes, scaled to that many calls."""
    return incident.ssl_bytes * calls_count / incident.calls_count


def bytes_by_category(all_seen: Iterable[Seen], incident: Incident) -> StackedBars | None:
    """SSL bytes of each strategy, stacked by what they were spent on, in MB."""
    bars = []
    calls = set()
    for one in all_seen:
        if one.ssl is None or one.memory is None:
            continue
        parts: tuple[tuple[Key, int], ...] = (
            ("context", one.ssl.context_bytes),
            ("handshake", one.ssl.handshake_bytes),
            ("io", one.ssl.io_bytes),
        )
        calls.add(one.memory.calls_count)
        bars.append(
            Bar(
                label=one.label,
                tone=tone(one),
                role=one.role,
                segments=tuple(Segment(key=key, value=size / _MB, text=words.megabytes(size)) for key, size in parts),
                total=one.ssl.total_bytes / _MB,
                text=words.bytes_text(one.ssl.total_bytes),
            )
        )
    if not bars:
        return None
    reference = None
    if len(calls) == 1:
        published = published_bytes(incident, calls.pop())
        reference = Reference(value=published / _MB, text=f"published: about {words.round_bytes(published)}")
    most = max(bar.total for bar in bars)
    high = max(most, reference.value) if reference else most
    return StackedBars(
        bars=tuple(bars),
        axis=linear(high, "cumulative SSL bytes, MB"),
        legend=tuple(CATEGORIES.items()),
        stacked=True,
        reference=reference,
    )


def counts(all_seen: Iterable[Seen]) -> StackedBars | None:
    """Contexts and full handshakes of each strategy."""
    bars = []
    for one in all_seen:
        if one.contexts is None or one.handshakes is None:
            continue
        contexts, handshakes = words.count(one.contexts), words.count(one.handshakes)
        bars.append(
            Bar(
                label=one.label,
                tone=tone(one),
                role=one.role,
                segments=(
                    Segment(key="context", value=one.contexts, text=contexts),
                    Segment(key="handshake", value=one.handshakes, text=handshakes),
                ),
                total=max(one.contexts, one.handshakes),
                text=f"{contexts} and {handshakes}",
            )
        )
    if not bars:
        return None
    return StackedBars(
        bars=tuple(bars),
        axis=linear(max(bar.total for bar in bars), "events in one session", whole=True),
        legend=(("context", "SSL contexts created"), ("handshake", "full TLS handshakes")),
        stacked=False,
    )


def growth(all_seen: Iterable[Seen]) -> Lines | None:
    """SSL bytes after more and more calls, in MB; only strategies with at least two points."""
    lines = tuple(
        Line(
            label=one.label,
            tone=tone(one),
            points=tuple((each.calls_count, each.ssl.total_bytes / _MB) for each in one.memory_passes),
        )
        for one in all_seen
        if len(one.memory_passes) > 1
    )
    if not lines:
        return None
    return Lines(
        lines=lines,
        x=linear(max(line.points[-1][0] for line in lines), "calls in the session", about=4, whole=True),
        y=linear(max(y for line in lines for _, y in line.points), "cumulative SSL bytes, MB"),
    )


def latency(all_seen: Iterable[Seen]) -> Boxes | None:
    """The distribution of call latencies of each strategy, in milliseconds."""
    boxes = []
    for one in all_seen:
        samples = one.latency_ns
        if not samples:
            continue
        at = {percent: stats.percentile(samples, percent) for percent in (5, 25, 50, 75, 95, 99)}
        if at[5] <= 0:
            continue
        mark = {
            percent: Mark(value=at[percent] / 1e6, text=words.milliseconds(at[percent])) for percent in (50, 95, 99)
        }
        boxes.append(
            Box(
                label=one.label,
                tone=tone(one),
                role=one.role,
                low=at[5] / 1e6,
                quartile_1=at[25] / 1e6,
                quartile_3=at[75] / 1e6,
                p50=mark[50],
                p95=mark[95],
                p99=mark[99],
            )
        )
    if not boxes:
        return None
    ends = [end for box in boxes for end in (box.low, box.p99.value)]
    return Boxes(boxes=tuple(boxes), axis=logarithmic(ends, "latency of a call, ms (logarithmic)"))


# --- the timeline -------------------------------------------------------------------------------------------------


def _spans(events: Iterable[Event], scale: float) -> tuple[tuple[Span, ...], int]:
    """The events in as few lanes as keep them from covering each other, and the number of lanes."""
    free_from: list[int] = []
    spans = []
    for event in sorted(events, key=lambda event: (event.start_ns, event.end_ns)):
        lane = next((k for k, end in enumerate(free_from) if end <= event.start_ns), len(free_from))
        if lane == len(free_from):
            free_from.append(0)
        free_from[lane] = event.end_ns
        spans.append(Span(start=event.start_ns * scale, end=event.end_ns * scale, lane=lane, ok=event.ok))
    return tuple(spans), len(free_from)


def _handshakes(
    events: Iterable[Event], connections: Sequence[Event], spans: Sequence[Span], scale: float
) -> tuple[Span, ...]:
    """Handshakes in the lane of the connection that they belong to: the latest that was open by then."""
    ordered = sorted(connections, key=lambda event: (event.start_ns, event.end_ns))
    taken: set[int] = set()
    found = []
    for event in sorted(events, key=lambda event: event.start_ns):
        owners = [
            k
            for k, connection in enumerate(ordered)
            if connection.start_ns <= event.start_ns <= connection.end_ns and k not in taken
        ]
        owner = owners[-1] if owners else None
        if owner is not None:
            taken.add(owner)
        lane = spans[owner].lane if owner is not None else 0
        found.append(Span(start=event.start_ns * scale, end=event.end_ns * scale, lane=lane, ok=event.ok))
    return tuple(found)


def _panel(one: Seen, role: str, origins: Sequence[str], scale: float) -> Panel | None:
    if one.counts is None or not one.counts.events:
        return None
    everything = sorted(one.counts.events, key=lambda event: event.start_ns)
    events = everything[:_MOST_EVENTS]
    tracks = []
    for origin in origins:
        of = {kind: [event for event in events if event.origin == origin and event.kind is kind] for kind in EventKind}
        calls, calls_lanes = _spans(of[EventKind.CALL], scale)
        # Where no connection was recorded, the connects stand for them.
        opened = of[EventKind.CONNECTION] or of[EventKind.CONNECT]
        connections, lanes = _spans(opened, scale)
        tracks.append(
            Track(
                origin=words.plain(origin),
                calls=calls,
                connections=connections,
                handshakes=_handshakes(of[EventKind.HANDSHAKE], opened, connections, scale),
                calls_lanes_count=calls_lanes,
                connections_lanes_count=lanes,
            )
        )
    number = {kind: sum(event.kind is kind for event in everything) for kind in EventKind}
    tally = words.joined(
        [
            words.plural(number[EventKind.CALL], "call"),
            words.plural(number[EventKind.CONNECTION] or number[EventKind.CONNECT], "connection"),
            words.plural(number[EventKind.HANDSHAKE], "handshake"),
        ]
    )
    if len(events) < len(everything):
        tally += f" (drawn: the first {words.count(len(events))} of {words.count(len(everything))} events)"
    return Panel(title=f"{role}: {one.label}", tally=tally, tone=tone(one), tracks=tuple(tracks))


def timeline(before: Seen | None, after: Seen | None) -> Timeline | None:
    """One session with the regression and one with its fix, over the same time scale."""
    sessions = [
        (one, role)
        for one, role in ((before, "Regression"), (after, "Fix"))
        if one is not None and one.counts is not None and one.counts.events
    ]
    if not sessions:
        return None
    events = [event for one, _ in sessions if one.counts for event in one.counts.events]
    origins = list(dict.fromkeys(event.origin for event in sorted(events, key=lambda event: event.start_ns)))
    end_ns = max(event.end_ns for event in events)
    in_seconds = end_ns >= 10_000_000_000  # noqa: PLR2004  ten seconds
    scale = 1e-9 if in_seconds else 1e-6
    unit = "s" if in_seconds else "ms"
    panels = [_panel(one, role, origins, scale) for one, role in sessions]
    return Timeline(
        panels=tuple(panel for panel in panels if panel),
        axis=linear(end_ns * scale, f"time since the session began, {unit}"),
    )
