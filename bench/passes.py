"""The passes that run in a worker of ours: counts, memory, and timing where there is no pytest-benchmark.

Standard library, :mod:`connprof.observe` and, for the memory pass, :mod:`connprof.memory`: a worker may run in an
environment that holds nothing else but the client library.
"""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import bench
from bench import axes
from bench.driver import Session, Window, run_session
from bench.libraries import load as load_from_library
from bench.registry import AsyncStrategy, Strategy, load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.axes import Axes
    from connprof_server.target import Target

__all__ = ["PASSES", "Case", "timing_outcome"]

_SUITE = Path(bench.__file__).resolve().parent
_PROJECT = _SUITE.parent
_OURSELVES = frozenset({"localhost", "127.0.0.1", "::1", "[::1]", "?"})
_USER_CODE = (str(_SUITE / "strategies"), str(_SUITE / "helpers"), str(_SUITE / "libraries"))


@dataclass(frozen=True, slots=True)
class Case:
    """A job's case, ready to run; its axes are those of the process."""

    strategy: Strategy
    axes: Axes
    target: Target

    @classmethod
    def of(cls, case: dict[str, Any], target: Target) -> Case:
        """What the job says.

        Raises:
            StrategyError: there is no such strategy.
            AxisError: the axes contradict each other.
        """
        library = case.get("client_library", "httpx")
        strategy = load(case["strategy"]) if library == "httpx" else load_from_library(library, case["strategy"])
        return cls(strategy, axes.enter(case), target)

    def session(self, window: Window, calls_count: int | None = None) -> Session:
        """Run one session, of as many calls as the case says unless ``calls_count`` does."""
        steps = self.axes.steps(calls_count)
        return run_session(self.strategy, steps, self.target, window, concurrency_count=self.axes.concurrency_count)

    def amounts(self, session: Session) -> dict[str, dict[str, int]]:
        """What the words of the strategy's claim amount to in ``session``."""
        return self.axes.amounts(session.calls, on_loop=isinstance(self.strategy, AsyncStrategy))

    def unheeded(self) -> list[str]:
        """A sentence when the case needs a client that heeds its axes, and nobody asked for them."""
        if not self.axes.needs_client or axes.was_read():
            return []
        asked = f"limits={self.axes.limits} and trust_store={self.axes.trust_store}"
        return [f"{self.strategy.name} does not heed {asked}: only strategies that are about the axes do."]


def counts(case: dict[str, Any], target: Target, _options: dict[str, Any]) -> dict[str, Any]:
    """The counts pass: the observer around one session."""
    from connprof.observe import observe

    observations: list[Any] = []

    @contextmanager
    def window() -> Iterator[None]:
        with observe(user_code=_USER_CODE) as observation:
            observations.append(observation)
            yield

    prepared = Case.of(case, target)
    session = prepared.session(window)
    seen = observations[0].to_dict(relative_to=str(_PROJECT))
    errors = observations[0].errors
    failures = [f"The observer failed {errors.errors_count} times, first: {errors.first}."] * bool(errors.errors_count)
    by_netloc = {urlsplit(url).netloc: origin for origin, url in target.origins.items()}
    by_port = {str(urlsplit(url).port): origin for origin, url in target.origins.items()}
    strangers = [
        f"A connection went to {peer}, which is none of the origins under test."
        for peer in observations[0].origins
        if peer not in by_netloc and not (peer.rpartition(":")[0] in _OURSELVES and peer.rpartition(":")[2] in by_port)
    ]
    calls = [
        {"kind": "call", "origin": call.origin, "start_ns": call.start_ns - session.start_ns,
         "end_ns": call.end_ns - session.start_ns}
        for call in session.calls
    ]  # fmt: skip
    for event in seen["events"]:
        event["origin"] = by_port.get(event["origin"].rpartition(":")[2], event["origin"])
    return {
        "calls_count": len(session.calls),
        "origins_count": len({call.origin for call in session.calls}),
        "http_version": prepared.axes.http_version,
        "amounts": prepared.amounts(session),
        "client": seen["client"],
        "sites": seen["sites"],
        "events": calls + seen["events"],
        "blind_spots": [*seen["blind_spots"], *failures, *strangers, *prepared.unheeded()],
    }


def memory(case: dict[str, Any], target: Target, options: dict[str, Any]) -> dict[str, Any]:
    """The memory pass: memray around one session, then its capture summed up."""
    from connprof.memory import CONTEXT, HANDSHAKE, IO, read_capture, tracked

    capture = Path(options["capture"])

    def window() -> AbstractContextManager[object]:
        return tracked(capture)

    session = Case.of(case, target).session(window)
    figures = read_capture(capture)
    if not options["keep_capture"]:
        capture.unlink()
    return {
        "calls_count": len(session.calls),
        "ssl": {
            "context_bytes": figures.ssl_bytes(CONTEXT),
            "handshake_bytes": figures.ssl_bytes(HANDSHAKE),
            "io_bytes": figures.ssl_bytes(IO),
        },
        "ssl_allocations_count": sum(row.allocations_count for row in figures.functions),
        "functions": [asdict(row) for row in figures.functions],
        "total_bytes": figures.total_bytes,
        "allocations_count": figures.allocations_count,
        "peak_bytes": figures.peak_bytes,
    }


def retained(case: dict[str, Any], target: Target, options: dict[str, Any]) -> dict[str, Any]:
    """The retained pass: what one session leaves alive."""
    from connprof.memory import read_live, tracked

    capture = Path(options["capture"])

    def window() -> AbstractContextManager[object]:
        return tracked(capture, live_only=True)

    session = Case.of(case, target).session(window)
    peak_bytes, retained_bytes = read_live(capture)
    capture.unlink()
    return {"calls_count": len(session.calls), "peak_bytes": peak_bytes, "retained_bytes": retained_bytes}


def timing(case: dict[str, Any], target: Target, options: dict[str, Any]) -> dict[str, Any]:
    """The timing pass without pytest-benchmark: the same sessions, for environments that hold the library alone.

    A shorter session runs first, so that late imports and first-time work of OpenSSL are paid outside.
    """
    prepared = Case.of(case, target)
    warmup = prepared.session(nullcontext, prepared.axes.warmup_calls_count)
    timed: list[Session] = []
    walls_ns: list[int] = []
    for _round in range(options["rounds_count"]):
        began_ns = time.perf_counter_ns()
        timed.append(prepared.session(nullcontext))
        walls_ns.append(time.perf_counter_ns() - began_ns)
    return timing_outcome(prepared, warmup, timed, walls_ns)


def timing_outcome(prepared: Case, warmup: Session, timed: list[Session], walls_ns: list[int]) -> dict[str, Any]:
    """What a timing process yields, whoever took its times."""
    return {
        "calls_count": prepared.axes.calls_count,
        "warmup_calls_count": len(warmup.calls),
        "warmup_origins_count": len({call.origin for call in warmup.calls}),
        "warmup_amounts": prepared.amounts(warmup),
        "wall_ns": walls_ns,
        "thread_time_ns": [each.thread_time_ns for each in timed],
        "latency_ns": [[call.end_ns - call.start_ns for call in each.calls] for each in timed],
    }


PASSES = {"counts": counts, "memory": memory, "retained": retained, "timing": timing}
"""The passes by name: each takes the case, the target and options as JSON gave them, and returns what JSON can take."""
