"""Timing across two commits, or two versions of a dependency, in one job: ``nox -s duel -- BASE HEAD``."""

from __future__ import annotations

import random
import shlex
import signal
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

import connprof
from bench.checkouts import commit_of, is_dirty, requirements, worktrees
from bench.children import JobFailed
from bench.duel_report import (
    DUEL_SCHEMA,
    UNITS,
    DuelCase,
    DuelReport,
    DuelSide,
    Trio,
    Turns,
    answered,
    lines,
    paired_test,
)
from bench.environments import MakeEnvironment, environment
from bench.incidents.datagouv_67 import DATAGOUV_67
from bench.progress import progress_on
from bench.surroundings import child_variables, describe
from bench.trios import FEWEST_TURNS, Seat, Sitting, take_turns
from bench.workloads import ORIGINS, WORKLOADS
from connprof.cli.exits import DUEL_EXIT_CODES_HELP, duel_exit_code, guarded
from connprof.errors import RunError, UsageError
from connprof.model import Case
from connprof.paired import ERROR, LEAST_RATIO, fewest_pairs, pairs_needed, wants_second_look
from connprof.store import encode, write_atomically
from connprof_server import ServerError, serve

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.lanes import Listener
    from connprof_server.target import Target

__all__ = ["DuelSettings", "Sampler", "duel", "main", "run_duel"]

_PROJECT = Path(__file__).resolve().parent.parent
_SEEDS = 1_000_000
_DEFAULT = (DATAGOUV_67.before, DATAGOUV_67.after, "one-client")
_SIDES = ("base", "twin", "head")  # equally long, and so are the paths of their worktrees


@dataclass(frozen=True, slots=True, kw_only=True)
class DuelSettings:
    """One duel, as it was asked for.

    Attributes:
        base: name of the commit that is the baseline.
        head: name of the commit that is the candidate.
        base_packages: requirements that the base's environment gets in place of its pins.
        head_packages: the same for the head.
        strategies: their names.
        workload: its name.
        calls_count: calls per session.
        pairs_count: trios in a look.
        turns_count: sessions in each process, at least.
        budget_s: sampling per case, both looks; what a trio does not need to start goes into more sessions.
        seed: of every coin.
        limit_s: after that long without an answer a worker is stopped and its case has failed.
    """

    base: str
    head: str
    base_packages: tuple[str, ...] = ()
    head_packages: tuple[str, ...] = ()
    strategies: tuple[str, ...] = _DEFAULT
    workload: str = "llm-session"
    calls_count: int = 10
    pairs_count: int = 20
    turns_count: int = FEWEST_TURNS
    budget_s: float = 60.0
    seed: int = 0
    limit_s: float = 60.0

    @property
    def tests_count(self) -> int:
        """How many tests the answers are corrected for: the cases asked for, in each unit."""
        return len(self.strategies) * len(UNITS)

    @property
    def trio_s(self) -> float:
        """What is left of the budget for one trio, when both looks are taken."""
        return self.budget_s / (2 * self.pairs_count)


@dataclass(slots=True)
class _Sampled:
    """What is known so far of one case."""

    trios: list[Trio] = field(default_factory=list)
    seconds: float = 0.0
    failure: str | None = None


class Sampler:
    """Takes trios of cases until each has its looks. Used by the duel and by its calibration.

    Args:
        settings: how much is sampled.
        seats: base, twin and head, in this order.
        target: the server.
        variables: of the workers.
        listener: is told how far it has come.
        draw: every coin comes from it.
    """

    def __init__(
        self,
        settings: DuelSettings,
        seats: Sequence[Seat],
        *,
        target: Target,
        variables: Mapping[str, str],
        listener: Listener,
        draw: random.Random,
    ) -> None:
        self._settings = settings
        self._seats = seats
        self._target = target
        self._variables = variables
        self._listener = listener
        self._draw = draw

    def sample(self, cases: Sequence[Case]) -> dict[Case, _Sampled]:
        """Both looks at each case, the second only where the first one asks for it.

        A look goes round all cases, again and again in a new order, so that a slow minute hits all of them alike.
        """
        sampled = {case: _Sampled() for case in cases}
        self._listener.planned(len(cases) * self._settings.pairs_count)
        self._look(1, cases, sampled)
        again = [
            case
            for case, found in sampled.items()
            if found.failure is None and any(wants_second_look(paired_test(found.trios, unit)) for unit in UNITS)
        ]
        self._listener.planned((len(cases) + len(again)) * self._settings.pairs_count)
        self._look(2, again, sampled)
        return sampled

    def _look(self, look: int, cases: Sequence[Case], sampled: Mapping[Case, _Sampled]) -> None:
        for number in range(self._settings.pairs_count):
            for case in self._draw.sample(cases, k=len(cases)):
                label = f"look {look}, pair {number + 1} of {case.strategy}"
                self._listener.started(label)
                self._trio(look, case, sampled[case])
                self._listener.finished(label, None)

    def _trio(self, look: int, case: Case, found: _Sampled) -> None:
        if found.failure is not None:
            return
        start_s = time.monotonic()
        sitting = Sitting(
            case={"strategy": case.strategy, "workload": case.workload, "calls_count": case.calls_count},
            target=self._target.to_dict(),
            variables=self._variables,
            turns_count=self._settings.turns_count,
            seconds=self._settings.trio_s,
            limit_s=self._settings.limit_s,
        )
        try:
            taken = take_turns(self._seats, sitting, self._draw)
        except JobFailed as error:
            found.failure = str(error)
            return
        base, twin, head = (
            Turns(wall_ns=taken[seat.name].wall_ns, thread_time_ns=taken[seat.name].thread_time_ns)
            for seat in self._seats
        )
        found.trios.append(Trio(look=look, base=base, twin=twin, head=head))
        found.seconds += time.monotonic() - start_s


def run_duel(
    settings: DuelSettings,
    *,
    command: str,
    listener: Listener,
    project: Path = _PROJECT,
    environments: Path | None = None,
    make_environment: MakeEnvironment = environment,
) -> DuelReport:
    """Run a duel of two commits of ``project``; worktrees, server and workers are gone when it returns or raises.

    Args:
        settings: what is compared.
        command: what makes this duel again.
        listener: is told how far it has come.
        project: the git checkout.
        environments: where environments are kept from one duel to the next; by default ``.duel`` in the project.
        make_environment: makes them; a test may put another one here.

    Raises:
        UsageError: there is no such commit, or neither side has a strategy.
        RunError: an environment cannot be made, or the server does not start or is lost.
    """
    clock, started_at, draw = time.monotonic(), datetime.now(UTC), random.Random(settings.seed)
    dirty = is_dirty(project)
    commits = {"base": commit_of(project, settings.base), "head": commit_of(project, settings.head)}
    with worktrees(project, {"base": commits["base"], "twin": commits["base"], "head": commits["head"]}) as trees:
        folder = environments or project / ".duel"
        rows, cases = _present(settings, trees["base"].tree, trees["head"].tree)
        wanted = {
            "base": requirements(trees["base"].tree, settings.base_packages),
            "head": requirements(trees["head"].tree, settings.head_packages),
        }
        context: dict[str, str] = {}
        sampled: dict[Case, _Sampled] = {}
        if cases:
            pythons = {name: make_environment(each, folder) for name, each in wanted.items()}
            pythons["twin"] = pythons["base"]
            seats = [Seat(name=name, tree=trees[name].tree, python=pythons[name]) for name in _SIDES]
            try:
                with serve(origins=ORIGINS) as server:
                    variables, done = child_variables(server.target)
                    context = describe(server.target, done).context
                    sampler = Sampler(
                        settings, seats, target=server.target, variables=variables, listener=listener, draw=draw
                    )
                    sampled = sampler.sample(cases)
            except ServerError as error:
                raise RunError(f"{str(error).rstrip('.')}.") from None
    rows += [
        DuelCase(case=case, answer="failed", sentence=f"{found.failure}.") for case, found in sampled.items()
        if found.failure is not None
    ]  # fmt: skip
    whole = {case: (found.trios, found.seconds) for case, found in sampled.items() if found.failure is None}
    tests_count = len(whole) * len(UNITS) or settings.tests_count
    needed = pairs_needed(settings.pairs_count, tests_count)
    assert needed is not None, "the settings were checked"
    return DuelReport(
        schema=DUEL_SCHEMA,
        command=command,
        seed=settings.seed,
        started_at=started_at.isoformat(timespec="seconds"),
        duration_s=round(time.monotonic() - clock, 1),
        connprof_version=connprof.__version__,
        dirty=dirty,
        context=context,
        base=_side(settings.base, commits["base"], wanted["base"].packages, wanted["base"].key),
        head=_side(settings.head, commits["head"], wanted["head"].packages, wanted["head"].key),
        pairs_count=settings.pairs_count,
        pairs_needed_count=needed,
        tests_count=tests_count,
        error=ERROR,
        least_ratio=LEAST_RATIO,
        cases=(*answered(whole, seed=settings.seed), *rows),
    )


def _present(settings: DuelSettings, base: Path, head: Path) -> tuple[list[DuelCase], list[Case]]:
    """Rows for the strategies that only one side has, and the cases that both have."""
    rows: list[DuelCase] = []
    both: list[Case] = []
    for name in settings.strategies:
        case = Case(strategy=name, workload=settings.workload, calls_count=settings.calls_count)
        file = Path("bench") / "strategies" / f"{name.replace('-', '_')}.py"
        match (base / file).is_file(), (head / file).is_file():
            case True, True:
                both.append(case)
            case True, False:
                rows.append(DuelCase(case=case, answer="missing", sentence="the head has no such strategy."))
            case False, True:
                rows.append(DuelCase(case=case, answer="new", sentence="the base has no such strategy."))
            case _:
                raise UsageError(f"neither side has a strategy {name!r}.")
    return rows, both


def _side(ref: str, commit: str, packages: tuple[str, ...], key: str) -> DuelSide:
    return DuelSide(ref=ref, commit=commit, packages=packages, environment_key=key)


# --- the command line -----------------------------------------------------------------------------------------


@click.command(
    name="connprof duel", epilog=DUEL_EXIT_CODES_HELP, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.argument("base_ref", default="HEAD")
@click.argument("head_ref", default="HEAD")
@click.option(
    "--with", "base_packages", metavar="REQUIREMENT", multiple=True, help="Give this to the base's environment."
)
@click.option(
    "--against", "head_packages", metavar="REQUIREMENT", multiple=True, help="Give this to the head's environment."
)
@click.option(
    "--only",
    metavar="STRATEGY",
    multiple=True,
    help=f"Compare this strategy; may be given several times, or with commas.  [default: {','.join(_DEFAULT)}]",
)
@click.option(
    "--workload", type=click.Choice(list(WORKLOADS)), default="llm-session", show_default=True, help="What is asked."
)
@click.option("--calls", type=click.IntRange(1, 10_000), default=10, show_default=True, help="Calls per session.")
@click.option("--pairs", type=click.IntRange(1, 1000), default=20, show_default=True, help="Pairs in a look.")
@click.option("--budget", type=click.FloatRange(1), default=60, show_default=True, help="Seconds of sampling per case.")
@click.option("--seed", type=click.IntRange(0), help="Of every coin.  [default: drawn and recorded]")
@click.option(
    "--limit", type=click.FloatRange(1, 3600), default=60, show_default=True, help="Seconds until a worker hangs."
)
@click.option(
    "--json",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=_PROJECT / "reports" / "duel.json",
    show_default="reports/duel.json",
    help="Write every sample and answer there.",
)
def duel(  # noqa: PLR0917 - click passes them by name
    base_ref: str,
    head_ref: str,
    base_packages: tuple[str, ...],
    head_packages: tuple[str, ...],
    only: tuple[str, ...],
    workload: str,
    calls: int,
    pairs: int,
    budget: float,
    seed: int | None,
    limit: float,
    file: Path,
) -> int:
    """Is HEAD_REF slower than BASE_REF? Both are timed in one job, in fresh processes that take turns.

    Each side is a git worktree with an environment of its own; the base runs twice, to see what no change looks like.
    A case has regressed when nearly all pairs say so, twice, by more than 5 %.

    \b
    Examples:
      connprof duel main HEAD
      connprof duel --with httpx==0.27.2 --against httpx==0.28.1
      connprof duel v1.0 main --only one-client --calls 40
    """  # noqa: D301 - click reads the backspace as "leave this paragraph as it is"
    names = tuple(dict.fromkeys(name.strip() for text in only for name in text.split(",") if name.strip())) or _DEFAULT
    settings = DuelSettings(
        base=base_ref,
        head=head_ref,
        base_packages=base_packages,
        head_packages=head_packages,
        strategies=names,
        workload=workload,
        calls_count=calls,
        pairs_count=pairs,
        budget_s=budget,
        seed=random.SystemRandom().randrange(_SEEDS) if seed is None else seed,
        limit_s=limit,
    )
    if pairs_needed(pairs, settings.tests_count) is None:
        raise UsageError(
            f"{pairs} pairs cannot decide {settings.tests_count} tests; "
            f"at least {fewest_pairs(settings.tests_count)} are needed."
        )
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _as_interrupt)
    console = Console(highlight=False)
    console.print(
        f"connprof duel: {base_ref} against {head_ref}, {len(names)} strategies, seed {settings.seed}", soft_wrap=True
    )
    with progress_on(console) as listener:
        report = run_duel(settings, command=_command(settings.seed), listener=listener)
    write_atomically(file, encode(report))
    console.print()
    for line in lines(report):
        console.print(line, markup=False, soft_wrap=True)
    console.print(f"\n{file}", markup=False, soft_wrap=True)
    return duel_exit_code([found.answer for found in report.cases])


def _command(seed: int) -> str:
    """The command that makes this duel again, seed included."""
    arguments = sys.argv[1:]
    if "--seed" not in " ".join(arguments):
        arguments = [*arguments, "--seed", str(seed)]
    return shlex.join(["connprof", "duel", *arguments])


def _as_interrupt(_signal: int, _frame: object) -> None:
    """The first Ctrl-C ends the duel; a second one must not disturb its cleaning up."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def main() -> None:
    """Entry point of ``python -m bench.duel``."""
    sys.exit(guarded(duel))


if __name__ == "__main__":
    main()
