"""Is the head slower than the base? The paired method, as pure functions on plain numbers.

What goes in are *trios*: three fresh processes that took turns within the same seconds, in an order drawn by coin. One
runs the head, one the base, one the base again (the *twin*). Each gives one number, the minimum of its samples. A trio
is a pair of head and base, and beside it a pair of twin and base, which is what no change at all looks like.

A *look* is some trios (20, say) of one test; a *test* is one case in one unit of time. The rule:

1. A look is against the head when so many of its pairs are worse that fair coins would give as many with at most
   probability ``sqrt(error / tests)``, and the median of its pairs' ratios is above :data:`LEAST_RATIO`. For 20 pairs
   that is 15 for one or two tests, 16 for 3 to 28.
2. The head has *regressed* when two looks, taken one after the other from processes of their own, are both against it.
3. Where twin against base comes out of the same pipeline as changed, the answer is *unstable*, whatever the head did.
4. *Improved* is the same with both sides exchanged.

Because the roles within a trio are dealt by coin, with equal code each of them is as likely as the other to be the
worse one, however noisy the machine and whatever the shape of its noise: the binomial level is exact, not modelled.
Two independent looks with tails p1 and p2 are together worth ``max(p1, p2) ** 2``. Holm's procedure over these values
bounds, for all tests of a duel together, the chance of one false *regressed* by :data:`ERROR`, and so the chance of one
false *improved*. The demand on the ratio only lowers both.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from connprof.stats import median, paired_ratios, percentile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "ERROR",
    "LEAST_RATIO",
    "Change",
    "Look",
    "PairedTest",
    "RatioRange",
    "fewest_pairs",
    "judge",
    "look_at",
    "pairs_needed",
    "ratio_range",
    "wants_second_look",
]

ERROR = 0.001
"""The most that one false answer in one direction, over all tests of a duel, may be worth: 0.1 %."""
LEAST_RATIO = 1.05
"""A change must be larger than this: smaller ones are real at times, but no reason to stop anybody."""

_RESAMPLES_COUNT = 2000
_CONFIDENCE = 0.95


class Change(StrEnum):
    """The answers to a test."""

    REGRESSED = "regressed"
    IMPROVED = "improved"
    UNCHANGED = "unchanged"
    UNSTABLE = "unstable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Some pairs, summed up. A pair that is equal counts as neither worse nor better.

    ``ratio`` is the median over the pairs of candidate / baseline.
    """

    pairs_count: int
    worse_count: int
    better_count: int
    ratio: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedTest:
    """What was seen of one case in one unit: one look at least, in both comparisons.

    Attributes:
        head: looks at head against base, in the order in which they were taken; the third and later ones are ignored.
        twin: looks at base against base, of the same trios.
    """

    head: tuple[Look, ...]
    twin: tuple[Look, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RatioRange:
    """The median of paired ratios with its percentile bootstrap interval, from a recorded seed."""

    ratio: float
    low: float
    high: float
    confidence: float
    seed: int


def look_at(candidate: Sequence[float], baseline: Sequence[float]) -> Look:
    """The look that these pairs are; the two must be equally long and all values above 0.

    Raises:
        ValueError: they are empty, of unlike length, or not above 0: no such time was ever measured.
    """
    if any(not 0 < value < math.inf for value in (*candidate, *baseline)):
        raise ValueError("a time in a pair is not above 0, or not finite")
    ratios = paired_ratios(candidate, baseline)
    return Look(
        pairs_count=len(ratios),
        worse_count=sum(ours > theirs for ours, theirs in zip(candidate, baseline, strict=True)),
        better_count=sum(ours < theirs for ours, theirs in zip(candidate, baseline, strict=True)),
        ratio=median(ratios),
    )


def pairs_needed(pairs_count: int, tests_count: int) -> int | None:
    """How many pairs of a look must agree when there are so many tests; ``None`` where not even all of them suffice.

    Holm's first step; in later ones one pair less may do.
    """
    level = math.sqrt(ERROR / tests_count)
    return next((wins for wins in range(pairs_count + 1) if _tail(wins, pairs_count) <= level), None)


def fewest_pairs(tests_count: int) -> int:
    """The fewest pairs in a look that can decide anything when there are so many tests."""
    return math.ceil(-math.log2(math.sqrt(ERROR / tests_count)))


def wants_second_look(test: PairedTest) -> bool:
    """Whether the first look was against the head, for it, or against or for the twin: then a second one decides.

    Asked at the level of a single test, the loosest that Holm's procedure can come to.
    """
    level = math.sqrt(ERROR)
    return any(_look_p(looks[0], change) <= level for looks in (test.head, test.twin) for change in _DIRECTIONS)


def judge(tests: Mapping[str, PairedTest]) -> dict[str, Change]:
    """The answer to each test of a duel, corrected for their number; see the module for the rule.

    A test without a second look can at most be unchanged.
    """
    found = dict.fromkeys(tests, Change.UNCHANGED)
    for change in _DIRECTIONS:
        for name in _holm({name: _test_p(test.head, change) for name, test in tests.items()}):
            found[name] = change
    for change in _DIRECTIONS:
        for name in _holm({name: _test_p(test.twin, change) for name, test in tests.items()}):
            found[name] = Change.UNSTABLE
    return found


def ratio_range(candidate: Sequence[float], baseline: Sequence[float], *, seed: int) -> RatioRange:
    """The median ratio with its 95 % interval: whole pairs are drawn again with replacement, 2,000 times.

    Raises:
        ValueError: as :func:`connprof.stats.paired_ratios`.
    """
    ratios = paired_ratios(candidate, baseline)
    draw = random.Random(seed)  # noqa: S311  resampling is not cryptography
    found = [median(draw.choices(ratios, k=len(ratios))) for _ in range(_RESAMPLES_COUNT)]
    tail = 100 * (1 - _CONFIDENCE) / 2
    return RatioRange(
        ratio=median(ratios),
        low=percentile(found, tail),
        high=percentile(found, 100 - tail),
        confidence=_CONFIDENCE,
        seed=seed,
    )


_DIRECTIONS = (Change.REGRESSED, Change.IMPROVED)


def _tail(wins: int, pairs: int) -> float:
    """The chance that of so many fair coins at least ``wins`` show heads."""
    return math.fsum(math.comb(pairs, count) for count in range(wins, pairs + 1)) / 2.0**pairs


def _look_p(look: Look, change: Change) -> float:
    if change is Change.REGRESSED:
        agreeing_count, beyond = look.worse_count, look.ratio > LEAST_RATIO
    else:
        agreeing_count, beyond = look.better_count, look.ratio < 1 / LEAST_RATIO
    return _tail(agreeing_count, look.pairs_count) if beyond else 1.0


def _test_p(looks: Sequence[Look], change: Change) -> float:
    """The value of two independent looks together: both tails are at most x with chance x squared."""
    if len(looks) < 2:  # noqa: PLR2004 - there is no second look
        return 1.0
    return max(_look_p(look, change) for look in looks[:2]) ** 2


def _holm(values: Mapping[str, float]) -> list[str]:
    """The tests that Holm's step-down procedure rejects at :data:`ERROR`."""
    rejected: list[str] = []
    for place, name in enumerate(sorted(values, key=lambda name: values[name])):
        if values[name] > ERROR / (len(values) - place):
            break
        rejected.append(name)
    return rejected
