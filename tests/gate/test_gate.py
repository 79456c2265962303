"""Every line of the policy: just below its limit, at it, and just above."""

import math

import pytest
from msgspec.structs import replace

from connprof.compare import METRICS, MetricClass
from connprof.gate import DEFAULT_LIMITS_PPM, WORST_FIRST, Answer, Policy, Row, Status
from connprof.model import Failed, Measured, Problem
from tests import samples
from tests.gate.sides import (
    NAMES,
    PER_CALL,
    POOLED,
    candidate,
    declaring,
    judged,
    key,
    outcome_of,
    row,
    status,
    with_changed,
    with_identity,
    without,
)

BASE = samples.report()


def test_a_report_like_the_baseline_passes_and_everything_was_compared():
    judgement = judged(BASE, candidate())
    assert judgement.answer is Answer.PASSED
    assert judgement.judged_count == judgement.tally[Status.UNCHANGED] > 80


EXACT_FIELDS = [
    ("contexts", "client__contexts_count", 5),
    ("ca_loads", "client__ca_loads_count", 5),
    ("handshakes_full", "ledger__handshakes_full_count", 5),
    ("handshakes", "ledger__handshakes_resumed_count", 0),
    ("handshakes_failed", "ledger__handshakes_failed_count", 0),
    ("connections", "ledger__tcp_accepted_count", 5),
]


@pytest.mark.parametrize(("metric", "field", "now"), EXACT_FIELDS)
def test_counts_must_be_equal_one_more_fails_and_one_fewer_is_an_improvement(metric, field, now):
    same, more = (with_changed(candidate(), POOLED, "counts", **{field: now + k}) for k in (0, 1))
    assert status(BASE, same, POOLED, metric) == "unchanged"
    assert status(BASE, more, POOLED, metric) == "regressed"
    assert judged(BASE, more).answer is Answer.REGRESSED
    assert status(more, BASE, POOLED, metric) == "improved"
    assert judged(more, BASE).answer is Answer.PASSED


@pytest.mark.parametrize(("by", "verdict"), [(-1, "regressed"), (0, "unchanged"), (1, "regressed")])
def test_any_other_number_of_requests_is_a_regression(by, verdict):
    head = with_changed(candidate(), POOLED, "counts", ledger__requests_count=40 + by)
    assert status(BASE, head, POOLED, "requests") == verdict


def test_one_handshake_more_in_ten_thousand_requests_fails():
    large = [
        with_changed(each, POOLED, "counts", ledger__requests_count=10_000, ledger__handshakes_full_count=10_000 + k)
        for k, each in enumerate((BASE, candidate()))
    ]
    assert status(*large, POOLED, "handshakes_full") == "regressed"


def test_resuming_a_handshake_instead_of_a_full_one_is_an_improvement():
    head = with_changed(
        candidate(), PER_CALL, "counts", ledger__handshakes_full_count=5, ledger__handshakes_resumed_count=35
    )
    head = declaring(head, PER_CALL, handshakes=5)
    assert status(BASE, head, PER_CALL, "handshakes") == "unchanged"
    assert status(BASE, head, PER_CALL, "handshakes_full") == "improved"
    assert judged(BASE, head).answer is Answer.PASSED


def banded(report, strategy, metric, value):
    if metric == "context_bytes":
        return with_changed(report, strategy, "memory", ssl__context_bytes=value)
    if metric == "ssl_bytes":
        ssl = outcome_of(report, strategy).memory.ssl
        return with_changed(report, strategy, "memory", ssl__io_bytes=value - ssl.context_bytes - ssl.handshake_bytes)
    if metric == "peak_bytes":
        return with_changed(report, strategy, "memory", peak_bytes=value)
    return with_changed(report, strategy, "retained", retained_bytes=value)


BANDS = [
    ("context_bytes", PER_CALL, 300_000_000, 0),
    ("context_bytes", POOLED, 300_000_000, 0),
    ("ssl_bytes", PER_CALL, 300_000_000, 3_000_000),
    ("ssl_bytes", "per-call-shared-context", 300_000_000, 9_000_000),
    ("ssl_bytes", POOLED, 300_000_000, 9_000_000),
    ("peak_bytes", PER_CALL, 10_000_000, 5_000_000),
    ("peak_bytes", POOLED, 100_000_000, 5_000_000),
    ("peak_bytes", POOLED, 10_000_000, 1_048_576),
    ("retained_bytes", POOLED, 10_000_000, 200_000),
    ("retained_bytes", POOLED, 1_000, 1_024),
    ("retained_bytes", POOLED, 0, 1_024),
]


@pytest.mark.parametrize(("metric", "strategy", "before", "band"), BANDS)
def test_bytes_move_inside_their_band_and_not_by_one_byte_beyond(metric, strategy, before, band):
    base = banded(BASE, strategy, metric, before)
    for by, verdict in [(0, "unchanged"), (band, "unchanged"), (band + 1, "regressed")]:
        head = banded(candidate(), strategy, metric, before + by)
        assert status(base, head, strategy, metric) == verdict, by
    for by, verdict in [(band, "unchanged"), (band + 1, "improved")]:
        if before >= by:
            head = banded(candidate(), strategy, metric, before - by)
            assert status(base, head, strategy, metric) == verdict, -by
    if band:
        assert status(base, banded(candidate(), strategy, metric, before + band - 1), strategy, metric) == "unchanged"


@pytest.mark.parametrize(("context_bytes", "band"), [(150_000_000, 3_000_000), (149_999_999, 9_000_000)])
def test_ssl_bytes_of_which_contexts_are_less_than_half_have_the_wider_band(context_bytes, band):
    """A client per call whose contexts load few certificates: most of its bytes come in pieces of varying number."""

    def with_total(report, total):
        return banded(banded(report, PER_CALL, "context_bytes", context_bytes), PER_CALL, "ssl_bytes", total)

    base = with_total(BASE, 300_000_000)
    for by, verdict in [(band, "unchanged"), (band + 1, "regressed")]:
        assert status(base, with_total(candidate(), 300_000_000 + by), PER_CALL, "ssl_bytes") == verdict


def test_context_bytes_may_vary_a_little_where_certificates_are_loaded_at_handshakes():
    def made(report, loads, context_bytes):
        changed = with_changed(report, PER_CALL, "counts", client__contexts_count=80, client__ca_loads_count=loads)
        return banded(changed, PER_CALL, "context_bytes", context_bytes)

    for loads, by, verdict in [(40, 10_000, "unchanged"), (40, 10_001, "regressed"), (80, 1, "regressed")]:
        base, head = made(BASE, loads, 100_000_000), made(candidate(), loads, 100_000_000 + by)
        assert status(base, head, PER_CALL, "context_bytes") == verdict, (loads, by)


@pytest.mark.parametrize("strategy", [PER_CALL, "per-call-shared-context"])
def test_retained_bytes_of_a_client_per_call_are_shown_only(strategy):
    """Whether its context is shared or not: how much garbage was not collected yet is chance."""
    head = banded(candidate(), strategy, "retained_bytes", 10**9)
    assert status(BASE, head, strategy, "retained_bytes") == "shown"
    policy = Policy(limits_ppm={"retained_bytes": 10_000})
    assert status(BASE, head, strategy, "retained_bytes", policy) == "regressed"


@pytest.mark.parametrize(
    ("policy", "limit_ppm"),
    [
        (Policy(), 30_000),
        (Policy(limits_ppm={"ssl_bytes": 50_000}), 50_000),
        (Policy(limits_ppm={"ssl_bytes": 5}, case_limits_ppm={POOLED: {"ssl_bytes": 60_000}}), 60_000),
        (
            Policy(case_limits_ppm={POOLED: {"ssl_bytes": 1}, key(POOLED): {"ssl_bytes": 70_000}}),
            70_000,
        ),
        (Policy(case_limits_ppm={POOLED: {"peak_bytes": 1}}), 30_000),
    ],
)
def test_a_case_goes_before_its_strategy_and_that_before_the_metric(policy, limit_ppm):
    base = banded(BASE, POOLED, "ssl_bytes", 100_000_000)
    at, above = (banded(candidate(), POOLED, "ssl_bytes", 100_000_000 + 100 * limit_ppm + k) for k in (0, 1))
    assert status(base, at, POOLED, "ssl_bytes", policy) == "unchanged"
    assert status(base, above, POOLED, "ssl_bytes", policy) == "regressed"


ANSWERS = {
    Status.FAILED: Answer.UNTRUSTED,
    Status.INVALID: Answer.UNTRUSTED,
    Status.UNSTABLE: Answer.UNTRUSTED,
    Status.REGRESSED: Answer.REGRESSED,
    Status.MISSING: Answer.NOTHING,
    Status.IMPROVED: Answer.PASSED,
    Status.INCOMPARABLE: Answer.NOTHING,
    Status.NEW: Answer.NOTHING,
    Status.LEFT_OUT: Answer.NOTHING,
    Status.SHOWN: Answer.NOTHING,
    Status.UNCHANGED: Answer.PASSED,
}


@pytest.mark.parametrize("status", Status)
def test_what_a_comparison_answers_that_has_but_one_verdict(monkeypatch, status):
    monkeypatch.setattr("connprof.gate.judge_pair", lambda pair, *_: Row(pair, status, 0))
    assert judged(BASE, candidate()).answer is ANSWERS[status]
    monkeypatch.setattr("connprof.gate.judge_pair", lambda pair, *_: Row(pair, status, 0, is_allowed=True))
    assert judged(BASE, candidate()).answer is Answer.NOTHING


def test_a_zero_baseline_has_no_ratio_and_any_byte_more_is_a_regression():
    base, head = (with_changed(each, POOLED, "counts", client__ca_loads_count=0) for each in (BASE, candidate()))
    base = banded(base, POOLED, "context_bytes", 0)
    assert status(base, banded(head, POOLED, "context_bytes", 0), POOLED, "context_bytes") == "unchanged"
    judgement = judged(base, banded(head, POOLED, "context_bytes", 1))
    found = row(judgement, POOLED, "context_bytes")
    assert (found.status, found.pair.ratio) == (Status.REGRESSED, None)


@pytest.mark.parametrize("side", ["baseline", "candidate"])
def test_impossible_sums_are_invalid_on_either_side(side):
    bad = with_changed(candidate(), POOLED, "memory", ssl__io_bytes=2**63 - 1)
    judgement = judged(bad, BASE) if side == "baseline" else judged(BASE, bad)
    found = row(judgement, POOLED, "ssl_bytes")
    assert found.status is Status.INVALID
    assert side in found.pair.reason
    assert judgement.answer is Answer.UNTRUSTED


# --- times ----------------------------------------------------------------------------------------------------------


def slower(report, strategy, factor):
    outcome = outcome_of(report, strategy)
    timing = tuple(
        replace(
            one,
            wall_ns=tuple(round(value * factor) for value in one.wall_ns),
            thread_time_ns=tuple(round(value * factor) for value in one.thread_time_ns),
        )
        for one in outcome.timing
    )
    return samples.with_outcome(report, strategy, replace(outcome, timing=timing))


def test_times_are_shown_as_ratios_within_a_run_and_never_judged_by_themselves():
    judgement = judged(BASE, slower(candidate(), POOLED, 100))
    assert row(judgement, POOLED, "cpu_over_floor").status is Status.SHOWN
    assert row(judgement, POOLED, "cpu_over_floor").pair.ratio == pytest.approx(100)
    assert row(judgement, POOLED, "wall_over_regression").pair.ratio == pytest.approx(100)
    assert judgement.answer is Answer.PASSED


def test_a_machine_that_is_slower_throughout_changes_no_ratio():
    head = candidate()
    for name in NAMES:
        head = slower(head, name, 3)
    for found in judged(BASE, head).rows:
        if found.pair.metric and found.pair.metric.kind is MetricClass.NOISY:
            assert found.pair.ratio == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize(("factor", "verdict"), [(2.99, "unchanged"), (3.01, "regressed"), (0.3, "improved")])
def test_a_limit_of_ones_own_makes_a_ratio_judged(factor, verdict):
    policy = Policy(limits_ppm={"cpu_over_floor": 2_000_000})
    assert status(BASE, slower(candidate(), POOLED, factor), POOLED, "cpu_over_floor", policy) == verdict


def test_times_that_are_none_make_no_ratio():
    head = candidate()
    outcome = outcome_of(head, POOLED)
    timing = tuple(replace(one, thread_time_ns=(0,)) for one in outcome.timing)
    head = samples.with_outcome(head, POOLED, replace(outcome, timing=timing))
    assert status(BASE, head, POOLED, "cpu_over_floor") == "missing"


def test_without_the_floor_ratios_are_incomparable_and_the_floor_is_missing():
    judgement = judged(BASE, without(candidate(), "floor"))
    assert row(judgement, "floor", None).status is Status.MISSING
    assert row(judgement, POOLED, "cpu_over_floor").status is Status.INCOMPARABLE
    assert judgement.answer is Answer.NOTHING


def test_taking_only_the_floors_times_away_is_seen():
    head = samples.with_outcome(candidate(), "floor", replace(outcome_of(candidate(), "floor"), timing=()))
    assert status(BASE, head, POOLED, "cpu_over_floor") == "missing"


def test_the_times_of_an_invalid_floor_divide_nothing():
    problem = Problem(code="passes", sentence="They disagree.")
    broken = replace(outcome_of(candidate(), "floor"), problems=(problem,))
    judgement = judged(BASE, samples.with_outcome(candidate(), "floor", broken))
    assert row(judgement, "floor", None).status is Status.INVALID
    assert row(judgement, POOLED, "cpu_over_floor").status is Status.INCOMPARABLE


def test_a_time_is_the_median_over_processes_of_the_fastest_rounds():
    def timed(name, *processes):
        outcome = outcome_of(candidate(), name)
        one = outcome.timing[0]
        timing = tuple(replace(one, thread_time_ns=rounds) for rounds in processes)
        return samples.with_outcome(head, name, replace(outcome, timing=timing))

    head = candidate()
    head = timed("floor", (1_000, 900_000))
    head = timed(POOLED, (9_000, 2_000), (3_000, 70_000), (500_000, 400_000))
    assert row(judged(BASE, head), POOLED, "cpu_over_floor").pair.candidate == pytest.approx(3)


# --- what is not there ----------------------------------------------------------------------------------------------


def test_a_deleted_case_is_missing_and_turns_the_gate_red_unless_allowed():
    head = without(candidate(), POOLED)
    judgement = judged(BASE, head)
    assert row(judgement, POOLED, None).status is Status.MISSING
    assert judgement.answer is Answer.NOTHING
    allowed = judged(BASE, head, Policy(allow_missing=frozenset({key(POOLED)})))
    assert row(allowed, POOLED, None).is_allowed
    assert allowed.answer is Answer.PASSED
    assert judged(BASE, head, Policy(allow_missing=frozenset({POOLED}))).answer is Answer.NOTHING


@pytest.mark.parametrize(
    ("part", "metrics"),
    [
        ("counts", [metric.name for metric in METRICS[:8] if metric.name != "connections_failed"]),
        ("memory", ["context_bytes", "ssl_bytes", "peak_bytes"]),
        ("retained", ["retained_bytes"]),
        ("timing", ["cpu_over_floor", "wall_over_floor", "cpu_over_regression", "wall_over_regression"]),
    ],
)
def test_a_skipped_pass_makes_its_metrics_missing(part, metrics):
    outcome = replace(outcome_of(candidate(), POOLED), **{part: () if part == "timing" else None})
    head = samples.with_outcome(candidate(), POOLED, outcome)
    judgement = judged(BASE, head)
    assert {row(judgement, POOLED, metric).status for metric in metrics} == {Status.MISSING}
    assert judgement.answer is Answer.NOTHING
    assert {row(judged(head, BASE), POOLED, metric).status for metric in metrics} == {Status.NEW}
    assert judged(BASE, head, Policy(allow_missing=frozenset({key(POOLED)}))).answer is Answer.PASSED


def test_a_case_of_which_neither_side_measured_anything_is_incomparable():
    nothing = {"counts": None, "memory": None, "retained": None, "timing": ()}
    sides = [
        samples.with_outcome(each, POOLED, replace(outcome_of(each, POOLED), **nothing)) for each in (BASE, candidate())
    ]
    found = row(judged(*sides), POOLED, None)
    assert (found.status, found.pair.reason) == (Status.INCOMPARABLE, "Nothing was measured on either side.")
    assert not [each for each in judged(BASE, candidate()).rows if each.pair.metric is None]


def test_a_failed_case_fails_the_gate_unless_allowed():
    head = samples.with_outcome(candidate(), POOLED, Failed(stage="memory", message="It died."))
    judgement = judged(BASE, head)
    assert row(judgement, POOLED, None).status is Status.FAILED
    assert "memory pass: It died." in row(judgement, POOLED, None).pair.reason
    assert judgement.answer is Answer.UNTRUSTED
    assert judged(BASE, head, Policy(allow_failed=frozenset({key(POOLED)}))).answer is Answer.PASSED
    assert judged(BASE, head, Policy(allow_missing=frozenset({key(POOLED)}))).answer is Answer.UNTRUSTED


def invalid(report):
    problem = Problem(code="passes", sentence="They disagree.")
    return samples.with_outcome(report, POOLED, replace(outcome_of(report, POOLED), problems=(problem,)))


def test_an_invalid_case_fails_the_gate_and_its_figures_are_not_compared():
    judgement = judged(BASE, invalid(candidate()))
    assert row(judgement, POOLED, None).status is Status.INVALID
    assert judgement.answer is Answer.UNTRUSTED
    assert judged(BASE, invalid(candidate()), Policy(allow_failed=frozenset({key(POOLED)}))).answer is Answer.PASSED


def off_its_claim(report, **changes):
    """The candidate with other counts, which its strategy's file does not declare."""
    report = with_changed(report, POOLED, "counts", **changes)
    problem = Problem(code="claim", sentence="It is declared to make 5, but made another number.")
    return samples.with_outcome(report, POOLED, replace(outcome_of(report, POOLED), problems=(problem,)))


def test_churn_that_came_back_is_a_regression_with_figures_although_no_file_declares_it():
    judgement = judged(BASE, off_its_claim(candidate(), client__contexts_count=40))
    found = row(judgement, POOLED, "contexts")
    assert (found.status, found.pair.baseline, found.pair.candidate) == (Status.REGRESSED, 5, 40)
    assert judgement.answer is Answer.REGRESSED
    assert not judgement.tally[Status.INVALID]


@pytest.mark.parametrize(("contexts_count", "status"), [(4, Status.IMPROVED), (5, Status.UNCHANGED)])
def test_a_case_off_its_claim_is_invalid_where_no_count_went_up(contexts_count, status):
    head = off_its_claim(candidate(), client__contexts_count=contexts_count)
    judgement = judged(BASE, head)
    assert row(judgement, POOLED, None).status is Status.INVALID
    assert row(judgement, POOLED, "contexts").status is status
    assert judgement.answer is Answer.UNTRUSTED
    assert judged(BASE, head, Policy(allow_failed=frozenset({key(POOLED)}))).answer is Answer.PASSED


def test_a_case_off_its_claim_with_any_other_trouble_is_not_compared():
    head = off_its_claim(candidate(), client__contexts_count=40)
    outcome = outcome_of(head, POOLED)
    passes = Problem(code="passes", sentence="They disagree.")
    head = samples.with_outcome(head, POOLED, replace(outcome, problems=(*outcome.problems, passes)))
    judgement = judged(BASE, head)
    assert [one.status for one in judgement.rows if one.pair.subject.strategy == POOLED] == [Status.INVALID]


def test_a_new_case_off_its_claim_is_invalid():
    head = off_its_claim(candidate(), client__contexts_count=40)
    assert judged(without(BASE, POOLED), head).answer is Answer.UNTRUSTED


def test_what_was_broken_in_the_baseline_cannot_be_compared():
    for base in (invalid(BASE), samples.with_outcome(BASE, POOLED, Failed(stage="counts", message="It died."))):
        judgement = judged(base, candidate())
        assert row(judgement, POOLED, None).status is Status.INCOMPARABLE
        assert judgement.answer is Answer.PASSED


def test_a_new_case_is_a_row_and_no_failure_but_a_new_failed_one_is():
    judgement = judged(without(BASE, POOLED), candidate())
    assert row(judgement, POOLED, None).status is Status.NEW
    assert judgement.answer is Answer.PASSED
    head = samples.with_outcome(candidate(), POOLED, Failed(stage="counts", message="It died."))
    assert judged(without(BASE, POOLED), head).answer is Answer.UNTRUSTED


def empty(report):
    return replace(report, records=())


def only_empty_passes(report):
    return replace(report, records=tuple(replace(record, outcome=Measured()) for record in report.records))


def all_failed(report):
    failed = Failed(stage="counts", message="It died.")
    return replace(report, records=tuple(replace(record, outcome=failed) for record in report.records))


@pytest.mark.parametrize(
    ("base", "head"),
    [
        (empty(BASE), empty(candidate())),
        (empty(BASE), candidate()),
        (only_empty_passes(BASE), only_empty_passes(candidate())),
        (all_failed(BASE), candidate()),
    ],
)
def test_nothing_compared_is_never_green(base, head):
    judgement = judged(base, head)
    assert (judgement.answer, judgement.judged_count) == (Answer.NOTHING, 0)


def test_all_allowed_and_nothing_compared_is_still_not_green():
    policy = Policy(allow_missing=frozenset(map(key, NAMES)), allow_failed=frozenset(map(key, NAMES)))
    assert judged(BASE, empty(candidate()), policy).answer is Answer.NOTHING
    assert judged(BASE, all_failed(candidate()), policy).answer is Answer.NOTHING


def only_times(report):
    outcomes = [replace(record.outcome, counts=None, memory=None, retained=None) for record in report.records]
    records = [replace(record, outcome=outcome) for record, outcome in zip(report.records, outcomes, strict=True)]
    return replace(report, records=tuple(records))


def test_only_times_without_a_limit_is_nothing_compared():
    judgement = judged(only_times(BASE), only_times(candidate()))
    assert judgement.tally[Status.SHOWN] > 0
    assert judgement.answer is Answer.NOTHING


def test_the_first_answer_that_applies_is_the_answer():
    regressed = with_changed(candidate(), PER_CALL, "counts", client__contexts_count=41)
    assert judged(BASE, without(regressed, POOLED)).answer is Answer.REGRESSED
    failed = samples.with_outcome(regressed, "floor", Failed(stage="counts", message="It died."))
    assert judged(BASE, without(failed, POOLED)).answer is Answer.UNTRUSTED


# --- environments ---------------------------------------------------------------------------------------------------

BYTES_KEYS = ["os", "arch", "openssl", "ca_bundle_certificates_count", "ca_bundle_sha256"]


@pytest.mark.parametrize("other", ["something else", None, "unknown"])
@pytest.mark.parametrize("name", BYTES_KEYS)
def test_another_environment_hides_bytes_and_times_but_not_counts(name, other):
    judgement = judged(BASE, with_identity(candidate(), **{name: other}))
    for metric in [each for each in METRICS if each.name != "connections_failed"]:  # none on either side
        found = row(judgement, POOLED, metric.name)
        if metric.kind is MetricClass.EXACT:
            assert found.status is Status.UNCHANGED
        else:
            assert found.status is Status.INCOMPARABLE
            assert name in found.pair.reason
    assert judgement.answer is Answer.PASSED


@pytest.mark.parametrize(
    ("python", "verdict"), [("3.12.9", "unchanged"), ("3.13.0", "incomparable"), ("PyPy 3.12.8", "incomparable")]
)
def test_pythons_are_compared_up_to_the_minor_version(python, verdict):
    assert status(BASE, with_identity(candidate(), python=python), POOLED, "context_bytes") == verdict


@pytest.mark.parametrize(
    ("python", "more_ppm", "verdict"),
    [
        ("3.12.8", 1_300, "regressed"),
        ("3.12.9", 1_300, "unchanged"),
        ("3.12.9", -1_300, "unchanged"),
        ("3.12.9", 5_001, "regressed"),
    ],
)
def test_context_bytes_of_another_patch_of_python_may_differ_a_little(python, more_ppm, verdict):
    base = with_identity(banded(BASE, POOLED, "context_bytes", 300_000_000), python="3.12.8")
    head = banded(candidate(), POOLED, "context_bytes", 300_000_000 + 300 * more_ppm)
    assert status(base, with_identity(head, python=python), POOLED, "context_bytes") == verdict


def test_another_version_of_the_client_is_what_is_compared():
    head = with_identity(candidate(), client_library_version="0.29.0")
    assert status(BASE, head, POOLED, "ssl_bytes") == "unchanged"


@pytest.mark.parametrize("name", ["python", *BYTES_KEYS])
@pytest.mark.parametrize("value", [None, "unknown"])
def test_an_environment_that_neither_side_recorded_is_not_taken_for_the_same(name, value):
    base, head = (with_identity(report, **{name: value}) for report in (BASE, candidate()))
    found = row(judged(base, head), POOLED, "context_bytes")
    assert (found.status, found.pair.reason) == (Status.INCOMPARABLE, f"{name} not recorded")


# --- order, names ---------------------------------------------------------------------------------------------------


def test_rows_come_worst_first_and_larger_changes_before_smaller():
    head = with_changed(candidate(), POOLED, "counts", client__contexts_count=40, client__ca_loads_count=6)
    head = with_changed(head, PER_CALL, "counts", client__contexts_count=39)
    head = with_changed(head, POOLED, "memory", peak_bytes=10**9)
    head = without(samples.with_outcome(head, "floor", Failed(stage="counts", message="")), "one-client")
    judgement = judged(BASE, head)
    statuses = [each.status for each in judgement.rows]
    assert statuses == sorted(statuses, key=WORST_FIRST.index)
    regressed = [each.pair.metric.name for each in judgement.rows if each.status is Status.REGRESSED]
    assert regressed == ["contexts", "ca_loads", "peak_bytes"]
    assert len({id(each) for each in judgement.rows}) == len(judgement.rows)


def test_what_is_only_shown_comes_by_how_far_it_moved_whatever_its_class():
    head = slower(with_changed(candidate(), PER_CALL, "retained", retained_bytes=76_800), POOLED, 100)
    pairs = [each.pair for each in judged(BASE, head).rows if each.status is Status.SHOWN]
    assert pairs[0].metric.kind is MetricClass.NOISY
    sizes = [abs(math.log(pair.ratio)) for pair in pairs]
    assert sizes == sorted(sizes, reverse=True)


def test_names_in_a_policy_that_fit_nothing_are_told():
    policy = Policy(
        allow_missing=frozenset({"a"}), allow_failed=frozenset({key(POOLED)}), case_limits_ppm={POOLED: {}, "b": {}}
    )
    assert judged(BASE, candidate(), policy).unknown_names == ("a", "b")
    # What may be missing is named by case: a strategy's name would allow nothing.
    assert judged(BASE, candidate(), Policy(allow_missing=frozenset({POOLED}))).unknown_names == (POOLED,)


def test_every_metric_that_is_not_exact_has_a_stated_limit():
    assert set(DEFAULT_LIMITS_PPM) == {metric.name for metric in METRICS if metric.kind is not MetricClass.EXACT}


def test_two_cases_whose_names_read_alike_are_two():
    twins = [samples.case("a/b"), replace(samples.case("a"), workload="b/llm-session")]
    assert twins[0].key == twins[1].key
    records = tuple(replace(BASE.records[k], case=case) for k, case in enumerate(twins))
    judgement = judged(replace(BASE, records=records), replace(candidate(), records=records[:1]))
    assert judgement.tally[Status.MISSING] == 1


@pytest.mark.parametrize("package", ["h2", "trio"])
def test_peaks_are_incomparable_where_only_one_side_has_what_is_imported_during_a_session(package):
    def with_h2(report):
        packages = report.environment.packages | {package: "4.4.1"}
        return replace(report, environment=replace(report.environment, packages=packages))

    head = with_changed(candidate(), POOLED, "memory", peak_bytes=99_000_000)
    plain = replace(BASE, environment=replace(BASE.environment, packages={}))
    head = replace(head, environment=replace(head.environment, packages={}))
    assert status(plain, head, POOLED, "peak_bytes") == "regressed"
    assert status(with_h2(plain), with_h2(head), POOLED, "peak_bytes") == "regressed"
    for base, other in ((with_h2(plain), head), (plain, with_h2(head))):
        found = row(judged(base, other), POOLED, "peak_bytes")
        assert found.status is Status.INCOMPARABLE
        assert found.pair.reason == f"{package} installed on one side only"
        assert status(base, other, POOLED, "context_bytes") == "unchanged"


def test_a_candidate_cannot_widen_its_band_by_declaring_a_context_per_call():
    base, head = banded(BASE, POOLED, "peak_bytes", 100_000_000), banded(candidate(), POOLED, "peak_bytes", 140_000_000)
    notes = tuple(replace(note, contexts="calls") if note.name == POOLED else note for note in head.strategies)
    assert status(base, replace(head, strategies=notes), POOLED, "peak_bytes") == "regressed"
    assert status(replace(base, strategies=notes), head, POOLED, "peak_bytes") == "unchanged"


FORESEEN = Failed(stage="counts", message="RuntimeError: Event loop is closed")


def declared(report, fails="RuntimeError: Event loop is closed"):
    """The pooled strategy as one that is there to show how it fails."""
    return replace(
        report,
        strategies=tuple(replace(note, fails=fails) if note.name == POOLED else note for note in report.strategies),
    )


@pytest.mark.parametrize(
    ("base_declares", "base_outcome", "message", "status"),
    [
        (True, FORESEEN, FORESEEN.message, Status.INCOMPARABLE),
        (True, FORESEEN, "OSError: refused", Status.FAILED),
        (True, outcome_of(BASE, POOLED), FORESEEN.message, Status.FAILED),
        (True, Failed(stage="counts", message="OSError: refused"), FORESEEN.message, Status.FAILED),
        (False, FORESEEN, FORESEEN.message, Status.FAILED),
    ],
)
def test_a_strategy_that_fails_as_the_baseline_declares_it_is_no_failure(base_declares, base_outcome, message, status):
    base = samples.with_outcome(declared(BASE) if base_declares else BASE, POOLED, base_outcome)
    head = samples.with_outcome(declared(candidate()), POOLED, Failed(stage="counts", message=message))
    judgement = judged(base, head)
    assert row(judgement, POOLED, None).status is status
    assert judgement.answer is (Answer.PASSED if status is Status.INCOMPARABLE else Answer.UNTRUSTED)


def test_a_new_strategy_may_fail_as_it_declares():
    head = samples.with_outcome(declared(candidate()), POOLED, FORESEEN)
    assert row(judged(without(BASE, POOLED), head), POOLED, None).status is Status.NEW
    other = samples.with_outcome(declared(candidate()), POOLED, Failed(stage="counts", message="OSError: refused"))
    assert row(judged(without(BASE, POOLED), other), POOLED, None).status is Status.FAILED


def test_of_a_case_that_was_interrupted_it_is_not_said_that_it_failed_in_a_pass():
    head = samples.with_outcome(candidate(), POOLED, Failed(stage="interrupted", message="Stopped."))
    found = row(judged(BASE, head), POOLED, None)
    assert (found.status, found.pair.reason) == (
        Status.FAILED,
        "The run was interrupted before this case was complete.",
    )
