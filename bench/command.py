"""The suite's command line: ``nox -s bench -- ARGUMENTS``, or ``python -m bench ARGUMENTS``."""

from __future__ import annotations

import math
import random
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.matrix import DEFAULT, Settings
from bench.options import SEED, round_trip
from bench.output import console_on_stdout
from bench.progress import listener_for
from bench.registry import StrategyError, load, names
from bench.reserve import code_of_end, interrupt_once, reserved
from bench.runner import run_suite
from bench.workloads import WORKLOADS
from connprof import report as pages
from connprof.cli.exits import RUN_EXIT_CODES_HELP, exit_code, guarded
from connprof.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["bench", "main"]

_PROJECT = Path(__file__).resolve().parent.parent
_LATEST = _PROJECT / "reports" / "latest"
_SEEDS = 1_000_000
_QUICK = ("floor", "per-call-async", "per-call-shared-context", "client-per-helper", "one-client")


@click.command(epilog=RUN_EXIT_CODES_HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--quick",
    is_flag=True,
    help="Five strategies, fewer timing processes, no retained pass: the same verdict in half a minute.",
)
@click.option(
    "--only", metavar="STRATEGY", multiple=True, help="Run this strategy; may be given several times, or with commas."
)
@click.option(
    "--workload", type=click.Choice(list(WORKLOADS)), default="llm-session", show_default=True, help="What is asked."
)
@click.option("--calls", type=click.IntRange(1, 10_000), help="Calls per session.  [default: the workload's, 40]")
@click.option(
    "--rtt",
    metavar="TIME",
    callback=round_trip,
    default="0ms",
    show_default=True,
    help="Model a round trip to the server, e.g. 20ms or 0.1s.",
)
@click.option("--seed", type=SEED, help="Of the order in which cases run.  [default: drawn and recorded]")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=_LATEST,
    help="Folder of the report.  [default: reports/latest]",
)
@click.option("--keep-captures", is_flag=True, help="Keep memray's captures in OUT/captures.")
@click.option("--flamegraph", is_flag=True, help="Draw each memory pass as a flame graph into OUT/flamegraphs.")
@click.option("--processes", type=click.IntRange(1, 100), help="Timing processes per strategy.  [default: 5, quick: 2]")
@click.option("--rounds", type=click.IntRange(1, 100), help="Timed sessions in each.", default=1, show_default=True)
@click.option(
    "--limit",
    type=click.FloatRange(1, 3600),
    default=120,
    show_default=True,
    help="Seconds after which a hanging case is stopped and recorded as failed.",
)
@click.option(
    "--list", "list_only", is_flag=True, help="List strategies, with which a run takes, and workloads, and stop."
)
def bench(  # noqa: PLR0917 - click passes them by name
    quick: bool,
    only: tuple[str, ...],
    workload: str,
    calls: int | None,
    rtt: float,
    seed: int | None,
    out: Path,
    keep_captures: bool,
    flamegraph: bool,
    processes: int | None,
    rounds: int,
    limit: float,
    list_only: bool,
) -> int:
    """Reproduce the published regression, confirm its fix, and write a report.

    A real TLS server runs in a process of its own; each strategy calls it in fresh processes, once under an observer
    that counts, once under memray, several times under pytest-benchmark. The verdict comes from this run's figures.

    \b
    Examples:
      nox -s bench                                    the whole main job, about two minutes
      nox -s bench -- --quick                         the same verdict in well under a minute
      nox -s bench -- --only per-call-async,one-client --calls 100
    """  # noqa: D301 - click reads the backspace as "leave this paragraph as it is"
    if list_only:
        with console_on_stdout() as console:
            _list(console)
        return 0
    settings = Settings(
        strategies=_selected(only, quick=quick),
        workload=workload,
        calls_count=calls or WORKLOADS[workload].default_calls_count,
        seed=random.SystemRandom().randrange(_SEEDS) if seed is None else seed,
        quick=quick,
        timing_processes_count=processes or (2 if quick else 5),
        rounds_count=rounds,
        rtt_ms=rtt,
        limit_s=_finite(limit),
        out=out.resolve(),
        keep_captures=keep_captures,
        flamegraph=flamegraph,
        in_quick=_QUICK,
    )
    pages.require_packages()
    interrupt_once()
    with console_on_stdout() as console:
        with reserved(settings.out) as kept:
            if kept is not None:
                console.print(kept, markup=False, soft_wrap=True)
            with listener_for(console, settings) as listener:
                report = run_suite(settings, command=_command(settings.seed), listener=listener)
            page = pages.write(report, settings.out)
        pages.print_summary(report, console, page=page)
        for folder, wanted in (("captures", settings.keep_captures), ("flamegraphs", settings.flamegraph)):
            if wanted and (settings.out / folder).is_dir():
                console.print(f"{folder.capitalize()}: {settings.out / folder}", markup=False, soft_wrap=True)
    return exit_code(report)


def _finite(limit: float) -> float:
    if not math.isfinite(limit):
        raise click.BadParameter(f"{limit} is no number of seconds", param_hint="--limit")
    return limit


def _selected(only: tuple[str, ...], *, quick: bool) -> tuple[str, ...]:
    """The strategies asked for, or those of a quick run, or the default ones; in the report's order, others last."""
    known = names()
    wanted = [name.strip() for text in only for name in text.split(",") if name.strip()]
    for name in wanted:
        if name not in known:
            raise UsageError(f"there is no strategy {name!r}; there are: {', '.join(known)}.")
    if only and not wanted:
        raise UsageError("--only was given no strategy; --list names them.")
    if not wanted:
        wanted = list(_QUICK if quick else DEFAULT)
    places = {name: place for place, name in enumerate(DEFAULT)}
    return tuple(sorted(set(wanted), key=lambda name: (places.get(name, len(places)), name)))


def _command(seed: int) -> str:
    """The command that makes this run again, seed included."""
    arguments = [argument.encode("utf-8", "replace").decode() for argument in sys.argv[1:]]
    if not any(argument.partition("=")[0] == "--seed" for argument in arguments):
        arguments = [*arguments, "--seed", str(seed)]
    return shlex.join(["nox", "-s", "bench", "--", *arguments])


def _list(console: Console) -> None:
    console.print("Strategies (without --only a run takes those marked default, and with --quick those marked quick)")
    for name in names():
        runs = ", ".join(run for run, of_run in (("default", DEFAULT), ("quick", _QUICK)) if name in of_run)
        try:
            said = load(name).title
        except StrategyError as error:
            said = f"cannot be run: {error}"
        console.print(f"  {name:24} {runs:14} {said}", markup=False, soft_wrap=True)
    console.print("Workloads")
    for workload in WORKLOADS.values():
        console.print(f"  {workload.name:24} {'':14} {workload.title}", markup=False, soft_wrap=True)


def main() -> None:
    """Entry point of ``python -m bench``."""
    sys.exit(code_of_end(guarded(bench)))


if __name__ == "__main__":
    main()
