from __future__ import annotations

import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bench.hazards.crowd import at_once, crowd
from bench.hazards.dials import Dials
from bench.hazards.finding import Finding, Tally, does_not_apply
from bench.hazards.registry import hazard
from bench.hazards.subject import call_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.hazards.stage import Stage
    from bench.hazards.subject import Subject

CALLS_COUNT = 30
SLOTS_COUNT = 10
WORK_MS = 600
PATIENCE_S = 0.3


@hazard(
    "H7",
    title="The pool is exhausted",
    raised_by="30 calls at once that take 600 ms each, on pools of at most 10 connections and 0.3 s of patience",
    by_dials=True,
    signatures={
        "asgi-lifespan": "broke 20 of 30: PoolTimeout",
        "client-on-loop": "broke 20 of 30: PoolTimeout",
        "client-per-helper": "broke 20 of 30: PoolTimeout",
        "gather": "broke 30 of 30: PoolTimeout",
        "lazy-service": "broke 20 of 30: PoolTimeout",
        "lazy-service-mended": "broke 20 of 30: PoolTimeout",
        "loop-registry": "broke 20 of 30: PoolTimeout",
        "loop-weak-registry": "broke 20 of 30: PoolTimeout",
        "loops-in-threads": "broke 20 of 30: PoolTimeout",
        "module-client": "broke 20 of 30: PoolTimeout",
        "one-client": "broke 20 of 30: PoolTimeout",
        "shared-sync-client": "broke 20 of 30: PoolTimeout",
        "shared-transport": "broke 20 of 30: PoolTimeout",
        "task-group": "broke 30 of 30: ExceptionGroup",
        "tuned-client": "broke 20 of 30: PoolTimeout",
    },
)
def probe(subject: Subject, stage: Stage) -> Finding:
    """30 calls at once, 600 ms each; every pool is cut to 10 connections, and its timeout to 0.3 s.

    The limits are cut for all alike, whatever a strategy sets: httpx's own are 100 connections and 5 s, so that the
    same happens to 300 calls of 10 s. Those that get no connection in time fail with PoolTimeout, though they did
    nothing wrong. Where calls are made by ``gather`` or in a TaskGroup, one of them is enough to fail all.

    HTTP/2 is switched off: there one connection carries all calls, and H12 is what may happen to them. Where a client
    asks for it and the server has none, httpcore 1.0.9 begins to count a call's patience anew whenever one more
    connection turns out to be of HTTP/1.1, so that nearly all calls wait it out.

    A client for each call waits for nothing; what it costs instead is counted: connections open at once, and contexts.
    """
    if at_once(subject, CALLS_COUNT) < CALLS_COUNT:
        return does_not_apply("Its users make one call at a time.")
    dials = Dials(most_connections_count=SLOTS_COUNT, longest_s={"pool": PATIENCE_S}, http2=lambda: False)
    server = stage.start("bench.hazards.servers.scripted")
    with crowd(subject, server.target, CALLS_COUNT) as people, _contexts_counted() as contexts:
        calls = [[call_of(f"wait-{WORK_MS}-{number}")] for number in range(CALLS_COUNT)]
        tally = Tally(people.play(*calls, limit_s=8.0))
    counts = server.ask("counts")
    tally.observed = {"contexts_created": len(contexts), "pools_cut": dials.pools_count}
    if tally.failed_count == CALLS_COUNT:  # given up so early that not all connections stood
        return tally.finding(f"All of {CALLS_COUNT} calls at once failed.")
    tally.observed["connections_at_once"] = counts["most_open"]
    return tally.finding(
        f"Of {CALLS_COUNT} calls at once {tally.failed_count} failed; "
        f"{counts['most_open']} connections were open at once, and {len(contexts)} SSL contexts were created."
    )


@contextmanager
def _contexts_counted() -> Iterator[list[None]]:
    """Count the SSL contexts that are made in this process as long as the block lasts."""
    made: list[None] = []
    original = ssl.SSLContext.__new__

    def counted(*arguments: Any, **options: Any) -> ssl.SSLContext:
        made.append(None)
        context: ssl.SSLContext = original(*arguments, **options)
        return context

    ssl.SSLContext.__new__ = counted  # type: ignore[assignment]  # it is put back below
    try:
        yield made
    finally:
        ssl.SSLContext.__new__ = original  # type: ignore[method-assign]
