from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bench.hazards.finding import Finding, Tally, does_not_apply
from bench.hazards.pools import tightened
from bench.hazards.registry import hazard

if TYPE_CHECKING:
    from bench.hazards.stage import Stage
    from bench.hazards.subject import Subject

LOOPS_COUNT = 16
CONNECTIONS_COUNT = 4
EXPIRY_S, PAUSE_S, PATIENCE_S = 0.02, 0.05, 0.15


@hazard(
    "H1c",
    title="Each failure in a later event loop leaks a slot of the pool",
    raised_by="pools of 4 connections that expire after 20 ms; sixteen asyncio.run, one call in each, 50 ms apart",
    signatures={
        "client-per-helper": "broke 12 of 16: PoolTimeout, RuntimeError",
        "lazy-service": "broke 8 of 16: RuntimeError",
        "module-client": "broke 12 of 16: PoolTimeout, RuntimeError",
        "shared-transport": "broke 12 of 16: PoolTimeout, RuntimeError",
    },
)
def probe(subject: Subject, stage: Stage) -> Finding:
    """One call in each of sixteen loops, each after the connection before has expired.

    The pool wants to close the expired connection, which fails in another loop than its own, and has then lost its
    slot. Two loops cost one slot; with four the pool is dead after eight loops.
    """
    if not subject.has_loops:
        return does_not_apply("It has no event loop.")
    tally = Tally()
    target = stage.standard().target
    limits = {"max_connections": CONNECTIONS_COUNT, "keepalive_expiry": EXPIRY_S}
    with tightened(timeouts={"pool": PATIENCE_S}, **limits), subject.held(target) as held:
        for number in range(LOOPS_COUNT):
            tally.add(held.call(f"loop-{number}"))
            stage.progress(tally, tally.course)
            time.sleep(PAUSE_S)
    starved = [reply.error or "" for reply in tally.replies]
    starved_count = sum(error.startswith("PoolTimeout") for error in starved)
    tally.observed["pool timeouts"] = starved_count
    first = next((number for number, error in enumerate(starved) if error.startswith("PoolTimeout")), None)
    dead = "" if first is None else f" From the {first + 1}th loop on no call gets a connection."
    return tally.finding(
        f"{LOOPS_COUNT} event loops with {CONNECTIONS_COUNT} connections: {tally.failed_count} calls failed, "
        f"{starved_count} of them because the pool had no slot left.{dead}"
    )
