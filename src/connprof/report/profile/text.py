"""A profile in a terminal or a log. Needs click alone, and says nothing that ASCII cannot, but for foreign names."""

from __future__ import annotations

import sys
import textwrap
from typing import TYPE_CHECKING

import click

from connprof.plain import inert
from connprof.report import words
from connprof.report.profile.view import COUNTS, TIMES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connprof.report.profile.view import FindingView, ProfileView, Tally

__all__ = ["MOST_FULL", "MOST_ROWS", "NARROWEST", "render"]

MOST_FULL = 10
"""So many findings are told in full, the costliest, and the first of each code; the others in a line or two."""
MOST_BRIEF = 30
MOST_ROWS = 12
"""So many origins, lines and processes are listed."""
NARROWEST = 60
_NARROWEST_NAME = 12

_COLORS = {"found": "yellow", "clean": "green", "partial": "yellow", "silent": None, "unobserved": "red"}
_LABEL = 11


def render(view: ProfileView, *, color: bool = False, width: int = 100, wraps: bool = True) -> str:
    """The whole text. Colour is a matter of escape codes; without it there are none."""
    # One column is kept for what may have to stand before a line.
    writer = _Writer(color=color, width=max(width, NARROWEST) - 1, wraps=wraps)
    lines = writer.wrapped(f"connprof: {view.headline}", color=_COLORS[view.state])
    if view.state == "found" or view.has_memory:
        lines += writer.everything(view)
    for title, sentences in (("Not seen", view.blind_spots), ("Note", view.notes)):
        for sentence in sentences:
            lines += writer.labelled(title, sentence, indent="")
    return "".join(f"{inert(line)}\n" for line in lines)


class _Writer:
    """Writes lines of at most so many columns; sentences are of one line each unless it ``wraps`` them."""

    def __init__(self, *, color: bool, width: int, wraps: bool) -> None:
        self._color = color
        self._width = width
        self._sentence_width = width if wraps else sys.maxsize

    def everything(self, view: ProfileView) -> list[str]:
        lines, rest = [], []
        advice: dict[str, str] = {}
        for number, each in enumerate(view.findings):
            if number < MOST_FULL or each.code not in advice:
                lines += ["", *self._finding(each, is_known=advice.get(each.code) == each.fix)]
                advice.setdefault(each.code, each.fix)
            else:
                rest.append(each)
        if rest:
            lines += ["", *self._heading(words.plural(len(rest), "more finding"))]
        for each in rest[:MOST_BRIEF]:
            lines += self.wrapped(f"{each.code} {each.place.text}: {each.what}", indent="  ")
        lines += self._more(len(rest), MOST_BRIEF)
        lines += ["", *self._heading("Totals")]
        for name, value in (*view.totals, ("run", view.ended)):
            lines += self.labelled(name, value)
        lines += self._tallies("Origins", "origin", view.origins)
        lines += self._tallies("Lines that pay", "line", view.lines, told={each.place.text for each in view.findings})
        if len(view.processes) > 1:
            lines += ["", *self._heading("Processes")]
            for process in view.processes[:MOST_ROWS]:
                lines += self.wrapped(
                    f"{process.pid} ({process.ended}) {process.command}: {process.brief}", indent="  "
                )
            lines += self._more(len(view.processes), MOST_ROWS)
        if view.blind_spots or view.notes:
            lines.append("")
        return lines

    def wrapped(self, text: str, *, indent: str = "", hanging: str = "  ", color: str | None = None) -> list[str]:
        lines = textwrap.wrap(
            text,
            self._sentence_width,
            initial_indent=indent,
            subsequent_indent=indent + hanging,
            break_on_hyphens=False,
        )
        return [self._styled(line, color) for line in lines]

    def labelled(self, label: str, text: str, *, indent: str = "  ") -> list[str]:
        return self.wrapped(f"{label:<{_LABEL}} {text}", indent=indent, hanging=" " * (_LABEL + 1))

    def _styled(self, text: str, color: str | None) -> str:
        return click.style(text, fg=color, bold=True) if self._color and color else text

    def _heading(self, text: str) -> list[str]:
        return [click.style(text, bold=True) if self._color else text]

    def _finding(self, finding: FindingView, *, is_known: bool) -> list[str]:
        """``is_known``: its fix has been told with an earlier one."""
        lines = self.wrapped(f"{finding.code} {finding.title}".rstrip(), color="yellow")
        lines += self.wrapped(finding.place.text, indent="  ", color="cyan")
        lines += self.wrapped(finding.what, indent="  ")
        for way in finding.ways:
            lines += self.labelled("called from", way)
        if finding.evidence:
            lines += self.labelled("evidence", "; ".join(f"{name}: {value}" for name, value in finding.evidence))
        if finding.processes:
            lines += self.labelled("seen in", finding.processes)
        for place in finding.related:
            lines += self.labelled("see also", place)
        lines += self.labelled("cost here", finding.cost)
        lines += self.labelled("fix", f"as for the first {finding.code} above" if is_known else finding.fix)
        lines += self.labelled("leaves over", finding.leaves)
        if finding.explained and not is_known:
            lines += self.labelled("explained", finding.explained)
        return lines

    def _tallies(
        self, title: str, first: str, rows: Sequence[Tally], *, told: frozenset[str] | set[str] = frozenset()
    ) -> list[str]:
        """``told``: the names of rows whose remarks have been told with a finding."""
        if not rows:
            return []
        shown = rows[:MOST_ROWS]
        widths = [max(len(name), *(len(row.counts[k]) for row in shown), 1) for k, name in enumerate(COUNTS)]
        room = self._width - sum(widths) - 2 * len(widths)
        lines = ["", *self._heading(title)]
        is_table = room >= _NARROWEST_NAME
        if is_table:
            handshakes = sum(widths[2:5]) + 4
            lines += [
                f"{'':<{room + sum(widths[:2]) + 6}}{' handshakes ':-^{handshakes}}",
                self._row(first, COUNTS, room, widths),
            ]
        for row in shown:
            if is_table and len(row.name) <= room:
                lines.append(self._row(row.name, row.counts, room, widths))
            else:
                lines += self.wrapped(row.name)
                if is_table:
                    lines.append(self._row("", row.counts, room, widths))
                else:
                    lines += self.wrapped(_listed(row.counts), indent="    ")
            for remark in (_spent(row), *(() if row.name in told else row.remarks)):
                if remark:
                    lines += self.wrapped(remark, indent="    ")
        return [*lines, *self._more(len(rows), MOST_ROWS)]

    @staticmethod
    def _row(name: str, figures: Sequence[str], room: int, widths: Sequence[int]) -> str:
        columns = "".join(f"  {figure:>{width}}" for figure, width in zip(figures, widths, strict=True))
        return f"{name:<{room}}{columns}"

    @staticmethod
    def _more(number: int, most: int) -> list[str]:
        more = number - most
        return [f"  and {words.count(more)} more, which --json FILE has"] if more > 0 else []


def _listed(figures: Sequence[str]) -> str:
    """The figures of a row for which a table is too wide."""
    names = (*COUNTS[:2], *(f"{name} handshakes" for name in COUNTS[2:5]), *COUNTS[5:])
    return ", ".join(f"{name} {figure}" for name, figure in zip(names, figures, strict=True))


def _spent(row: Tally) -> str:
    parts = []
    if row.times:
        cpu, *wall = zip(TIMES, row.times, strict=True)
        spent = ", ".join(f"{name} {value}" for name, value in wall if value != "0")
        parts.append(f"ms: {cpu[1]} CPU" + (f"; wall: {spent}" if spent else ""))
    if row.megabytes not in {"", "-"}:
        parts.append(f"{row.megabytes} MB of SSL bytes")
    return "; ".join(parts)
