"""``connprof history``: metrics over the reports of a folder."""

from __future__ import annotations

from pathlib import Path

import click

from connprof.cli.exits import ExitCode
from connprof.cli.printing import say
from connprof.errors import FileError
from connprof.history import history as course_of
from connprof.report import past
from connprof.settings import load_policy
from connprof.store import load_abridged

__all__ = ["history"]


@click.command(short_help="Show each metric over many reports, and its steps.")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--html",
    "out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the page and a PNG of each metric.",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File with [tool.connprof.gate].  [default: pyproject.toml of the current folder, if there is one]",
)
def history(folder: Path, out: Path | None, config: Path | None) -> ExitCode:
    """Show how each metric went over the reports in FOLDER, and where it took a step.

    Read are all .json files in FOLDER and the report.json of each folder in it. They are ordered by the time at which
    they were made. A step is any change of a count, or a change of bytes beyond their limit.

    \b
    Exit codes:
      0  shown, whatever it shows
      2  wrong use, or a broken file
      4  the reports hold no figure
    """  # noqa: D301 - click reads the backspace as "leave this paragraph as it is"
    policy = load_policy(config)
    found = course_of([(str(file), load_abridged(file)) for file in _files(folder)], policy)
    page = past.write(found, out) if out is not None else None
    say("\n".join(past.lines(found)) + "\n")
    if page is not None:
        say(f"Page: {page}\n")
    return ExitCode.PASS if found.courses else ExitCode.NOTHING


def _files(folder: Path) -> list[Path]:
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise FileError(f"{folder} cannot be read: {error.strerror or error}.") from None
    files = [entry for entry in entries if entry.suffix == ".json" and entry.exists() and not entry.is_dir()]
    files += [entry / "report.json" for entry in entries if (entry / "report.json").exists()]
    if not files:
        raise FileError(f"{folder} holds no reports: neither .json files nor folders with a report.json.")
    return files
