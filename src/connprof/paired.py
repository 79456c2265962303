"""Is the head slower than the base? The paired method, as pure functions on plain numbers.

What goes in are *trios*: three fresh processes that took turns within the same seconds, in an order drawn by coin. One
runs the head, one the base, one the base again (the *twin*). Each gives a time at each of its turns.

A trio gives one number in each unit of time, its *score*: the middle over its rounds (the pseudomedian) of the
logarithm of the head's time over the geometric mean of the two bases'. Rounds are short and their three turns follow
each other, so that a slow moment hits all three and cancels. A score is divided by the noise of its trio, the spread
over its rounds, so that disturbed trios count for less.

The roles within a trio are dealt by coin. With equal code each of the three processes is as likely as the others to
have been dealt the head's role, and the sum of scores has for each way of dealing, 3 per trio, a value that can be
computed from the same times. The p of some trios is the share of all these ways in which the head would look at least
as slow as it does: an exact count, whatever the machine's noise and its shape. Base against base is the same with the
twin in the head's role and two ways per trio.

The rule:

1. The first trios are one *look*. Only where it finds base and head (or base and twin) unlike, p at most
   :data:`ASKING` and the middle ratio beyond :data:`LEAST_RATIO`, more trios are taken.
2. The head has *regressed* when the first look said so, the trios after it say so by themselves (the same p and ratio),
   and all together do with a p that Holm's procedure over all tests of the duel rejects at :data:`ERROR`.
3. Where twin against base comes out of the same pipeline as changed, the answer is *unstable*, whatever the head did.
4. *Improved* is the same in the other direction.

A *test* is one case in one unit of time. The p of all trios is valid by itself; that two looks must agree, and that the
ratio must be large enough, only lowers the chance of a false answer, which is at most :data:`ERROR` for one direction
and all tests of a duel together.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from connprof.stats import median, percentile, pseudomedian

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "ASKING",
    "ERROR",
    "LEAST_RATIO",
    "Change",
    "Deal",
    "Look",
    "Looks",
    "PairedTest",
    "RatioRange",
    "chance",
    "deal_of_three",
    "deal_of_two",
    "fewest_trios",
    "judge",
    "look_at",
    "looks_at",
    "ratio_range",
    "wants_second_look",
]

ERROR = 0.001
"""The most that one false answer in one direction, over all tests of a duel, may be worth: 0.1 %."""
ASKING = 0.05
"""The p that a single look needs: to ask for a second one, and to agree with the first."""
LEAST_RATIO = 1.05
"""A change must be larger than this: smaller ones are real at times, but no reason to stop anybody."""

_LEAST_NOISE = 0.01  # of a trio, in the logarithm: quieter ones are not believed
_STEPS_PER_NOISE = 8  # scores are counted in eighths of their noise
_LARGEST_SCORE = 2 * _STEPS_PER_NOISE  # and one that is off by more counts as this: it may be the process, not the code
_RESAMPLES_COUNT = 2000
_CONFIDENCE = 0.95


class Change(StrEnum):
    """The answers to a test."""

    REGRESSED = "regressed"
    IMPROVED = "improved"
    UNCHANGED = "unchanged"
    UNSTABLE = "unstable"


@dataclass(frozen=True, slots=True)
class Deal:
    """One trio in one unit of time.

    Attributes:
        scores: the logarithm of a ratio for each process that could have been dealt the role; the first one was.
        noise: spread over the rounds, in the same logarithm.
    """

    scores: tuple[float, ...]
    noise: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Some trios, summed up.

    Attributes:
        trios_count: how many.
        worse_count: in how many of them the candidate was slower.
        ratio: middle ratio, candidate / baseline.
        p_slower: the chance of looking so slow with equal code; 1 where ``ratio`` is not above the least.
        p_faster: the same of looking so fast.
    """

    trios_count: int
    worse_count: int
    ratio: float
    p_slower: float
    p_faster: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """The first look, and where one was taken the second with what both are together."""

    first: Look
    second: Look | None = None
    both: Look | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedTest:
    """What was seen of one case in one unit: head against base, and base against base of the same trios."""

    head: Looks
    twin: Looks


@dataclass(frozen=True, slots=True, kw_only=True)
class RatioRange:
    """The middle ratio of some trios with its percentile bootstrap interval, from a recorded seed."""

    ratio: float
    low: float
    high: float
    confidence: float
    seed: int


# --- from times to looks --------------------------------------------------------------------------------------


def deal_of_three(head: Sequence[float], base: Sequence[float], twin: Sequence[float]) -> Deal:
    """The head against both bases, from their times of the same rounds.

    Raises:
        ValueError: there are none, unlike numbers of them, or one is not above 0: no such time was ever measured.
    """
    times = [_logarithms(side) for side in (head, base, twin)]
    scores, noises = [], []
    for own, one, other in ((0, 1, 2), (1, 0, 2), (2, 0, 1)):
        rounds = [a - (b + c) / 2 for a, b, c in zip(times[own], times[one], times[other], strict=True)]
        scores.append(pseudomedian(rounds))
        noises.append(_spread(rounds))
    return Deal(tuple(scores), math.fsum(noises) / len(noises))


def deal_of_two(own: Sequence[float], other: Sequence[float]) -> Deal:
    """One process against another, from their times of the same rounds.

    Raises:
        ValueError: as :func:`deal_of_three`.
    """
    rounds = [a - b for a, b in zip(_logarithms(own), _logarithms(other), strict=True)]
    score = pseudomedian(rounds)
    return Deal((score, -score), _spread(rounds))


def look_at(deals: Sequence[Deal]) -> Look:
    """The look that these trios are."""
    scores = [deal.scores[0] for deal in deals]
    ratio = math.exp(pseudomedian(scores))
    return Look(
        trios_count=len(deals),
        worse_count=sum(score > 0 for score in scores),
        ratio=ratio,
        p_slower=chance(deals) if ratio > LEAST_RATIO else 1.0,
        p_faster=chance([_turned(deal) for deal in deals]) if ratio < 1 / LEAST_RATIO else 1.0,
    )


def looks_at(deals: Sequence[Deal], first_count: int) -> Looks:
    """The first ``first_count`` trios, and where there are more, the rest and all."""
    first = look_at(deals[:first_count])
    if len(deals) <= first_count:
        return Looks(first=first)
    return Looks(first=first, second=look_at(deals[first_count:]), both=look_at(deals))


def chance(deals: Sequence[Deal]) -> float:
    """The share of all ways of dealing the roles in which the sum of scores is at least as large as it is.

    Counted, not estimated: the number of ways for each sum is a digit of one large integer, which each trio
    multiplies.
    """
    if not deals:
        raise ValueError("the chance of no trios")
    usual = median([deal.noise for deal in deals])
    steps = [_steps(deal, usual) for deal in deals]
    digit_bits = 1 + sum(len(each).bit_length() for each in steps)
    ways, lowest, ways_count = 1, 0, 1
    for each in steps:
        least = min(each)
        ways = sum(ways << ((step - least) * digit_bits) for step in each)
        lowest += least
        ways_count *= len(each)
    above = ways >> ((sum(each[0] for each in steps) - lowest) * digit_bits)
    # The sum of the digits: a number is that, modulo its base less one.
    return (above % ((1 << digit_bits) - 1)) / ways_count


def _steps(deal: Deal, usual_noise: float) -> list[int]:
    """The scores in units of noise, whole steps of it. A trio of few rounds knows its own noise badly."""
    noise = max((deal.noise + usual_noise) / 2, _LEAST_NOISE)
    largest = _LARGEST_SCORE
    return [max(-largest, min(largest, round(score / noise * _STEPS_PER_NOISE))) for score in deal.scores]


def _turned(deal: Deal) -> Deal:
    return Deal(tuple(-score for score in deal.scores), deal.noise)


def _logarithms(times: Sequence[float]) -> list[float]:
    if any(not 0 < value < math.inf for value in times):
        raise ValueError("a time is not above 0, or not finite")
    return [math.log(value) for value in times]


def _spread(rounds: Sequence[float]) -> float:
    """The median distance from the median."""
    middle = median(rounds)
    return median([abs(value - middle) for value in rounds])


# --- from looks to answers ------------------------------------------------------------------------------------


def fewest_trios(tests_count: int) -> int:
    """The fewest trios that can decide anything when there are so many tests, also on base against base."""
    return math.ceil(-math.log2(ERROR / tests_count))


def wants_second_look(test: PairedTest) -> bool:
    """Whether the first look found anything, on the head or on the twin: then more trios decide."""
    return any(_p(looks.first, change) <= ASKING for looks in (test.head, test.twin) for change in _DIRECTIONS)


def judge(tests: Mapping[str, PairedTest], *, tests_count: int = 0) -> dict[str, Change]:
    """The answer to each test of a duel; see the module for the rule.

    Corrected for their number, or for ``tests_count`` where that is more: tests of which nothing is known by now. A
    test without a second look can at most be unchanged.
    """
    count = max(len(tests), tests_count)
    found = dict.fromkeys(tests, Change.UNCHANGED)
    for change in _DIRECTIONS:
        for name in _holm({name: _test_p(test.head, change) for name, test in tests.items()}, count):
            found[name] = change
    for change in _DIRECTIONS:
        for name in _holm({name: _test_p(test.twin, change) for name, test in tests.items()}, count):
            found[name] = Change.UNSTABLE
    return found


def ratio_range(deals: Sequence[Deal], *, seed: int) -> RatioRange:
    """The middle ratio with its 95 % interval: whole trios are drawn again with replacement, 2,000 times."""
    scores = [deal.scores[0] for deal in deals]
    draw = random.Random(seed)  # noqa: S311  resampling is not cryptography
    found = [pseudomedian(draw.choices(scores, k=len(scores))) for _ in range(_RESAMPLES_COUNT)]
    tail = 100 * (1 - _CONFIDENCE) / 2
    return RatioRange(
        ratio=math.exp(pseudomedian(scores)),
        low=math.exp(percentile(found, tail)),
        high=math.exp(percentile(found, 100 - tail)),
        confidence=_CONFIDENCE,
        seed=seed,
    )


_DIRECTIONS = (Change.REGRESSED, Change.IMPROVED)


def _p(look: Look, change: Change) -> float:
    return look.p_slower if change is Change.REGRESSED else look.p_faster


def _test_p(looks: Looks, change: Change) -> float:
    """That of all trios, where both looks agree."""
    if looks.second is None or looks.both is None:
        return 1.0
    agreed = _p(looks.first, change) <= ASKING and _p(looks.second, change) <= ASKING
    return _p(looks.both, change) if agreed else 1.0


def _holm(values: Mapping[str, float], count: int) -> list[str]:
    """The tests that Holm's step-down procedure rejects at :data:`ERROR`, when there are ``count`` in all."""
    rejected: list[str] = []
    for place, name in enumerate(sorted(values, key=lambda name: values[name])):
        if values[name] > ERROR / (count - place):
            break
        rejected.append(name)
    return rejected
