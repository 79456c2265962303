from __future__ import annotations

from typing import TYPE_CHECKING

from bench.hazards.finding import Finding, Tally, does_not_apply
from bench.hazards.registry import hazard

if TYPE_CHECKING:
    from bench.hazards.stage import Stage
    from bench.hazards.subject import Subject

LOOPS_COUNT = 5


@hazard(
    "H1",
    title="A client outlives its event loop",
    raised_by="five asyncio.run, one call in each",
    signatures={
        "client-per-helper": "broke 2 of 5: RuntimeError",
        "lazy-service": "broke 2 of 5: RuntimeError",
        "module-client": "broke 2 of 5: RuntimeError",
        "shared-transport": "broke 2 of 5: RuntimeError",
        "celery-global-client": "broke 2 of 5: RuntimeError",
    },
)
def probe(subject: Subject, stage: Stage) -> Finding:
    """One call in each of five event loops, one after another.

    A pooled connection belongs to the loop that opened it. The first call of a later loop finds it idle, fails on it,
    and throws it away; the next opens a new one.
    """
    if not subject.has_loops:
        return does_not_apply("It has no event loop.")
    tally = Tally()
    with subject.held(stage.standard().target) as held:
        for number in range(LOOPS_COUNT):
            tally.add(held.call(f"loop-{number}"))
            stage.progress(tally, tally.course)
    return tally.finding(f"{LOOPS_COUNT} batches of one call, each in an event loop of its own: {tally.course}.")
