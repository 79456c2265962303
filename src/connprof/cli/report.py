"""``connprof report``: a report read again."""

from __future__ import annotations

from pathlib import Path

import click

from connprof.cli.exits import RUN_EXIT_CODES_HELP, ExitCode, exit_code
from connprof.errors import FileError

__all__ = ["report"]


@click.command(short_help="Print a report's summary again, and draw its page.", epilog=RUN_EXIT_CODES_HELP)
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--html",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Also write the page and its plots into this folder.",
)
def report(path: Path, folder: Path | None) -> ExitCode:
    """Read a report again: print its summary, and draw its page anew.

    PATH is a report.json, or the folder that holds one. The exit code is the one that the run had.
    """
    from connprof import report as pages
    from connprof.store import load_report
    from connprof.verdict import contradiction

    loaded = load_report(path)
    if (why := contradiction(loaded)) is not None:
        raise FileError(f"{path} contradicts itself: {why}")
    pages.require_packages()
    from rich.console import Console

    page = pages.write(loaded, folder) if folder is not None else None
    pages.print_summary(loaded, Console(highlight=False), page=page)
    return exit_code(loaded)
