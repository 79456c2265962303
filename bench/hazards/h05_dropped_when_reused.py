from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from bench.hazards.dials import Dials
from bench.hazards.finding import Finding, Tally
from bench.hazards.registry import hazard
from bench.hazards.subject import call_of

if TYPE_CHECKING:
    from bench.hazards.stage import Stage
    from bench.hazards.subject import Seat, Subject

CALLS_COUNT = 20
_LONGEST_S = 10.0
_PAUSE_S = 0.02


@hazard(
    "H5",
    title="An idle connection is closed just as it is used again",
    raised_by="the server closes each connection on its second request, unanswered; 20 calls one after another",
    signatures={
        "asgi-lifespan": "broke 10 of 20: RemoteProtocolError",
        "base-url-loop": "broke 10 of 20: RemoteProtocolError",
        "celery-global-client": "broke 10 of 20: RuntimeError",
        "celery-persistent-loop": "broke 10 of 20: RemoteProtocolError",
        "celery-worker-init": "broke 10 of 20: RemoteProtocolError",
        "client-on-loop": "broke 10 of 20: RemoteProtocolError",
        "client-per-helper": "broke 10 of 20: RemoteProtocolError",
        "floor": "broke 19 of 20: ConnectionError, SSLZeroReturnError",
        "lazy-service": "broke 10 of 20: RemoteProtocolError",
        "lazy-service-mended": "broke 10 of 20: RemoteProtocolError",
        "loop-registry": "broke 10 of 20: RemoteProtocolError",
        "loop-weak-registry": "broke 10 of 20: RemoteProtocolError",
        "loops-in-threads": "broke 10 of 20: RemoteProtocolError",
        "module-client": "broke 10 of 20: RemoteProtocolError",
        "one-client": "broke 10 of 20: RemoteProtocolError",
        "process-pool": "broke 10 of 20: RemoteProtocolError",
        "shared-sync-client": "broke 10 of 20: RemoteProtocolError",
        "shared-transport": "broke 10 of 20: RemoteProtocolError",
        "sync-client": "broke 10 of 20: RemoteProtocolError",
        "thread-local": "broke 10 of 20: RemoteProtocolError",
        "tuned-client": "broke 10 of 20: RemoteProtocolError",
    },
)
def probe(subject: Subject, stage: Stage) -> Finding:
    """20 calls one after another to a server that closes each connection when its second request comes.

    That is what happens when an idle connection expires at the server just as the client sends: every pool fails, and
    every other call, because the one after a failure opens a new connection. H5s says how often the moment is met.

    Where GETs fail, two more rounds show that it is no matter of the method (20 POSTs), nor of ``retries=1``, which
    repeats what failed to connect and nothing else.
    """
    server = stage.start("bench.hazards.servers.scripted", drops_after_count=1)
    dials = Dials()
    with subject.held(server.target) as held, held.seat() as seat:
        tally = _round(seat, "get")
        stage.progress(tally, tally.course)
        counts = server.ask("counts")
        tally.observed = {name: counts[name] for name in ("connections", "executed", "dropped")}
        if not tally.failed_count:
            return tally.finding(f"All {CALLS_COUNT} calls were answered, on {counts['connections']} connections.")
        posts = _round(seat, "post", method="POST")
        tally.observed["failed_posts"] = posts.failed_count
        also = f" Of {CALLS_COUNT} POSTs {posts.failed_count} failed"
        if dials.pools_count:
            dials.retries_count = 1
            tally.observed["failed_with_retries"] = _round(seat, "retry").failed_count
            also += f", and with retries=1 {tally.observed['failed_with_retries']} of {CALLS_COUNT} GETs"
    return tally.finding(
        f"{tally.failed_count} of {CALLS_COUNT} GETs failed, each on a connection that had been used before; "
        f"the server executed none of them.{also}."
    )


def _round(seat: Seat, name: str, *, method: str = "GET") -> Tally:
    tally = Tally()
    for number in range(CALLS_COUNT):
        call = call_of(f"{name}-{number}", method=method)
        if method != "GET":
            call = replace(call, operation="request", arguments=(method, call.path))
        reply = seat.start(call).result(_LONGEST_S)
        tally.add(reply)
        if reply.error:
            time.sleep(_PAUSE_S)  # so that whoever uses the same connection again always meets it in the same state
    return tally
