"""The passes that run in a worker of ours: counts and memory. The timing pass runs under pytest-benchmark.

Standard library, :mod:`connprof.observe` and, for the memory pass, :mod:`connprof.memory`: a worker may run in an
environment that holds nothing else but the client library.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import bench
from bench.driver import Session, run_session
from bench.places import amounts
from bench.registry import Strategy, load
from bench.workloads import WORKLOADS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connprof_server.target import Target

__all__ = ["PASSES"]

_SUITE = Path(bench.__file__).resolve().parent
_PROJECT = _SUITE.parent
_OURSELVES = frozenset({"localhost", "127.0.0.1", "::1", "[::1]", "?"})
_USER_CODE = (str(_SUITE / "strategies"), str(_SUITE / "helpers"))


def counts(case: dict[str, Any], target: Target, _options: dict[str, Any]) -> dict[str, Any]:
    """The counts pass: the observer around one session."""
    from connprof.observe import observe

    observations: list[Any] = []

    @contextmanager
    def window() -> Iterator[None]:
        with observe(user_code=_USER_CODE) as observation:
            observations.append(observation)
            yield

    session, origins_count = _session(case, target, window)
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
        "origins_count": origins_count,
        "amounts": amounts(session.calls),
        "client": seen["client"],
        "sites": seen["sites"],
        "events": calls + seen["events"],
        "blind_spots": [*seen["blind_spots"], *failures, *strangers],
    }


def memory(case: dict[str, Any], target: Target, options: dict[str, Any]) -> dict[str, Any]:
    """The memory pass: memray around one session, then its capture summed up."""
    from connprof.memory import CONTEXT, HANDSHAKE, IO, read_capture, tracked

    capture = Path(options["capture"])

    def window() -> AbstractContextManager[object]:
        return tracked(capture)

    session, _origins_count = _session(case, target, window)
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

    session, _origins_count = _session(case, target, window)
    peak_bytes, retained_bytes = read_live(capture)
    capture.unlink()
    return {"calls_count": len(session.calls), "peak_bytes": peak_bytes, "retained_bytes": retained_bytes}


PASSES = {"counts": counts, "memory": memory, "retained": retained}
"""The passes by name: each takes the case, the target and options as JSON gave them, and returns what JSON can take."""


def _session(case: dict[str, Any], target: Target, window: Any) -> tuple[Session, int]:
    strategy: Strategy = load(case["strategy"])
    workload = WORKLOADS[case["workload"]]
    calls_count = case["calls_count"]
    session = run_session(strategy, workload.steps(calls_count), target, window)
    return session, workload.origins_count(calls_count)
