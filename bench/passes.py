"""The passes that run in a worker of ours: counts and memory. The timing pass runs under pytest-benchmark.

Standard library, :mod:`connprof.observe` and, for the memory pass, :mod:`connprof.memory`: a worker may run in an
environment that holds nothing else but the client library.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import bench
from bench.driver import Session, run_session
from bench.offspring import USER_CODE, followed
from bench.places import amounts
from bench.registry import Strategy, load
from bench.workloads import WORKLOADS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from connprof_server.target import Target

__all__ = ["PASSES"]

_SUITE = Path(bench.__file__).resolve().parent
_PROJECT = _SUITE.parent
_OURSELVES = frozenset({"localhost", "127.0.0.1", "::1", "[::1]", "?"})


def counts(case: dict[str, Any], target: Target, _options: dict[str, Any]) -> dict[str, Any]:
    """The counts pass: the observer around one session, and around what its child processes do."""
    from connprof.observe import observe

    observations: list[Any] = []

    @contextmanager
    def window() -> Iterator[None]:
        with observe(user_code=USER_CODE) as observation:
            observations.append(observation)
            yield

    with followed("counts") as children:
        session, origins_count = _session(case, target, window)
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
        {"kind": "call", "origin": call.origin, "start_ns": call.start_ns - session.start_ns,
         "end_ns": call.end_ns - session.start_ns}
        for call in session.calls
    ]  # fmt: skip
    for seen, started_ns in parts:
        later_ns = started_ns - observation.started_ns
        for event in seen["events"]:
            origin = by_port.get(event["origin"].rpartition(":")[2], event["origin"])
            shifted = {key: event[key] + later_ns for key in ("start_ns", "end_ns")}
            events.append(event | {"origin": origin} | shifted)
    known = amounts(session.calls)
    known["contexts"]["processes"] = children.workers_count
    return {
        "calls_count": len(session.calls),
        "origins_count": origins_count,
        "amounts": known,
        "client": _added(seen["client"] for seen, _started_ns in parts),
        "sites": _sites([site for seen, _started_ns in parts for site in seen["sites"]]),
        "events": events,
        "blind_spots": list(dict.fromkeys([*(word for seen, _ in parts for word in seen["blind_spots"]), *strangers])),
    }


def memory(case: dict[str, Any], target: Target, options: dict[str, Any]) -> dict[str, Any]:
    """The memory pass: memray around one session, then its capture summed up.

    Child processes have captures of their own. All figures are added up, peaks too: they are the most that there can
    have been at once.
    """
    from connprof.memory import CONTEXT, HANDSHAKE, IO, category_of, read_capture, tracked

    capture = Path(options["capture"])

    def window() -> AbstractContextManager[object]:
        return tracked(capture)

    with followed("memory", lambda outcome: {"figures": read_capture(Path(outcome["capture"]))}) as children:
        session, _origins_count = _session(case, target, window)
    every = [read_capture(capture), *(child["figures"] for child in children.all)]
    if not options["keep_capture"]:
        capture.unlink()
    functions: dict[str, dict[str, Any]] = {}
    for row in (row for figures in every for row in figures.functions):
        known = functions.setdefault(
            row.function,
            {"function": row.function, "category": category_of(row.function), "cumulative_bytes": 0,
             "allocations_count": 0},
        )  # fmt: skip
        known["cumulative_bytes"] += row.cumulative_bytes
        known["allocations_count"] += row.allocations_count
    return {
        "calls_count": len(session.calls),
        "ssl": {
            "context_bytes": sum(figures.ssl_bytes(CONTEXT) for figures in every),
            "handshake_bytes": sum(figures.ssl_bytes(HANDSHAKE) for figures in every),
            "io_bytes": sum(figures.ssl_bytes(IO) for figures in every),
        },
        "ssl_allocations_count": sum(row["allocations_count"] for row in functions.values()),
        "functions": sorted(functions.values(), key=lambda row: (-row["cumulative_bytes"], row["function"])),
        "total_bytes": sum(figures.total_bytes for figures in every),
        "allocations_count": sum(figures.allocations_count for figures in every),
        "peak_bytes": sum(figures.peak_bytes for figures in every),
    }


def retained(case: dict[str, Any], target: Target, options: dict[str, Any]) -> dict[str, Any]:
    """The retained pass: what one session leaves alive, in child processes as they end."""
    from connprof.memory import read_live, tracked

    capture = Path(options["capture"])

    def window() -> AbstractContextManager[object]:
        return tracked(capture, live_only=True)

    with followed("retained", lambda outcome: {"figures": read_live(Path(outcome["capture"]))}) as children:
        session, _origins_count = _session(case, target, window)
    every = [read_live(capture), *(child["figures"] for child in children.all)]
    capture.unlink()
    return {
        "calls_count": len(session.calls),
        "peak_bytes": sum(peak_bytes for peak_bytes, _retained_bytes in every),
        "retained_bytes": sum(retained_bytes for _peak_bytes, retained_bytes in every),
    }


PASSES = {"counts": counts, "memory": memory, "retained": retained}
"""The passes by name: each takes the case, the target and options as JSON gave them, and returns what JSON can take."""


def _session(case: dict[str, Any], target: Target, window: Any) -> tuple[Session, int]:
    strategy: Strategy = load(case["strategy"])
    workload = WORKLOADS[case["workload"]]
    calls_count = case["calls_count"]
    session = run_session(strategy, workload.steps(calls_count), target, window)
    return session, workload.origins_count(calls_count)


def _added(counts: Iterable[dict[str, int | None]]) -> dict[str, int | None]:
    """The sums of equal fields; what nobody knows stays unknown."""
    sums: dict[str, int | None] = {}
    for each in counts:
        for name, amount in each.items():
            before = sums.get(name)
            sums[name] = before if amount is None else (before or 0) + amount
    return sums


def _sites(sites: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same line in several processes is one line; the costliest first."""
    by_site: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for each in sites:
        by_site.setdefault(tuple(each["site"].values()), []).append(each)
    merged = [{"site": same[0]["site"], "counts": _added(each["counts"] for each in same)} for same in by_site.values()]
    return sorted(merged, key=_cost, reverse=True)


def _cost(site: dict[str, Any]) -> tuple[int, ...]:
    """What to sort lines by, as the observer does."""
    counts = site["counts"]
    return (
        counts["contexts_count"] + counts["ca_loads_count"],
        counts["handshakes_full_count"] + counts["handshakes_resumed_count"] + counts["handshakes_failed_count"],
        counts["connections_count"] + counts["connections_failed_count"],
        counts["requests_count"] or 0,
    )
