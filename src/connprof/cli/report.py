"""``connprof report``: a report read again."""

from __future__ import annotations

from pathlib import Path

import click

from connprof.cli.exits import RUN_EXIT_CODES_HELP, ExitCode, exit_code

__all__ = ["report"]


@click.command(epilog=RUN_EXIT_CODES_HELP)
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
    from rich.console import Console

    from connprof import report as pages
    from connprof.store import load_report

    loaded = load_report(path)
    page = pages.write(loaded, folder) if folder is not None else None
    pages.print_summary(loaded, Console(highlight=False), page=page)
    return exit_code(loaded)
