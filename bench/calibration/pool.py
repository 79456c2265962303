"""Time: a pool of real process samples, the duels drawn from it, and what others would have said of the same samples.

A *group* is a trio of the same code and, in turn with it within the same seconds, a process for each injected change.
The changes are real: each such process burns, or sleeps, a known share of its own session once more.

A duel is drawn by taking 40 groups that followed each other (20 for each look, the first one at random, the pool
closed to a ring), and dealing the roles of base, twin and head to each group's same-code processes anew by coin. That
keeps neighbours in time together, as a real duel has them; and dealing anew is what a duel does.

What this cannot show: duels drawn from one pool share its measurements, so they are less independent than their number
suggests, and intervals over them are too narrow where a pool is small; and a pool is one hour of one machine. Against
both stand the whole duels that are run beside it.
"""

from __future__ import annotations

import os
import statistics
import time
from typing import TYPE_CHECKING, Literal

from bench.calibration.tally import Condition, Count, PoolNote
from bench.duel_report import UNITS, Trio, Turns, paired_test
from bench.trios import Seat, Sitting, take_turns
from connprof.model import Frozen
from connprof.paired import Change, Look, PairedTest, judge, wants_second_look
from connprof.stats import welch

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from connprof_server.target import Target

__all__ = ["CHANGES", "RIVALS", "Pool", "collect", "count_duels", "note"]

SAME = ("same-1", "same-2", "same-3")
CHANGES: dict[str, dict[str, float]] = {
    "+5 % CPU": {"burn_share": 0.05},
    "+10 % CPU": {"burn_share": 0.10},
    "+25 % CPU": {"burn_share": 0.25},
    "+10 % waiting": {"wait_share": 0.10},
    "+25 % waiting": {"wait_share": 0.25},
}
"""What is injected: a share of the session's own CPU time burned, or of its own wall time slept."""

_PAIRS_COUNT = 20
_TESTS_COUNT = 6  # those of a duel of three cases, the default
_NEVER = Look(pairs_count=_PAIRS_COUNT, worse_count=0, better_count=0, ratio=1.0)
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
    target: Target,
    variables: Mapping[str, str],
    calls_count: int,
    trio_s: float,
    draw: random.Random,
    wanted: Callable[[int, float], bool],
) -> Pool:
    """Take groups for as long as ``wanted`` (groups by now, seconds by now) says."""
    seats = [
        *(Seat(name=name, tree=tree) for name in SAME),
        *(Seat(name=name, tree=tree, options=options) for name, options in CHANGES.items()),
    ]
    sitting = Sitting(
        case={"strategy": strategy, "workload": "llm-session", "calls_count": calls_count},
        target=target.to_dict(),
        variables=variables,
        seconds=trio_s * len(seats) / len(SAME),
    )
    groups: list[dict[str, Turns]] = []
    start_s, load = time.monotonic(), os.getloadavg()[0]
    while wanted(len(groups), time.monotonic() - start_s):
        taken = take_turns(seats, sitting, draw)
        groups.append({
            name: Turns(wall_ns=sample.wall_ns, thread_time_ns=sample.thread_time_ns)
            for name, sample in taken.items()
        })  # fmt: skip
    return Pool(
        condition=condition,
        strategy=strategy,
        groups=tuple(groups),
        seconds=round(time.monotonic() - start_s, 1),
        load=f"{load:.1f} to {os.getloadavg()[0]:.1f}",
    )


def note(pool: Pool) -> PoolNote:
    """What the page says of a pool."""
    seats_count = len(SAME) + len(CHANGES)
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
    for change in ("none", *CHANGES):
        said: dict[tuple[str, str], int] = {("connprof duel", each.value): 0 for each in Change}
        said |= {(rival, Change.REGRESSED.value): 0 for rival in RIVALS}
        for _number in range(draws_count):
            trios = _drawn(pool, change, draw)
            said["connprof duel", answer(trios).value] += 1
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


def _drawn(pool: Pool, change: str, draw: random.Random) -> list[Trio]:
    start = draw.randrange(len(pool.groups))
    trios = []
    for place in range(2 * _PAIRS_COUNT):
        group = pool.groups[(start + place) % len(pool.groups)]
        base, twin, head = (group[name] for name in draw.sample(SAME, k=len(SAME)))
        look = 1 if place < _PAIRS_COUNT else 2
        trios.append(Trio(look=look, base=base, twin=twin, head=head if change == "none" else group[change]))
    return trios


def answer(trios: Sequence[Trio]) -> Change:
    """What the duel answers: as one case of three, the other two being still.

    The second look counts only where the first one asks for it, as in a duel.
    """
    tests: dict[str, PairedTest] = {unit: paired_test(trios, unit) for unit in UNITS}
    if not any(wants_second_look(PairedTest(head=test.head[:1], twin=test.twin[:1])) for test in tests.values()):
        return Change.UNCHANGED
    still = {
        f"still {number}": PairedTest(head=(_NEVER,), twin=(_NEVER,)) for number in range(_TESTS_COUNT - len(tests))
    }
    found = judge(tests | still)
    gravest = (Change.UNSTABLE, Change.REGRESSED, Change.IMPROVED, Change.UNCHANGED)
    return min(found.values(), key=gravest.index)


# --- what others would have said ------------------------------------------------------------------------------


def _walls(trios: Sequence[Trio], side: Literal["base", "head"]) -> list[int]:
    return [wall_ns for trio in trios for wall_ns in getattr(trio, side).wall_ns]


def _stored(trios: Sequence[Trio]) -> tuple[list[int], list[int]]:
    """As with a stored baseline: the base's samples of the first look, the head's of the second, later one."""
    return _walls(trios[:_PAIRS_COUNT], "base"), _walls(trios[_PAIRS_COUNT:], "head")


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

The first two see what they are used on: a stored baseline and a later run, each with all sessions of twenty processes.
The other two are given the interleaved samples of both looks, which is more than they would have.
"""
