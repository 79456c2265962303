import itertools
import math
import random
from dataclasses import replace

import pytest

from connprof import paired
from connprof.paired import (
    ASKING,
    ERROR,
    Change,
    Deal,
    Look,
    Looks,
    PairedTest,
    chance,
    deal_of_three,
    deal_of_two,
    judge,
    look_at,
    looks_at,
    wants_second_look,
)

STILL = Look(trios_count=6, worse_count=3, ratio=1.0, p_slower=1.0, p_faster=1.0)


def slower(p):
    return replace(STILL, ratio=1.2, p_slower=p)


def faster(p):
    return replace(STILL, ratio=1 / 1.2, p_faster=p)


def looks(first, second=None, both=None):
    return Looks(first=first, second=second, both=both)


def against(p, kind=slower):
    """Two looks that agree, and all trios together with this p."""
    return looks(kind(0.01), kind(0.01), kind(p))


def one(head, twin=None):
    return PairedTest(head=head, twin=twin or looks(STILL))


def answer(test, tests_count=0):
    return judge({"it": test}, tests_count=tests_count)["it"]


# --- the chance -------------------------------------------------------------------------------------------------------


def by_hand(deals):
    """Every way of dealing, one by one."""
    scores = [[max(-16, min(16, round(score / 0.08 * 8))) for score in deal.scores] for deal in deals]
    seen = sum(each[0] for each in scores)
    ways = [sum(way) for way in itertools.product(*scores)]
    return sum(total >= seen for total in ways) / len(ways)


def test_the_chance_is_the_share_of_all_ways_of_dealing():
    draw = random.Random(3)
    for count in range(1, 8):
        for _ in range(10):
            scores = [tuple(draw.gauss(0, 0.1) for _ in range(draw.choice((2, 3)))) for _ in range(count)]
            deals = [Deal(each, 0.08) for each in scores]
            assert chance(deals) == by_hand(deals)


def test_the_largest_of_all_is_one_way_of_many():
    assert chance([Deal((0.3, -0.1, -0.2), 0.05)] * 6) == 3**-6
    assert chance([Deal((0.3, -0.3), 0.05)] * 14) == 2**-14
    assert chance([Deal((-0.3, 0.1, 0.2), 0.05)] * 6) == 1.0
    assert chance([Deal((0.0, 0.0, 0.0), 0.05)] * 6) == 1.0


def test_a_disturbed_trio_counts_for_less():
    calm = [Deal((0.1, -0.05, -0.05), 0.02)] * 5
    disturbed = Deal((-0.5, 0.25, 0.25), 0.9)
    assert chance([*calm, disturbed]) < 0.02 < chance([*calm, replace(disturbed, noise=0.02)])


def test_one_trio_cannot_outweigh_all_others_however_far_off_it_is():
    far, near = (chance([Deal((each, -each), 0.05), *[Deal((-0.05, 0.05), 0.05)] * 9]) for each in (1e6, 0.4))
    assert far == near


def test_p_is_exact_with_equal_code_whatever_the_noise():
    """Of 3,000 looks without any change about 5 % have a p of at most 5 %, and none needs a normal law for that."""
    draw = random.Random(11)

    def noise():
        return draw.choice((draw.gauss(0, 0.02), draw.paretovariate(1.5), draw.expovariate(3)))

    hits = 0
    for _ in range(3000):
        deals = []
        for _trio in range(6):
            each = [noise() for _process in range(3)]
            deals.append(Deal(tuple(one - sum(each) / 3 for one in each), abs(noise())))
        hits += chance(deals) <= ASKING
    assert hits / 3000 < 0.06


def test_no_trios_have_no_chance():
    with pytest.raises(ValueError, match="no trios"):
        chance([])


# --- deals and looks --------------------------------------------------------------------------------------------------


def test_what_hits_a_whole_round_cancels():
    rounds = [1, 50, 2, 9, 1000]
    deal = deal_of_three([1.2 * each for each in rounds], rounds, rounds)
    assert deal.scores == pytest.approx((math.log(1.2), -math.log(1.2) / 2, -math.log(1.2) / 2))
    assert deal.noise == pytest.approx(0)
    assert deal_of_two(rounds, rounds) == Deal((0.0, -0.0), 0.0)


def test_the_roles_are_alike():
    draw = random.Random(1)
    sides = [[draw.lognormvariate(0, 0.2) for _round in range(7)] for _side in range(3)]
    a, b, c = sides
    assert deal_of_three(a, b, c).scores == pytest.approx(
        tuple(deal_of_three(b, a, c).scores[place] for place in (1, 0, 2))
    )
    assert deal_of_three(a, b, c).noise == pytest.approx(deal_of_three(c, b, a).noise)
    assert deal_of_two(a, b).scores == deal_of_two(b, a).scores[::-1]


@pytest.mark.parametrize("wrong", [0, -1, math.nan, math.inf])
@pytest.mark.parametrize("place", range(3))
def test_a_time_that_nobody_measured_is_refused(wrong, place):
    sides = [[1, 1], [1, 1], [1, 1]]
    sides[place] = [1, wrong]
    with pytest.raises(ValueError, match="not above 0, or not finite"):
        deal_of_three(*sides)
    with pytest.raises(ValueError, match="not above 0, or not finite"):
        deal_of_two([1, wrong], [1, 1])


def test_nothing_and_unlike_lengths_are_refused():
    with pytest.raises(ValueError, match="no values"):
        deal_of_two([], [])
    with pytest.raises(ValueError, match="zip"):
        deal_of_three([1], [1, 2], [1, 2])


def of_ratio(ratio, count=6):
    score = math.log(ratio)
    return [Deal((score, -score / 2, -score / 2), 0.01)] * count


@pytest.mark.parametrize(("ratio", "is_beyond"), [(1.0499, False), (1.05, False), (1.0501, True)])
def test_the_ratio_below_at_and_above_the_limit(ratio, is_beyond):
    # At the limit itself only rounding decides; the limit is not part of what counts.
    look = look_at(of_ratio(ratio if ratio != 1.05 else 1.05 - 1e-12))
    assert (look.p_slower < 1) == is_beyond
    mirrored = look_at(of_ratio(1 / ratio if ratio != 1.05 else 1 / 1.05 + 1e-12))
    assert (mirrored.p_faster < 1) == is_beyond
    assert (look.p_faster, mirrored.p_slower) == (1.0, 1.0)


def test_a_look_sums_up():
    look = look_at([*of_ratio(1.2, 5), *of_ratio(0.9, 1)])
    assert (look.trios_count, look.worse_count) == (6, 5)
    assert look.ratio == pytest.approx(1.2)


def test_looks_are_the_first_trios_the_others_and_all():
    deals = of_ratio(1.2, 10)
    assert looks_at(deals[:6], 6) == Looks(first=look_at(deals[:6]))
    found = looks_at(deals, 6)
    assert [each.trios_count for each in (found.first, found.second, found.both)] == [6, 4, 10]


# --- the rule ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "change"), [(slower, Change.REGRESSED), (faster, Change.IMPROVED)])
@pytest.mark.parametrize("count", [1, 6, 28])
def test_all_trios_below_at_and_above_their_share_of_the_error(kind, change, count):
    limit = ERROR / count
    for p, expected in [(limit * 0.999, change), (limit, change), (limit * 1.001, Change.UNCHANGED)]:
        assert answer(one(against(p, kind)), tests_count=count) is expected
        assert answer(one(looks(STILL), against(p, kind)), tests_count=count) is (
            Change.UNSTABLE if expected is change else Change.UNCHANGED
        )


@pytest.mark.parametrize("kind", [slower, faster])
@pytest.mark.parametrize("place", ["first", "second"])
def test_each_look_must_agree_below_at_and_above_its_limit(kind, place):
    for p, agrees in [(ASKING * 0.999, True), (ASKING, True), (ASKING * 1.001, False)]:
        found = answer(one(replace(against(1e-9, kind), **{place: kind(p)})))
        assert (found is not Change.UNCHANGED) == agrees


@pytest.mark.parametrize("second", [STILL, faster(0.001)])
def test_a_second_look_that_disagrees_overrules_the_first(second):
    assert answer(one(replace(against(1e-9), second=second))) is Change.UNCHANGED


def test_without_a_second_look_nothing_has_changed():
    assert answer(one(looks(slower(1e-9)))) is Change.UNCHANGED


@pytest.mark.parametrize("head", [against(1e-9), against(1e-9, faster), looks(STILL)])
@pytest.mark.parametrize("kind", [slower, faster])
def test_base_against_base_that_differs_makes_the_answer_unstable(head, kind):
    assert answer(one(head, against(1e-9, kind))) is Change.UNSTABLE


def test_holm_asks_less_of_the_last_ones():
    p = ERROR / 2
    tests = {"clear": one(against(1e-9)), "clear too": one(against(1e-9)), "barely": one(against(p)),
             "nothing": one(looks(STILL))}  # fmt: skip
    assert judge(tests)["barely"] is Change.REGRESSED, "two are out, two are left"
    del tests["clear"]
    tests["nothing, too"] = one(looks(STILL))
    assert judge(tests)["barely"] is Change.UNCHANGED, "one is out, three are left"


def test_tests_of_which_nothing_is_known_count_too():
    assert answer(one(against(ERROR / 2)), tests_count=2) is Change.REGRESSED
    assert answer(one(against(ERROR / 2)), tests_count=3) is Change.UNCHANGED


@pytest.mark.parametrize(
    ("test", "wanted"),
    [
        (one(looks(slower(ASKING))), True),
        (one(looks(slower(ASKING * 1.001))), False),
        (one(looks(faster(ASKING))), True),
        (one(looks(STILL), looks(slower(ASKING))), True),
        (one(looks(STILL), looks(faster(ASKING * 1.001))), False),
        (one(looks(STILL)), False),
    ],
)
def test_a_second_look_is_wanted_when_the_first_found_anything(test, wanted):
    assert wants_second_look(test) is wanted


@pytest.mark.parametrize(("tests", "fewest"), [(1, 10), (6, 13), (16, 14), (56, 16)])
def test_the_fewest_trios_that_can_decide_are_the_fewest(tests, fewest):
    assert paired.fewest_trios(tests) == fewest
    for count, decides in ((fewest, True), (fewest - 1, False)):
        assert (chance([Deal((1.0, -1.0), 0.01)] * count) <= ERROR / tests) == decides


def test_the_interval_resamples_whole_trios():
    found = paired.ratio_range(of_ratio(1.2), seed=3)
    assert (found.ratio, found.low, found.high) == pytest.approx((1.2, 1.2, 1.2))
    spread = [*of_ratio(1.1, 5), *of_ratio(1.3, 5)]
    found = paired.ratio_range(spread, seed=3)
    assert 1.1 <= found.low < found.ratio < found.high <= 1.3
    assert found == paired.ratio_range(spread, seed=3)


# --- on synthetic noise -----------------------------------------------------------------------------------------------


def drawn(draw, change):
    """A test of synthetic trios on a machine that is slower at times, for single processes or for all."""
    heads, twins = [], []
    for _trio in range(14):
        processes = [draw.lognormvariate(0, 0.01) * draw.choices([1.0, 1.3], [0.98, 0.02])[0] for _side in range(3)]
        sides = [[], [], []]
        for _round in range(8):
            slow_moment = draw.lognormvariate(0, 0.5)
            for side, process in zip(sides, processes, strict=True):
                side.append(slow_moment * process * draw.lognormvariate(0, 0.08))
        base, twin, head = sides
        heads.append(deal_of_three([each * change for each in head], base, twin))
        twins.append(deal_of_two(twin, base))
    return PairedTest(head=looks_at(heads, 6), twin=looks_at(twins, 6))


def test_false_alarms_are_rare_and_changes_are_found_on_synthetic_noise():
    draw = random.Random(67)
    same = [answer(drawn(draw, 1.0), tests_count=6) for _ in range(600)]
    slow = [answer(drawn(draw, 1.10), tests_count=6) for _ in range(100)]
    assert sum(each is not Change.UNCHANGED for each in same) <= 2
    assert sum(each is Change.REGRESSED for each in slow) >= 85


def test_one_direction_is_the_mirror_of_the_other():
    draw = random.Random(5)
    mirror = {Change.REGRESSED: Change.IMPROVED, Change.IMPROVED: Change.REGRESSED}
    for _ in range(30):
        sides = [[draw.lognormvariate(0, 0.1) for _round in range(6)] for _side in range(2 * 10)]
        pairs = list(itertools.pairwise(sides))[::2]
        found = answer(one(looks_at([deal_of_two([1.1 * a for a in own], other) for own, other in pairs], 4)))
        turned = answer(one(looks_at([deal_of_two(other, [1.1 * a for a in own]) for own, other in pairs], 4)))
        assert turned is mirror.get(found, found)
