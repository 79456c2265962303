"""Each strategy's session under pytest-benchmark: latency of each call, wall and CPU time of each round."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from bench.driver import Session, run_session
from bench.places import amounts
from bench.registry import load
from bench.workloads import WORKLOADS

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_benchmark.fixture import BenchmarkFixture

    from bench.conftest import TimingJob
    from connprof_server.target import Target

_WARMUP_CALLS_COUNT = 5


def test_session(
    benchmark: BenchmarkFixture, timing_job: TimingJob, target: Target, finished: Callable[[dict[str, Any]], None]
) -> None:
    """One round is one whole session: enter the strategy, make all calls, leave it.

    A shorter session runs first, so that late imports and first-time work of OpenSSL are paid outside.
    """
    case = timing_job.case
    strategy, workload = load(case["strategy"]), WORKLOADS[case["workload"]]
    steps = workload.steps(case["calls_count"])
    warmup_calls_count = min(_WARMUP_CALLS_COUNT, case["calls_count"])
    warmup = run_session(strategy, workload.steps(warmup_calls_count), target, nullcontext)
    timed: list[Session] = []

    def session() -> None:
        timed.append(run_session(strategy, steps, target, nullcontext))

    benchmark.pedantic(session, rounds=timing_job.rounds_count, warmup_rounds=0, iterations=1)
    assert benchmark.stats is not None, "the benchmark has run"
    outcome = {
        "calls_count": case["calls_count"],
        "warmup_calls_count": warmup_calls_count,
        "warmup_origins_count": workload.origins_count(warmup_calls_count),
        "warmup_amounts": amounts(warmup.calls),
        "wall_ns": [round(seconds * 1e9) for seconds in benchmark.stats.stats.data],
        "thread_time_ns": [each.thread_time_ns for each in timed],
        "latency_ns": [[call.end_ns - call.start_ns for call in each.calls] for each in timed],
    }
    benchmark.extra_info.update(outcome, workload=case["workload"])
    finished(outcome)
