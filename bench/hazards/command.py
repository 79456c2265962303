"""Probes by hand: ``python -m bench.hazards STRATEGY/HAZARD ...``."""

from __future__ import annotations

import sys

import click
import msgspec

from bench.hazards.registry import HazardError
from bench.hazards.registry import load as load_hazard
from bench.hazards.registry import names as hazard_names
from bench.hazards.runner import Prober, as_expected
from bench.registry import names as strategy_names
from bench.reserve import code_of_end, interrupt_once
from connprof.cli.exits import ExitCode, guarded
from connprof.cli.printing import say
from connprof.errors import UsageError
from connprof.model import HazardOutcome, SafetyCell

__all__ = ["hazards", "in_words", "main", "pairs_of"]

_EVERY = "all"

_EXIT_CODES_HELP = """\b
Exit codes; where several apply, the first in this list:
  2    wrong use
  3    a probe did not work
  1    a cell did not come out as declared
  0    every cell came out as declared, or is statistical
  130  interrupted (129: by the end of its terminal)
"""


@click.command(epilog=_EXIT_CODES_HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("cells", metavar="STRATEGY/HAZARD...", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print each cell as one line of JSON, as reports hold it.")
@click.option("--list", "list_only", is_flag=True, help="List hazards and strategies and stop.")
def hazards(cells: tuple[str, ...], as_json: bool, list_only: bool) -> int:
    """Raise a hazard on a strategy and say what happens, in a process of its own that is killed if it hangs.

    A cell of the safety matrix is named STRATEGY/HAZARD; "all" may stand for either. It says: held (every call did what
    its caller believes), broke (calls failed, and said so), hung, silent harm (the server executed what its caller
    believes failed, an answer reached the wrong caller, ...), does not apply, or not probed. What is expected stands
    in the strategy's or the hazard's file.

    \b
    Examples:
      python -m bench.hazards lazy-service/H1              one cell, in words
      python -m bench.hazards one-client/H1 one-client/H2  two
      python -m bench.hazards all/H4b --json               one hazard on every strategy, as JSON lines
    """  # noqa: D301 - click reads the backspace as "leave this paragraph as it is"
    if list_only:
        _list()
        return ExitCode.PASS
    pairs = pairs_of(cells)

    def show(cell: SafetyCell) -> None:
        say((msgspec.json.encode(cell).decode() if as_json else in_words(cell)) + "\n")

    with Prober() as prober:
        found = prober.probe_all((), (), pairs=pairs, finished=show)
    if any(cell.outcome is HazardOutcome.NOT_PROBED for cell in found):
        return ExitCode.INVALID
    return ExitCode.PASS if all(map(as_expected, found)) else ExitCode.NEGATIVE


def pairs_of(cells: tuple[str, ...]) -> list[tuple[str, str]]:
    """``("one-client/H1", "all/H2")`` -> pairs of strategy and hazard, each once.

    Raises:
        UsageError: one of them names no cell.
    """
    if not cells:
        raise UsageError("say which cell to probe, as STRATEGY/HAZARD, e.g. lazy-service/H1; --list names them.")
    found: dict[tuple[str, str], None] = {}
    for cell in cells:
        strategy, slash, hazard = cell.partition("/")
        if not (strategy and slash and hazard):
            raise UsageError(f"{cell!r} is not of the form STRATEGY/HAZARD, e.g. lazy-service/H1.")
        for what, name, known in (("strategy", strategy, strategy_names()), ("hazard", hazard, hazard_names())):
            if name not in {_EVERY, *known}:
                raise UsageError(f"there is no {what} {name!r}; there are: {', '.join(known)}.")
        for each_hazard in hazard_names() if hazard == _EVERY else [hazard]:
            _check(each_hazard)
            for each_strategy in strategy_names() if strategy == _EVERY else [strategy]:
                found[each_strategy, each_hazard] = None
    return list(found)


def in_words(cell: SafetyCell) -> str:
    """The cell as a person reads it."""
    if load_hazard(cell.hazard).statistical:
        verdict = "statistical: a rate, expected of nothing"
    elif as_expected(cell):
        verdict = "as expected"
    else:
        verdict = f"NOT as expected: {cell.expected or 'held, or does not apply'}"
    lines = [f"{cell.key}: {cell.signature}  ({verdict})", f"  {cell.symptom}"]
    lines += [f"  {count} x {error}" for error, count in cell.errors.items()]
    if cell.observed:
        lines.append("  " + ", ".join(f"{name} {count}" for name, count in cell.observed.items()))
    lines.append(f"  {cell.duration_ns / 1e9:.2f} s; again with: {cell.command}")
    return "\n".join(lines)


def _check(hazard: str) -> None:
    try:
        load_hazard(hazard)
    except HazardError as error:
        raise UsageError(str(error)) from None


def _list() -> None:
    lines = ["Hazards"]
    for name in hazard_names():
        try:
            hazard = load_hazard(name)
            lines.append(f"  {name:5} {hazard.title}{' (statistical)' if hazard.statistical else ''}")
        except HazardError as error:
            lines.append(f"  {name:5} cannot be run: {error}")
    lines += ["Strategies", *(f"  {name}" for name in strategy_names())]
    say("".join(f"{line}\n" for line in lines))


def main() -> None:
    """Entry point of ``python -m bench.hazards``."""
    interrupt_once()
    sys.exit(code_of_end(guarded(hazards)))
