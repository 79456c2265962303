"""A profile in a terminal or a log. Needs click alone, and says nothing that ASCII cannot, but for foreign names."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import click

from connprof.report import words
from connprof.report.profile.view import COUNTS, TIMES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connprof.report.profile.view import FindingView, ProfileView, Tally

__all__ = ["MOST_FULL", "MOST_ROWS", "NARROWEST", "render"]

MOST_FULL = 10
"""So many findings are told in full, the costliest; the others in a line or two."""
MOST_ROWS = 12
"""So many origins, lines and processes are listed."""
NARROWEST = 60

_COLORS = {"found": "yellow", "clean": "green", "silent": None, "unobserved": "red"}
_LABEL = 11


def render(view: ProfileView, *, color: bool = False, width: int = 100) -> str:
    """The whole text. Colour is a matter of escape codes; without it there are none."""
    writer = _Writer(color=color, width=max(width, NARROWEST))
    lines = writer.wrapped(f"connprof: {view.headline}", color=_COLORS[view.state])
    if view.state == "found":
        lines += writer.found(view)
    for title, sentences in (("Not seen", view.blind_spots), ("Note", view.notes)):
        for sentence in sentences:
            lines += writer.labelled(title, sentence, indent="")
    return "\n".join(lines) + "\n"


class _Writer:
    """Writes lines of at most so many columns."""

    def __init__(self, *, color: bool, width: int) -> None:
        self._color = color
        self._width = width

    def found(self, view: ProfileView) -> list[str]:
        lines = []
        advice: set[tuple[str, str]] = set()
        for each in view.findings[:MOST_FULL]:
            lines += ["", *self._finding(each, is_known=(each.code, each.fix) in advice)]
            advice.add((each.code, each.fix))
        rest = view.findings[MOST_FULL:]
        if rest:
            lines += ["", *self._heading(f"{words.plural(len(rest), 'more finding')}")]
        for each in rest:
            lines += self.wrapped(f"{each.code} {each.place.text}: {each.what}", indent="  ")
        lines += ["", *self._heading("Totals")]
        for name, value in (*view.totals, ("run", view.ended)):
            lines += self.labelled(name, value)
        lines += self._tallies("Origins", "origin", view.origins)
        lines += self._tallies("Lines that pay", "line", view.lines)
        if len(view.processes) > 1:
            lines += ["", *self._heading("Processes")]
            for process in view.processes[:MOST_ROWS]:
                pairs = zip(COUNTS[:-1], process.counts, strict=False)
                counts = ", ".join(f"{name} {value}" for name, value in pairs if value not in {"0", "-"})
                lines += self.wrapped(
                    f"{process.pid} ({process.ended}): {process.command}: {counts or 'nothing'}", indent="  "
                )
            lines += self._more(len(view.processes))
        if view.blind_spots or view.notes:
            lines.append("")
        return lines

    def wrapped(self, text: str, *, indent: str = "", hanging: str = "  ", color: str | None = None) -> list[str]:
        lines = textwrap.wrap(
            text,
            self._width,
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
        return lines if is_known else [*lines, *self.labelled("explained", finding.link)]

    def _tallies(self, title: str, first: str, rows: Sequence[Tally]) -> list[str]:
        if not rows:
            return []
        shown = rows[:MOST_ROWS]
        widths = [max(len(name), *(len(row.counts[k]) for row in shown), 1) for k, name in enumerate(COUNTS)]
        room = max(12, self._width - sum(widths) - 2 * len(widths))
        head = "".join(f"  {name:>{width}}" for name, width in zip(COUNTS, widths, strict=True))
        handshakes = sum(widths[:2]) + 4, sum(widths[2:5]) + 4
        lines = [
            "",
            *self._heading(title),
            f"{'':<{room + handshakes[0] + 2}}{' handshakes ':-^{handshakes[1]}}",
            f"{first:<{room}}{head}",
        ]
        for row in shown:
            name = row.name
            if len(name) > room:
                lines += self.wrapped(name)
                name = ""
            figures = "".join(f"  {value:>{width}}" for value, width in zip(row.counts, widths, strict=True))
            lines.append(f"{name:<{room}}{figures}")
            for remark in (_spent(row), *row.remarks):
                if remark:
                    lines += self.wrapped(remark, indent="    ")
        return [*lines, *self._more(len(rows))]

    def _more(self, number: int) -> list[str]:
        more = number - MOST_ROWS
        return [f"  and {words.count(more)} more, which --html and --json show"] if more > 0 else []


def _spent(row: Tally) -> str:
    parts = []
    if row.times:
        cpu, *wall = zip(TIMES, row.times, strict=True)
        spent = ", ".join(f"{name} {value}" for name, value in wall if value != "0")
        parts.append(f"ms: {cpu[1]} CPU" + (f"; wall: {spent}" if spent else ""))
    if row.megabytes not in {"", "-"}:
        parts.append(f"{row.megabytes} MB of SSL bytes")
    return "; ".join(parts)
