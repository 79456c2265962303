"""A cost as a line: what is paid once, and what each call adds."""

import math
import random
import statistics

import pytest

from connprof.stats import line

CALLS = [1, 10, 40, 100, 400]


@pytest.mark.parametrize(("slope", "intercept"), [(6_603_611, 0), (0, 18_800_000), (41_250.5, -3), (-2, 7)])
def test_exact_points_give_their_line_back(slope, intercept):
    found = line(CALLS, [intercept + slope * calls for calls in CALLS])
    assert found.slope == pytest.approx(slope, rel=1e-12, abs=1e-9)
    assert found.intercept == pytest.approx(intercept, rel=1e-9, abs=1e-3)
    assert found.residual == pytest.approx(0, abs=1e-3)
    assert found.points_count == 5
    assert found.at(1_000) == pytest.approx(intercept + slope * 1_000, rel=1e-12, abs=1e-2)


def test_it_is_the_standard_librarys_line_around_other_points():
    drawn = random.Random(3)
    y = [7 * calls + drawn.gauss(100, 15) for calls in CALLS]
    theirs = statistics.linear_regression(CALLS, y)
    found = line(CALLS, y)
    assert (found.slope, found.intercept) == pytest.approx((theirs.slope, theirs.intercept))
    off = sum((each - found.at(calls)) ** 2 for calls, each in zip(CALLS, y, strict=True))
    assert found.residual == pytest.approx(math.sqrt(off / 3))
    assert off < sum((each - found.at(calls) - 1) ** 2 for calls, each in zip(CALLS, y, strict=True))


def test_a_worked_example():
    # Residuals -1, 2, -1 around y = x + 1: their squares sum to 6, over one degree of freedom.
    found = line([0, 1, 2], [0, 4, 2])
    assert (found.slope, found.intercept) == (1, 1)
    assert found.residual == pytest.approx(math.sqrt(6))


def test_two_points_always_lie_on_their_line():
    found = line([10, 40], [3, 5])
    assert (found.residual, found.at(10), found.at(40)) == (0.0, pytest.approx(3), pytest.approx(5))


@pytest.mark.parametrize(
    ("x", "y", "why"),
    [
        ([], [], "0 points"),
        ([1], [1], "1 points"),
        ([1, 2], [1], "2 x and 1 y"),
        ([4, 4, 4], [1, 2, 3], "the same x"),
    ],
)
def test_what_is_no_line_is_said(x, y, why):
    with pytest.raises(ValueError, match=why):
        line(x, y)
