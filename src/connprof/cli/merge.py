"""``connprof merge``: several reports as one."""

from __future__ import annotations

from pathlib import Path

import click

from connprof import merge as merging
from connprof.cli.exits import ExitCode
from connprof.cli.printing import say
from connprof.store import load_report, report_files, save_report

__all__ = ["merge"]


@click.command(short_help="Join reports of shards or machines into one.")
@click.argument("out", type=click.Path(path_type=Path))
@click.argument("reports", type=click.Path(path_type=Path), nargs=-1, required=True)
def merge(out: Path, reports: tuple[Path, ...]) -> ExitCode:
    """Join REPORTS (files or folders) of one commit and one kind of machine into the report OUT.

    OUT is a .json file, or a folder that gets a report.json. A case that is in several reports must have the very same
    figures in all of them. The verdict is made anew.

    \b
    Exit codes:
      0  merged
      2  wrong use, a broken file, or reports that do not fit together
    """  # noqa: D301 - click reads the backspace as "leave this paragraph as it is"
    files = list(dict.fromkeys(file for path in reports for file in report_files(path)))
    joined = merging.merge([(str(file), load_report(file)) for file in files])
    target = out if out.suffix == ".json" and not out.is_dir() else out / "report.json"
    save_report(joined, target)
    cases = f"{len(joined.records)} case{'' if len(joined.records) == 1 else 's'}"
    say(f"{target}: {cases} from {len(files)} report{'' if len(files) == 1 else 's'}.\n")
    return ExitCode.PASS
