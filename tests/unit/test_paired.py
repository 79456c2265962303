import math
import random
from dataclasses import replace

import pytest

from connprof import paired
from connprof.paired import Change, Look, PairedTest, judge, look_at, wants_second_look

STILL = Look(pairs_count=20, worse_count=10, better_count=10, ratio=1.0)


def worse(count, ratio=1.1, pairs_count=20):
    return Look(pairs_count=pairs_count, worse_count=count, better_count=pairs_count - count, ratio=ratio)


def better(count, ratio=1 / 1.1):
    return Look(pairs_count=20, worse_count=20 - count, better_count=count, ratio=ratio)


def one(*head, twin=(STILL, STILL)):
    return PairedTest(head=head, twin=twin)


def answer(test, others=0):
    """The answer to ``test`` when so many other tests see nothing."""
    still = {f"other {number}": one(STILL) for number in range(others)}
    return judge({"it": test, **still})["it"]


@pytest.mark.parametrize(
    ("pairs", "tests", "needed"),
    [(20, 1, 15), (20, 2, 15), (20, 3, 16), (20, 28, 16), (20, 29, 17), (5, 1, 5), (4, 1, None), (40, 1, 27)],
)
def test_how_many_pairs_must_agree(pairs, tests, needed):
    assert paired.pairs_needed(pairs, tests) == needed


@pytest.mark.parametrize(("tests", "fewest"), [(1, 5), (2, 6), (6, 7)])
def test_the_fewest_pairs_that_can_decide_are_the_fewest(tests, fewest):
    assert paired.fewest_pairs(tests) == fewest
    assert paired.pairs_needed(fewest, tests) == fewest
    assert paired.pairs_needed(fewest - 1, tests) is None


@pytest.mark.parametrize(
    ("count", "others", "expected"),
    [
        (14, 0, Change.UNCHANGED),
        (15, 0, Change.REGRESSED),
        (16, 0, Change.REGRESSED),
        (15, 1, Change.REGRESSED),
        (15, 2, Change.UNCHANGED),
        (16, 2, Change.REGRESSED),
        (16, 27, Change.REGRESSED),
        (16, 28, Change.UNCHANGED),
        (17, 28, Change.REGRESSED),
    ],
)
def test_wins_below_at_and_above_the_limit(count, others, expected):
    assert answer(one(worse(count), worse(count)), others) is expected
    mirrored = Change.IMPROVED if expected is Change.REGRESSED else expected
    assert answer(one(better(count), better(count)), others) is mirrored


@pytest.mark.parametrize(
    ("ratio", "expected"), [(1.0499, Change.UNCHANGED), (1.05, Change.UNCHANGED), (1.0501, Change.REGRESSED)]
)
def test_the_ratio_below_at_and_above_the_limit(ratio, expected):
    assert answer(one(worse(20, ratio), worse(20, ratio))) is expected
    mirrored = Change.IMPROVED if expected is Change.REGRESSED else expected
    assert answer(one(better(20, 1 / ratio), better(20, 1 / ratio))) is mirrored


@pytest.mark.parametrize("second", [worse(14), worse(20, ratio=1.04), better(20), STILL])
def test_a_second_look_that_disagrees_overrules_the_first(second):
    assert answer(one(worse(20), second)) is Change.UNCHANGED


def test_without_a_second_look_nothing_has_changed():
    assert answer(one(worse(20))) is Change.UNCHANGED


def test_a_third_look_counts_for_nothing():
    assert answer(one(worse(20), STILL, worse(20))) is Change.UNCHANGED


@pytest.mark.parametrize("head", [(worse(20), worse(20)), (better(20), better(20)), (STILL, STILL)])
@pytest.mark.parametrize("twin", [(worse(15), worse(15)), (better(15), better(15))])
def test_base_against_base_that_differs_makes_the_answer_unstable(head, twin):
    assert answer(one(*head, twin=twin)) is Change.UNSTABLE


@pytest.mark.parametrize("twin", [(worse(14), worse(14)), (worse(20), STILL), (worse(20, 1.04), worse(20, 1.04))])
def test_base_against_base_is_held_to_the_same_rule(twin):
    assert answer(one(worse(20), worse(20), twin=twin)) is Change.REGRESSED


def test_holm_asks_less_of_the_last_ones():
    tests = {
        "clear": one(worse(20), worse(20)),
        "clear too": one(worse(19), worse(19)),
        "barely": one(worse(15), worse(15)),
        "nothing": one(STILL),
    }
    assert judge(tests)["barely"] is Change.REGRESSED, "two are out, two are left: 15 will do"
    del tests["clear"]
    tests["nothing, too"] = one(STILL)
    assert judge(tests)["barely"] is Change.UNCHANGED, "one is out, three are left: 16 are needed"


@pytest.mark.parametrize(
    ("test", "wanted"),
    [
        (one(worse(14)), False),
        (one(worse(15)), True),
        (one(better(15)), True),
        (one(worse(20, ratio=1.05)), False),
        (one(STILL, twin=(worse(15),)), True),
        (one(STILL, twin=(worse(14),)), False),
    ],
)
def test_a_second_look_is_wanted_when_the_first_is_against_it(test, wanted):
    assert wants_second_look(test) is wanted


def test_a_look_counts_ties_for_neither_side():
    assert look_at([2, 1, 3, 5], [1, 1, 6, 4]) == Look(pairs_count=4, worse_count=2, better_count=1, ratio=1.125)


@pytest.mark.parametrize("wrong", [0, -1, math.nan, math.inf])
@pytest.mark.parametrize("candidate", [True, False])
def test_a_time_that_nobody_measured_is_refused(wrong, candidate):
    with pytest.raises(ValueError, match="not above 0, or not finite"):
        look_at(*(([1, wrong], [1, 1]) if candidate else ([1, 1], [1, wrong])))


def test_nothing_and_unlike_lengths_are_refused():
    with pytest.raises(ValueError, match="no values"):
        look_at([], [])
    with pytest.raises(ValueError, match="pairs of 1"):
        look_at([1], [1, 2])


def test_the_interval_resamples_whole_pairs():
    base = [1, 10, 100, 1000, 10_000]
    found = paired.ratio_range([1.2 * value for value in base], base, seed=3)
    assert found.low == pytest.approx(1.2)
    assert found.high == pytest.approx(1.2)
    assert found == paired.ratio_range([1.2 * value for value in base], base, seed=3)


def drawn(draw, change):
    """A test of synthetic trios on a machine that is slower at times, for single processes or for all."""

    def look():
        trios = []
        for _pair in range(20):
            slow_minute = draw.lognormvariate(0, 0.5)
            disturbed = draw.choices([1.0, 1.6], [0.95, 0.05], k=3)
            trios.append([slow_minute * draw.lognormvariate(0, 0.04) * each for each in disturbed])
        base, twin, head = (list(side) for side in zip(*trios, strict=True))
        return look_at([value * change for value in head], base), look_at(twin, base)

    first, second = look(), look()
    return PairedTest(head=(first[0], second[0]), twin=(first[1], second[1]))


def test_false_alarms_are_rare_and_changes_are_found_on_synthetic_noise():
    draw = random.Random(67)
    same = [answer(drawn(draw, 1.0), others=5) for _ in range(1500)]
    slower = [answer(drawn(draw, 1.25), others=5) for _ in range(200)]
    assert sum(each is not Change.UNCHANGED for each in same) <= 5
    assert sum(each is Change.REGRESSED for each in slower) >= 190


def test_one_side_is_the_mirror_of_the_other():
    draw = random.Random(5)
    for _ in range(50):
        test = drawn(draw, 1.2)
        turned = PairedTest(
            head=tuple(
                replace(look, worse_count=look.better_count, better_count=look.worse_count, ratio=1 / look.ratio)
                for look in test.head
            ),
            twin=test.twin,
        )
        mirror = {Change.REGRESSED: Change.IMPROVED, Change.IMPROVED: Change.REGRESSED}
        found = answer(test)
        assert answer(turned) is mirror.get(found, found)
