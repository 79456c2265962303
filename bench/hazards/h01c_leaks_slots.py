from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bench.hazards.dials import Dials
from bench.hazards.finding import Finding, Tally, does_not_apply
from bench.hazards.registry import hazard

if TYPE_CHECKING:
    from bench.hazards.stage import Stage
    from bench.hazards.subject import Subject

LOOPS_COUNT = 16
CONNECTIONS_COUNT = 4
# Of 5 to 30 s, so that connections expire within the pause.
EXPIRY_FACTOR, PAUSE_S, PATIENCE_S = 0.001, 0.05, 0.15


@hazard(
    "H1c",
    title="Each failure in a later event loop leaks a slot of the pool",
    raised_by="pools of 4 connections that expire within 30 ms; sixteen asyncio.run, one call in each, 50 ms apart",
    by_dials=True,
    signatures={
        "client-per-helper": "broke 12 of 16: PoolTimeout, RuntimeError",
        "lazy-service": "broke 8 of 16: RuntimeError",
        # httpx2 has mended the slots, and not the loops.
        "lazy-service on httpx2": "broke 8 of 16: RuntimeError",
        "module-client on httpx2": "broke 8 of 16: RuntimeError",
        "shared-transport on httpx2": "broke 8 of 16: RuntimeError",
        "module-client": "broke 12 of 16: PoolTimeout, RuntimeError",
        "shared-transport": "broke 12 of 16: PoolTimeout, RuntimeError",
        "celery-global-client": "broke 12 of 16: PoolTimeout, RuntimeError",
    },
)
def probe(subject: Subject, stage: Stage) -> Finding:
    """One call in each of sixteen loops, each after the connection before has expired.

    The pool wants to close the expired connection, which fails in another loop than its own, and has then lost its
    slot. Two loops cost one slot; with four the pool is dead after eight loops. A pool with HTTP/2 on gives the
    connection that was never made to the next loop's call, which makes it: such a pool fails every other time.
    """
    if not subject.has_loops:
        return does_not_apply("It has no event loop.")
    tally = Tally()
    target = stage.standard().target
    Dials(
        expiry_factor=EXPIRY_FACTOR, most_connections_count=CONNECTIONS_COUNT, longest_s={"pool": PATIENCE_S}
    )  # fmt: skip
    with subject.held(target) as held:
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
        f"{LOOPS_COUNT} batches of one call, {CONNECTIONS_COUNT} connections: {tally.failed_count} calls failed, "
        f"{starved_count} of them because the pool had no slot left.{dead}"
    )
