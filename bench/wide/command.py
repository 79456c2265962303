"""The wide run's command line: ``nox -s matrix -- ARGUMENTS``, or ``python -m bench.wide ARGUMENTS``."""

from __future__ import annotations

import math
import random
import shlex
import sys
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.hazards.command import hazards as probe_command
from bench.hazards.command import in_words, pairs_of
from bench.hazards.registry import names as hazard_names
from bench.hazards.runner import Prober, as_expected
from bench.libraries import find, library_names
from bench.options import SEED
from bench.output import console_on_stdout
from bench.progress import progress_on
from bench.registry import names as strategy_names
from bench.reserve import code_of_end, interrupt_once, reserved
from bench.wide.asking import axes_from
from bench.wide.cache import Cache, KeptCase, KeptCell
from bench.wide.interpreters import OWN_PYTHON, SUPPORTED, existing, interpreter_for, pythons
from bench.wide.keys import Keys
from bench.wide.plan import AXIS_NAMES, Asked, Found, plan, probes, seconds_of
from bench.wide.run import ROUNDS_COUNT, Order, run_wide
from connprof import report as pages
from connprof.cli.exits import MATRIX_EXIT_CODES_HELP, ExitCode, guarded, matrix_exit_code
from connprof.cli.printing import say as print_as_it_is
from connprof.errors import RunError, UsageError
from connprof.model import HazardOutcome

if TYPE_CHECKING:
    from rich.console import Console

    from bench.wide.interpreters import Interpreter
    from bench.wide.plan import Planned

__all__ = ["main", "matrix"]

_PROJECT = Path(__file__).resolve().parents[2]
_OUT = _PROJECT / "reports" / "matrix"
_CACHE = _PROJECT / "reports" / ".cache"
_SEEDS = 1_000_000
_SECONDS_PER_PROBE = 1.5
_LANES_COUNT = 2


@click.command(epilog=MATRIX_EXIT_CODES_HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--axis",
    "axes",
    metavar="NAME=VALUE,...",
    multiple=True,
    help="Measure along this axis alone, at these values; several axes are crossed. --list names them.",
)
@click.option("--only", metavar="STRATEGY,...", multiple=True, help="Only these strategies; may be repeated.")
@click.option(
    "--hazards/--no-hazards", default=None, help="Probe hazards, or do not.  [default: unless --axis is given]"
)
@click.option(
    "--probe", "cells", metavar="STRATEGY/HAZARD", multiple=True, help="Run this probe alone and say what happens."
)
@click.option("--list", "list_only", is_flag=True, help="Say what would run, and how much of it is known, and stop.")
@click.option("--quick", is_flag=True, help="A small cross-section in less than a minute.")
@click.option("--fresh", is_flag=True, help="Measure everything again, whatever is known.")
@click.option("--seed", type=SEED, help="Of the order in which cases run.  [default: drawn and recorded]")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=_OUT,
    help="Folder of the report.  [default: reports/matrix]",
)
@click.option(
    "--cache",
    type=click.Path(path_type=Path, file_okay=False),
    default=_CACHE,
    help="Folder of what was measured before, and of the libraries' environments.  [default: reports/.cache]",
)
@click.option(
    "--limit",
    type=click.FloatRange(1, 3600),
    default=120,
    show_default=True,
    help="Seconds after which a hanging case is stopped and recorded as failed.",
)
def matrix(  # noqa: PLR0917 - click passes them by name
    axes: tuple[str, ...],
    only: tuple[str, ...],
    hazards: bool | None,
    cells: tuple[str, ...],
    list_only: bool,
    quick: bool,
    fresh: bool,
    seed: int | None,
    out: Path,
    cache: Path,
    limit: float,
) -> int:
    """Every strategy, its price and its hazards.

    One axis is varied at a time around the default case, for strategies that show what it changes; all hazards are
    probed on all strategies. What was measured before is taken from the cache, unless its source, a version or an axis
    has changed. A run that was stopped goes on where it was when it is started again.

    \b
    Examples:
      nox -s matrix                                              everything that is not known yet
      nox -s matrix -- --list                                    how much that is
      nox -s matrix -- --axis rtt=0,50 --only one-client         one strategy, nearby and far away
      nox -s matrix -- --axis library=requests --axis python=3.13    two axes, crossed
      nox -s matrix -- --probe lazy-service/H3                   one hazard on one strategy, in words
    """  # noqa: D301 - click reads the backspace as "leave this paragraph as it is"
    if cells:
        interrupt_once()
        return _probe(cells, cache.resolve())
    if not math.isfinite(limit):
        raise click.BadParameter(f"{limit} is no number of seconds", param_hint="--limit")
    found = _found()
    asked = Asked(axes_from(axes, found), _names(only), hazards, quick)
    order = Order(
        cases=plan(asked, found),
        probes=probes(asked, found),
        seed=random.SystemRandom().randrange(_SEEDS) if seed is None else seed,
        quick=quick,
        limit_s=limit,
        out=out.resolve(),
        cache=cache.resolve(),
        fresh=fresh,
        absent=_absent(found, asked),
    )
    if list_only:
        with console_on_stdout() as console:
            _list(order, found, console)
        return 0
    pages.require_packages()
    interrupt_once()
    with console_on_stdout() as console:
        say = partial(_say, console)
        with reserved(order.out) as kept:
            if kept is not None:
                say(kept)
            say(f"connprof matrix: {len(order.cases)} cases, {len(order.probes)} probes, seed {order.seed}")
            with progress_on(console) as listener:
                report = run_wide(order, command=_command(order.seed), listener=listener, say=say)
            page = pages.write(report, order.out)
        pages.print_summary(report, console, page=page)
    return matrix_exit_code(report)


def _found() -> Found:
    libraries = tuple(case for name in library_names() for case in find(name).cases())
    return Found(tuple(strategy_names()), libraries, tuple(pythons()), OWN_PYTHON, tuple(hazard_names()))


def _names(texts: tuple[str, ...]) -> tuple[str, ...]:
    wanted = tuple(dict.fromkeys(name.strip() for text in texts for name in text.split(",") if name.strip()))
    if texts and not wanted:
        raise UsageError("--only was given no strategy; --list names them.")
    return wanted


def _absent(found: Found, asked: Asked) -> tuple[str, ...]:
    """What is not on this machine, in words: it is left out, and no fault."""
    if asked.quick or asked.axes:
        return ()
    missing = [version for version in SUPPORTED if version not in {found.own_python, *found.pythons}]
    return tuple(f"Python {version} was not found here." for version in missing)


def _command(seed: int) -> str:
    """The command that makes this run again, seed included."""
    arguments = [argument.encode("utf-8", "replace").decode() for argument in sys.argv[1:]]
    if not any(argument.partition("=")[0] == "--seed" for argument in arguments):
        arguments = [*arguments, "--seed", str(seed)]
    return shlex.join(["nox", "-s", "matrix", "--", *arguments])


def _say(console: Console, sentence: str) -> None:
    console.print(sentence, markup=False, soft_wrap=True)


def _list(order: Order, found: Found, console: Console) -> None:
    """What would run, axis by axis."""
    say = partial(_say, console)
    keys, cache = Keys(), Cache(order.cache, say, fresh=order.fresh)
    counts, known, seconds = Counter[str](), Counter[str](), 0.0
    for each in order.cases:
        counts[each.group] += 1
        kept = _kept(each, order, keys, cache)
        done = set(kept.timing) if kept else set()
        open_jobs = [
            job
            for job in each.jobs
            if (job.repetition not in done if job.kind == "timing" else getattr(kept, job.kind, None) is None)
        ]
        known[each.group] += not open_jobs
        seconds += sum(
            seconds_of(each, job) / (1 if job.kind == "timing" else _LANES_COUNT) for job in open_jobs
        )  # fmt: skip
    say("Cases")
    for group, count in counts.items():
        say(f"  {group:24} {count:4}, {known[group]} of them known")
    cells = 0
    for probe in order.probes:
        interpreter = _existing(probe.client_library, "", order)
        cells += interpreter is not None and cache.load(keys.cell(probe, interpreter), KeptCell) is not None
    seconds += (len(order.probes) - cells) * _SECONDS_PER_PROBE / _LANES_COUNT
    say(f"Probes {len(order.probes):23}, {cells} of them known")
    say(f"About {seconds / 60:.0f} minutes on two idle cores.")
    for sentence in order.absent:
        say(sentence)
    say(f"Axes: {', '.join(AXIS_NAMES)}")
    say(f"Client libraries: {', '.join(found.libraries)}")
    say(f"Strategies: {', '.join(found.strategies)}")
    say(f"Hazards: {', '.join(found.hazards)}")


def _kept(each: Planned, order: Order, keys: Keys, cache: Cache) -> KeptCase | None:
    interpreter = _existing(each.case.client_library, each.case.python, order)
    if interpreter is None:
        return None
    return cache.load(keys.case(each.case, interpreter, rounds_count=ROUNDS_COUNT), KeptCase)


def _existing(client_library: str, python: str, order: Order) -> Interpreter | None:
    try:
        return existing(client_library, python, order.cache / "environments")
    except RunError:
        return None


def _probe(cells: tuple[str, ...], cache: Path) -> int:
    """Run single probes; a third part of a cell's name is another client library: ``one-client/H11/httpx2==2.16.2``."""
    own = [cell for cell in cells if cell.count("/") <= 1]
    code = int(probe_command.main(own, standalone_mode=False)) if own or not cells else int(ExitCode.PASS)
    for cell in cells:
        if cell not in own:
            code = max(code, _probe_other(*cell.split("/", 2), cache=cache))
    return code


def _probe_other(strategy: str, hazard: str, library: str, *, cache: Path) -> int:
    known = [case for name in library_names() for case in find(name).cases()]
    if library not in known:
        raise UsageError(f"client_library is one of {', '.join(known)}, not {library!r}.")
    ((strategy, hazard),) = pairs_of((f"{strategy}/{hazard}",))
    interpreter = interpreter_for(library, "", cache / "environments", lambda: False)
    with Prober(lanes_count=1) as prober:
        cell = prober.probe(hazard, strategy, client_library=library, python=interpreter.path)
    print_as_it_is(in_words(cell) + "\n")
    if cell.outcome is HazardOutcome.NOT_PROBED:
        return ExitCode.INVALID
    return ExitCode.PASS if as_expected(cell) else ExitCode.NEGATIVE


def main() -> None:
    """Entry point of ``python -m bench.wide``."""
    sys.exit(code_of_end(guarded(matrix)))
