from __future__ import annotations

from typing import TYPE_CHECKING

from bench.hazards.finding import Finding, Tally, does_not_apply
from bench.hazards.registry import hazard

if TYPE_CHECKING:
    from bench.hazards.stage import Stage
    from bench.hazards.subject import Subject

LOOPS_COUNT = 10


@hazard(
    "H1b",
    title="A call that fails in a later event loop is sent all the same",
    raised_by="ten asyncio.run, one POST in each; the server says which calls it executed",
    signatures={
        "client-per-helper": "silent harm 5 of 10: RuntimeError",
        "lazy-service": "silent harm 5 of 10: RuntimeError",
        "module-client": "silent harm 5 of 10: RuntimeError",
        "shared-transport": "silent harm 5 of 10: RuntimeError",
        "celery-global-client": "silent harm 5 of 10: RuntimeError",
    },
)
def probe(subject: Subject, stage: Stage) -> Finding:
    """One POST in each of ten event loops; harmed are those that failed for the client and not for the server.

    The stale connection's socket still takes the bytes; only waiting for the answer fails. Who retries sends twice.
    """
    if not subject.has_loops:
        return does_not_apply("It has no event loop.")
    server = stage.start()
    tally = Tally()
    with subject.held(server.target) as held:
        for number in range(LOOPS_COUNT):
            tally.add(held.call(f"order-{number}", method="POST"))
            stage.progress(tally, tally.course)
    executed = server.ask("settled")["executed"]
    executed_count = sum(executed.values())
    harmed = [reply for reply in tally.replies if reply.error and reply.call.path in executed]
    tally.observed["executed"] = executed_count
    return tally.finding(
        f"The server executed {executed_count} of {LOOPS_COUNT} calls, the client saw {tally.failed_count} fail: "
        f"{len(harmed)} would be sent twice by a retry.",
        harmed_count=len(harmed),
    )
