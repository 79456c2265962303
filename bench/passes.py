"""The passes that run in a worker of ours: counts, memory, and timing where there is no pytest-benchmark.

Standard library, :mod:`connprof.observe` and, for the memory pass, :mod:`connprof.memory`: a worker may run in an
environment that holds nothing else but the client library.
"""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import bench
from bench import axes, sums
from bench.driver import Session, Window, run_session
from bench.libraries import load as load_from_library
from bench.offspring import USER_CODE, Outcomes, followed
from bench.registry import AsyncStrategy, Strategy, load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.axes import Axes
    from connprof_server.target import Target

__all__ = ["PASSES", "Case", "timing_outcome"]

_PROJECT = Path(bench.__file__).resolve().parent.parent
_OURSELVES = frozenset({"localhost", "127.0.0.1", "::1", "[::1]", "?"})
_WITH_PROCESSES = frozenset({"celery", "processes"})
"""The worlds in which a strategy has processes of its own."""
_ELSEWHERE = _WITH_PROCESSES | {"loops"}
"""And those in which it may have threads of its own."""


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

    def children(
        self, kind: str, read: Callable[[dict[str, Any]], dict[str, Any]] = dict
    ) -> AbstractContextManager[Outcomes]:
        """:func:`bench.offspring.followed`, where the strategy has processes of its own."""
        return followed(kind, read) if self.strategy.world in _WITH_PROCESSES else nullcontext(Outcomes())

    def timed(self) -> Session:
        """One session with nothing switched on; its CPU time includes the strategy's own threads and processes.

        A session adds up the threads that it makes calls in. Where the strategy hands them on to others, what the
        whole process and its children have used is the session's.
        """
        if self.strategy.world not in _ELSEWHERE:
            return self.session(nullcontext)
        before_ns = time.process_time_ns()
        with self.children("timing") as children:
            session = self.session(nullcontext)
        used_ns = time.process_time_ns() - before_ns + sum(child["cpu_ns"] for child in children.all)
        return replace(session, thread_time_ns=used_ns)

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
    """The counts pass: the observer around one session, and in each process that it starts."""
    from connprof.observe import observe

    observations: list[Any] = []

    @contextmanager
    def window() -> Iterator[None]:
        with observe(user_code=USER_CODE) as observation:
            observations.append(observation)
            yield

    prepared = Case.of(case, target)
    with prepared.children("counts") as children:
        session = prepared.session(window)
    (observation,) = observations
    parts = [(observation.to_dict(relative_to=str(_PROJECT)), observation.started_ns)]
    parts += [(child["seen"], child["started_ns"]) for child in children.all]
    peers = dict.fromkeys([*observation.origins, *(peer for child in children.all for peer in child["peers"])])
    by_netloc = {urlsplit(url).netloc: origin for origin, url in target.origins.items()}
    by_port = {str(urlsplit(url).port): origin for origin, url in target.origins.items()}
    strangers = [
        f"A connection went to {peer}, which is none of the origins under test."
        for peer in peers
        if peer not in by_netloc and not (peer.rpartition(":")[0] in _OURSELVES and peer.rpartition(":")[2] in by_port)
    ]
    events = [
        {"kind": "call", "origin": call.origin, "start_ns": call.start_ns - observation.started_ns,
         "end_ns": call.end_ns - observation.started_ns}
        for call in session.calls
    ]  # fmt: skip
    for seen, started_ns in parts:
        later_ns = started_ns - observation.started_ns
        for event in seen["events"]:
            origin = by_port.get(event["origin"].rpartition(":")[2], event["origin"])
            times = {key: event[key] + later_ns for key in ("start_ns", "end_ns")}
            events.append(event | {"origin": origin} | times)
    amounts = prepared.amounts(session)
    amounts["contexts"]["processes"] = children.workers_count
    blind_spots = [spot for seen, _started_ns in parts for spot in seen["blind_spots"]]
    return {
        "calls_count": len(session.calls),
        "origins_count": len({call.origin for call in session.calls}),
        "http_version": prepared.axes.http_version,
        "amounts": amounts,
        "client": sums.clients(seen["client"] for seen, _started_ns in parts),
        "sites": sums.sites(site for seen, _started_ns in parts for site in seen["sites"]),
        "events": events,
        "blind_spots": [*dict.fromkeys(blind_spots), *strangers, *prepared.unheeded()],
    }


def memory(case: dict[str, Any], target: Target, options: dict[str, Any]) -> dict[str, Any]:
    """The memory pass: memray around one session and in each process that it starts, then the captures summed up.

    Peaks are added up too: that is the most that there can have been at once.
    """
    from connprof.memory import CONTEXT, HANDSHAKE, IO, read_capture, tracked

    capture = Path(options["capture"])

    def window() -> AbstractContextManager[object]:
        return tracked(capture)

    prepared = Case.of(case, target)
    with prepared.children("memory", lambda outcome: {"figures": read_capture(Path(outcome["capture"]))}) as children:
        session = prepared.session(window)
    every = [read_capture(capture), *(child["figures"] for child in children.all)]
    functions = sums.functions(row for figures in every for row in figures.functions)
    if not options["keep_capture"]:
        capture.unlink()
    return {
        "calls_count": len(session.calls),
        "ssl": {
            "context_bytes": sum(figures.ssl_bytes(CONTEXT) for figures in every),
            "handshake_bytes": sum(figures.ssl_bytes(HANDSHAKE) for figures in every),
            "io_bytes": sum(figures.ssl_bytes(IO) for figures in every),
        },
        "ssl_allocations_count": sum(row["allocations_count"] for row in functions),
        "functions": functions,
        "total_bytes": sum(figures.total_bytes for figures in every),
        "allocations_count": sum(figures.allocations_count for figures in every),
        "peak_bytes": sum(figures.peak_bytes for figures in every),
    }


def retained(case: dict[str, Any], target: Target, options: dict[str, Any]) -> dict[str, Any]:
    """The retained pass: what one session leaves alive, and each process that it started when that ends."""
    from connprof.memory import read_live, tracked

    capture = Path(options["capture"])

    def window() -> AbstractContextManager[object]:
        return tracked(capture, live_only=True)

    prepared = Case.of(case, target)
    with prepared.children("retained", lambda outcome: {"figures": read_live(Path(outcome["capture"]))}) as children:
        session = prepared.session(window)
    every = [read_live(capture), *(child["figures"] for child in children.all)]
    capture.unlink()
    return {
        "calls_count": len(session.calls),
        "peak_bytes": sum(peak_bytes for peak_bytes, _retained_bytes in every),
        "retained_bytes": sum(retained_bytes for _peak_bytes, retained_bytes in every),
    }


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
        timed.append(prepared.timed())
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
