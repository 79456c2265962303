"""Which cases are run in which order. Pure functions: the same seed gives the same order."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["DEFAULT", "Job", "Settings", "growth_points", "plan"]

DEFAULT = (
    "floor", "per-call-async", "per-call-get", "per-call-client", "per-call-shared-context",
    "client-per-helper", "one-client", "lazy-service",
)  # fmt: skip
"""The strategies that a run takes when it is not told which, in the order of its report."""

Pass = Literal["counts", "memory", "retained", "growth", "timing"]


@dataclass(frozen=True, slots=True)
class Settings:
    """One run of the suite, as it was asked for.

    Attributes:
        strategies: their names, in the order of the report.
        workload: its name.
        calls_count: calls per session.
        seed: of the order in which jobs are run.
        quick: without the retained pass, with fewer growth points and timing processes.
        timing_processes_count: fresh processes of the timing pass for each strategy.
        rounds_count: timed sessions in each of them.
        rtt_ms: modelled round trip in front of the server.
        limit_s: after that long a worker is stopped and its case has failed.
        out: folder of the report.
        keep_captures: keep memray's captures in ``out/captures``.
        flamegraph: draw them into ``out/flamegraphs``.
        in_quick: the strategies that a quick run measures, for the report.
    """

    strategies: tuple[str, ...]
    workload: str
    calls_count: int
    seed: int
    quick: bool
    timing_processes_count: int
    rounds_count: int
    rtt_ms: float
    limit_s: float
    out: Path
    keep_captures: bool = False
    flamegraph: bool = False
    in_quick: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Job:
    """One fresh process: a pass of a strategy. ``growth`` is a memory pass cut off after fewer calls."""

    strategy: str
    kind: Pass
    calls_count: int
    repetition: int = 0

    @property
    def label(self) -> str:
        """For progress and for the recorded order, e.g. ``timing 2 of floor``."""
        return f"{self.pass_label} of {self.strategy}"

    @property
    def pass_label(self) -> str:
        """Which pass of its case it is: ``timing 2``."""
        number = {"timing": f" {self.repetition + 1}", "growth": f" {self.calls_count}"}.get(self.kind, "")
        return f"{self.kind}{number}"


def growth_points(calls_count: int, *, quick: bool) -> tuple[int, ...]:
    """After how many calls the cumulative bytes are looked at on the way to ``calls_count``, itself left out."""
    shares = (4,) if quick else (10, 4, 2)
    return tuple(sorted({max(1, calls_count // share) for share in shares} - {calls_count}))


def plan(settings: Settings) -> tuple[Job, ...]:
    """All jobs of a run in the order in which they are run.

    Counts and bytes do not depend on the machine's mood and come first, shuffled; timing follows in repetitions, each
    of which runs all strategies once in a new random order, so that a slow minute hits all of them alike.
    """
    random_order = random.Random(settings.seed)
    points = growth_points(settings.calls_count, quick=settings.quick)
    first = [
        job
        for name in settings.strategies
        for job in (
            Job(name, "counts", settings.calls_count),
            Job(name, "memory", settings.calls_count),
            *([] if settings.quick else [Job(name, "retained", settings.calls_count)]),
            *(Job(name, "growth", point) for point in points),
        )
    ]
    order = _shuffled(first, random_order)
    for repetition in range(settings.timing_processes_count):
        jobs = [Job(name, "timing", settings.calls_count, repetition) for name in settings.strategies]
        order += _shuffled(jobs, random_order)
    return tuple(order)


def _shuffled(jobs: Sequence[Job], random_order: random.Random) -> list[Job]:
    return random_order.sample(jobs, k=len(jobs))
