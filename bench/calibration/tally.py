"""What the calibration counts: hits in trials, and under which conditions. Values of ``calibration.json``."""

from __future__ import annotations

from typing import Literal

from connprof.model import Frozen
from connprof.stats import wilson

__all__ = ["CALIBRATION_SCHEMA", "Calibration", "Condition", "Count", "PoolNote", "RealDuel"]

CALIBRATION_SCHEMA = "connprof-calibration/1"
"""Name and version of the file format."""

Condition = Literal["quiet", "busy"]
"""``quiet``: without load of ours, whatever else the machine did; ``busy``: with our neighbours on every core."""


class Count(Frozen, frozen=True, kw_only=True):
    """How often something was said.

    Attributes:
        group: ``counts and bytes`` or ``time``.
        condition: under which it was counted.
        subject: the strategy.
        change: what had been changed, ``none`` for the same code.
        method: who said it: ours, or a rival.
        said: what it said, ``regressed`` for the most part.
        hits: so often.
        trials: of so many comparisons.
    """

    group: Literal["counts and bytes", "time"]
    condition: Condition
    subject: str
    change: str
    method: str
    said: str
    hits: int
    trials: int

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the rate."""
        return wilson(self.hits, self.trials)


class PoolNote(Frozen, frozen=True, kw_only=True):
    """How a pool of process samples was taken."""

    condition: Condition
    strategy: str
    groups_count: int
    processes_count: int
    seconds: float
    trio_s: float
    turns_count: float
    load: str


class RealDuel(Frozen, frozen=True, kw_only=True):
    """One duel run whole, and what it answered; ``change`` was injected into the head.

    ``ratio`` is that of CPU time, ``wall_ratio`` that of wall time without the wait for a core.
    """

    condition: Condition
    strategy: str
    change: str
    answer: str
    ratio: float
    wall_ratio: float
    sampling_s: float


class Calibration(Frozen, frozen=True, kw_only=True):
    """One calibration, as written to ``calibration.json``."""

    schema: str
    command: str
    started_at: str
    duration_s: float
    seed: int
    quick: bool
    context: dict[str, str]
    packages: dict[str, str]
    commit: str | None
    calls_count: int
    reports_count: int
    draws_count: int
    trios_count: int
    budget_s: float
    duels_wanted_count: int
    pools: tuple[PoolNote, ...]
    counts: tuple[Count, ...]
    duels: tuple[RealDuel, ...]
