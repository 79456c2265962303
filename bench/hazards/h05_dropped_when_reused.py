from __future__ import annotations

from typing import TYPE_CHECKING

from bench.hazards.dials import Dials
from bench.hazards.finding import Finding, Tally
from bench.hazards.registry import hazard

if TYPE_CHECKING:
    from bench.hazards.stage import Stage
    from bench.hazards.subject import Seat, Subject

CALLS_COUNT = 20


@hazard(
    "H5",
    title="An idle connection is closed just as it is used again",
    raised_by="the server closes each connection on its second request, unanswered; 20 calls one after another",
    signatures={
        "base-url-loop": "broke 10 of 20: RemoteProtocolError",
        "client-on-loop": "broke 10 of 20: RemoteProtocolError",
        "client-per-helper": "broke 10 of 20: RemoteProtocolError",
        "floor": "broke 19 of 20: ConnectionError, SSLZeroReturnError",
        "lazy-service": "broke 10 of 20: RemoteProtocolError",
        "lazy-service-mended": "broke 10 of 20: RemoteProtocolError",
        "loop-registry": "broke 10 of 20: RemoteProtocolError",
        "loop-weak-registry": "broke 10 of 20: RemoteProtocolError",
        "module-client": "broke 10 of 20: RemoteProtocolError",
        "one-client": "broke 10 of 20: RemoteProtocolError",
        "shared-sync-client": "broke 10 of 20: RemoteProtocolError",
        "shared-transport": "broke 10 of 20: RemoteProtocolError",
        "sync-client": "broke 10 of 20: RemoteProtocolError",
        "thread-local": "broke 10 of 20: RemoteProtocolError",
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
        also = ""
        if tally.failed_count:
            dials.method = "POST"
            posts = _round(seat, "post")
            dials.method, dials.retries_count = None, 1
            retried = _round(seat, "retry")
            tally.observed |= {"failed_posts": posts.failed_count, "failed_with_retries": retried.failed_count}
            if dials.pools_count:
                also = (
                    f" Of {CALLS_COUNT} POSTs {posts.failed_count} failed, "
                    f"and with retries=1 {retried.failed_count} of {CALLS_COUNT} GETs."
                )
    if tally.failed_count:
        return tally.finding(
            f"{tally.failed_count} of {CALLS_COUNT} GETs failed, each on a connection that had been used once before; "
            f"the server executed none of them.{also}"
        )
    return tally.finding(f"All {CALLS_COUNT} calls were answered, on {counts['connections']} connections.")


def _round(seat: Seat, name: str) -> Tally:
    return Tally([seat.ask(f"{name}-{number}") for number in range(CALLS_COUNT)])
