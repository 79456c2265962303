"""Statistics on plain numbers: pure functions, standard library only.

Every function raises :class:`ValueError` on empty input: there is no median of nothing, and a default would
be a figure that nobody measured. Ratios are candidate over baseline, always this way up.
"""

from __future__ import annotations

import math
import random
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "Line",
    "Middle",
    "RatioInterval",
    "SignTest",
    "bootstrap_ratio",
    "line",
    "median",
    "middle",
    "minimum",
    "paired_ratios",
    "percentile",
    "pseudomedian",
    "ratio",
    "sign_test",
    "spread",
    "welch",
    "wilson",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class RatioInterval:
    """A ratio of medians (candidate / baseline) with a percentile bootstrap interval.

    ``seed`` and ``resamples_count`` are kept so that the same interval can be computed again.
    """

    ratio: float
    low: float
    high: float
    confidence: float
    resamples_count: int
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SignTest:
    """The outcome of a two-sided sign test: how many values lay above and below the centre, and p."""

    above_count: int
    below_count: int
    ties_count: int
    p: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A straight line through points, and how far they lie from it.

    Attributes:
        slope: what one more of x adds to y.
        intercept: y where x is 0: what is paid once.
        residual: the standard deviation of the points around the line, in the unit of y; 0.0 for two points, which
            always lie on one.
        points_count: how many points it goes through.
    """

    slope: float
    intercept: float
    residual: float
    points_count: int

    def at(self, x: float) -> float:
        """The line's y at ``x``. Beyond the points it is an extrapolation."""
        return self.intercept + self.slope * x


@dataclass(frozen=True, slots=True, kw_only=True)
class Middle:
    """A median with an interval that holds the true one at least as often as ``confidence`` says."""

    median: float
    low: float
    high: float
    confidence: float


def _required(values: Sequence[float], what: str) -> None:
    if not values:
        raise ValueError(f"{what} of no values")


def percentile(values: Sequence[float], percent: float) -> float:
    """The ``percent``-th percentile by linear interpolation between the two nearest ranks.

    This is the inclusive definition (Hyndman and Fan's type 7): 0 is the smallest value, 100 the largest, and
    of n sorted values the k-th (from 0) is the ``100 * k / (n - 1)``-th percentile; NumPy's default.
    """
    _required(values, "percentile")
    if not 0 <= percent <= 100:  # noqa: PLR2004  per cent ends at a hundred
        raise ValueError(f"percent is {percent}, not between 0 and 100")
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    low, high = ordered[below], ordered[above]
    # Equal neighbours return themselves: no rounding where nothing is between.
    return float(low) if low == high else low + (high - low) * (place - below)


def median(values: Sequence[float]) -> float:
    """The middle value, or the mean of the two middle ones."""
    _required(values, "median")
    ordered = sorted(values)
    middle = len(ordered) // 2
    return float(ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2)


def middle(values: Sequence[float], *, confidence: float = 0.95) -> Middle:
    """The median and two of the values around it that hold the true median, whatever the values' distribution.

    Of n independent values the k-th smallest and the k-th largest hold it unless fewer than k lie on one side, which is
    a matter of fair coins (David and Nagaraja, Order Statistics, 7.1). k is the largest that keeps ``confidence``.

    Raises:
        ValueError: there are too few values for it: 0.95 takes six.
    """
    _required(values, "middle")
    ordered, n = sorted(values), len(values)
    outside, k = 0.0, 0
    while (tail := outside + math.comb(n, k) / 2**n) <= (1 - confidence) / 2:
        outside, k = tail, k + 1
    if k == 0:
        raise ValueError(f"no {confidence:.0%} interval around the median of {n} values")
    return Middle(median=median(ordered), low=ordered[k - 1], high=ordered[n - k], confidence=confidence)


def pseudomedian(values: Sequence[float]) -> float:
    """The median of the means of all pairs of values, each with itself included (Hodges and Lehmann's estimator).

    Hardly moved by outliers, as a median, and nearly as exact as a mean where there are none.
    """
    _required(values, "pseudomedian")
    return median([(one + other) / 2 for place, one in enumerate(values) for other in values[place:]])


def minimum(values: Sequence[float]) -> float:
    """The smallest value: of repeated timings, the one that was disturbed least."""
    _required(values, "minimum")
    return float(min(values))


def spread(values: Sequence[float]) -> float:
    """The coefficient of variation: sample standard deviation over mean, 0.0 for a single value.

    Raises:
        ValueError: for no values, or where the mean is 0 and the quotient means nothing.
    """
    _required(values, "spread")
    mean = statistics.fmean(values)
    if mean == 0:
        raise ValueError("spread around a mean of 0")
    return statistics.stdev(values) / abs(mean) if len(values) > 1 else 0.0


def line(x: Sequence[float], y: Sequence[float]) -> Line:
    """The straight line through the points by ordinary least squares (Legendre, 1805).

    ``residual`` is the usual estimate ``sqrt(sum of squared residuals / (n - 2))``: two degrees of freedom went into
    the line. Every point weighs the same, so of values that spread in proportion to their size the large ones decide
    the slope; for counts and allocated bytes, which repeat, that is as wanted. Sums are taken around the means,
    exactly rounded (:func:`math.fsum`): a line through exact multiples comes out exact.

    Raises:
        ValueError: fewer than two points, as many x as y are not given, or all x are the same.
    """
    if len(x) != len(y):
        raise ValueError(f"a line through {len(x)} x and {len(y)} y")
    if len(x) < 2:  # noqa: PLR2004 - it takes two points
        raise ValueError(f"a line through {len(x)} points")
    mean_x, mean_y = statistics.fmean(x), statistics.fmean(y)
    across = math.fsum((each - mean_x) ** 2 for each in x)
    if across == 0:
        raise ValueError("a line through points with the same x")
    slope = math.fsum((each_x - mean_x) * (each_y - mean_y) for each_x, each_y in zip(x, y, strict=True)) / across
    intercept = mean_y - slope * mean_x
    off = math.fsum((each_y - (intercept + slope * each_x)) ** 2 for each_x, each_y in zip(x, y, strict=True))
    freedom = len(x) - 2
    return Line(
        slope=slope,
        intercept=intercept,
        residual=math.sqrt(off / freedom) if freedom else 0.0,
        points_count=len(x),
    )


def ratio(candidate: float, baseline: float) -> float:
    """``candidate / baseline``; a baseline that is not above 0 raises :class:`ValueError`."""
    if baseline <= 0:
        raise ValueError(f"ratio over a baseline of {baseline}")
    return candidate / baseline


def paired_ratios(candidate: Sequence[float], baseline: Sequence[float]) -> tuple[float, ...]:
    """The ratio of each pair, in order; the two must be equally long."""
    _required(candidate, "paired ratios")
    if len(candidate) != len(baseline):
        raise ValueError(f"pairs of {len(candidate)} candidate and {len(baseline)} baseline values")
    return tuple(ratio(ours, theirs) for ours, theirs in zip(candidate, baseline, strict=True))


def bootstrap_ratio(
    candidate: Sequence[float],
    baseline: Sequence[float],
    *,
    seed: int,
    resamples_count: int = 2000,
    confidence: float = 0.95,
) -> RatioInterval:
    """The ratio of the medians with its percentile bootstrap interval, from a recorded seed.

    Both samples are drawn again with replacement, each for itself. The values should be one per process:
    samples from one process are not independent of each other, and an interval over them would be too narrow.
    """
    _required(candidate, "bootstrap")
    _required(baseline, "bootstrap")
    if resamples_count < 1:
        raise ValueError(f"{resamples_count} resamples")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}, not between 0 and 1")
    draw = random.Random(seed)  # noqa: S311  resampling is not cryptography
    found = [
        ratio(
            median(draw.choices(candidate, k=len(candidate))),
            median(draw.choices(baseline, k=len(baseline))),
        )
        for _ in range(resamples_count)
    ]
    tail = 100 * (1 - confidence) / 2
    return RatioInterval(
        ratio=ratio(median(candidate), median(baseline)),
        low=percentile(found, tail),
        high=percentile(found, 100 - tail),
        confidence=confidence,
        resamples_count=resamples_count,
        seed=seed,
    )


def sign_test(values: Sequence[float], *, centre: float = 1.0) -> SignTest:
    """Two-sided exact sign test: do the values lie as often above ``centre`` as below?

    Ties are dropped, as is usual; where nothing but ties is left, p is 1.
    ``p`` is the chance, were both sides equally likely, of a split at least as uneven as this one.
    """
    _required(values, "sign test")
    above = sum(value > centre for value in values)
    below = sum(value < centre for value in values)
    pairs = above + below
    tail = sum(math.comb(pairs, k) for k in range(min(above, below) + 1)) / 2**pairs
    return SignTest(above_count=above, below_count=below, ties_count=len(values) - pairs, p=min(1.0, 2 * tail))


def wilson(hits: int, trials: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's interval for the rate behind ``hits`` in ``trials``; right also where hits are none or all.

    Raises:
        ValueError: there were no trials, or more hits than trials.
    """
    if not 0 <= hits <= trials or trials == 0:
        raise ValueError(f"{hits} hits in {trials} trials")
    z = statistics.NormalDist().inv_cdf((1 + confidence) / 2)
    rate, weight = hits / trials, z * z / trials
    centre = (rate + weight / 2) / (1 + weight)
    half = z / (1 + weight) * math.sqrt(rate * (1 - rate) / trials + weight / (4 * trials))
    return max(0.0, centre - half) if hits else 0.0, min(1.0, centre + half) if hits < trials else 1.0


def welch(candidate: Sequence[float], baseline: Sequence[float]) -> float:
    """Two-sided p of Welch's t-test, by the normal approximation: meant for samples of dozens and more.

    Raises:
        ValueError: a sample has fewer than two values.
    """
    if min(len(candidate), len(baseline)) < 2:  # noqa: PLR2004 - a variance takes two
        raise ValueError("a t-test takes two values on each side")
    error = math.sqrt(statistics.variance(candidate) / len(candidate) + statistics.variance(baseline) / len(baseline))
    distance = statistics.fmean(candidate) - statistics.fmean(baseline)
    if error == 0:
        return 1.0 if distance == 0 else 0.0
    return 2 * statistics.NormalDist().cdf(-abs(distance) / error)
