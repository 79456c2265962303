from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bench.hazards.crowd import Crowd
from bench.hazards.dials import Dials
from bench.hazards.finding import Finding, Tally
from bench.hazards.registry import hazard
from bench.hazards.subject import Seat, call_of

if TYPE_CHECKING:
    from bench.hazards.stage import Stage
    from bench.hazards.subject import Subject
    from bench.workloads import Call

CALLERS_COUNT = 20
SERVER_EXPIRY_S = 0.2
EXPIRY_FACTOR = 0.04
OFFSETS_MS = tuple(range(-22, 2, 2))


@hazard(
    "H5s",
    title="The client's expiry is the server's: how often a call meets the end of its connection",
    raised_by="20 callers call again and again after about 0.3 s, as long as server and client keep connections idle",
    statistical=True,
)
def probe(subject: Subject, stage: Stage) -> Finding:
    """20 callers make a call, wait as long as both sides keep an idle connection, and call again, seven times.

    uvicorn closes idle connections after 5 s, and httpx after 5 s: both are defaults. Here both are multiplied by 0.06,
    and the pauses swept over the edge, from 8 ms before it to 4 ms after. How many calls fail depends on the machine;
    so many in 140 is a rate at the edge, not of all calls that people make. A strategy that sets a longer expiry meets
    connections that the server has long closed, and notices most of them; one that sets a shorter one meets none.
    """
    Dials(expiry_factor=EXPIRY_FACTOR)
    server = stage.start("bench.hazards.servers.scripted", keep_alive_s=SERVER_EXPIRY_S)
    tally = Tally()
    with subject.held(server.target) as held:
        people = Crowd(tuple(Seat(held) for _ in range(1 if subject.is_async else CALLERS_COUNT)), CALLERS_COUNT)
        people.play(*_calls("first"))
        for offset_ms in OFFSETS_MS:
            time.sleep(SERVER_EXPIRY_S + offset_ms / 1_000)
            tally.extend(people.play(*_calls(f"after{offset_ms}")))
        for seat in people.seats:
            seat.leave()
    return tally.finding(
        f"Of {tally.attempts_count} calls at the edge of the server's keep-alive {tally.failed_count} failed."
    )


def _calls(name: str) -> list[list[Call]]:
    return [[call_of(f"{name}-{caller}")] for caller in range(CALLERS_COUNT)]
