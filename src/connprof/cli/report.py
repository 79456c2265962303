"""``connprof report``: a report read again."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

import click

from connprof.cli.exits import RUN_EXIT_CODES_HELP, ExitCode, report_exit_code
from connprof.cli.paths import ANYTHING, FOLDER
from connprof.cli.printing import Held, say
from connprof.errors import FileError, MissingPackageError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["report"]


@click.command(short_help="Print a report's summary again, and draw its page.", epilog=RUN_EXIT_CODES_HELP)
@click.argument("path", type=ANYTHING)
@click.option(
    "--html",
    "folder",
    type=FOLDER,
    help="Also write the page and its plots into this folder.",
)
def report(path: Path, folder: Path | None) -> ExitCode:
    """Read a report again: print its summary, and draw its page anew.

    PATH is a report.json, or the folder that holds one. The exit code is the one that the run had; where it was
    a wide run (nox -s matrix), that is of its own list: 1 says that a hazard or the verdict came out otherwise than
    declared, and what was not measured is no fault.

    The summary needs rich; the page needs jinja2 and matplotlib too. Where only these are missing, the summary is
    printed all the same, and the exit code is 2.
    """
    from connprof import report as pages
    from connprof.store import load_report
    from connprof.verdict import contradiction

    loaded = load_report(path)
    if (why := contradiction(loaded)) is not None:
        raise FileError(f"{path} contradicts itself: {why}")
    if find_spec("rich") is None:
        raise MissingPackageError("rich", extra="report", purpose="print the summary")
    from rich.console import Console

    page, absent = None, None
    if folder is not None:
        try:
            pages.require_packages()
            page = pages.write(loaded, folder)
        except MissingPackageError as error:
            absent = error
    printed = Held()
    pages.print_summary(loaded, Console(file=printed, highlight=False), page=page)
    say(printed.getvalue())
    if absent is not None:
        raise FileError(f"the page was not drawn: {absent}")
    return report_exit_code(loaded)
