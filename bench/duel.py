"""Timing across two commits, or two versions of a dependency, in one job: ``nox -s duel -- BASE HEAD``."""

from __future__ import annotations

import random
import shlex
import sys
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec.structs import replace

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
from bench.options import round_trip
from bench.output import console_on_stdout
from bench.progress import progress_on
from bench.reserve import code_of_end, end_if_interrupted, interrupt_once
from bench.surroundings import child_variables, describe
from bench.trios import FEWEST_TURNS, Seat, Sitting, partners, take_turns
from bench.workloads import ORIGINS, WORKLOADS
from connprof.cli.exits import DUEL_EXIT_CODES_HELP, ExitCode, duel_exit_code, guarded
from connprof.errors import RunError, UsageError
from connprof.model import Case
from connprof.paired import ASKING, ERROR, LEAST_RATIO, fewest_trios, wants_second_look
from connprof.store import encode, write_atomically
from connprof_server import ServerError, serve

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.lanes import Listener
    from connprof_server import RunningServer

__all__ = ["DuelSettings", "Sampler", "duel", "main", "run_duel"]

_PROJECT = Path(__file__).resolve().parent.parent
_SEEDS = 1_000_000
_FIRST_SHARE = 0.4
_RESERVE = 0.02  # of the budget: the last round may be longer than any before
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
        trios_count: trios of a case, when both looks are taken.
        turns_count: sessions in each process, at least.
        budget_s: sampling per case, both looks, from the start of the first process to the end of the last: what a
            trio does not need to start goes into more sessions, as many as end in time.
        rtt_ms: modelled round trip in front of the server.
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
    trios_count: int = 14
    turns_count: int = FEWEST_TURNS
    budget_s: float = 60.0
    rtt_ms: float = 0.0
    seed: int = 0
    limit_s: float = 60.0

    @property
    def tests_count(self) -> int:
        """How many tests the answers are corrected for: the cases asked for, in each unit."""
        return len(self.strategies) * len(UNITS)

    @property
    def first_count(self) -> int:
        """The trios of the first look: the smaller part, as for most cases it is the only one."""
        return round(_FIRST_SHARE * self.trios_count)

    def trio_s(self, taken_count: int, spent_s: float) -> float:
        """What is left of the budget for the next trio of a case, but for a reserve."""
        left_s = self.budget_s * (1 - _RESERVE) - spent_s
        return max(0.0, left_s) / max(1, self.trios_count - taken_count)


@dataclass(slots=True)
class Sampled:
    """What is known so far of one case."""

    trios: list[Trio] = field(default_factory=list)
    seconds: float = 0.0
    failure: str | None = None

    def wanted_count(self, settings: DuelSettings) -> int:
        """How many trios its answer needs, as far as that is known: more, where the first look found something."""
        if len(self.trios) < settings.first_count:
            return settings.first_count
        tests = [paired_test(self.trios, unit, first_count=settings.first_count) for unit in UNITS]
        return settings.trios_count if any(map(wants_second_look, tests)) else settings.first_count


class Sampler:
    """Takes trios of cases until each has its looks. Used by the duel and by its calibration.

    Args:
        settings: how much is sampled.
        seats: base, twin and head, in this order.
        server: what the workers talk to.
        variables: of the workers.
        listener: is told how far it has come.
        draw: every coin comes from it.

    Attributes:
        sampled: what is known so far; also when :meth:`sample` was interrupted.
    """

    def __init__(
        self,
        settings: DuelSettings,
        seats: Sequence[Seat],
        *,
        server: RunningServer,
        variables: Mapping[str, str],
        listener: Listener,
        draw: random.Random,
    ) -> None:
        self._settings = settings
        self._seats = seats
        self._server = server
        self._variables = variables
        self._listener = listener
        self._draw = draw
        self.sampled: dict[Case, Sampled] = {}

    def sample(self, cases: Sequence[Case]) -> dict[Case, Sampled]:
        """Both looks at each case, the second only where the first one asks for it.

        A look goes round all cases, again and again in a new order, so that a slow minute hits all of them alike.
        """
        first_count, trios_count = self._settings.first_count, self._settings.trios_count
        self.sampled = {case: Sampled() for case in cases}
        self._listener.planned(len(cases) * first_count)
        self._take(range(first_count), cases)
        again = [
            case
            for case, found in self.sampled.items()
            if found.failure is None and found.wanted_count(self._settings) > first_count
        ]
        self._listener.planned(len(cases) * first_count + len(again) * (trios_count - first_count))
        self._take(range(first_count, trios_count), again)
        return self.sampled

    def _take(self, numbers: range, cases: Sequence[Case]) -> None:
        for number in numbers:
            for case in self._draw.sample(cases, k=len(cases)):
                end_if_interrupted()
                label = f"trio {number + 1} of {case.strategy}"
                self._listener.started(label)
                self._trio(case, self.sampled[case])
                self._listener.finished(label, None)

    def _trio(self, case: Case, found: Sampled) -> None:
        if found.failure is not None:
            return
        start_s = time.monotonic()
        sitting = Sitting(
            case={"strategy": case.strategy, "workload": case.workload, "calls_count": case.calls_count},
            target=self._server.target.to_dict(),
            variables=self._variables,
            partners=partners(self._server),
            turns_count=self._settings.turns_count,
            seconds=self._settings.trio_s(len(found.trios), found.seconds),
            limit_s=self._settings.limit_s,
        )
        try:
            taken = take_turns(self._seats, sitting, self._draw)
        except JobFailed as error:
            found.failure = str(error)
            return
        base, twin, head = (Turns(**asdict(taken[seat.name])) for seat in self._seats)
        found.trios.append(Trio(base=base, twin=twin, head=head))
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
        sampled: dict[Case, Sampled] = {}
        interrupted: str | None = None
        if cases:
            pythons = {name: make_environment(each, folder) for name, each in wanted.items()}
            pythons["twin"] = pythons["base"]
            seats = [Seat(name=name, tree=trees[name].tree, python=pythons[name]) for name in _SIDES]
            try:
                with serve(origins=ORIGINS, rtt_ms=settings.rtt_ms) as server:
                    variables, done = child_variables(server.target)
                    context = describe(server.target, done).context
                    sampler = Sampler(settings, seats, server=server, variables=variables, listener=listener, draw=draw)
                    try:
                        sampler.sample(cases)
                    except KeyboardInterrupt:
                        interrupted = _interrupted(sampler.sampled)
                        if interrupted is None:
                            raise
                    sampled = sampler.sampled
            except ServerError as error:
                raise RunError(f"{str(error).rstrip('.')}.") from None
    rows += [
        DuelCase(case=case, answer="failed", sentence=f"{found.failure}.") for case, found in sampled.items()
        if found.failure is not None
    ]  # fmt: skip
    rows += [
        DuelCase(case=case, answer="unfinished", sentence="not one of its trios was taken.")
        for case, found in sampled.items() if found.failure is None and not found.trios
    ]  # fmt: skip
    answers = answered(
        {
            case: (found.trios, found.seconds)
            for case, found in sampled.items()
            if found.failure is None and found.trios
        },
        first_count=settings.first_count,
        tests_count=len(cases) * len(UNITS),
        seed=settings.seed,
    )
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
        trios_count=settings.trios_count,
        first_count=settings.first_count,
        rtt_ms=settings.rtt_ms,
        budget_s=settings.budget_s,
        tests_count=len(cases) * len(UNITS),
        error=ERROR,
        asking=ASKING,
        least_ratio=LEAST_RATIO,
        cases=(*(_as_far(row, sampled[row.case], settings) for row in answers), *rows),
        interrupted=interrupted,
    )


def _interrupted(sampled: Mapping[Case, Sampled]) -> str | None:
    """What to say of a duel that was stopped; nothing where it had measured nothing."""
    count = sum(len(found.trios) for found in sampled.values())
    return f"Interrupted after {count} trio{'' if count == 1 else 's'}; what they measured is kept." if count else None


def _as_far(row: DuelCase, found: Sampled, settings: DuelSettings) -> DuelCase:
    """``row``, or that it has no answer: some trios are no look."""
    wanted_count = found.wanted_count(settings)
    if len(found.trios) >= wanted_count:
        return row
    return replace(row, answer="unfinished", sentence=f"{len(found.trios)} of {wanted_count} trios were taken.")


def _present(settings: DuelSettings, base: Path, head: Path) -> tuple[list[DuelCase], list[Case]]:
    """Rows for the strategies that only one side has, and the cases that both have."""
    rows: list[DuelCase] = []
    both: list[Case] = []
    for name in settings.strategies:
        case = Case(strategy=name, workload=settings.workload, calls_count=settings.calls_count, rtt_ms=settings.rtt_ms)
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
@click.option(
    "--trios",
    type=click.IntRange(1, 1000),
    default=14,
    show_default=True,
    help="Groups of processes per case, at most; too few cannot decide, and are refused.",
)
@click.option("--budget", type=click.FloatRange(1), default=60, show_default=True, help="Seconds of sampling per case.")
@click.option(
    "--rtt",
    metavar="TIME",
    callback=round_trip,
    default="0ms",
    show_default=True,
    help="Model a round trip to the server, e.g. 20ms or 0.1s.",
)
@click.option("--seed", type=click.IntRange(0), help="Of every coin.  [default: drawn and recorded]")
@click.option(
    "--limit",
    type=click.FloatRange(1, 3600),
    default=60,
    show_default=True,
    help="Seconds after which a worker counts as hung.",
)
@click.option(
    "--json",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=_PROJECT / "reports" / "duel.json",
    help="Write every sample and answer there.  [default: reports/duel.json]",
)
def duel(  # noqa: PLR0917 - click passes them by name
    base_ref: str,
    head_ref: str,
    base_packages: tuple[str, ...],
    head_packages: tuple[str, ...],
    only: tuple[str, ...],
    workload: str,
    calls: int,
    trios: int,
    budget: float,
    rtt: float,
    seed: int | None,
    limit: float,
    file: Path,
) -> int:
    """Is HEAD_REF slower than BASE_REF? Both are timed in one job, in fresh processes that take turns.

    Each side is a git worktree with an environment of its own; the base runs twice, to see what no change looks like.
    A case has regressed when its trios of processes say so, twice, by more than 5 %.

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
        trios_count=trios,
        budget_s=budget,
        rtt_ms=rtt,
        seed=random.SystemRandom().randrange(_SEEDS) if seed is None else seed,
        limit_s=limit,
    )
    if trios < fewest_trios(settings.tests_count):
        raise UsageError(
            f"{trios} trios cannot decide {settings.tests_count} tests; "
            f"at least {fewest_trios(settings.tests_count)} are needed."
        )
    interrupt_once()
    compared = "1 strategy" if len(names) == 1 else f"{len(names)} strategies"
    with console_on_stdout() as console:
        console.print(
            f"connprof duel: {base_ref} against {head_ref}, {compared}, seed {settings.seed}",
            soft_wrap=True,
        )
        with progress_on(console) as listener:
            report = run_duel(settings, command=_command(settings.seed), listener=listener)
        write_atomically(file, encode(report))
        console.print()
        for line in lines(report):
            console.print(line, markup=False, soft_wrap=True)
        console.print(f"\nSamples: {file}", markup=False, soft_wrap=True)
    return ExitCode.INTERRUPTED if report.interrupted else duel_exit_code([found.answer for found in report.cases])


def _command(seed: int) -> str:
    """The command that makes this duel again, seed included."""
    arguments = sys.argv[1:]
    if "--seed" not in " ".join(arguments):
        arguments = [*arguments, "--seed", str(seed)]
    return shlex.join(["connprof", "duel", *arguments])


def main() -> None:
    """Entry point of ``python -m bench.duel``, which is what ``connprof duel`` starts."""
    sys.exit(code_of_end(guarded(duel, prog_name="connprof duel")))


if __name__ == "__main__":
    main()
