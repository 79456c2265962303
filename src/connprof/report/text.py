"""The summary in a terminal, and as plain lines where there is none."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from connprof.errors import MissingPackageError

try:
    from rich.table import Table as RichTable
    from rich.text import Text
except ImportError as error:
    raise MissingPackageError("rich", extra="report", purpose="print the summary") from error

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from connprof.report.shapes import Mark, Table, Tone, View

__all__ = ["show"]

_STYLES: dict[Tone, str] = {"good": "bold green", "bad": "bold red", "warn": "bold yellow", "none": "dim"}
_MOST_ALIKE = 5
_WIDTH = 80


def show(view: View, console: Console, *, page: Path | None = None) -> None:
    """Print the verdict, the figures before and after, the strategies, the problems and where the page is.

    In a terminal there is colour and a table; anywhere else plain lines of at most 80 columns, with neither, in which a
    question mark stands for what the output's encoding cannot say.
    No text from outside is ever read as markup.
    """
    encoding = console.encoding
    if console.is_terminal and encoding.lower().startswith("utf"):
        _show_rich(view, page, console)
    else:
        for line in _plain_lines(view, page):
            shown = line.encode(encoding, "replace").decode(encoding)
            console.print(Text(shown), soft_wrap=True)


# --- in a terminal ------------------------------------------------------------------------------------------------


def _marked(mark: Mark) -> Text:
    return Text(f"{mark.symbol} {mark.word}", style=_STYLES[mark.tone])


def _show_rich(view: View, page: Path | None, console: Console) -> None:
    for banner in view.banners:
        console.print(Text.assemble(_marked(banner.mark), " ", banner.text))
    verdict = view.verdict
    style = _STYLES[verdict.mark.tone]
    console.print()
    console.print(Text.assemble((f"{verdict.mark.symbol} {verdict.lead}: ", style), verdict.rest))
    console.print()
    for half in (verdict.regression, verdict.fix):
        line = (f"{half.mark.symbol} {half.title} {half.mark.word}", _STYLES[half.mark.tone])
        console.print(Text.assemble(line, f"  {half.reason}"))
    console.print()
    if view.figures:
        _show_figures(view, console)
    console.print(_rich_table(view.brief))
    if view.wide:
        console.print()
        for name, value in view.wide:
            console.print(Text.assemble((f"{name}: ", "bold"), value))
    if view.problems.rows:
        console.print()
        console.print(Text("Problems", style="bold red"))
        for case, kind, sentence in _problems(view):
            console.print(Text.assemble((f"{case}: ", "bold"), f"{kind}: {sentence}"))
    console.print()
    for each in view.assurances:
        line = (f"{each.mark.symbol} {each.label}", _STYLES[each.mark.tone])
        console.print(Text.assemble(line, f"  {each.text}"))
    if page is not None:
        console.print()
        console.print(Text.assemble(("Page: ", "bold"), str(page)), soft_wrap=True)


def _show_figures(view: View, console: Console) -> None:
    for name, value in _before_after(view):
        console.print(Text.assemble((f"{name:<16}", "dim"), value))
    console.print()


def _rich_table(table: Table) -> RichTable:
    drawn = RichTable(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    for column in table.columns:
        drawn.add_column(
            Text(column.title),
            justify="right" if column.is_number else "left",
            overflow="fold",
            no_wrap=column.is_number,
        )
    for row in table.rows:
        style = {"before": "red", "after": "green"}.get(row.tone, "")
        drawn.add_row(
            *(
                _marked(cell.mark)
                if cell.mark
                else Text.assemble((cell.text, style), (f"\n{cell.note}" if cell.note else "", "dim"))
                for cell in row.cells
            )
        )
    return drawn


# --- as plain lines -----------------------------------------------------------------------------------------------


def _before_after(view: View) -> list[tuple[str, str]]:
    published, before, after = view.figures
    lines = [
        ("Published", f"{published.value} {published.unit} ({published.note})"),
        ("SSL allocations", f"{before.value} {before.unit} -> {after.value} {after.unit}".replace("  ", " ").strip()),
    ]
    lines += [(change.label, f"{change.before} -> {change.after}") for change in view.changes]
    notes = [
        "",
        (after.note if after.unit else before.note if before.unit else "").replace(
            "cumulative SSL allocations", "cumulative"
        ),
        *(change.note for change in view.changes),
    ]
    return [(name, f"{value} ({note})" if note else value) for (name, value), note in zip(lines, notes, strict=True)]


def _problems(view: View) -> list[tuple[str, str, str]]:
    """Case, kind and sentence of each problem; one that many cases have in common is said once for all of them."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in view.problems.rows:
        case, kind, sentence = row.cells
        found.setdefault((kind.mark.word if kind.mark else kind.text, sentence.text), []).append(case.text)
    return [
        (case, kind, sentence)
        for (kind, sentence), cases in found.items()
        for case in (cases if len(cases) <= _MOST_ALIKE else [f"{len(cases)} cases"])
    ]


def _wrapped(text: str, *, indent: str = "") -> list[str]:
    return textwrap.wrap(text, _WIDTH, subsequent_indent=indent, break_on_hyphens=False) or [""]


def _plain_lines(view: View, page: Path | None) -> list[str]:
    lines: list[str] = []
    for banner in view.banners:
        lines += _wrapped(f"{banner.mark.word}: {banner.text}")
    lines += [*_wrapped(view.verdict.sentence), ""]
    for half in (view.verdict.regression, view.verdict.fix):
        lines += _wrapped(f"{half.title} {half.mark.word}: {half.reason}", indent="  ")
    if view.figures:
        lines += ["", *(f"{name + ':':<17}{value}" for name, value in _before_after(view))]
    lines += ["", *_plain_table(view.brief)]
    if view.wide:
        lines.append("")
        for name, value in view.wide:
            lines += _wrapped(f"{name}: {value}", indent="  ")
    if view.problems.rows:
        lines += ["", "Problems:"]
        for case, kind, sentence in _problems(view):
            lines += _wrapped(f"- {case}: {kind}: {sentence}", indent="  ")
    lines.append("")
    for each in view.assurances:
        lines += _wrapped(f"{each.label} [{each.mark.word}]: {each.text}", indent="  ")
    if page is not None:
        lines += ["", f"Page: {page}"]
    return lines


def _plain_table(table: Table) -> list[str]:
    """Aligned columns; a name that is too long for its column stands on a line of its own."""
    texts = [[column.title for column in table.columns]]
    texts += [[cell.mark.word if cell.mark else cell.text for cell in row.cells] for row in table.rows]
    widths = [max(len(row[k]) for row in texts) for k in range(len(table.columns))]
    rest = sum(widths[1:]) + 2 * len(widths[1:])
    widths[0] = min(widths[0], max(8, _WIDTH - rest))
    lines = []
    for row in texts:
        name = row[0]
        if len(name) > widths[0]:
            lines += _wrapped(name)
            name = ""
        cells = [f"{name:<{widths[0]}}"]
        for text, width, column in zip(row[1:], widths[1:], table.columns[1:], strict=True):
            cells.append(f"{text:>{width}}" if column.is_number else f"{text:<{width}}")
        lines.append("  ".join(cells).rstrip())
    return lines
