from __future__ import annotations

from typing import TYPE_CHECKING

from bench.hazards.crowd import at_once, crowd
from bench.hazards.dials import Dials
from bench.hazards.finding import Finding, Tally, does_not_apply
from bench.hazards.registry import hazard
from bench.hazards.subject import call_of

if TYPE_CHECKING:
    from bench.hazards.stage import Stage
    from bench.hazards.subject import Subject

CALLERS_COUNT = 20
ROUNDS_COUNT = 5
# httpx's 100 and 20 become 40 and 8: 20 callers lie between the two as 50 would.
LIMITS_FACTOR = 0.4


@hazard(
    "H7b",
    title="Fewer connections are kept alive than are used at once",
    raised_by="five rounds of 20 calls at once, on pools cut to 40 connections of which 8 are kept alive",
    by_dials=True,
    signatures={
        "asgi-lifespan": "broke",
        "client-on-loop": "broke",
        "client-per-helper": "broke",
        "lazy-service": "broke",
        "lazy-service-mended": "broke",
        "loop-registry": "broke",
        "loop-weak-registry": "broke",
        "loops-in-threads": "broke",
        "module-client": "broke",
        "one-client": "broke",
        "shared-sync-client": "broke",
        "shared-transport": "broke",
        "tuned-client": "broke",
    },
)
def probe(subject: Subject, stage: Stage) -> Finding:
    """Five rounds of 20 calls at once; every limit of a pool is multiplied by 0.4, and HTTP/2 is off.

    It stands for 50 callers on httpx's own limits, 100 connections of which 20 are kept alive: as long as more than
    that are open, httpx closes each one whose answer was read. Each round finds 8 connections and opens 12. No call
    fails; it is reuse, for which a pool is kept, that is broken. What keeps no connections loses nothing.

    Rounds, in which the server answers once all 20 calls are there, give the same count every time. Callers who run
    freely reuse even less, and each time differently: 498 handshakes for 500 calls by 50 callers, and once 32 for 160.
    """
    if at_once(subject, CALLERS_COUNT) < CALLERS_COUNT:
        return does_not_apply("Its users make one call at a time.")
    Dials(limits_factor=LIMITS_FACTOR, http2=lambda: False)
    server = stage.start("bench.hazards.servers.scripted")
    tally = Tally()
    with crowd(subject, server.target, CALLERS_COUNT) as people:
        for number in range(ROUNDS_COUNT):
            names = [f"gather-{CALLERS_COUNT}-round{number}-{caller}" for caller in range(CALLERS_COUNT)]
            tally.extend(people.play(*[[call_of(name)] for name in names]))
    handshakes_count, requests_count = server.ask("counts")["connections"], tally.attempts_count
    tally.observed = {"handshakes": handshakes_count}
    made = f"{ROUNDS_COUNT} rounds of {CALLERS_COUNT} calls at once made {handshakes_count} handshakes"
    if tally.failed_count or tally.hung_count:
        return tally.finding(f"{made}; {tally.failed_count} calls failed.")
    if handshakes_count == requests_count:
        return does_not_apply("It keeps no connections, and pays a handshake for each call in any case.")
    if handshakes_count <= CALLERS_COUNT:
        return tally.finding(f"{made}.")
    return Finding("broke", f"{made}; {CALLERS_COUNT} are enough.", requests_count, observed=tally.observed)
