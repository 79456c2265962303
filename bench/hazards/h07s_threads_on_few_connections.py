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

THREADS_COUNT, CONNECTIONS_COUNT = 8, 2
CALLS_COUNT = 50
# So that a call whose answer another thread has taken ends in time to be counted.
TIMEOUTS_S = {"connect": 2.0, "read": 1.0}
_LIMIT_S = 5.0


@hazard(
    "H7s",
    title="More threads than connections on one client of plain functions",
    raised_by="eight threads make 50 calls each, as fast as they can, on pools of at most two connections",
    statistical=True,
    by_dials=True,
)
def probe(subject: Subject, stage: Stage) -> Finding:
    """Eight threads make 50 calls each; every pool is cut to two connections, with httpx's own patience for one.

    httpcore 1.0.9 hands a connection on while the thread that had it still looks at it. A thread may then close the
    connection under another, or write to a descriptor that is somebody else's by then. Its callers see ReadError (bad
    file descriptor, or bad record type) or RemoteProtocolError; the next run counts others, or none. HTTP/2 is off.
    """
    if at_once(subject, THREADS_COUNT) < THREADS_COUNT:
        return does_not_apply("Its users make one call at a time.")
    if subject.has_loops:
        return does_not_apply("Its calls are made in event loops: what two threads do to one client there is H2.")
    if subject.scope == "call":
        return does_not_apply("Each call has a client of its own: no two threads meet at a pool.")
    Dials(most_connections_count=CONNECTIONS_COUNT, longest_s=TIMEOUTS_S, http2=lambda: False)
    server = stage.start("bench.hazards.servers.scripted")
    with crowd(subject, server.target, THREADS_COUNT) as people:
        callers = [[call_of(f"{who}-{turn}") for turn in range(CALLS_COUNT)] for who in range(THREADS_COUNT)]
        tally = Tally(people.play(*callers, limit_s=_LIMIT_S))
    tally.observed = {"connections": server.ask("counts")["connections"]}
    return tally.finding(
        f"{THREADS_COUNT} threads made {tally.attempts_count} calls on pools of {CONNECTIONS_COUNT} connections: "
        f"{tally.failed_count} failed, {tally.hung_count} had not ended after {_LIMIT_S:g} s, "
        f"{tally.wrong_count} got another's answer."
    )
