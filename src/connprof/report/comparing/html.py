"""A comparison as a page that needs nothing else, neither a network nor JavaScript."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connprof.gate import Answer, Status
from connprof.report import html
from connprof.report.comparing.view import COLUMNS
from connprof.report.shapes import Cell, Column, Mark, Row, Table

if TYPE_CHECKING:
    from connprof.report.comparing.view import CompareView, Line
    from connprof.report.shapes import Tone

__all__ = ["MOST_ROWS", "render"]

MOST_ROWS = 5_000
"""A browser can show more, but nobody reads them; the JSON file has all."""

_MOST_PLACES = 60

_TONES: dict[Status, tuple[str, Tone]] = {
    Status.FAILED: ("✕", "bad"),
    Status.INVALID: ("!", "bad"),
    Status.UNSTABLE: ("!", "warn"),
    Status.REGRESSED: ("▲", "bad"),
    Status.MISSING: ("○", "bad"),
    Status.IMPROVED: ("▼", "good"),
    Status.INCOMPARABLE: ("≠", "warn"),
    Status.NEW: ("+", "none"),
    Status.LEFT_OUT: ("…", "none"),
    Status.SHOWN: ("·", "none"),
    Status.UNCHANGED: ("=", "none"),
}


def render(view: CompareView) -> str:
    """The whole page.

    Raises:
        MissingPackageError: if jinja2 is absent.
    """
    more = len(view.lines) - MOST_ROWS
    return html.rendered(
        "compare.html",
        view=view,
        tone="good" if view.answer is Answer.PASSED else "bad",
        # What has no line of code stands in the table alone.
        places=[payer for payer in view.payers if payer.file][:_MOST_PLACES],
        table=Table(
            caption="Metric by case, worst first; what is only shown, by how far it moved",
            columns=tuple(
                Column(title=name.capitalize(), is_number=name in _NUMBERS)
                for name in ("case", "verdict", *COLUMNS[2:])
            ),
            rows=tuple(map(_row, view.lines[:MOST_ROWS])),
            note=" ".join(
                part
                for part in (
                    "Ratio is candidate / baseline.",
                    view.left_out,
                    f"{more:,} more rows are in the JSON file." if more > 0 else "",
                )
                if part
            ),
            empty=" ".join(part for part in ("There is no row to show.", view.left_out) if part),
        ),
    )


_NUMBERS = frozenset({"baseline", "candidate", "ratio", "limit"})


def _row(line: Line) -> Row:
    symbol, tone = _TONES[line.status]
    return Row(
        cells=(
            Cell(text=line.case, note=line.reason),
            Cell(mark=Mark(symbol=symbol, word=line.verdict, tone=tone)),
            Cell(text=line.metric),
            *(Cell(text=text) for text in (line.baseline, line.candidate, line.ratio, line.kind, line.limit)),
        )
    )
