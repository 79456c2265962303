"""The oracle's command line: ``nox -s oracle -- ARGUMENTS``, or ``python -m bench.oracle ARGUMENTS``."""

from __future__ import annotations

import signal
import sys
import tempfile
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

from bench.oracle.holding import Figures, Held, Stage
from bench.oracle.plan import SUBJECTS
from connprof.cli.exits import ExitCode, guarded
from connprof.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.oracle.plan import Subject

__all__ = ["main", "oracle"]

_PROJECT = Path(__file__).resolve().parents[2]
_CACHE = _PROJECT / "reports" / ".cache"
_EXIT_CODES_HELP = """\b
Exit codes; where several apply, the first in this list:
  2    wrong use, or a folder that cannot be written
  3    a program failed, or an environment could not be made
  1    a count differs from the oracle
  0    every count was compared, and all agree
  130  interrupted
"""


@dataclass(frozen=True, slots=True)
class _Row:
    """One line of the table; ``held`` is a sentence where there is nothing to compare."""

    library: str
    way: str
    held: Held | str


@click.command(epilog=_EXIT_CODES_HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--only", metavar="LIBRARY,...", multiple=True, help="Only these libraries, by name or NAME==VERSION.")
@click.option("--way", "ways", metavar="WAY,...", multiple=True, help="Only these ways of opening connections.")
@click.option(
    "--scale",
    type=click.FloatRange(0.01, 100),
    default=1.0,
    show_default=True,
    help="Factor of how many connections are opened; 1 is more than 10,000 in all.",
)
@click.option("--together", is_flag=True, help="All ways of a library in one program, which is quicker.")
@click.option(
    "--cache",
    type=click.Path(path_type=Path, file_okay=False),
    default=_CACHE,
    help="Folder that keeps the libraries' environments.  [default: reports/.cache]",
)
def oracle(only: tuple[str, ...], ways: tuple[str, ...], scale: float, together: bool, cache: Path) -> int:
    """Hold what ``connprof run`` counts against what the server saw, for every client library.

    Each library runs in an environment of its own, at pinned versions. Handshakes, connections and requests must equal
    the server's ledger, contexts the runs of their constructor's code, clients and processes those that were made.

    \b
    Examples:
      nox -s oracle                                   all of it, some minutes
      nox -s oracle -- --only aiohttp,httpx2==2.16.2
      nox -s oracle -- --scale 0.1 --together         a quick look
    """  # noqa: D301 - click reads the backspace as "leave this paragraph as it is"
    console = Console(highlight=False)
    rows: list[_Row] = []
    with Stage(cache / "environments") as stage, tempfile.TemporaryDirectory(prefix="oracle-") as temporary:
        for number, (subject, way) in enumerate(_runs(only, ways, scale, together=together)):
            folder = Path(temporary, str(number))
            folder.mkdir()
            try:
                held: Held | str = stage.hold(subject, folder)
            except RunError as error:
                held = str(error)
            rows.append(_Row(subject.name, way, held))
            differences = (held,) if isinstance(held, str) else held.differences
            console.print(f"{subject.name} {way}: {'; '.join(differences) or 'agrees'}", markup=False, soft_wrap=True)
    _print_table(console, rows)
    return _exit_code(rows)


def _runs(
    only: tuple[str, ...], ways: tuple[str, ...], scale: float, *, together: bool
) -> Iterator[tuple[Subject, str]]:
    """Each run of a program, and what its way is called in the table."""
    libraries, wanted = _words(only), _words(ways)
    known = {name for subject in SUBJECTS for name in (subject.name, subject.module)}
    known_ways = {way for subject in SUBJECTS for way in subject.ways}
    for word, those in (*((word, known) for word in libraries), *((word, known_ways) for word in wanted)):
        if word not in those:
            raise click.UsageError(f"there is no {word!r}; there are: {', '.join(sorted(those))}.")
    for whole in SUBJECTS:
        if libraries and not {whole.name, whole.module} & libraries:
            continue
        subject = whole.scaled(scale)
        chosen = {way: count for way, count in subject.ways.items() if not wanted or way in wanted}
        if together and chosen:
            yield replace(subject, ways=chosen), "all"
        else:
            for way, count in chosen.items():
                yield replace(subject, ways={way: count}), way


def _words(values: tuple[str, ...]) -> set[str]:
    return {word.strip() for value in values for word in value.split(",") if word.strip()}


def _print_table(console: Console, rows: list[_Row]) -> None:
    names = [each.name for each in fields(Figures)]
    table = Table(box=None, pad_edge=False)
    for heading in ("library", "way"):
        table.add_column(heading, no_wrap=True)
    for name in (*names, "line unknown"):
        table.add_column(name.replace("_", " "), justify="right")
    table.add_column("")
    summed = None
    for row in rows:
        if isinstance(row.held, str):
            table.add_row(row.library, row.way, *[""] * (len(names) + 1), "failed")
            continue
        counted, really = row.held.counted, row.held.oracle
        cells = [_cell(getattr(counted, name), getattr(really, name)) for name in names]
        verdict = "differs" if row.held.differences else "agrees"
        table.add_row(row.library, row.way, *cells, str(row.held.unknown_count), verdict)
        summed = (counted, really) if summed is None else (summed[0].plus(counted), summed[1].plus(really))
    if summed is not None:
        table.add_section()
        cells = [_cell(getattr(summed[0], name), getattr(summed[1], name)) for name in names]
        table.add_row("all", "", *cells, "", "")
    Console(width=max(console.width, 170), highlight=False, file=console.file).print(table)
    bad_count = sum(isinstance(row.held, str) or bool(row.held.differences) for row in rows)
    connections_count = summed[1].connections if summed is not None else 0
    console.print(
        f"{len(rows)} runs, {connections_count:,} connections: "
        + (f"{bad_count} of the runs do not agree." if bad_count else "every count agrees."),
        soft_wrap=True,
    )


def _cell(counted: int, really: int) -> str:
    return f"{counted:,}" if counted == really else f"{counted:,} for {really:,}"


def _exit_code(rows: list[_Row]) -> ExitCode:
    if not rows or any(isinstance(row.held, str) for row in rows):
        return ExitCode.INVALID
    if any(not isinstance(row.held, str) and row.held.differences for row in rows):
        return ExitCode.NEGATIVE
    return ExitCode.PASS


def main() -> None:
    """Entry point of ``python -m bench.oracle``."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
    sys.exit(guarded(oracle))
