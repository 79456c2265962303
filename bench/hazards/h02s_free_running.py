from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from bench.hazards.finding import Finding, Tally, does_not_apply
from bench.hazards.registry import hazard

if TYPE_CHECKING:
    from bench.hazards.stage import Stage
    from bench.hazards.subject import Seat, Subject

CALLS_COUNT = 50
PATIENCE_S, MOST_HUNG_COUNT = 1.5, 2


@hazard(
    "H2s",
    title="One client in two threads, at will",
    raised_by="two threads, each with an event loop that runs on, make 50 calls each beside each other",
    statistical=True,
)
def probe(subject: Subject, stage: Stage) -> Finding:
    """As H2, but the threads do not take turns: how many calls fail or hang depends on who meets whom.

    A thread stops after two calls that hang.
    """
    if subject.hands_over:
        return does_not_apply("Each of its processes makes one call at a time, in one thread.")
    if subject.world == "asgi":
        return does_not_apply("An application runs in one event loop.")
    server = stage.start()
    tallies = (Tally(), Tally())
    barrier = threading.Barrier(len(tallies))

    def run(seat: Seat, tally: Tally, who: int) -> None:
        barrier.wait()
        for number in range(CALLS_COUNT):
            tally.add(seat.ask(f"wait-1-{who}-{number}", limit_s=PATIENCE_S))
            if tally.hung_count == MOST_HUNG_COUNT:
                break

    with subject.held(server.target) as held, held.seat() as one, held.seat() as other:
        threads = [
            threading.Thread(target=run, args=(seat, tally, who), daemon=True)
            for who, (seat, tally) in enumerate(zip((one, other), tallies, strict=True))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    tally = Tally([reply for each in tallies for reply in each.replies])
    bad_count = tally.failed_count + tally.hung_count + tally.wrong_count
    return tally.finding(f"Two threads at will: {bad_count} of {tally.attempts_count} calls failed or hung.")
