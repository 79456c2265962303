import math

import pytest

from connprof import stats


@pytest.mark.parametrize(
    ("percent", "expected"),
    [(0, 15), (5, 16), (30, 23), (40, 29), (50, 35), (95, 48), (100, 50)],
)
def test_percentile_known_values(percent, expected):
    assert stats.percentile([50, 15, 40, 20, 35], percent) == pytest.approx(expected)


def test_percentile_of_one_value_is_that_value():
    assert stats.percentile([7], 99) == 7.0


def test_percentile_agrees_with_the_standard_library():
    import statistics

    values = [3.1, 0.2, 9.9, 4.4, 4.4, 7.0, 1.5, 2.25]
    expected = statistics.quantiles(values, n=20, method="inclusive")
    assert [stats.percentile(values, 5 * k) for k in range(1, 20)] == pytest.approx(expected)


@pytest.mark.parametrize("percent", [-0.1, 100.1, math.nan])
def test_percentile_refuses_what_is_no_percent(percent):
    with pytest.raises(ValueError, match="not between 0 and 100"):
        stats.percentile([1, 2], percent)


def test_median_and_minimum():
    assert stats.median([3, 1, 2]) == 2.0
    assert stats.median([4, 1, 2, 3]) == 2.5
    assert stats.minimum([3, 1, 2]) == 1.0


def test_spread():
    assert stats.spread([2, 4, 4, 4, 5, 5, 7, 9]) == pytest.approx(2.1380899 / 5)
    assert stats.spread([5]) == 0.0
    with pytest.raises(ValueError, match="mean of 0"):
        stats.spread([-1, 1])


def test_ratio_is_candidate_over_baseline():
    assert stats.ratio(3, 2) == 1.5
    with pytest.raises(ValueError, match="baseline of 0"):
        stats.ratio(3, 0)


def test_paired_ratios():
    assert stats.paired_ratios([2, 9], [1, 3]) == (2.0, 3.0)
    with pytest.raises(ValueError, match="pairs of 1 candidate and 2 baseline"):
        stats.paired_ratios([1], [1, 2])


def test_bootstrap_holds_the_ratio_and_is_repeatable():
    candidate, baseline = [22, 23, 21, 25, 24], [10, 11, 12, 10, 11]
    one = stats.bootstrap_ratio(candidate, baseline, seed=67)
    again = stats.bootstrap_ratio(candidate, baseline, seed=67)
    other = stats.bootstrap_ratio(candidate, baseline, seed=68, resamples_count=500)
    assert one == again
    assert one != other
    assert one.ratio == pytest.approx(23 / 11)
    assert one.low < one.ratio < one.high
    assert one.low >= 21 / 12
    assert one.high <= 25 / 10
    assert (one.seed, one.resamples_count, one.confidence) == (67, 2000, 0.95)


def test_bootstrap_of_constants_has_no_width():
    interval = stats.bootstrap_ratio([4, 4, 4], [2, 2], seed=1)
    assert (interval.low, interval.ratio, interval.high) == (2.0, 2.0, 2.0)


def test_bootstrap_covers_the_truth_about_as_often_as_it_says():
    import random

    draw = random.Random(5)
    hits = 0
    for seed in range(60):
        candidate = [draw.gauss(20, 1) for _ in range(20)]
        baseline = [draw.gauss(10, 0.5) for _ in range(20)]
        interval = stats.bootstrap_ratio(candidate, baseline, seed=seed, resamples_count=200)
        hits += interval.low <= 2.0 <= interval.high
    assert 50 <= hits <= 60


@pytest.mark.parametrize("wrong", [{"resamples_count": 0}, {"confidence": 0.0}, {"confidence": 1.0}], ids=str)
def test_bootstrap_refuses(wrong):
    with pytest.raises(ValueError, match=r"resamples|confidence"):
        stats.bootstrap_ratio([1, 2], [1, 2], seed=1, **wrong)


@pytest.mark.parametrize(
    ("above", "below", "ties", "p"),
    [
        (15, 5, 0, 0.04138947),
        (20, 0, 0, 2 / 2**20),
        (10, 10, 0, 1.0),
        (5, 15, 3, 0.04138947),
        (0, 0, 4, 1.0),
        (1, 0, 0, 1.0),
        (9, 1, 0, 0.021484375),
    ],
)
def test_sign_test_known_values(above, below, ties, p):
    found = stats.sign_test([1.5] * above + [0.5] * below + [1.0] * ties)
    assert (found.above_count, found.below_count, found.ties_count) == (above, below, ties)
    assert found.p == pytest.approx(p, rel=1e-6)


@pytest.mark.parametrize(
    "call",
    [
        lambda: stats.percentile([], 50),
        lambda: stats.median([]),
        lambda: stats.minimum([]),
        lambda: stats.spread([]),
        lambda: stats.paired_ratios([], []),
        lambda: stats.bootstrap_ratio([], [1], seed=1),
        lambda: stats.bootstrap_ratio([1], [], seed=1),
        lambda: stats.sign_test([]),
    ],
)
def test_nothing_in_raises(call):
    with pytest.raises(ValueError, match="no values"):
        call()


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    [(0, 1000, 0.0, 0.003827), (10, 10, 0.722467, 1.0), (5, 10, 0.236593, 0.763407), (1, 1, 0.206549, 1.0)],
)
def test_wilson_known_values(hits, trials, low, high):
    assert stats.wilson(hits, trials) == pytest.approx((low, high), abs=1e-5)


@pytest.mark.parametrize(("hits", "trials"), [(0, 0), (2, 1), (-1, 5)])
def test_wilson_refuses_what_cannot_be(hits, trials):
    with pytest.raises(ValueError, match="trials"):
        stats.wilson(hits, trials)


def test_welch_known_values():
    one, other = [float(value) for value in range(100)], [value + 10.0 for value in range(100)]
    assert stats.welch(one, one) == 1.0
    # t = 10 / sqrt(2 * 841.67 / 100) = 2.4373
    assert stats.welch(one, other) == pytest.approx(0.0148, abs=1e-4)
    assert stats.welch([1, 1], [1, 1]) == 1.0
    assert stats.welch([1, 1], [2, 2]) == 0.0
    with pytest.raises(ValueError, match="two values"):
        stats.welch([1], [1, 2])
