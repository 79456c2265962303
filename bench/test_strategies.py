"""Each strategy's session under pytest-benchmark: latency of each call, wall and CPU time of each round."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from bench.passes import Case, timing_outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_benchmark.fixture import BenchmarkFixture

    from bench.conftest import TimingJob
    from bench.driver import Session
    from connprof_server.target import Target


def test_session(
    benchmark: BenchmarkFixture, timing_job: TimingJob, target: Target, finished: Callable[[dict[str, Any]], None]
) -> None:
    """One round is one whole session: enter the strategy, make all calls, leave it.

    A shorter session runs first, so that late imports and first-time work of OpenSSL are paid outside.
    """
    case = Case.of(timing_job.case, target)
    warmup = case.session(nullcontext, case.axes.warmup_calls_count)
    timed: list[Session] = []

    def session() -> None:
        timed.append(case.timed())

    benchmark.pedantic(session, rounds=timing_job.rounds_count, warmup_rounds=0, iterations=1)
    assert benchmark.stats is not None, "the benchmark has run"
    walls_ns = [round(seconds * 1e9) for seconds in benchmark.stats.stats.data]
    outcome = timing_outcome(case, warmup, timed, walls_ns)
    benchmark.extra_info.update(outcome, workload=case.axes.workload)
    finished(outcome)
