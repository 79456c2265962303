from __future__ import annotations

import gc
import threading
from typing import TYPE_CHECKING

from bench.hazards.finding import Finding, does_not_apply
from bench.hazards.registry import hazard

if TYPE_CHECKING:
    from bench.hazards.stage import Stage
    from bench.hazards.subject import Held, Subject

PLACES_COUNT = 40


@hazard(
    "H15",
    title="A registry that never lets go",
    raised_by="forty event loops (of plain functions: threads) one after another, one call in each; then the collector",
    signatures={
        "loop-weak-registry": "silent harm 40 of 40",
    },
)
def probe(subject: Subject, stage: Stage) -> Finding:
    """One call in each of forty places that end; then what is still open once the garbage collector has been.

    A client that is kept keeps its connection open, so the server is asked. It is a leak where that grows with the
    places: half-way it is looked at, too. Whether the calls succeed is the business of H1.
    """
    if subject.scope != "process":
        return does_not_apply("It keeps nothing from one batch to the next.")
    if subject.hands_over:
        return does_not_apply("Its processes have one client each.")
    server = stage.start()
    places = "event loops" if subject.is_async else "threads"
    with subject.held(server.target) as held:
        kept = []
        for half in range(2):
            for number in range(PLACES_COUNT // 2):
                _call_in_a_place_of_its_own(held, f"place-{half}-{number}")
            gc.collect()
            kept.append(server.ask("settled")["open"])
    leaks = kept[1] - kept[0] >= PLACES_COUNT // 4
    return Finding(
        "silent harm" if leaks else "held",
        f"After {PLACES_COUNT // 2} {places} {kept[0]} connections were open, after {PLACES_COUNT} it was {kept[1]}.",
        attempts_count=PLACES_COUNT,
        harmed_count=kept[1] if leaks else 0,
        observed={"open half-way": kept[0], "open in the end": kept[1]},
    )


def _call_in_a_place_of_its_own(held: Held, name: str) -> None:
    if held.is_async:
        held.call(name)
        return
    thread = threading.Thread(target=held.call, args=(name,))
    thread.start()
    thread.join()
