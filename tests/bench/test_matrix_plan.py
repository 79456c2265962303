"""What a wide run measures: pure, so every promise about the plan is one call."""

import random

import pytest

from bench.axes import AXES
from bench.libraries import PER_CALL, SHARED
from bench.wide.asking import axes_from
from bench.wide.plan import DEFAULT_GROUP, Asked, Found, jobs_of, plan, probes, seconds_of
from connprof.errors import UsageError
from connprof.model import Case

pytestmark = pytest.mark.once

FOUND = Found(
    strategies=(
        "client-per-helper", "floor", "lazy-service", "one-client", "per-call-async", "per-call-shared-context",
        "tuned-client", "tuned-per-call",
    ),
    libraries=("http.client", "requests==2.31.0", "requests==2.34.2"),
    pythons=("3.12", "3.13"),
    own_python="3.11",
    hazards=("H1", "H1b", "H2", "H16"),
)  # fmt: skip
DEFAULTS = Case(strategy="", workload="llm-session", calls_count=40)


def differing(case):
    return {
        name for name in case.__struct_fields__ if name != "strategy" and getattr(case, name) != getattr(DEFAULTS, name)
    }


def asked(*axes, **others):
    return Asked(axes_from(axes, FOUND), **others)


def cases(*axes, **others):
    return [each.case for each in plan(asked(*axes, **others), FOUND)]


def test_every_strategy_is_measured_in_the_default_case_in_all_passes():
    default = [each for each in plan(Asked(), FOUND) if each.group == DEFAULT_GROUP]
    assert {each.case.strategy for each in default} == {name for name in FOUND.strategies if "tuned" not in name}
    assert all(differing(each.case) == set() for each in default)
    assert {each.passes for each in default} == {("counts", "memory", "timing")}


@pytest.mark.parametrize(
    "axis", ["http_version", "rtt_ms", "trust_store", "limits", "calls_count", "concurrency_count"]
)
def test_every_value_of_every_axis_is_measured(axis):
    planned = [each for each in plan(Asked(), FOUND) if axis in differing(each.case) | {axis}]
    assert {getattr(each.case, axis) for each in planned} >= set(AXES[axis])


def test_libraries_pythons_and_rhythms_are_measured():
    found = cases()
    assert {case.client_library for case in found} == {"httpx", *FOUND.libraries}
    assert {case.python for case in found} == {"", "3.12", "3.13"}
    assert {case.workload for case in found} >= {"burst", "gaps-short", "gaps-long"}
    assert {case.strategy for case in found if case.client_library != "httpx"} == {PER_CALL, SHARED}


def test_one_axis_is_varied_at_a_time():
    together = ({"workload", "concurrency_count", "calls_count"}, {"workload", "calls_count"})
    for each in plan(Asked(), FOUND):
        changed = differing(each.case)
        if each.group == "limits":
            changed -= {"workload", "concurrency_count"}
        assert len(changed) <= 1 or any(changed <= allowed for allowed in together), each


def test_no_case_is_planned_twice_and_a_case_on_two_axes_is_measured_for_both():
    planned = plan(Asked(), FOUND)
    keys = [each.case.key for each in planned]
    assert len(keys) == len(set(keys))
    (shared,) = [
        each for each in planned if each.case == Case(strategy="tuned-client", workload="llm-session", calls_count=40)
    ]
    assert (shared.passes, shared.timing_count) == (("counts", "memory", "timing"), 2)


def test_bytes_of_many_calls_are_not_asked_for():
    many = [each for each in plan(Asked(), FOUND) if each.case.calls_count == 400]
    assert many
    assert all("memory" not in each.passes for each in many)


def test_named_axes_are_measured_alone_and_crossed():
    found = cases("rtt=0,20ms", "http_version=2")
    assert {(case.rtt_ms, case.http_version, case.strategy) for case in found} == {
        (rtt, "2", strategy) for rtt in (0.0, 20.0) for strategy in ("tuned-client", "tuned-per-call")
    }


def test_an_axis_may_be_widened_beyond_its_usual_values():
    assert {case.rtt_ms for case in cases("rtt_ms=7.5,250")} == {7.5, 250.0}
    assert {case.calls_count for case in cases("calls=3", "calls=5")} == {3, 5}


def test_only_narrows_the_whole_plan_and_replaces_the_strategies_of_named_axes():
    assert {case.strategy for case in cases(only=("one-client",))} == {"one-client"}
    assert [(case.strategy, case.rtt_ms) for case in cases("rtt=20", only=("floor", "lazy-service"))] == [
        ("floor", 20.0), ("lazy-service", 20.0),
    ]  # fmt: skip


def test_a_librarys_bare_name_is_all_of_its_versions_and_the_suites_own_python_is_the_default():
    assert [case.client_library for case in cases("library=requests", only=(SHARED,))] == [
        "requests==2.31.0", "requests==2.34.2",
    ]  # fmt: skip
    assert {case.python for case in cases("python=3.11,3.13")} == {"", "3.13"}


def test_a_rhythm_has_its_own_number_of_calls():
    assert {case.calls_count for case in cases("workload=gaps-long")} == {6}
    assert {case.calls_count for case in cases("workload=gaps-long", "calls=3")} == {3}


@pytest.mark.parametrize(
    ("axes", "only", "message"),
    [
        (["colour=red"], (), "there is no axis 'colour'; there are: http_version, rtt_ms"),
        (["rtt"], (), "names no value; write rtt_ms=VALUE"),
        (["rtt="], (), "names no value"),
        (["rtt=soon"], (), "rtt_ms is a number, not 'soon'"),
        (["rtt=nan"], (), "rtt_ms is a number, not 'nan'"),
        (["rtt=-1"], (), "rtt_ms is from 0 to"),
        (["http=3"], (), "http_version is one of 1.1, 2, not '3'"),
        (["trust=mine"], (), "trust_store is one of bundle, system-file"),
        (["library=curl"], (), "client_library is one of httpx, http.client"),
        (["python=2.7"], (), "python is one of 3.11, 3.12, 3.13, not '2.7'"),
        (["calls=0"], (), "calls_count is from 1 to"),
        (["limits=below"], (), "limits=below needs a concurrency of at least 2"),
        (["library=requests", "http=2"], (), "cannot be combined with a library"),
        ([], ("nothing",), "there is no strategy 'nothing'; there are: client-per-helper"),
        (["library=requests"], ("one-client",), "that comes to no case"),
    ],
)
def test_what_is_not_there_is_said_in_one_sentence(axes, only, message):
    with pytest.raises(UsageError) as raised:
        plan(asked(*axes, only=only), FOUND)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_all_hazards_are_probed_on_all_strategies_unless_an_axis_is_named():
    everything = {(strategy, hazard, "httpx") for strategy in FOUND.strategies for hazard in FOUND.hazards}
    assert set(probes(asked(), FOUND)) == everything
    assert probes(asked("rtt=20"), FOUND) == ()
    assert set(probes(asked("rtt=20", hazards=True), FOUND)) == everything
    assert probes(asked(hazards=False), FOUND) == ()
    assert set(probes(asked(only=("floor",)), FOUND)) == {("floor", hazard, "httpx") for hazard in FOUND.hazards}


def test_a_quick_run_is_small_needs_no_environment_and_still_has_the_verdicts_cases():
    planned = plan(Asked(quick=True), FOUND)
    assert len(planned) <= 10
    assert {each.case.client_library for each in planned} <= {"httpx", "http.client"}
    assert not any(each.case.python for each in planned)
    default = {each.case.strategy for each in planned if each.group == DEFAULT_GROUP}
    assert default >= {"per-call-async", "client-per-helper", "per-call-shared-context"}
    assert 0 < len(probes(Asked(quick=True), FOUND)) <= 12


def everything(planned, seed):
    return [pair for beside, alone in jobs_of(planned, seed) for pair in (*beside, *alone)]


def test_the_order_comes_from_the_seed_and_holds_every_job_once():
    planned = plan(Asked(), FOUND)
    one, again, other = (everything(planned, seed) for seed in (1, 1, 2))
    assert one == again
    assert one != other
    expected = {(each, job) for each in planned for job in each.jobs}
    assert len(one) == len(set(one)) == len(expected)
    assert set(one) == set(other) == expected


def test_timing_is_alone_and_comes_in_repetitions():
    for beside, alone in jobs_of(plan(Asked(), FOUND), random.randrange(1000)):
        assert all(job.kind != "timing" for _each, job in beside)
        assert all(job.kind == "timing" for _each, job in alone)
        repetitions = [job.repetition for _each, job in alone]
        assert repetitions == sorted(repetitions)


def test_the_whole_plan_fits_into_twenty_minutes():
    jobs = [(each, job) for each in plan(Asked(), FOUND) for job in each.jobs]
    seconds = sum(seconds_of(each, job) / (1 if job.kind == "timing" else 2) for each, job in jobs)
    assert 60 < seconds < 20 * 60


@pytest.mark.parametrize("number", ["10001", "99999999999"])
def test_no_longer_session_is_planned_than_the_suite_makes(number):
    with pytest.raises(UsageError, match="calls_count is at most 10,000"):
        axes_from((f"calls={number}",), FOUND)
    assert axes_from(("calls=10000",), FOUND) == {"calls_count": (10_000,)}
