"""Count, on this machine, how often the gate and the duel are wrong: ``nox -s calibrate``."""

from __future__ import annotations

import os
import random
import shlex
import signal
import sys
import tempfile
import time
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from bench.calibration import page
from bench.calibration.pool import BRIEFLY, CHANGES, DUEL, Pool, collect, count_duels, note
from bench.calibration.reports import count_comparisons, false_alarms, flagged, measure
from bench.calibration.tally import CALIBRATION_SCHEMA, Calibration, Condition, Count, RealDuel
from bench.duel import Sampler
from bench.duel_report import answered
from bench.neighbour import busy
from bench.progress import progress_on
from bench.surroundings import child_variables, describe
from bench.trios import Seat
from bench.workloads import ORIGINS
from connprof.cli.exits import ExitCode, guarded
from connprof.errors import RunError, UsageError
from connprof.model import Case, Environment, Report
from connprof.store import encode, write_atomically
from connprof_server import ServerError, serve

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from connprof_server import RunningServer

__all__ = ["CalibrationSettings", "calibrate", "main"]

_PROJECT = Path(__file__).resolve().parent.parent
_DOCS = _PROJECT / "docs"
_METHODOLOGY = _PROJECT / "METHODOLOGY.md"
_CONDITIONS: tuple[Condition, ...] = ("quiet", "busy")
_LONGEST_S = 3 * 3600.0
_WHOLE: tuple[str, ...] = ("none", *BRIEFLY)
_IN_FULL = "one-client"
_REPORTED = ("per-call-async", "one-client")  # what is limited to 1 %, and what to 3 %


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationSettings:
    """How much is counted.

    Attributes:
        strategies: what is timed.
        calls_count: calls per session.
        reports_count: runs that are compared with each other, both ways.
        groups_count: groups in each pool.
        draws_count: duels drawn from each pool, for each change.
        duels_count: whole duels under each condition, for each of no change, +10 % CPU and +10 % waiting.
        seed: of every coin.
        quick: whether this is a quick run, for the page.
    """

    strategies: tuple[str, ...]
    calls_count: int
    reports_count: int
    groups_count: int
    draws_count: int
    duels_count: int
    seed: int
    quick: bool


@dataclass(slots=True)
class _Calibration:
    """One calibration; what is known is written after each of its stages."""

    settings: CalibrationSettings
    command: str
    out: Path
    console: Console
    environment: Environment | None = None
    pools: list[Pool] = field(default_factory=list)
    counts: list[Count] = field(default_factory=list)
    duels: list[RealDuel] = field(default_factory=list)
    _commit: str | None = None
    _stages_begun: int = 0
    _clock: float = field(default_factory=time.monotonic)
    _started_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def run(self) -> Calibration:
        """Every stage, each under both conditions."""
        draw = random.Random(self.settings.seed)
        for condition in _CONDITIONS:
            with self._neighbours(condition):
                self._compare_reports(condition)
        for condition in _CONDITIONS:
            with self._neighbours(condition), serve(origins=ORIGINS) as server:
                pools = [self._take_pool(condition, strategy, server, draw) for strategy in self.settings.strategies]
            for pool in pools:  # with the neighbours gone
                self._draw_duels(pool, draw)
        for condition in _CONDITIONS if self.settings.duels_count else ():
            with self._neighbours(condition), serve(origins=ORIGINS) as server:
                for change in _WHOLE * self.settings.duels_count:
                    self._run_duel(condition, change, server, draw)
        return self._written()

    def _changes(self, strategy: str) -> tuple[str, ...]:
        """What is injected into ``strategy``: everything into one of them, the smallest that must be found into all."""
        return tuple(CHANGES) if strategy == _IN_FULL and not self.settings.quick else BRIEFLY

    def _stage(self, title: str) -> None:
        settings = self.settings
        self._stages_begun += 1
        stages_count = len(_CONDITIONS) * (1 + len(settings.strategies) + len(_WHOLE) * settings.duels_count)
        minutes = (time.monotonic() - self._clock) / 60
        self.console.print(
            f"stage {self._stages_begun} of {stages_count}, after {minutes:.1f} min: {title}", soft_wrap=True
        )

    def _neighbours(self, condition: Condition) -> AbstractContextManager[None]:
        if condition == "quiet":
            return nullcontext()
        return busy(os.cpu_count() or 1, seconds=_LONGEST_S, seed=self.settings.seed)

    def _compare_reports(self, condition: Condition) -> None:
        # Counts and bytes do not depend on the machine's mood: a few runs beside a neighbour are enough to show it.
        wanted = self.settings.reports_count if condition == "quiet" else max(2, self.settings.reports_count // 4)
        self._stage(f"counts and bytes, {condition}: {wanted} runs of the same code")
        reports: list[Report] = []
        with tempfile.TemporaryDirectory(prefix="connprof-calibrate-") as folder, progress_on(self.console) as listener:
            listener.planned(wanted)
            for number in range(wanted):
                listener.started(f"run {number + 1}")
                report = measure(
                    _REPORTED,
                    calls_count=self.settings.calls_count,
                    seed=self.settings.seed + number,
                    out=Path(folder) / str(number),
                )
                if report.run.interrupted:
                    raise KeyboardInterrupt
                reports.append(report)
                listener.finished(f"run {number + 1}", None)
        self._commit = reports[0].run.commit
        self.environment = self.environment or reports[0].environment
        self.counts += count_comparisons(reports, condition, flagged)
        for sentence in false_alarms(reports):
            self.console.print(sentence, soft_wrap=True)
        self._written()

    def _take_pool(self, condition: Condition, strategy: str, server: RunningServer, draw: random.Random) -> Pool:
        settings = self.settings
        self._stage(f"time, {condition}: {strategy}, {settings.groups_count} groups of processes")
        variables, done = child_variables(server.target)
        self.environment = self.environment or describe(server.target, done)
        with progress_on(self.console) as listener:
            listener.planned(settings.groups_count)

            def wanted(groups_count: int) -> bool:
                if groups_count:
                    listener.finished("group", None)
                listener.started(f"group {groups_count + 1}")
                return groups_count < settings.groups_count

            return collect(
                strategy,
                condition,
                tree=_PROJECT,
                server=server,
                variables=variables,
                calls_count=settings.calls_count,
                changes=self._changes(strategy),
                draw=draw,
                wanted=wanted,
            )

    def _draw_duels(self, pool: Pool, draw: random.Random) -> None:
        self.console.print(f"drawing duels of {pool.strategy}, {pool.condition}", soft_wrap=True)
        self.pools.append(pool)
        self.counts += count_duels(pool, draws_count=self.settings.draws_count, draw=draw)
        self._written()

    def _run_duel(self, condition: Condition, change: str, server: RunningServer, draw: random.Random) -> None:
        """A duel as `connprof duel` runs it, but for the checkouts: all sides are this one, the head with a burden."""
        strategy = self.settings.strategies[-1]
        self._stage(f"whole duel, {condition}: {strategy}, change: {change}")
        settings = replace(DUEL, strategies=(strategy,), calls_count=self.settings.calls_count)
        variables, _done = child_variables(server.target)
        seats = [
            Seat(name="base", tree=_PROJECT),
            Seat(name="twin", tree=_PROJECT),
            Seat(name="head", tree=_PROJECT, options=CHANGES.get(change, {})),
        ]
        case = Case(strategy=strategy, workload=settings.workload, calls_count=settings.calls_count)
        with progress_on(self.console) as listener:
            sampler = Sampler(settings, seats, server=server, variables=variables, listener=listener, draw=draw)
            found = sampler.sample([case])[case]
        if found.failure is not None:
            raise RunError(f"a duel failed: {found.failure}.")
        (row,) = answered(
            {case: (found.trios, found.seconds)},
            first_count=settings.first_count,
            tests_count=DUEL.tests_count,
            seed=self.settings.seed,
        )
        self.duels.append(
            RealDuel(
                condition=condition,
                strategy=strategy,
                change=change,
                answer=row.answer,
                ratio=row.units[0].ratio,
                wall_ratio=row.units[1].ratio,
                sampling_s=row.sampling_s,
            )
        )
        self._written()

    def _written(self) -> Calibration:
        settings = self.settings
        environment = self.environment
        found = Calibration(
            schema=CALIBRATION_SCHEMA,
            command=self.command,
            started_at=self._started_at.isoformat(timespec="seconds"),
            duration_s=round(time.monotonic() - self._clock, 1),
            seed=settings.seed,
            quick=settings.quick,
            context=environment.context if environment else {},
            packages=environment.packages if environment else {},
            commit=self._commit,
            calls_count=settings.calls_count,
            reports_count=settings.reports_count,
            draws_count=settings.draws_count,
            trios_count=DUEL.trios_count,
            budget_s=DUEL.budget_s,
            duels_wanted_count=len(_CONDITIONS) * len(_WHOLE) * settings.duels_count,
            pools=tuple(note(pool) for pool in self.pools),
            counts=tuple(self.counts),
            duels=tuple(self.duels),
        )
        write_atomically(self.out / "calibration.json", encode(found))
        write_atomically(self.out / "calibration.md", page.render(found).encode())
        if self.out == _DOCS:
            text = _METHODOLOGY.read_text(encoding="utf-8")
            write_atomically(_METHODOLOGY, page.quoted(text, found).encode())
        samples = _PROJECT / "reports" / "calibration-samples.json"
        write_atomically(samples, encode(tuple(self.pools)))
        return found


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--quick", is_flag=True, help="About four minutes on an idle machine; the page says so.")
@click.option("--only", metavar="STRATEGY", multiple=True, help="Time this one.  [default: per-call-async, one-client]")
@click.option("--calls", type=click.IntRange(1, 1000), default=10, show_default=True, help="Calls per session.")
@click.option("--reports", type=click.IntRange(2, 1000), help="Runs to compare both ways.  [default: 33, quick: 4]")
@click.option(
    "--groups", type=click.IntRange(DUEL.trios_count, 10_000), help="Groups in each pool.  [default: 16, quick: 14]"
)
@click.option("--draws", type=click.IntRange(100), help="Duels drawn per line.  [default: 10000, quick: 1000]")
@click.option("--duels", type=click.IntRange(0, 100), help="Whole duels per line.  [default: 1, quick: 0]")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Of every coin.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=_DOCS,
    help="Folder of calibration.md and calibration.json; where it is docs, METHODOLOGY.md quotes them too."
    "  [default: docs]",
)
def calibrate(  # noqa: PLR0917 - click passes them by name
    quick: bool,
    only: tuple[str, ...],
    calls: int,
    reports: int | None,
    groups: int | None,
    draws: int | None,
    duels: int | None,
    seed: int,
    out: Path,
) -> int:
    """Count false alarms and misses of `connprof compare` and `connprof duel` on this machine, and write a page.

    Quiet and beside a busy neighbour, which this starts itself: processes that burn every core, as long as it takes.
    The page is written anew after each stage. Twenty minutes by default.
    """
    names = tuple(name.strip() for text in only for name in text.split(",") if name.strip())
    settings = CalibrationSettings(
        strategies=names or (("one-client",) if quick else ("per-call-async", "one-client")),
        calls_count=calls,
        reports_count=reports or (4 if quick else 33),
        groups_count=groups or (DUEL.trios_count if quick else 16),
        draws_count=draws or (1000 if quick else 10_000),
        duels_count=(0 if quick else 1) if duels is None else duels,
        seed=seed,
        quick=quick,
    )
    from bench.registry import names as known

    for name in settings.strategies:
        if name not in known():
            raise UsageError(f"there is no strategy {name!r}; there are: {', '.join(known())}.")
    signal.signal(signal.SIGTERM, _as_interrupt)
    console = Console(highlight=False)
    command = shlex.join(["nox", "-s", "calibrate", "--", *_without_out(sys.argv[1:])])
    try:
        found = _Calibration(settings, command, out, console).run()
    except ServerError as error:
        raise RunError(f"{str(error).rstrip('.')}.") from None
    for sentence in page.misses(found):
        console.print(sentence, markup=False, soft_wrap=True)
    console.print(f"{out / 'calibration.md'}", markup=False, soft_wrap=True)
    return ExitCode.PASS


def _without_out(arguments: list[str]) -> list[str]:
    """The arguments but ``--out``: a published page names no folder of the machine where it was made."""
    kept, skip = [], False
    for argument in arguments:
        if not skip and argument != "--out" and not argument.startswith("--out="):
            kept.append(argument)
        skip = argument == "--out"
    return kept


def _as_interrupt(_signal: int, _frame: Any) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """Entry point of ``python -m bench.calibrate``."""
    sys.exit(guarded(calibrate))


if __name__ == "__main__":
    main()
