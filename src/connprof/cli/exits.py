"""The one place where exit codes are given."""

from __future__ import annotations

from contextlib import suppress
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import click

from connprof.cli.printing import tell
from connprof.errors import ConnprofError, RunError
from connprof.gate import Answer
from connprof.model import Failed, HazardOutcome, Record, Report, SafetyCell, VerdictStatus
from connprof.plain import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

__all__ = [
    "DUEL_EXIT_CODES_HELP",
    "GATE_EXIT_CODES_HELP",
    "LINT_EXIT_CODES_HELP",
    "MATRIX_EXIT_CODES_HELP",
    "PROFILE_EXIT_CODES_HELP",
    "RUN_EXIT_CODES_HELP",
    "ExitCode",
    "duel_exit_code",
    "exit_code",
    "gate_exit_code",
    "guarded",
    "matrix_exit_code",
    "report_exit_code",
]


class ExitCode(IntEnum):
    """What a command's end means to a shell or a CI job."""

    PASS = 0
    """Everything that was asked holds."""
    NEGATIVE = 1
    """Measured without a fault, and the answer is no: not reproduced, not confirmed, regressed."""
    USAGE = 2
    """Wrong use, or a file that cannot be read or written."""
    INVALID = 3
    """A case failed, passes disagree, or timing is unstable: the figures must not be trusted."""
    NOTHING = 4
    """No answer, because what it needs was not measured, or nothing can be compared."""
    HUNG_UP = 129
    """Stopped by SIGHUP, as its terminal was closed; what had been measured is kept."""
    INTERRUPTED = 130
    """Stopped by Ctrl-C or SIGTERM; what had been measured is kept."""


RUN_EXIT_CODES_HELP = """\b
Exit codes:
  0    the regression is reproduced and its fix confirmed
  1    measured, but not reproduced or not confirmed
  2    wrong use, or a file that cannot be read or written
  3    a case failed or is invalid, or the server was lost
  4    no verdict: a case that it needs was not measured
  130  interrupted (129: by the end of its terminal); what had been measured is kept
"""

GATE_EXIT_CODES_HELP = """\b
Exit codes; where several apply, the first in this list:
  2    wrong use, or a file that cannot be read, understood or written
  3    a case failed, or is invalid for anything but a count that went up; or timing is unstable
  1    a figure regressed, also where a strategy makes more than it declares
  4    something is missing, a run ended early, or nothing was comparable
  0    at least one figure was compared, and none regressed
  130  interrupted
"""

MATRIX_EXIT_CODES_HELP = """\b
Exit codes; where several apply, the first in this list:
  2    wrong use, or a file that cannot be read or written
  130  interrupted (129: by the end of its terminal); started again, it goes on from there
  3    a case failed or is invalid, a probe did not work, or the server was lost
  1    a hazard did not come out as declared, or the regression or its fix as published
  0    everything came out as declared
"""

_GATE_EXIT_CODES = {
    Answer.UNTRUSTED: ExitCode.INVALID,
    Answer.REGRESSED: ExitCode.NEGATIVE,
    Answer.NOTHING: ExitCode.NOTHING,
    Answer.PASSED: ExitCode.PASS,
}


def gate_exit_code(answer: Answer) -> ExitCode:
    """The exit code that a comparison's ``answer`` stands for."""
    return _GATE_EXIT_CODES[answer]


LINT_EXIT_CODES_HELP = """\b
Exit codes; where several apply, the first in this list:
  2    wrong use, or a file that cannot be read, decoded or parsed; all others were checked
  1    something was found
  0    nothing was found
  130  interrupted
"""

PROFILE_EXIT_CODES_HELP = """\b
Exit codes:
  the program's own, or the signal that killed it (128 + its number in a shell); where that is 0:
  1    a limit is broken, or could not be checked: --fail-on, --max-..., --min-...
  2    wrong use, a program that cannot be started, or a file that cannot be written
"""

DUEL_EXIT_CODES_HELP = """\b
Exit codes; where several apply, the first in this list:
  2    wrong use: no such commit or strategy, a dependency that does not install, no git checkout
  3    a case failed, or base against base differs (unstable)
  1    a case is slower at the head
  4    a case is gone at the head, or nothing was comparable
  0    at least one case was compared, and none is slower
  130  interrupted (129: by the end of its terminal); what had been measured is kept
"""


def exit_code(report: Report) -> ExitCode:
    """The exit code that ``report`` stands for."""
    halves = {report.verdict.regression.status, report.verdict.fix.status}
    broken = any(map(_broken_in(report), report.records))
    if report.run.interrupted and report.run.ended != "server-lost":
        return ExitCode.INTERRUPTED
    if broken or report.run.interrupted or VerdictStatus.INVALID in halves:
        return ExitCode.INVALID
    if halves & {VerdictStatus.NOT_REPRODUCED, VerdictStatus.NOT_CONFIRMED}:
        return ExitCode.NEGATIVE
    if VerdictStatus.NOT_MEASURED in halves:
        return ExitCode.NOTHING
    assert halves == {VerdictStatus.REPRODUCED, VerdictStatus.CONFIRMED}
    return ExitCode.PASS


def _broken_in(report: Report) -> Callable[[Record], bool]:
    """Whether a case failed or is invalid, other than as its strategy says it must."""
    notes = {(note.client_library, note.name): note for note in report.strategies}

    def is_broken(record: Record) -> bool:
        if not isinstance(record.outcome, Failed):
            return bool(record.outcome.problems)
        note = notes.get((record.case.client_library, record.case.strategy))
        return note is None or not note.foresees(record.outcome)

    return is_broken


def matrix_exit_code(report: Report) -> ExitCode:
    """The exit code that the report of a wide run stands for. What was not part of it is nobody's fault."""
    halves = {report.verdict.regression.status, report.verdict.fix.status}
    if report.run.interrupted and report.run.ended != "server-lost":
        return ExitCode.INTERRUPTED
    broken = any(map(_broken_in(report), report.records))
    if broken or report.run.interrupted or any(cell.outcome is HazardOutcome.NOT_PROBED for cell in report.safety):
        return ExitCode.INVALID
    statistical = {note.id for note in report.hazards if note.statistical}
    gated = [cell for cell in report.safety if cell.hazard not in statistical]
    if not all(map(_as_declared, gated)) or halves & {VerdictStatus.NOT_REPRODUCED, VerdictStatus.NOT_CONFIRMED}:
        return ExitCode.NEGATIVE
    return ExitCode.PASS


def report_exit_code(report: Report) -> ExitCode:
    """The exit code that the run had which made ``report``: a wide run had that of its own kind."""
    is_wide = _WIDE in report.run.command or bool(report.hazards or report.safety)
    return matrix_exit_code(report) if is_wide else exit_code(report)


_WIDE = "nox -s matrix"


def _as_declared(cell: SafetyCell) -> bool:
    if cell.expected is None:
        return cell.outcome in {HazardOutcome.HELD, HazardOutcome.DOES_NOT_APPLY}
    return cell.signature == cell.expected


def duel_exit_code(answers: Collection[str]) -> ExitCode:
    """The exit code of a duel, from the answer to each of its cases."""
    if {"failed", "unstable"} & set(answers):
        return ExitCode.INVALID
    if "regressed" in answers:
        return ExitCode.NEGATIVE
    if "missing" in answers or not {"unchanged", "improved"} & set(answers):
        return ExitCode.NOTHING
    return ExitCode.PASS


_HELP: Any = getattr(click.exceptions, "NoArgsIsHelpError", ())
"""What click raises from 8.2 on where no command is named. Its message is the help, of many lines and all its own."""


def guarded(command: click.Command, arguments: list[str] | None = None, **extra: Any) -> int:
    """Run ``command``; its users' errors become one sentence on standard error and an exit code.

    A traceback that comes out of this is a defect of connprof.
    """
    try:
        result = command.main(args=arguments, standalone_mode=False, **extra)
    except click.ClickException as error:
        if not isinstance(error, _HELP):
            error.message = plain(error.message)  # type: ignore[misc]  # click's own, about to be shown
        with suppress(OSError):
            error.show()
        return ExitCode.USAGE
    except (click.Abort, KeyboardInterrupt):
        tell("Interrupted.")
        return ExitCode.INTERRUPTED
    except ConnprofError as error:
        tell(f"Error: {error}")
        return ExitCode.INVALID if isinstance(error, RunError) else ExitCode.USAGE
    return int(result or 0)
