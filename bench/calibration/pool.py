"""Time: a pool of real process samples, the duels drawn from it, and what others would have said of the same samples.

A *group* is a trio of the same code and, in turn with it within the same seconds, a process for each injected change.
The changes are real: each such process burns, or sleeps, a known share of its own session once more.

A duel is drawn by taking as many groups that followed each other as a duel has trios (the first one at random, the pool
closed to a ring), and dealing the roles of base, twin and head to each group's same-code processes anew by coin. That
keeps neighbours in time together, as a real duel has them; and dealing anew is what a duel does.

What this cannot show: duels drawn from one pool share its measurements, so they are less independent than their number
suggests, and intervals over them are too narrow where a pool is small; and a pool is some minutes of one machine.
Against both stand the whole duels that are run beside it.
"""

from __future__ import annotations

import os
import statistics
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Literal

from bench.calibration.tally import Condition, Count, PoolNote
from bench.duel import DuelSettings
from bench.duel_report import UNITS, Trio, Turns, Unit
from bench.trios import Seat, Sitting, partners, take_turns
from connprof.model import Frozen
from connprof.paired import (
    Change,
    Deal,
    Looks,
    PairedTest,
    deal_of_three,
    deal_of_two,
    judge,
    look_at,
    looks_at,
    wants_second_look,
)
from connprof.stats import welch

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from connprof_server import RunningServer

__all__ = ["BRIEFLY", "CHANGES", "DUEL", "RIVALS", "Pool", "collect", "count_duels", "note"]

SAME = ("same-1", "same-2", "same-3")
CHANGES: dict[str, dict[str, float]] = {
    "+5 % CPU": {"burn_share": 0.05},
    "+10 % CPU": {"burn_share": 0.10},
    "+25 % CPU": {"burn_share": 0.25},
    "+10 % waiting": {"wait_share": 0.10},
    "+25 % waiting": {"wait_share": 0.25},
}
"""What is injected: a share of the session's own CPU time burned, or of its own wall time slept."""

BRIEFLY = ("+10 % CPU", "+10 % waiting")
"""Those that are injected where time is short: the smallest ones that must be found."""

DUEL = DuelSettings(base="HEAD", head="HEAD")
"""What is calibrated: a duel as it is by default, of three cases in two units."""

_FAIL_RATIO = 1.05
_SIGNIFICANT = 0.05
_TWICE = 2.0


class Pool(Frozen, frozen=True, kw_only=True):
    """Groups in the order in which they were taken: seat -> samples."""

    condition: Condition
    strategy: str
    groups: tuple[dict[str, Turns], ...]
    seconds: float
    load: str


def collect(
    strategy: str,
    condition: Condition,
    *,
    tree: Path,
    server: RunningServer,
    variables: Mapping[str, str],
    calls_count: int,
    changes: Sequence[str],
    draw: random.Random,
    wanted: Callable[[int], bool],
) -> Pool:
    """Take groups, with a process for each of ``changes``, for as long as ``wanted`` (groups by now) says.

    A group gets so much time that each of its processes has the turns that it would have in a trio.
    """
    seats = [
        *(Seat(name=name, tree=tree) for name in SAME),
        *(Seat(name=name, tree=tree, options=CHANGES[name]) for name in changes),
    ]
    sitting = Sitting(
        case={"strategy": strategy, "workload": "llm-session", "calls_count": calls_count},
        target=server.target.to_dict(),
        variables=variables,
        partners=partners(server),
        seconds=DUEL.trio_s(0, 0.0) * len(seats) / len(SAME),
    )
    groups: list[dict[str, Turns]] = []
    start_s, load = time.monotonic(), os.getloadavg()[0]
    while wanted(len(groups)):
        taken = take_turns(seats, sitting, draw)
        groups.append({name: Turns(**asdict(sample)) for name, sample in taken.items()})
    return Pool(
        condition=condition,
        strategy=strategy,
        groups=tuple(groups),
        seconds=round(time.monotonic() - start_s, 1),
        load=f"{load:.1f} to {os.getloadavg()[0]:.1f}",
    )


def note(pool: Pool) -> PoolNote:
    """What the page says of a pool."""
    seats_count = len(pool.groups[0])
    return PoolNote(
        condition=pool.condition,
        strategy=pool.strategy,
        groups_count=len(pool.groups),
        processes_count=len(pool.groups) * seats_count,
        seconds=pool.seconds,
        trio_s=pool.seconds / len(pool.groups) * len(SAME) / seats_count,
        turns_count=statistics.fmean(len(group[SAME[0]].wall_ns) for group in pool.groups),
        load=pool.load,
    )


# --- duels drawn from a pool ----------------------------------------------------------------------------------


def count_duels(pool: Pool, *, draws_count: int, draw: random.Random) -> list[Count]:
    """Draw so many duels for the same code and for each change, and count all that is said of them."""
    counts: list[Count] = []
    hand = _Hand(pool)
    for change in ("none", *(name for name in CHANGES if name in pool.groups[0])):
        said: dict[tuple[str, str], int] = {("connprof duel", each.value): 0 for each in Change}
        said |= {(rival, Change.REGRESSED.value): 0 for rival in RIVALS}
        for _number in range(draws_count):
            dealt = hand.drawn(change, draw)
            said["connprof duel", hand.answer(dealt).value] += 1
            trios = [hand.trio(each) for each in dealt]
            for rival, says_slower in RIVALS.items():
                said[rival, Change.REGRESSED.value] += says_slower(trios)
        counts += [
            Count(
                group="time",
                condition=pool.condition,
                subject=pool.strategy,
                change=change,
                method=method,
                said=what,
                hits=hits,
                trials=draws_count,
            )
            for (method, what), hits in said.items()
        ]
    return counts


_Dealt = tuple[int, str, str, str]
"""The place of a group, and which of its processes have the roles of base, twin and head."""


class _Hand:
    """Deals the roles of a pool's processes. What a deal comes to is worked out once."""

    def __init__(self, pool: Pool) -> None:
        self._groups = pool.groups
        self._deals: dict[tuple[_Dealt, Unit], tuple[Deal, Deal]] = {}
        self._trios: dict[_Dealt, Trio] = {}

    def drawn(self, change: str, draw: random.Random) -> list[_Dealt]:
        """One duel."""
        start = draw.randrange(len(self._groups))
        dealt = []
        for place in range(DUEL.trios_count):
            base, twin, head = draw.sample(SAME, k=len(SAME))
            where = (start + place) % len(self._groups)
            dealt.append((where, base, twin, head if change == "none" else change))
        return dealt

    def trio(self, dealt: _Dealt) -> Trio:
        """The samples of one trio."""
        found = self._trios.get(dealt)
        if found is None:
            place, *roles = dealt
            base, twin, head = (self._groups[place][name] for name in roles)
            found = self._trios[dealt] = Trio(base=base, twin=twin, head=head)
        return found

    def answer(self, dealt: Sequence[_Dealt]) -> Change:
        """What the duel answers: as one case of three, the other two being still.

        The second look counts only where the first one asks for it, as in a duel.
        """
        first_count = DUEL.first_count
        pairs = {unit: [self._both(each, unit) for each in dealt] for unit in UNITS}
        firsts = {
            unit: PairedTest(
                head=Looks(first=look_at([head for head, _twin in both[:first_count]])),
                twin=Looks(first=look_at([twin for _head, twin in both[:first_count]])),
            )
            for unit, both in pairs.items()
        }
        if not any(map(wants_second_look, firsts.values())):
            return Change.UNCHANGED
        tests: dict[str, PairedTest] = {
            unit: PairedTest(
                head=looks_at([head for head, _twin in both], first_count),
                twin=looks_at([twin for _head, twin in both], first_count),
            )
            for unit, both in pairs.items()
        }
        found = judge(tests, tests_count=DUEL.tests_count)
        gravest = (Change.UNSTABLE, Change.REGRESSED, Change.IMPROVED, Change.UNCHANGED)
        return min(found.values(), key=gravest.index)

    def _both(self, dealt: _Dealt, unit: Unit) -> tuple[Deal, Deal]:
        found = self._deals.get((dealt, unit))
        if found is None:
            trio = self.trio(dealt)
            base, twin, head = (getattr(side, unit) for side in (trio.base, trio.twin, trio.head))
            found = self._deals[dealt, unit] = deal_of_three(head, base, twin), deal_of_two(twin, base)
        return found


# --- what others would have said ------------------------------------------------------------------------------


def _walls(trios: Sequence[Trio], side: Literal["base", "head"]) -> list[int]:
    return [wall_ns for trio in trios for wall_ns in getattr(trio, side).wall_ns]


def _stored(trios: Sequence[Trio]) -> tuple[list[int], list[int]]:
    """As with a stored baseline: the base's samples of the first half, the head's of the second, later one."""
    half = len(trios) // 2
    return _walls(trios[:half], "base"), _walls(trios[half:], "head")


def _mean_fails(trios: Sequence[Trio]) -> bool:
    base, head = _stored(trios)
    return statistics.fmean(head) > statistics.fmean(base) * _FAIL_RATIO


def _minimum_fails(trios: Sequence[Trio]) -> bool:
    base, head = _stored(trios)
    return min(head) > min(base) * _FAIL_RATIO


def _t_test(trios: Sequence[Trio]) -> bool:
    base, head = _walls(trios, "base"), _walls(trios, "head")
    return statistics.fmean(head) > statistics.fmean(base) and welch(head, base) < _SIGNIFICANT


def _twice(trios: Sequence[Trio]) -> bool:
    return statistics.fmean(_walls(trios, "head")) > _TWICE * statistics.fmean(_walls(trios, "base"))


RIVALS: dict[str, Callable[[Sequence[Trio]], bool]] = {
    "pytest-benchmark mean:5%": _mean_fails,
    "pytest-benchmark min:5%": _minimum_fails,
    "Welch's t-test, p < 0.05": _t_test,
    "twice the mean": _twice,
}
"""Other rules, on wall time: whether each would have called the head slower.

The first two see what they are used on: a stored baseline and a later run, each with all sessions of seven processes.
The other two are given the interleaved samples of both looks, which is more than they would have.
"""
