"""A comparison in a terminal or a log. Needs click alone."""

from __future__ import annotations

import textwrap
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING

import click

from connprof.gate import Answer, Status
from connprof.report.comparing.view import COLUMNS

if TYPE_CHECKING:
    from connprof.report.comparing.view import CompareView

__all__ = ["render"]

_WIDTH = 100
_WIDEST = (24, 60, 40, 22, 22, 12, 7, 9)
_FIELDS = ("verdict", "case", "metric", "baseline", "candidate", "ratio", "kind", "limit")
_RIGHT = (False, False, False, True, True, True, False, True)
_COLORS = {
    Status.FAILED: "red",
    Status.INVALID: "red",
    Status.UNSTABLE: "yellow",
    Status.REGRESSED: "red",
    Status.MISSING: "red",
    Status.IMPROVED: "green",
    Status.INCOMPARABLE: "yellow",
    Status.NEW: "cyan",
}


def render(view: CompareView, *, color: bool = False) -> str:
    """The whole text. Colour is a matter of escape codes; without it there are none."""
    lines = [_styled(f"{view.verdict}: {view.headline}", "green" if view.answer is Answer.PASSED else "red", color)]
    lines += [f"  {side.role:<9}  {side.name} ({side.made})" for side in view.sides]
    lines += [f"  {'verdicts':<9}  {view.tally}"]
    for what, sentences in (("differs", view.differences), ("mind", view.warnings)):
        lines += [
            _styled(line, "yellow", color) for sentence in sentences for line in _wrapped(f"  {what:<9}  ", sentence)
        ]
    if view.lines:
        lines += ["", *_table(view, color=color)]
    if view.left_out:
        lines += ["", view.left_out]
    for sentence in view.calls_to_action:
        lines += ["", *textwrap.wrap(sentence, _WIDTH)]
    return "\n".join(lines) + "\n"


def _wrapped(head: str, sentence: str) -> list[str]:
    lines: list[str] = []
    for line in textwrap.wrap(head + sentence, _WIDTH, subsequent_indent=" " * len(head), break_on_hyphens=False):
        # Sentences quote reports, and to GitHub's runner what begins with this is a command.
        if lines and line.lstrip().startswith("::"):
            lines[-1] += f" {line.lstrip()}"
        else:
            lines.append(line)
    return lines


def _styled(text: str, color: str, wanted: bool) -> str:
    return click.style(text, fg=color, bold=True) if wanted else text


def _table(view: CompareView, *, color: bool) -> list[str]:
    # There may be a hundred thousand rows, so nothing is held twice.
    cell = attrgetter(*_FIELDS)
    widths = [
        min(max(map(len, chain((title,), map(attrgetter(field), view.lines)))), widest)
        for title, field, widest in zip(COLUMNS, _FIELDS, _WIDEST, strict=True)
    ]
    # A column that says nothing in any row is not shown: .0 prints none of it.
    empty = [not any(map(attrgetter(field), view.lines)) for field in _FIELDS]
    row = "".join(
        "%.0s" if nothing else f"{'  ' if place else ''}%{'' if right else '-'}{width}s"
        for place, (right, width, nothing) in enumerate(zip(_RIGHT, widths, empty, strict=True))
    )
    lines = [(row % COLUMNS).rstrip()]
    said = ("", "", "")
    for one in view.lines:
        text = (row % cell(one)).rstrip()
        if color and one.status in _COLORS:
            text = click.style(text[: widths[0]], fg=_COLORS[one.status], bold=True) + text[widths[0] :]
        lines.append(text)
        # Many rows of one case are paid by one line: said once, under the first of them.
        if (one.place or one.reason) and (one.case, one.place, one.reason) != said:
            lines += [f"    {note}" for note in (one.place and f"paid at {one.place}", one.reason) if note]
            said = (one.case, one.place, one.reason)
    return lines
