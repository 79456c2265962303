from connprof.axes import AXES, base_values, varied
from connprof.model import Case


def case(**changes):
    return Case(**({"strategy": "one", "workload": "llm-session", "calls_count": 40} | changes))


def test_the_base_is_the_default_where_any_case_has_it():
    base = base_values([case(), case(rtt_ms=20.0), case(rtt_ms=20.0), case(calls_count=10)], calls_count=40)
    assert (base["rtt_ms"], base["calls_count"], base["workload"]) == (0.0, 40, "llm-session")
    assert set(base) == set(AXES)


def test_the_base_is_what_most_have_where_none_has_the_default():
    base = base_values([case(rtt_ms=20.0, calls_count=20), case(rtt_ms=20.0, calls_count=20)], calls_count=40)
    assert (base["rtt_ms"], base["calls_count"]) == (20.0, 20)
    assert base_values([], calls_count=40)["calls_count"] == 40


def test_what_departs_from_it():
    base = base_values([case()], calls_count=40)
    assert varied(case(), base) == ()
    assert varied(case(rtt_ms=20.0, http_version="2"), base) == ("http_version", "rtt_ms")
    assert varied(case(calls_count=10), base) == ("calls_count",)
    # Another workload has a length of its own.
    assert varied(case(workload="gaps-long", calls_count=6), base) == ("workload",)
