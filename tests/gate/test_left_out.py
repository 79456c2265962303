"""A full baseline facing a quick candidate, and cases that have an environment of their own."""

import pytest
from msgspec.structs import replace

from connprof.cli import cli, guarded
from connprof.gate import Answer, Policy, Status
from connprof.history import history
from connprof.model import HazardOutcome, SafetyCell
from connprof.store import abridge, save_report
from tests import samples
from tests.gate.sides import NAMES, PER_CALL, POOLED, candidate, judged, key, outcome_of, row, with_changed, without

QUICK = ("floor", "per-call-async", "per-call-shared-context", "client-per-helper", "one-client")
SLOW_ONES = tuple(name for name in NAMES if name not in QUICK)


def full(**changes):
    """A baseline that says what a quick run measures."""
    return replace(samples.report(), run=samples.run(**({"quick": False, "in_quick": QUICK} | changes)))


def quick(*gone, **changes):
    """A candidate that measured the quick ones but ``gone``, without retained bytes."""
    found = candidate()
    for name in (*SLOW_ONES, *gone):
        found = without(found, name)
    records = tuple(replace(each, outcome=replace(each.outcome, retained=None)) for each in found.records)
    names = {"quick": True, "left_out": (*SLOW_ONES, *gone), "in_quick": QUICK}
    run = samples.run(started_at="2026-11-21T09:41:05+00:00", seed=68, **(names | changes))
    return replace(found, records=records, run=run)


def test_what_a_quick_run_does_not_measure_is_left_out_and_no_failure():
    judgement = judged(full(), quick())
    assert judgement.answer is Answer.PASSED
    assert {row(judgement, name, None).status for name in SLOW_ONES} == {Status.LEFT_OUT}
    assert {row(judgement, name, "retained_bytes").status for name in QUICK} == {Status.LEFT_OUT}
    assert judgement.tally[Status.LEFT_OUT] == len(NAMES)
    assert judgement.judged_count > 40


@pytest.mark.parametrize("gone", QUICK)
def test_a_case_taken_out_of_the_quick_ones_is_missing_whatever_the_candidate_says(gone):
    left = tuple(name for name in QUICK if name != gone)
    for head in (quick(gone), quick(gone, in_quick=left)):
        judgement = judged(full(), head)
        assert row(judgement, gone, None).status is Status.MISSING
        assert judgement.answer is Answer.NOTHING


def test_a_strategy_that_was_deleted_is_missing_although_a_quick_run_would_not_have_measured_it():
    head = quick(left_out=SLOW_ONES[1:])
    assert row(judged(full(), head), SLOW_ONES[0], None).status is Status.MISSING
    assert judged(full(), head).answer is Answer.NOTHING


@pytest.mark.parametrize(
    ("base", "head"),
    [
        (full(quick=True), quick()),
        (full(in_quick=()), quick()),
        (full(), quick(quick=False)),
    ],
)
def test_nothing_is_left_out_but_by_a_quick_run_of_what_a_full_one_says_of_it(base, head):
    assert row(judged(base, head), SLOW_ONES[0], None).status is Status.MISSING


@pytest.mark.parametrize(("base", "head"), [(full(quick=True), quick()), (full(), quick(quick=False))])
def test_retained_bytes_are_missing_where_no_quick_run_explains_it(base, head):
    assert row(judged(base, head), POOLED, "retained_bytes").status is Status.MISSING


@pytest.mark.parametrize("part", ["counts", "memory", "timing"])
def test_a_pass_that_a_quick_run_has_is_missing(part):
    head = quick()
    outcome = replace(outcome_of(head, POOLED), **{part: () if part == "timing" else None})
    assert judged(full(), samples.with_outcome(head, POOLED, outcome)).answer is Answer.NOTHING


def test_probes_of_what_is_left_out_are_left_out_too():
    def cell(strategy):
        return SafetyCell(strategy=strategy, hazard="H1", outcome=HazardOutcome.HELD, symptom="", command="")

    base = replace(full(), safety=(cell(SLOW_ONES[0]), cell(POOLED)))
    statuses = [one.status for one in judged(base, quick()).rows if one.pair.subject.key.endswith("/H1")]
    assert statuses == [Status.MISSING, Status.LEFT_OUT]


def test_all_left_out_is_nothing_compared():
    base = replace(full(), records=tuple(each for each in full().records if each.case.strategy in SLOW_ONES))
    assert judged(base, replace(quick(), records=())).answer is Answer.NOTHING


def test_the_command_says_what_was_left_out(tmp_path, capsys):
    save_report(full(), tmp_path / "base.json")
    save_report(quick(), tmp_path / "head.json")
    for kind in ("text", "markdown", "html"):
        assert (
            guarded(cli, ["compare", str(tmp_path / "base.json"), str(tmp_path / "head.json"), "--format", kind]) == 0
        )
        said = " ".join(capsys.readouterr().out.split())
        assert "The candidate is a quick run, which does not measure per-call-get, per-call-client" in said, kind
        assert ", nor retained bytes: what the baseline holds of them was compared with nothing." in said, kind
    save_report(quick("one-client"), tmp_path / "head.json")
    assert guarded(cli, ["compare", str(tmp_path / "base.json"), str(tmp_path / "head.json")]) == 4


# --- environments of their own ----------------------------------------------------------------------------------------


def own(report, strategy, **identity):
    return replace(
        report,
        records=tuple(
            replace(each, identity=identity) if each.case.strategy == strategy else each for each in report.records
        ),
    )


def test_a_case_is_compared_by_the_environment_that_it_was_measured_in():
    base, head = samples.report(), own(candidate(), POOLED, python="CPython 3.13.1")
    judgement = judged(base, head)
    assert row(judgement, POOLED, "context_bytes").status is Status.INCOMPARABLE
    assert row(judgement, POOLED, "context_bytes").pair.reason == "python differs"
    assert row(judgement, POOLED, "contexts").status is Status.UNCHANGED
    assert row(judgement, PER_CALL, "context_bytes").status is Status.UNCHANGED
    both = judged(own(base, POOLED, python="CPython 3.13.0"), head)
    assert row(both, POOLED, "context_bytes").status is Status.UNCHANGED


def test_a_case_whose_own_environment_is_the_other_sides_is_comparable():
    other = candidate()
    other = replace(
        other, environment=replace(other.environment, identity=other.environment.identity | {"openssl": "3.5"})
    )
    judgement = judged(own(samples.report(), POOLED, openssl="3.5"), other)
    assert row(judgement, POOLED, "context_bytes").status is Status.UNCHANGED
    assert row(judgement, PER_CALL, "context_bytes").status is Status.INCOMPARABLE


def test_a_history_takes_no_step_where_a_cases_own_environment_changed():
    later = own(with_changed(candidate(), POOLED, "memory", ssl__context_bytes=1_000), POOLED, openssl="3.5")
    found = history([("a", abridge(samples.report())), ("b", abridge(later))], Policy())
    assert not [course for course in found.courses if course.metric.name == "context_bytes" and course.steps]
    unchanged = replace(later, records=tuple(replace(each, identity={}) for each in later.records))
    found = history([("a", abridge(samples.report())), ("b", abridge(unchanged))], Policy())
    assert [
        course.subject.key for course in found.courses if course.metric.name == "context_bytes" and course.steps
    ] == [key(POOLED)]


def test_a_case_with_an_environment_of_its_own_hides_no_step_of_the_others():
    later = own(candidate(), "floor", openssl="3.5")
    for name in ("floor", POOLED):
        later = with_changed(later, name, "memory", ssl__context_bytes=1_000)
    found = history([("a", abridge(samples.report())), ("b", abridge(later))], Policy())
    stepped = [course.subject.key for course in found.courses if course.metric.name == "context_bytes" and course.steps]
    assert stepped == [key(POOLED)]


@pytest.mark.parametrize(("axis", "value"), [("limits", "below"), ("python", "3.13"), ("concurrency_count", 4)])
def test_a_time_is_held_against_the_floor_of_its_own_axes(axis, value):
    def moved(report):
        return replace(
            report,
            records=tuple(
                replace(each, case=replace(each.case, **{axis: value})) if each.case.strategy == POOLED else each
                for each in report.records
            ),
        )

    judgement = judged(moved(samples.report()), moved(candidate()))
    assert not [each for each in judgement.rows if each.pair.subject.strategy == POOLED and
                each.pair.metric and each.pair.metric.name == "cpu_over_floor"]  # fmt: skip
