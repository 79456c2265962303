from __future__ import annotations

from typing import TYPE_CHECKING

from bench.hazards.fate import CALLS_COUNT, shared_fate
from bench.hazards.finding import Finding, Tally
from bench.hazards.registry import hazard

if TYPE_CHECKING:
    from bench.hazards.stage import Stage
    from bench.hazards.subject import Subject


@hazard(
    "H12",
    title="All calls share one HTTP/2 connection's end",
    raised_by="20 calls at once over HTTP/2; the server resets one stream, and then, with 20 more, aborts a connection",
    by_dials=True,
    signatures={
        "asgi-lifespan": "broke 20 of 20: RemoteProtocolError",
        "client-on-loop": "broke 20 of 20: RemoteProtocolError",
        "client-per-helper": "broke 20 of 20: RemoteProtocolError",
        "gather": "broke 20 of 20: RemoteProtocolError",
        "lazy-service": "broke 20 of 20: RemoteProtocolError",
        "lazy-service-mended": "broke 20 of 20: RemoteProtocolError",
        "loop-registry": "broke 20 of 20: RemoteProtocolError",
        "loop-weak-registry": "broke 20 of 20: RemoteProtocolError",
        "loops-in-threads": "broke 20 of 20: RemoteProtocolError",
        "module-client": "broke 20 of 20: RemoteProtocolError",
        "one-client": "broke 20 of 20: RemoteProtocolError",
        "shared-sync-client": "broke 20 of 20: RemoteProtocolError",
        "shared-transport": "broke 20 of 20: RemoteProtocolError",
        "task-group": "broke 20 of 20: ExceptionGroup",
        "tuned-client": "broke 20 of 20: RemoteProtocolError",
    },
)
def probe(subject: Subject, stage: Stage) -> Finding:
    """20 calls at once over HTTP/2, twice: the server resets one stream, then it aborts one connection.

    A reset ends one call and leaves the others alone, whoever makes them. A connection that is lost takes with it all
    calls that share it: all 20 of one client, one of 20 clients. What was lost by itself counts as no failure of the
    strategy: it holds if no more than one call failed each time.
    """
    lost: dict[str, Tally] = {}
    with shared_fate(subject, stage) as fate:
        if isinstance(fate, Finding):
            return fate
        for action in ("reset", "abort"):
            lost[action] = fate.strike(action)
    reset, abort = lost["reset"], lost["abort"]
    observed = {"failed_by_reset": reset.failed_count, "failed_by_abort": abort.failed_count}
    symptom = (
        f"Of {CALLS_COUNT} calls at once, a reset stream failed {reset.failed_count}, "
        f"an aborted connection {abort.failed_count}."
    )
    if max(observed.values()) <= 1 and not (reset.hung_count or abort.hung_count):
        return Finding("held", symptom, CALLS_COUNT, observed=observed)
    worse = max(lost.values(), key=lambda tally: tally.failed_count + tally.hung_count)
    worse.observed = observed
    return worse.finding(symptom)
