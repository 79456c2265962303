"""``connprof merge``: several reports as one."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

import click

from connprof import merge as merging
from connprof.cli.exits import ExitCode
from connprof.cli.paths import ANYTHING
from connprof.cli.printing import say
from connprof.errors import FileError, UsageError
from connprof.report import words
from connprof.store import load_report, report_files, save_report
from connprof.verdict import contradictory_figures

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["merge"]

_FEWEST = 2


@click.command(short_help="Join reports of shards or machines into one.")
@click.argument("out", type=ANYTHING)
@click.argument("reports", type=ANYTHING, nargs=-1, required=True)
@click.option("--force", is_flag=True, help="Replace the report that OUT already is or holds.")
def merge(out: Path, reports: tuple[Path, ...], force: bool) -> ExitCode:
    """Join REPORTS (files or folders) of one commit and one kind of machine into the report OUT.

    OUT comes first. It is a .json file, or a folder that gets a report.json; where a report is there already, nothing
    is written without --force. A case that is in several reports must have the very same figures in all of them. The
    verdict is made anew.

    \b
    Exit codes:
      0  merged
      2  wrong use, a broken file, or reports that do not fit together
    """  # noqa: D301 - click reads the backspace as "leave this paragraph as it is"
    files = list(dict.fromkeys(file for path in reports for file in report_files(path)))
    target = out if out.suffix == ".json" and not out.is_dir() else out / "report.json"
    _check_out(out, target, files, force=force)
    loaded = [(str(file), load_report(file)) for file in files]
    joined = merging.merge(loaded, command=shlex.join(["connprof", "merge", *map(str, (out, *reports))]))
    for name, report in loaded:
        if (why := contradictory_figures(report)) is not None:
            raise FileError(f"{name} contradicts itself: {why}")
    save_report(joined, target)
    cases = f"{len(joined.records)} case{'' if len(joined.records) == 1 else 's'}"
    say(f"{words.plain(str(target))}: {cases} from {len(files)} report{'' if len(files) == 1 else 's'}.\n")
    return ExitCode.PASS


def _check_out(out: Path, target: Path, files: list[Path], *, force: bool) -> None:
    """Whoever forgets OUT names a report in its place: it must not be lost. One file has many names."""
    there = _reports_at(out)
    inputs = {os.path.realpath(file) for file in files}
    if inputs & {os.path.realpath(file) for file in (target, *there)}:
        raise UsageError(f"OUT, which comes first, is or holds one of the reports to be merged: {out}.")
    if (there or target.exists()) and not force:
        raise UsageError(
            f"{out} comes first and would be written, but a report is there already (--force replaces it)."
        )
    if len(inputs) < _FEWEST:
        raise UsageError(f"there is one report to be merged into {out}, {files[0]}; it takes two or more.")


def _reports_at(out: Path) -> tuple[Path, ...]:
    if not out.is_dir():
        return ()
    try:
        return tuple(file for file in report_files(out) if file.parent == out)
    except FileError:
        return ()
