"""A profile as a page that needs nothing else, neither a network nor JavaScript."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connprof.report import html, words
from connprof.report.marks import bad_mark, good_mark, unknown_mark, warn_mark
from connprof.report.profile.view import COUNTS, TIMES
from connprof.report.shapes import Cell, Column, Row, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connprof.report.profile.view import LintView, ProfileView, Tally

__all__ = ["MOST_FINDINGS", "MOST_ROWS", "render"]

MOST_FINDINGS = 200
MOST_ROWS = 500
"""A browser can show more, but nobody reads them; the JSON file has all."""

_TONES = {"found": "bad", "clean": "good", "partial": "warn", "silent": "warn", "unobserved": "warn"}
_LIMIT_MARKS = {"kept": good_mark, "broken": bad_mark, "unchecked": warn_mark}
_SIGNS = {"found": "!", "clean": "✓", "partial": "!", "silent": "○", "unobserved": "✕"}


def render(view: ProfileView) -> str:
    """The whole page.

    Raises:
        MissingPackageError: if jinja2 is absent.
    """
    is_kept = all(each.state == "kept" for each in view.limits)
    return html.rendered(
        "profile.html",
        view=view,
        tone=_TONES[view.state] if is_kept else "bad",
        sign=_SIGNS[view.state] if is_kept else "!",
        limits=[(_LIMIT_MARKS[each.state](each.word), each.sentence) for each in view.limits],
        findings=view.findings[:MOST_FINDINGS],
        more_findings=_more(len(view.findings) - MOST_FINDINGS, "finding"),
        origins=_table("What each origin costs", "Origin", view.origins),
        lines=_table("What each line pays, costliest first", "Line", view.lines, has_memory=view.has_memory),
        processes=_processes(view),
        lint=None if view.lint is None else _lint(view.lint),
        explained=frozenset(title.partition(" ")[0] for title, _ in view.explanations),
    )


def _more(number: int, what: str) -> str:
    return f"{words.plural(number, f'more {what}')} in the JSON file." if number > 0 else ""


def _table(caption: str, first: str, rows: Sequence[Tally], *, has_memory: bool = False) -> Table:
    has_times = any(row.times for row in rows)
    columns = [Column(title=first, is_number=False), Column(title="Contexts"), Column(title="CA loads")]
    columns += [Column(title=name.capitalize()) for name in COUNTS[2:7]]
    columns.append(Column(title="Requests per connection"))
    groups = [("", 3), ("Handshakes", 3), ("", 3)]
    if has_times:
        columns += [Column(title=name if name.isupper() else name.capitalize()) for name in TIMES]
        groups.append(("Time in ms; all but CPU are wall times", len(TIMES)))
    if has_memory:
        columns.append(Column(title="SSL bytes", unit="MB"))
        groups.append(("", 1))
    return Table(
        caption=caption,
        columns=tuple(columns),
        groups=tuple(groups),
        rows=tuple(_row(row, has_memory=has_memory) for row in rows[:MOST_ROWS]),
        note=_more(len(rows) - MOST_ROWS, first.lower()),
        empty="None was recorded.",
    )


def _row(row: Tally, *, has_memory: bool) -> Row:
    place = row.place
    if place is None:
        head = Cell(text=row.name)
    else:
        head = Cell(text=place.where, note=" ".join(filter(None, (place.function, place.sureness))), is_code=True)
    figures = (*row.counts, *row.times, *((row.megabytes,) if has_memory else ()))
    return Row(cells=(head, *(Cell(text=text) for text in figures)), details=row.remarks)


def _lint(lint: LintView) -> Table:
    return Table(
        caption="Findings of the source, those that cost most first",
        columns=(
            Column(title="Line", is_number=False),
            Column(title="Code", is_number=False),
            Column(title="Seen to run", is_number=False),
            Column(title="Clients"),
            Column(title="Contexts"),
            Column(title="Handshakes"),
            Column(title="Connections"),
        ),
        rows=tuple(
            Row(
                cells=(
                    Cell(text=each.where, is_code=True),
                    Cell(text=each.code, note=each.sureness),
                    Cell(mark=warn_mark("ran") if each.ran else unknown_mark("not seen")),
                    *(Cell(text=text) for text in each.counts),
                )
            )
            for each in lint.marks[:MOST_ROWS]
        ),
        note=_more(len(lint.marks) - MOST_ROWS, "finding"),
        empty=lint.headline,
    )


def _processes(view: ProfileView) -> Table:
    return Table(
        caption="Processes that were observed",
        columns=(
            # The first is the widest, and heads the row: no number of a process says as much.
            Column(title="Command", is_number=False),
            Column(title="Process"),
            Column(title="Parent"),
            Column(title="Python", is_number=False),
            Column(title="Ended", is_number=False),
            Column(title="Contexts"),
            Column(title="CA loads"),
            *(Column(title=name.capitalize()) for name in COUNTS[2:7]),
            Column(title="Requests per connection"),
        ),
        groups=(("", 7), ("Handshakes", 3), ("", 3)),
        rows=tuple(
            Row(
                cells=tuple(
                    Cell(text=text)
                    for text in (each.command, each.pid, each.parent, each.python, each.ended, *each.counts)
                )
            )
            for each in view.processes[:MOST_ROWS]
        ),
        note=_more(len(view.processes) - MOST_ROWS, "process"),
        empty="None was observed.",
    )
