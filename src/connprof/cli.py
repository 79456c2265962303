"""The command line, and the one place where exit codes are given."""

from __future__ import annotations

import sys
from enum import IntEnum
from pathlib import Path
from typing import Any

import click

from connprof import __version__
from connprof.errors import ConnprofError
from connprof.model import Failed, Report, VerdictStatus

__all__ = ["ExitCode", "exit_code", "guarded", "main"]


class ExitCode(IntEnum):
    """What a command's end means to a shell or a CI job."""

    PASS = 0
    """Everything that was asked holds."""
    NEGATIVE = 1
    """Measured without a fault, and the answer is no: not reproduced, not confirmed."""
    USAGE = 2
    """Wrong use, or a file that cannot be read or written."""
    INVALID = 3
    """A case failed, or passes disagree: the figures must not be trusted."""
    NOTHING = 4
    """No answer, because what it needs was not measured."""
    INTERRUPTED = 130
    """Stopped by Ctrl-C or SIGTERM; what had been measured is kept."""


EXIT_CODES_HELP = """\b
Exit codes:
  0    the regression is reproduced and its fix confirmed
  1    measured, but not reproduced or not confirmed
  2    wrong use, or a file that cannot be read or written
  3    a case failed or is invalid
  4    no verdict: a case that it needs was not measured
  130  interrupted; what had been measured is kept
"""


def exit_code(report: Report) -> ExitCode:
    """The exit code that ``report`` stands for."""
    halves = {report.verdict.regression.status, report.verdict.fix.status}
    broken = any(isinstance(record.outcome, Failed) or record.outcome.problems for record in report.records)
    lost = any(isinstance(record.outcome, Failed) and record.outcome.stage == "server" for record in report.records)
    if report.run.interrupted and not lost:
        return ExitCode.INTERRUPTED
    if broken or VerdictStatus.INVALID in halves:
        return ExitCode.INVALID
    if halves & {VerdictStatus.NOT_REPRODUCED, VerdictStatus.NOT_CONFIRMED}:
        return ExitCode.NEGATIVE
    if VerdictStatus.NOT_MEASURED in halves:
        return ExitCode.NOTHING
    assert halves == {VerdictStatus.REPRODUCED, VerdictStatus.CONFIRMED}
    return ExitCode.PASS


def guarded(command: click.Command, arguments: list[str] | None = None, **extra: Any) -> int:
    """Run ``command``; its users' errors become one sentence on standard error and an exit code.

    A traceback that comes out of this is a defect of connprof.
    """
    try:
        result = command.main(args=arguments, standalone_mode=False, **extra)
    except click.ClickException as error:
        error.show()
        return ExitCode.USAGE
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        return ExitCode.INTERRUPTED
    except ConnprofError as error:
        click.echo(f"Error: {error}", err=True)
        return ExitCode.USAGE
    return int(result or 0)


@click.group(epilog=EXIT_CODES_HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="connprof")
def cli() -> None:
    """What a Python HTTP client costs in SSL contexts, TLS handshakes, connections, memory and time."""


@cli.command(name="report")
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--html",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Also write the page and its plots into this folder.",
)
def report_command(path: Path, folder: Path | None) -> int:
    """Read a report again: print its summary, and draw its page anew.

    PATH is a report.json, or the folder that holds one. The exit code is the one that the run had.
    """
    from rich.console import Console

    from connprof import report as pages
    from connprof.store import load_report

    report = load_report(path)
    page = pages.write(report, folder) if folder is not None else None
    pages.print_summary(report, Console(highlight=False), page=page)
    return exit_code(report)


def main(argv: list[str] | None = None) -> None:
    """Entry point of the ``connprof`` command."""
    sys.exit(guarded(cli, argv))
