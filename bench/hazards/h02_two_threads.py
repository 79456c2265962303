from __future__ import annotations

from typing import TYPE_CHECKING

from bench.hazards.finding import Finding, Tally, does_not_apply
from bench.hazards.registry import hazard

if TYPE_CHECKING:
    from bench.hazards.stage import Stage
    from bench.hazards.subject import Subject

CALLS_COUNT = 12


@hazard(
    "H2",
    title="One client in two threads, in turns",
    raised_by="two threads, each with an event loop that runs on; twelve calls of 30 ms, strictly in turns",
    signatures={
        "client-per-helper": "broke 6 of 12: RuntimeError",
        "lazy-service": "broke 6 of 12: RuntimeError",
        "module-client": "broke 6 of 12: RuntimeError",
        "shared-transport": "broke 6 of 12: RuntimeError",
    },
)
def probe(subject: Subject, stage: Stage) -> Finding:
    """Twelve calls, one from this thread, one from that, never two at once.

    A pooled connection belongs to the loop of the thread that opened it; the other thread's loop cannot wait for what
    comes in on it.
    """
    if subject.hands_over:
        return does_not_apply("Each of its processes makes one call at a time, in one thread.")
    if subject.world == "asgi":
        return does_not_apply("An application runs in one event loop.")
    server = stage.start()
    tally = Tally()
    with subject.held(server.target) as held, held.seat() as one, held.seat() as other:
        for number in range(CALLS_COUNT):
            seat = other if number % 2 else one
            tally.add(seat.ask(f"wait-30-{number}"))
            stage.progress(tally, tally.course)
    return tally.finding(f"Two threads in turns: {tally.course}.")
