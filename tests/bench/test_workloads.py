import pytest

from bench.helpers import BY_ORIGIN
from bench.workloads import ORIGINS, WORKLOADS
from connprof_server.target import json_size_bytes


def calls_of(steps):
    return [call for step in steps for call in (*step.calls, *filter(None, [step.background]))]


@pytest.mark.parametrize("workload", WORKLOADS.values(), ids=lambda each: each.name)
@pytest.mark.parametrize("count", [1, 2, 4, 5, 6, 39, 40, 41, 400])
def test_a_workload_makes_exactly_as_many_calls_as_asked(workload, count):
    assert len(calls_of(workload.steps(count))) == count


@pytest.mark.parametrize("count", [0, -1])
def test_a_workload_has_at_least_one_call(count):
    with pytest.raises(ValueError, match="at least one call"):
        WORKLOADS["llm-session"].steps(count)


def test_the_session_is_forty_calls_over_five_origins_with_a_ping_per_tool_call():
    workload = WORKLOADS["llm-session"]
    steps = workload.steps(workload.default_calls_count)
    assert workload.default_calls_count == 40
    assert {call.origin for call in calls_of(steps)} == set(ORIGINS)
    assert [step.background.origin for step in steps] == ["matomo"] * 8
    assert "matomo" not in {call.origin for step in steps for call in step.calls}


def test_fewer_calls_are_the_beginning_of_more():
    workload = WORKLOADS["llm-session"]
    whole = workload.steps(40)
    for count in (5, 10, 20):
        assert workload.steps(count) == whole[: count // 5]


@pytest.mark.parametrize(("name", "count", "origins"), [("llm-session", 40, 5), ("llm-session", 10, 2),
                                                       ("llm-session", 1, 1), ("single-origin", 100, 1)])  # fmt: skip
def test_origins_are_counted_up_to_the_cut(name, count, origins):
    assert WORKLOADS[name].origins_count(count) == origins


def test_every_call_has_its_public_function_with_a_session_argument():
    import inspect

    for call in calls_of(WORKLOADS["llm-session"].steps(40)):
        function = getattr(BY_ORIGIN[call.origin], call.operation)
        signature = inspect.signature(function)
        signature.bind(*call.arguments)
        assert signature.parameters["session"].default is None


def test_expected_sizes_are_the_servers_own():
    for call in calls_of(WORKLOADS["llm-session"].steps(40)):
        assert call.size_bytes == (json_size_bytes(call.path) if call.status == 200 else 0)
        assert call.size_bytes == 0 or 1_024 <= call.size_bytes < 16_384
