"""``connprof history``: metrics over the reports of a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from connprof.cli.exits import ExitCode
from connprof.cli.paths import FILE, FOLDER
from connprof.cli.printing import say, tell
from connprof.history import history as course_of
from connprof.report import past, words
from connprof.settings import load_policy
from connprof.store import every_report_file, load_abridged, load_found

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["history"]


@click.command(short_help="Show metrics over many reports, and their steps.")
@click.argument("folder", type=FOLDER)
@click.option(
    "--html",
    "out",
    type=FOLDER,
    help="Folder for the page and a PNG of each metric.",
)
@click.option(
    "--config",
    type=FILE,
    help="File with [tool.connprof.gate].  [default: pyproject.toml of the current folder, if there is one]",
)
def history(folder: Path, out: Path | None, config: Path | None) -> ExitCode:
    """Show how the metrics went over the reports in FOLDER, and where any of them took a step.

    Read are all .json files in FOLDER and the report.json of each folder in it. They are ordered by the time at which
    they were made. A step is any change of a count, or a change of bytes beyond their limit. Printed are the first and
    the last figure of the main metrics, and every step; --html draws every metric.

    \b
    Exit codes:
      0  shown, whatever it shows
      2  wrong use, or a broken file
      4  the reports hold no figure
    """  # noqa: D301 - click reads the backspace as "leave this paragraph as it is"
    policy = load_policy(config)
    reports, passed_over = load_found(every_report_file(folder), load_abridged)
    found = course_of(reports, policy)
    page = past.write(found, out) if out is not None else None
    say("\n".join(past.lines(found)) + "\n")
    if page is not None:
        say(f"Page: {words.plain(str(page))}\n")
    tell(*passed_over)
    return ExitCode.PASS if found.courses else ExitCode.NOTHING
