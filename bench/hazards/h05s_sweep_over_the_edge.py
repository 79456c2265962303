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
ROUNDS_COUNT = 10
SERVER_EXPIRY_S = 0.2
EXPIRY_FACTOR = 0.04
_FIRST_PAUSE_S = 0.19
_STEP_S = 0.002


@hazard(
    "H5s",
    title="The client's expiry is the server's: how often a call meets the end of its connection",
    raised_by="20 callers call at once, again and again after about as long as both sides keep connections idle",
    by_dials=True,
    statistical=True,
    limit_s=30.0,
)
def probe(subject: Subject, stage: Stage) -> Finding:
    """20 callers call at once, wait as long as both sides keep an idle connection, and call again, ten times.

    uvicorn closes idle connections after 5 s, and httpx after 5 s: both are defaults. Here both are multiplied by
    0.04. The pause follows the edge: it is made 2 ms shorter when most calls found their connections gone, else 2 ms
    longer. How many calls fail depends on the machine, and is a rate at the edge, not of all calls that people make.
    A strategy that sets a longer expiry meets connections that the server has long closed, and notices nearly all of
    them; one that sets a shorter one meets none. Where calls are handed to one process, there is one caller.
    """
    Dials(expiry_factor=EXPIRY_FACTOR)
    server = stage.start("bench.hazards.servers.scripted", keep_alive_s=SERVER_EXPIRY_S)
    tally = Tally()
    with subject.held(server.target) as held:
        callers_count = 1 if subject.world in {"celery", "processes"} else CALLERS_COUNT
        seats_count = 1 if subject.is_async else callers_count
        people = Crowd(tuple(Seat(held) for _ in range(seats_count)), callers_count)
        people.play(*_calls("first", callers_count))
        pause_s, known_count = _FIRST_PAUSE_S, server.ask("counts")["connections"]
        for number in range(ROUNDS_COUNT):
            time.sleep(pause_s)
            tally.extend(people.play(*_calls(f"round-{number}", callers_count)))
            connections_count = server.ask("counts")["connections"]
            pause_s += _STEP_S if connections_count - known_count < callers_count / 2 else -_STEP_S
            known_count = connections_count
        for seat in people.seats:
            seat.leave()
    return tally.finding(
        f"Of {tally.attempts_count} calls at the edge of the server's keep-alive {tally.failed_count} failed."
    )


def _calls(name: str, count: int) -> list[list[Call]]:
    return [[call_of(f"{name}-{caller}")] for caller in range(count)]
