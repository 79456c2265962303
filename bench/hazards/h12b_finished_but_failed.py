from __future__ import annotations

from typing import TYPE_CHECKING

from bench.hazards.fate import CALLS_COUNT, shared_fate
from bench.hazards.finding import Finding
from bench.hazards.registry import hazard

if TYPE_CHECKING:
    from bench.hazards.stage import Stage
    from bench.hazards.subject import Subject


@hazard(
    "H12b",
    title="A graceful end of an HTTP/2 connection fails calls that are finished",
    raised_by="20 calls at once over HTTP/2; the server sends GOAWAY without an error, and then answers all of them",
    by_dials=True,
    signatures={
        "asgi-lifespan": "silent harm 20 of 20: RemoteProtocolError",
        "client-on-loop": "silent harm 20 of 20: RemoteProtocolError",
        "client-per-helper": "silent harm 20 of 20: RemoteProtocolError",
        "context-variable": "silent harm 1 of 20: RemoteProtocolError",
        "gather": "silent harm 20 of 20: RemoteProtocolError",
        "lazy-service": "silent harm 20 of 20: RemoteProtocolError",
        "lazy-service-mended": "silent harm 20 of 20: RemoteProtocolError",
        "loop-registry": "silent harm 20 of 20: RemoteProtocolError",
        "loop-weak-registry": "silent harm 20 of 20: RemoteProtocolError",
        "loops-in-threads": "silent harm 20 of 20: RemoteProtocolError",
        "module-client": "silent harm 20 of 20: RemoteProtocolError",
        "one-client": "silent harm 20 of 20: RemoteProtocolError",
        "per-call-async": "silent harm 1 of 20: RemoteProtocolError",
        "per-call-client": "silent harm 1 of 20: RemoteProtocolError",
        "per-call-get": "silent harm 1 of 20: RemoteProtocolError",
        "per-call-shared-context": "silent harm 1 of 20: RemoteProtocolError",
        "shared-sync-client": "silent harm 20 of 20: RemoteProtocolError",
        "shared-transport": "silent harm 20 of 20: RemoteProtocolError",
        "task-group": "silent harm 20 of 20: ExceptionGroup",
        "thread-local": "silent harm 1 of 20: RemoteProtocolError",
        "tuned-client": "silent harm 20 of 20: RemoteProtocolError",
        "tuned-per-call": "silent harm 1 of 20: RemoteProtocolError",
    },
)
def probe(subject: Subject, stage: Stage) -> Finding:
    """20 calls at once over HTTP/2; the server says that it will take no more, and then answers all that it has.

    That is how servers are told to restart (RFC 9113, section 6.8): streams up to the last one that GOAWAY names are
    finished. A client that gives all of them up sees failures of what the server has executed, and its caller will
    send them again. These are harmed; one of them on a connection of its own is harmed as much as 20 on one.
    """
    with shared_fate(subject, stage) as fate:
        if isinstance(fate, Finding):
            return fate
        tally = fate.strike("goaway")
        executed = fate.executed()
    lost = [reply for reply in tally.replies if reply.error and executed.get(reply.call.path)]
    executed_count = sum(executed[reply.call.path] for reply in tally.replies)
    tally.observed = {"executed": executed_count}
    return tally.finding(
        f"The server announced its end and finished {executed_count} of {CALLS_COUNT} calls; "
        f"{tally.failed_count} of them failed for their callers.",
        harmed_count=len(lost),
    )
