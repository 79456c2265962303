"""A history as text, and as a page with a plot for each metric."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from connprof.compare import CELLS, METRICS, MetricClass
from connprof.gate import Status
from connprof.report import words
from connprof.report.comparing.view import figure, ratio
from connprof.store import write_atomically

if TYPE_CHECKING:
    import os

    from connprof.compare import Metric
    from connprof.history import Course, History, Step
    from connprof.report.series import Tone
    from connprof.report.shapes import Plot, Row, Table

__all__ = ["MOST_LINES", "lines", "write"]

MOST_LINES = 8
"""More lines in one plot cannot be told apart; those with steps go first."""

_MB = 1_000_000


def lines(history: History) -> list[str]:
    """The runs, and every step, latest first, as plain lines."""
    said = [f"{words.plural(len(history.moments), 'report')}, {words.plural(_steps_count(history), 'step')}."]
    for place, moment in enumerate(history.moments, start=1):
        said.append(f"  run {place}: {words.moment(moment.started_at)}, {words.plain(moment.name)}")
        said += [f"    {text}" for text in _changes(history, place - 1)]
    for course, step in _steps(history):
        where = f"run {step.end + 1}: {words.plain(course.subject.key)}, {course.metric.title}"
        said.append(f"{where}: {_moved(course, step)}, {step.row.status}")
    return said


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
        headline=lines(history)[0],
        tone="none",
        steps=_table(history),
        runs=_runs(history),
        plots=made,
        drawings=drawings,
    )
    for name, content in pictures.items():
        write_atomically(target / name, content)
    write_atomically(target / "index.html", page.encode())
    return target / "index.html"


def _steps(history: History) -> list[tuple[Course, Step]]:
    found = [(course, step) for course in history.courses for step in course.steps]
    return sorted(found, key=lambda one: -one[1].end)


def _steps_count(history: History) -> int:
    return sum(len(course.steps) for course in history.courses)


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
            label=_label(course, history),
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
    return "before" if course.steps[-1].row.status is Status.REGRESSED else "after"
