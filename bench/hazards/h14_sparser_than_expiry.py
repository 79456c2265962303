from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.hazards.dials import Dials
from bench.hazards.finding import Finding, does_not_apply
from bench.hazards.registry import hazard

if TYPE_CHECKING:
    from bench.hazards.stage import Scripted, Stage
    from bench.hazards.subject import Seat, Subject

CALLS_COUNT = 6
EXPIRY_FACTOR = 0.05
LONG_S, SHORT_S = 0.35, 0.12
# httpx's default of 5 s, as it is made here.
_EXPIRY_S = 5 * EXPIRY_FACTOR
_TRIES_COUNT = 12
_LONGEST_S = 10.0


@hazard(
    "H14",
    title="Calls are sparser than the keep-alive expiry",
    raised_by="six calls 0.35 s apart and six calls 0.12 s apart, with every expiry cut to a twentieth: 5 s to 0.25 s",
    by_dials=True,
    timed=True,
    limit_s=30.0,
    signatures={
        "asgi-lifespan": "broke",
        "base-url-loop": "broke",
        "celery-persistent-loop": "broke",
        "celery-worker-init": "broke",
        "client-on-loop": "broke",
        "client-per-helper": "broke",
        "loop-registry": "broke",
        "loop-weak-registry": "broke",
        "loops-in-threads": "broke",
        "module-client": "broke",
        "one-client": "broke",
        "process-pool": "broke",
        "shared-sync-client": "broke",
        "shared-transport": "broke",
        "sync-client": "broke",
        "thread-local": "broke",
        "tuned-client": "broke",
    },
)
def probe(subject: Subject, stage: Stage) -> Finding:
    """Six calls with gaps of 0.35 s, and six with gaps of 0.12 s; every keep-alive expiry is cut to a twentieth.

    That is 7 s and 2.4 s against httpx's default of 5 s: of calls that are sparser than the expiry each opens a new
    connection, so that keeping a client saves its SSL context and nothing else. No call fails; it is reuse, for which
    a client is kept, that is broken. What keeps no connections anyway loses nothing. A strategy that sets a longer
    expiry holds, and meets the server's own end of idle connections instead (H5).

    Short gaps that came out long because the machine was busy are made again.
    """
    Dials(expiry_factor=EXPIRY_FACTOR)
    server = stage.start("bench.hazards.servers.scripted")
    try:
        return _probe(subject, server)
    except _CallFailedError as error:
        return does_not_apply(f"Calls that follow one another fail for another reason: {error}.")


def _probe(subject: Subject, server: Scripted) -> Finding:
    with subject.held(server.target) as held, held.seat() as seat:
        for _ in range(_TRIES_COUNT):
            short = _series(seat, server, SHORT_S)
            if short.longest_s < _EXPIRY_S:
                break
        else:
            raise RuntimeError(f"the machine is too busy: gaps of {SHORT_S} s took up to {short.longest_s:.2f} s")
        if short.connections_count == CALLS_COUNT:
            return does_not_apply("It keeps no connections, and pays a handshake for each call in any case.")
        time.sleep(LONG_S)
        long = _series(seat, server, LONG_S)
    observed = {
        "handshakes_with_long_gaps": long.connections_count,
        "handshakes_with_short_gaps": short.connections_count,
    }
    symptom = (
        f"{CALLS_COUNT} calls {LONG_S} s apart made {long.connections_count} handshakes, "
        f"{SHORT_S} s apart {short.connections_count}."
    )
    return Finding(
        "broke" if long.connections_count > 1 else "held", symptom, attempts_count=CALLS_COUNT, observed=observed
    )


class _CallFailedError(Exception):
    """A call did not get its answer, for whatever reason."""


@dataclass(frozen=True, slots=True)
class _Series:
    connections_count: int
    longest_s: float


def _series(seat: Seat, server: Scripted, gap_s: float) -> _Series:
    """Six calls, and how long the longest gap between two of them came out."""
    before_count = server.ask("counts")["connections"]
    longest_s, ended = 0.0, time.monotonic()
    for number in range(CALLS_COUNT):
        if number:
            time.sleep(gap_s)
            longest_s = max(longest_s, time.monotonic() - ended)
        reply = seat.ask(f"gap-{gap_s}-{number}", limit_s=_LONGEST_S)
        if not reply.is_right:
            raise _CallFailedError(reply.error or reply.wrong or "a call that hung")
        ended = time.monotonic()
    return _Series(server.ask("counts")["connections"] - before_count, longest_s)
