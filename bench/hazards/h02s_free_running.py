from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from bench.hazards.dials import Dials
from bench.hazards.finding import Finding, Tally, does_not_apply
from bench.hazards.registry import hazard

if TYPE_CHECKING:
    from bench.hazards.stage import Stage
    from bench.hazards.subject import Seat, Subject

CALLS_COUNT = 50
# A call that would hang for the default 5 s fails after one, which its caller sees.
TIMEOUTS_S = {"connect": 2.0, "read": 1.0, "pool": 1.0}
PATIENCE_S, MOST_LOST_COUNT = 2.5, 2


@hazard(
    "H2s",
    title="One client in two threads, at will",
    raised_by="two threads, each with an event loop that runs on, make 50 calls each beside each other",
    statistical=True,
)
def probe(subject: Subject, stage: Stage) -> Finding:
    """As H2, but the threads do not take turns: how many calls fail or hang depends on who meets whom.

    Calls that wait in vain for an answer are given up after a second; a thread stops after two of them. Some hang past
    every timeout, which belongs to the other loop; they count as failed.
    """
    if subject.hands_over:
        return does_not_apply("Each of its processes makes one call at a time, in one thread.")
    if subject.world == "asgi":
        return does_not_apply("An application runs in one event loop.")
    Dials(longest_s=TIMEOUTS_S)
    server = stage.start()
    tallies = (Tally(), Tally())
    barrier = threading.Barrier(len(tallies))

    def run(seat: Seat, tally: Tally, who: int) -> None:
        barrier.wait()
        for number in range(CALLS_COUNT):
            tally.add(seat.ask(f"wait-1-{who}-{number}", limit_s=PATIENCE_S))
            if sum(reply.hung or "Timeout" in (reply.error or "") for reply in tally.replies) == MOST_LOST_COUNT:
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
    found = tally.finding(f"Two threads at will: {bad_count} of {tally.attempts_count} calls failed or hung.")
    # The rate is of both: which of them it is, is a matter of a moment.
    return replace(found, failed_count=bad_count)
