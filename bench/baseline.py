"""A fresh report becomes the baseline, if it is a full run: what a baseline lacks is compared with nothing, ever after.

``nox -s baseline`` runs it as ``python -m bench.baseline FRESH FOLDER``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.matrix import DEFAULT
from bench.workloads import WORKLOADS
from connprof.cli.exits import ExitCode, guarded
from connprof.errors import UsageError
from connprof.model import Case
from connprof.store import load_report, write_atomically
from connprof.verdict import contradiction

if TYPE_CHECKING:
    from connprof.model import Report

__all__ = ["PARTIAL", "baseline", "main", "why_partial"]

PARTIAL = "--partial"
"""The word by which a partial run becomes the baseline all the same."""

_WORKLOAD = WORKLOADS["llm-session"]


def why_partial(report: Report) -> str:
    """What ``report`` lacks of a full run, in words; nothing where it is one."""
    if report.run.ended != "complete":
        return f"it did not come to its end ({report.run.ended})"
    if report.run.quick:
        return "it was a quick run"
    measured = {record.case for record in report.records}
    full = [Case(strategy=name, workload=_WORKLOAD.name, calls_count=_WORKLOAD.default_calls_count) for name in DEFAULT]
    missing = [case.strategy for case in full if case not in measured]
    if not missing:
        return ""
    return f"of the {len(full)} cases of a run without options it lacks {len(missing)}: {', '.join(missing)}"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("fresh", type=click.Path(path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option(PARTIAL, is_flag=True, help="Also where it is no full run.")
def baseline(fresh: Path, folder: Path, partial: bool) -> int:
    """Make the report FRESH the baseline in FOLDER, if it is one of a full run."""
    report = load_report(fresh)
    if (contradicts := contradiction(report)) is not None:
        raise UsageError(f"{fresh} contradicts itself: {contradicts}")
    why = why_partial(report)
    target = folder / "report.json"
    if why and not partial:
        raise UsageError(
            f"{fresh} is no full run, as a baseline should be: {why}; {target} is the old one ({PARTIAL} replaces it "
            "all the same)."
        )
    write_atomically(target, (fresh / "report.json" if fresh.is_dir() else fresh).read_bytes())
    click.echo(f"written: {target}{f' (partial: {why})' if why else ''}")
    return ExitCode.PASS


def main() -> None:
    """Entry point of ``python -m bench.baseline``."""
    sys.exit(guarded(baseline))


if __name__ == "__main__":
    main()
