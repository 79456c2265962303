"""A history as text, and as a page with a plot for each metric."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from connprof.compare import CELLS, METRICS, MetricClass, metric_named
from connprof.gate import Status
from connprof.report import words
from connprof.report.comparing.view import figure, ratio
from connprof.store import write_together

if TYPE_CHECKING:
    import os

    from connprof.compare import Metric
    from connprof.history import Course, History, Step
    from connprof.report.series import Tone
    from connprof.report.shapes import Mark, Plot, Row, Table

__all__ = ["MOST_LINES", "headline", "lines", "write"]

MOST_LINES = 8
"""More lines in one plot cannot be told apart; those with steps go first."""

_MB = 1_000_000


_MAIN = tuple(map(metric_named, ("contexts", "handshakes", "ssl_bytes", "peak_bytes", "cpu_over_floor")))
_HEADINGS = ("SSL contexts", "handshakes", "SSL MB", "peak MB", "CPU/floor")
_MOST_CASES = 30
_WORSE, _BETTER = "!", "+"


def lines(history: History) -> list[str]:
    """The runs, the main metrics of each case, and every step, latest first, as plain lines."""
    said = [headline(history)]
    for place, moment in enumerate(history.moments, start=1):
        said.append(f"  run {place}: {words.moment(moment.started_at)}, {words.plain(moment.name)}")
        said += [f"    {text}" for text in _changes(history, place - 1)]
    said += _main_figures(history)
    steps = _steps(history)
    said += [""] if steps else []
    for course, step in steps:
        where = f"run {step.end + 1}: {words.plain(course.subject.key)}, {course.metric.title}"
        said.append(f"{where}: {_moved(course, step)}, {step.row.status}")
    return said


def headline(history: History) -> str:
    """How many reports and steps there are, and which way these went."""
    found = Counter(step.row.status for course in history.courses for step in course.steps)
    parts = [
        f"{words.count(found[status])} {status}" for status in (Status.REGRESSED, Status.IMPROVED) if found[status]
    ]
    said = f"{words.plural(len(history.moments), 'report')}, {words.plural(found.total(), 'step')}"
    return f"{said}: {words.joined(parts)}." if parts else f"{said}."


def _main_figures(history: History) -> list[str]:
    """A row for each case, those with steps first: its first and last figure of each main metric."""
    courses = {(course.subject.key, course.metric.name): course for course in history.courses}
    cases = {course.subject.key: course for course in history.courses if course.metric in _MAIN}
    last_place: dict[str, int] = {}
    for course in history.courses:
        last_place[course.subject.key] = max(last_place.get(course.subject.key, 0), course.points[-1][0])
    stepped = {course.subject.key for course in history.courses if course.steps}
    order = sorted(cases, key=lambda key: key not in stepped)
    rows = [
        (
            _label(cases[key], history) + _ended(last_place[key], history),
            *(_first_and_last(courses.get((key, metric.name))) for metric in _MAIN if metric is not None),
        )
        for key in order[:_MOST_CASES]
    ]
    outcomes = [
        course for course in history.courses if course.metric in CELLS.values() and any(dict(course.points).values())
    ]
    said = []
    if rows:
        table = [("first -> last", *_HEADINGS), *rows]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        said = ["", *("  ".join(map(str.ljust, row, widths)).rstrip() for row in table)]
        more = len(cases) - len(rows)
        said += [f"{words.plural(more, 'more case')} not listed."] if more else []
    if outcomes:
        figures = (f"{course.metric.title.partition(': ')[2]} {_first_and_last(course)}" for course in outcomes)
        said += ["", f"hazard probes: {', '.join(figures)}"]
    if stepped:
        said += [f"({_WORSE} the last step was for the worse, {_BETTER} for the better)"]
    return said


def _first_and_last(course: Course | None) -> str:
    if course is None:
        return words.ABSENT
    first, last = (_short_figure(course.metric, course.points[place][1]) for place in (0, -1))
    mark = "" if not course.steps else f" {_WORSE if _is_worse(course) else _BETTER}"
    return (last if first == last else f"{first} -> {last}") + mark


def _short_figure(metric: Metric, value: float) -> str:
    return words.megabytes(value) if metric.unit == "bytes" else figure(metric, value)


def _is_worse(course: Course) -> bool:
    """Whether its last step was one for the worse."""
    return bool(course.steps) and course.steps[-1].row.status is Status.REGRESSED


def write(history: History, folder: str | os.PathLike[str]) -> Path:
    """Write ``index.html`` and a PNG for each metric into ``folder``, and return the page's path.

    Raises:
        FileError: if a file cannot be written.
        MissingPackageError: if jinja2 or matplotlib is absent.
    """
    from connprof.report import html, plots

    target = Path(folder)
    made = [plot for metric in (*METRICS, *CELLS.values()) if (plot := _plot(history, metric)) is not None]
    pictures, drawings = {}, {}
    for plot in made:
        assert plot.series is not None
        pictures[plot.file_name] = plots.png(plot.series, plot.title)
        drawings[plot.key] = tuple(
            html.drawn(plots.svg(plot.series, size, prefix=f"{plot.key}-{size}")) for size in plots.SIZES
        )
    page = html.rendered(
        "history.html",
        headline=headline(history),
        verdict=_verdict(history),
        steps=_table(history),
        runs=_runs(history),
        plots=made,
        drawings=drawings,
    )
    write_together(
        {target / name: content for name, content in pictures.items()} | {target / "index.html": page.encode()}
    )
    return target / "index.html"


def _verdict(history: History) -> Mark:
    """In a word what became of the figures: each case's last step is the one that tells."""
    from connprof.report.shapes import Mark

    stepped = [course for course in history.courses if course.steps]
    if any(map(_is_worse, stepped)):
        return Mark(symbol="✕", word="Worse", tone="bad")
    if stepped:
        return Mark(symbol="✓", word="Better", tone="good")
    if any(len(course.points) > 1 for course in history.courses):
        return Mark(symbol="✓", word="Steady", tone="good")
    return Mark(symbol="○", word="Nothing to compare", tone="none")


def _steps(history: History) -> list[tuple[Course, Step]]:
    found = [(course, step) for course in history.courses for step in course.steps]
    return sorted(found, key=lambda one: -one[1].end)


def _moved(course: Course, step: Step) -> str:
    pair = step.row.pair
    before, after = figure(course.metric, pair.baseline), figure(course.metric, pair.candidate)
    return f"{before} -> {after} (ratio {ratio(pair)})"


def _changes(history: History, place: int) -> list[str]:
    """How a run's environment differs from the one before."""
    return [
        f"{words.plain(one.key)}: {words.plain(one.baseline or 'not recorded')} -> "
        f"{words.plain(one.candidate or 'not recorded')}"
        for one in history.moments[place].differences
        if one.baseline != one.candidate
    ]


# --- the page -----------------------------------------------------------------------------------------------------


def _table(history: History) -> Table:
    from connprof.report.shapes import Cell, Column, Mark, Row, Table

    def row(course: Course, step: Step) -> Row:
        worse = step.row.status is Status.REGRESSED
        pair = step.row.pair
        return Row(
            cells=(
                Cell(text=words.plain(course.subject.key)),
                Cell(mark=Mark(symbol="▲" if worse else "▼", word=step.row.status, tone="bad" if worse else "good")),
                Cell(text=course.metric.title),
                Cell(text=f"{step.start + 1} → {step.end + 1}"),
                Cell(text=figure(course.metric, pair.baseline)),
                Cell(text=figure(course.metric, pair.candidate)),
                Cell(text=ratio(pair)),
            )
        )

    return Table(
        caption="Steps, latest first",
        columns=(
            Column(title="Case", is_number=False),
            Column(title="Step", is_number=False),
            Column(title="Metric", is_number=False),
            Column(title="Runs"),
            Column(title="Before"),
            Column(title="After"),
            Column(title="Ratio"),
        ),
        rows=tuple(row(course, step) for course, step in _steps(history)),
        empty="No figure moved beyond its limit.",
    )


def _runs(history: History) -> Table:
    from connprof.report.shapes import Cell, Column, Row, Table

    return Table(
        caption="Runs, in order of time",
        columns=(
            Column(title="Run"),
            Column(title="Started", is_number=False),
            Column(title="Report", is_number=False),
            Column(title="Commit", is_number=False),
            Column(title="Environment, where it changed", is_number=False),
        ),
        rows=tuple(
            Row(
                cells=(
                    Cell(text=str(place)),
                    Cell(text=words.moment(moment.started_at)),
                    Cell(text=words.plain(moment.name)),
                    Cell(text=_commit(moment.commit, dirty=moment.dirty)),
                    Cell(text="; ".join(_changes(history, place - 1))),
                )
            )
            for place, moment in enumerate(history.moments, start=1)
        ),
    )


def _commit(commit: str | None, *, dirty: bool | None) -> str:
    if commit is None:
        return "not known"
    return words.plain(commit)[:12] + (" with changes" if dirty else "")


def _plot(history: History, metric: Metric) -> Plot | None:
    """One metric of all cases; ``None`` where there is no figure other than 0."""
    from connprof.report import series
    from connprof.report.shapes import Plot

    courses = [course for course in history.courses if course.metric is metric]
    if not any(value for course in courses for _, value in course.points):
        return None
    courses.sort(key=lambda course: (not course.steps, -max(value for _, value in course.points)))
    drawn = courses[:MOST_LINES]
    scale = _MB if metric.unit == "bytes" else 1
    made = [
        series.Line(
            label=_label(course, history) + _ended(course.points[-1][0], history),
            tone=_tone(course),
            points=tuple((place + 1, value / scale) for place, value in course.points),
            steps=tuple((step.end + 1, (step.row.pair.candidate or 0) / scale) for step in course.steps),
        )
        for course in drawn
    ]
    unit = {"bytes": "MB", "count": "count", "ratio": "times"}[metric.unit]
    steps_count = sum(len(course.steps) for course in courses)
    more = len(courses) - len(drawn)
    return Plot(
        key=metric.name.replace("_", "-"),
        title=metric.title[:1].upper() + metric.title[1:],
        takeaway=_takeaway(metric, steps_count),
        alt="; ".join(
            f"{line.label} from {line.points[0][1]:,.4g} to {line.points[-1][1]:,.4g} {unit}" for line in made
        ),
        series=series.over_runs(
            made, len(history.moments), f"{metric.title}, {unit}", whole=metric.kind is MetricClass.EXACT
        ),
        left_out=f"{words.plural(more, 'more case')} not drawn." if more else "",
    )


def _label(course: Course, history: History) -> str:
    """The strategy alone, where all cases are alike in the rest."""
    rests = {each.subject.key.removeprefix(each.subject.strategy) for each in history.courses}
    return words.plain(course.subject.strategy if len(rests) == 1 else course.subject.key)


def _ended(place: int, history: History) -> str:
    """Where the last report lacks it: the last run that has it."""
    return f" (to run {place + 1})" if place + 1 < len(history.moments) else ""


def _takeaway(metric: Metric, steps_count: int) -> str:
    if steps_count:
        return f"{words.plural(steps_count, 'step')}, {'each ' if steps_count > 1 else ''}with a ring."
    if metric.shown_only:
        return "Neither more nor fewer of them are a step."
    if metric.kind is MetricClass.NOISY:
        return "A ratio of times within each run; no steps are looked for in what is this noisy."
    return "No step."


def _tone(course: Course) -> Tone:
    """The colour of the latest step, so that what got worse stands out."""
    if not course.steps:
        return "other"
    return "before" if _is_worse(course) else "after"
