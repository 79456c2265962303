import pytest
from msgspec.structs import replace

from bench.incidents import INCIDENTS
from connprof.model import Failed, Measured, Problem, SslBytes, VerdictStatus
from connprof.verdict import comparable_bytes, contradiction, judge, required_factor
from tests import samples

INCIDENT = INCIDENTS["datagouv-67"]
REFERENCE = INCIDENT.reference_certificates_count


def records(**changed):
    """The sample's records, with whole outcomes replaced by strategy name (dashes as underscores)."""
    return [
        replace(record, outcome=changed.get(record.case.strategy.replace("-", "_"), record.outcome))
        for record in samples.report().records
    ]


def outcome(name) -> Measured:
    return next(record.outcome for record in samples.report().records if record.case.strategy == name)


def judged(**changed):
    return judge(INCIDENT, records(**changed), certificates_count=REFERENCE)


def with_client(measured, **counts):
    return replace(measured, counts=replace(measured.counts, client=replace(measured.counts.client, **counts)))


def with_ledger(measured, **counts):
    return replace(measured, counts=replace(measured.counts, ledger=replace(measured.counts.ledger, **counts)))


def with_bytes(measured, context_bytes, handshake_bytes=0, io_bytes=0):
    ssl = SslBytes(context_bytes=context_bytes, handshake_bytes=handshake_bytes, io_bytes=io_bytes)
    return replace(measured, memory=replace(measured.memory, ssl=ssl))


def test_the_published_figures_stand_as_published():
    assert (INCIDENT.calls_count, INCIDENT.ssl_bytes) == (40, 295_000_000)


def test_figures_like_the_published_ones_reproduce_and_confirm():
    verdict = judged()
    assert verdict.regression.status is VerdictStatus.REPRODUCED
    assert verdict.fix.status is VerdictStatus.CONFIRMED
    assert all(check.passed for half in (verdict.regression, verdict.fix) for check in half.checks)


@pytest.mark.parametrize("counts", [{"contexts_count": 39}, {"contexts_count": 41}, {"ca_loads_count": 39}])
def test_one_context_or_load_off_is_not_reproduced(counts):
    verdict = judged(per_call_async=with_client(outcome("per-call-async"), **counts))
    assert verdict.regression.status is VerdictStatus.NOT_REPRODUCED
    assert "instead of 40" in verdict.regression.reason


@pytest.mark.parametrize("handshakes", [39, 41])
def test_one_handshake_off_is_not_reproduced(handshakes):
    changed = with_ledger(outcome("per-call-async"), handshakes_full_count=handshakes)
    assert judged(per_call_async=changed).regression.status is VerdictStatus.NOT_REPRODUCED


@pytest.mark.parametrize(
    ("ssl_bytes", "reproduced"),
    [
        (235_999_999, False),
        (236_000_000, True),
        (236_000_001, True),
        (368_749_999, True),
        (368_750_000, True),
        (368_750_001, False),
        (0, False),
    ],
)
def test_bytes_just_below_at_and_above_each_end_of_the_band(ssl_bytes, reproduced):
    changed = with_bytes(outcome("per-call-async"), ssl_bytes)
    assert (judged(per_call_async=changed).regression.status is VerdictStatus.REPRODUCED) is reproduced


def test_bytes_are_rescaled_by_the_certificates_of_the_bundle():
    ssl = SslBytes(context_bytes=2_000, handshake_bytes=30, io_bytes=5)
    assert comparable_bytes(ssl, certificates_count=200, reference_count=100) == pytest.approx(1_035)
    doubled = with_bytes(outcome("per-call-async"), 2 * 264_000_000, 13_000_000, 19_000_000)
    twice = judge(INCIDENT, records(per_call_async=doubled), certificates_count=2 * REFERENCE)
    assert twice.regression.status is VerdictStatus.REPRODUCED
    assert judged(per_call_async=doubled).regression.status is VerdictStatus.NOT_REPRODUCED


def test_a_bundle_with_our_ca_alone_does_not_reproduce():
    changed = with_bytes(outcome("per-call-async"), 40 * 200_000, 13_000_000, 19_000_000)
    assert judged(per_call_async=changed).regression.status is VerdictStatus.NOT_REPRODUCED


@pytest.mark.parametrize(("contexts", "confirmed"), [(0, False), (1, True), (5, True), (6, False)])
def test_the_fix_may_make_one_context_per_client(contexts, confirmed):
    changed = with_client(outcome("client-per-helper"), contexts_count=contexts, ca_loads_count=contexts)
    assert (judged(client_per_helper=changed).fix.status is VerdictStatus.CONFIRMED) is confirmed


@pytest.mark.parametrize("loads", [0, 4, 6])
def test_a_fix_that_verifies_nobody_is_no_fix(loads):
    changed = with_client(outcome("client-per-helper"), ca_loads_count=loads)
    assert judged(client_per_helper=changed).fix.status is VerdictStatus.NOT_CONFIRMED


def test_before_and_after_must_have_made_as_many_calls():
    after = outcome("client-per-helper")
    changed = replace(after, counts=replace(after.counts, calls_count=39))
    fix = judged(client_per_helper=changed).fix
    assert fix.status is VerdictStatus.NOT_CONFIRMED
    assert fix.reason == "per-call-async made 40 calls and client-per-helper 39."


@pytest.mark.parametrize(("handshakes", "confirmed"), [(4, False), (5, True), (6, False)])
def test_the_fix_makes_exactly_one_handshake_per_origin(handshakes, confirmed):
    changed = with_ledger(outcome("client-per-helper"), handshakes_full_count=handshakes)
    assert (judged(client_per_helper=changed).fix.status is VerdictStatus.CONFIRMED) is confirmed


@pytest.mark.parametrize(("after", "confirmed"), [(74_999_999, True), (75_000_000, True), (75_000_001, False)])
def test_the_bytes_must_fall_by_the_stated_factor(after, confirmed):
    assert required_factor(40, 5) == 4
    verdict = judged(
        per_call_async=with_bytes(outcome("per-call-async"), 300_000_000),
        client_per_helper=with_bytes(outcome("client-per-helper"), after),
    )
    assert (verdict.fix.status is VerdictStatus.CONFIRMED) is confirmed


def of_size(measured, calls, origins):
    """What ``measured`` would be over so many calls: reading grows with the calls, whatever the client."""
    counts = replace(measured.counts, calls_count=calls, origins_count=origins)
    return replace(measured, counts=counts)


@pytest.mark.parametrize(("calls", "origins"), [(10, 5), (40, 5), (40, 1), (100, 1), (300, 5), (10_000, 1)])
@pytest.mark.parametrize(("more_bytes", "confirmed"), [(-1, True), (0, True), (1, False)])
def test_a_real_fix_is_confirmed_at_any_number_of_calls(calls, origins, more_bytes, confirmed):
    before = with_client(of_size(outcome("per-call-async"), calls, origins), contexts_count=calls, ca_loads_count=calls)
    before = with_ledger(
        with_bytes(before, calls * 6_700_000, calls * 300_000, calls * 317_000), handshakes_full_count=calls
    )
    after = with_client(of_size(outcome("client-per-helper"), calls, origins), contexts_count=1, ca_loads_count=1)
    after = with_ledger(after, handshakes_full_count=origins)
    # One context and handshake for each origin, and twice that: the limit.
    real = with_bytes(after, origins * 6_700_000, origins * 300_000, calls * 190_000)
    assert judged(per_call_async=before, client_per_helper=real).fix.status is VerdictStatus.CONFIRMED
    limit = with_bytes(after, 2 * origins * 6_700_000, 2 * origins * 300_000 + more_bytes, calls * 190_000)
    fix = judged(per_call_async=before, client_per_helper=limit).fix
    assert (fix.status is VerdictStatus.CONFIRMED) is confirmed


@pytest.mark.parametrize(("io_bytes", "confirmed"), [(12_499, True), (12_500, True), (12_501, False)])
def test_a_cost_that_moved_to_reading_is_not_gone(io_bytes, confirmed):
    verdict = judged(
        per_call_async=with_bytes(outcome("per-call-async"), 300_000_000, 0, 10_000),
        client_per_helper=with_bytes(outcome("client-per-helper"), 30_000_000, 0, io_bytes),
    )
    assert (verdict.fix.status is VerdictStatus.CONFIRMED) is confirmed


@pytest.mark.parametrize(("calls", "scaled_bytes"), [(40, 295_000_000), (100, 737_500_000), (10, 73_750_000)])
@pytest.mark.parametrize(("ratio", "reproduced"), [(0.79, False), (0.81, True), (1.24, True), (1.26, False)])
def test_published_bytes_are_taken_for_as_many_calls(calls, scaled_bytes, ratio, reproduced):
    changed = with_client(of_size(outcome("per-call-async"), calls, 5), contexts_count=calls, ca_loads_count=calls)
    changed = with_ledger(with_bytes(changed, int(scaled_bytes * ratio)), handshakes_full_count=calls)
    assert (judged(per_call_async=changed).regression.status is VerdictStatus.REPRODUCED) is reproduced


def test_swapped_strategies_are_neither_reproduced_nor_confirmed():
    verdict = judged(per_call_async=outcome("client-per-helper"), client_per_helper=outcome("per-call-async"))
    assert verdict.regression.status is VerdictStatus.NOT_REPRODUCED
    assert verdict.fix.status is VerdictStatus.NOT_CONFIRMED


@pytest.mark.parametrize("name", ["per-call-async", "client-per-helper"])
def test_a_case_with_problems_makes_its_half_invalid(name):
    changed = replace(outcome(name), problems=(Problem(code="passes", sentence="They disagree."),))
    verdict = judged(**{name.replace("-", "_"): changed})
    assert verdict.fix.status is VerdictStatus.INVALID
    assert "They disagree." in verdict.fix.reason
    assert (verdict.regression.status is VerdictStatus.INVALID) is (name == "per-call-async")


def test_a_failed_case_makes_its_half_invalid():
    verdict = judged(per_call_async=Failed(stage="memory", message="it hung"))
    assert verdict.regression.status is VerdictStatus.INVALID
    assert "it hung" in verdict.regression.reason


@pytest.mark.parametrize("missing", ["counts", "memory"])
def test_a_case_without_a_pass_was_not_measured(missing):
    verdict = judged(per_call_async=replace(outcome("per-call-async"), **{missing: None}))
    assert verdict.regression.status is VerdictStatus.NOT_MEASURED


def test_an_absent_case_was_not_measured():
    kept = [record for record in records() if record.case.strategy == "per-call-async"]
    verdict = judge(INCIDENT, kept, certificates_count=REFERENCE)
    assert verdict.regression.status is VerdictStatus.REPRODUCED
    assert verdict.fix.status is VerdictStatus.NOT_MEASURED


@pytest.mark.parametrize(("calls", "possible"), [(9, False), (10, True)])
def test_too_few_calls_confirm_nothing(calls, possible):
    before, after = outcome("per-call-async"), outcome("client-per-helper")
    verdict = judged(
        per_call_async=replace(before, counts=replace(before.counts, calls_count=calls)),
        client_per_helper=replace(after, counts=replace(after.counts, calls_count=calls)),
    )
    assert ("that it takes to save anything" in verdict.fix.reason) is not possible


def test_a_report_whose_verdict_does_not_follow_is_a_contradiction():
    report = samples.report()
    assert contradiction(report) is None
    swapped = records(per_call_async=outcome("client-per-helper"))
    assert contradiction(replace(report, records=tuple(swapped))) == (
        "it says that the regression is reproduced, but by its figures it is not reproduced."
    )
    assert "not measured" in contradiction(replace(report, records=()))
    doubled = replace(report, records=(*report.records, report.records[0]))
    assert contradiction(doubled) == f"it holds the case {report.records[0].case.key} 2 times."
    assert "does not say what the strategy floor is" in contradiction(replace(report, strategies=report.strategies[1:]))
    loose = with_client(outcome("one-client"), contexts_count=2, ca_loads_count=2)
    assert "it calls one-client measured, but" in contradiction(
        replace(report, records=tuple(records(one_client=loose)))
    )
    ssl = SslBytes(context_bytes=1, handshake_bytes=1, io_bytes=1)
    answers = replace(report.verdict.answers, shared_context=ssl)
    changed = replace(report, verdict=replace(report.verdict, answers=answers))
    assert contradiction(changed) == "its answers are not those that its figures give."
    nowhere = replace(report.environment, identity={})
    assert "how many certificates" in contradiction(replace(report, environment=nowhere))
    stopped = replace(report, run=replace(report.run, ended="interrupted"))
    assert contradiction(stopped) == "it says that its run ended early (interrupted), and that nothing interrupted it."


def test_the_answers_are_this_runs_figures():
    verdict = judged(per_call_async=with_bytes(outcome("per-call-async"), 1, 2, 3))
    assert verdict.answers is not None
    assert verdict.answers.before == SslBytes(context_bytes=1, handshake_bytes=2, io_bytes=3)
    assert verdict.answers.after == outcome("client-per-helper").memory.ssl
    assert verdict.answers.shared_context == outcome("per-call-shared-context").memory.ssl


def test_a_strategy_that_breaks_its_claim_is_named_once():
    sentence = "per-call-async is declared to make 40 SSL contexts here, but made 1."
    changed = replace(outcome("per-call-async"), problems=(Problem(code="claim", sentence=sentence),))
    assert judged(per_call_async=changed).regression.reason == f"The case is invalid: {sentence}"
