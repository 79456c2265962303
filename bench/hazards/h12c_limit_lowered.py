from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bench.hazards.fate import CALLS_COUNT, shared_fate
from bench.hazards.finding import Finding
from bench.hazards.registry import hazard

if TYPE_CHECKING:
    from bench.hazards.stage import Stage
    from bench.hazards.subject import Subject


@hazard(
    "H12c",
    title="An HTTP/2 server lowers its limit of streams",
    raised_by="20 calls at once over HTTP/2; the server answers ten, allows five streams at once, and answers the rest",
    by_dials=True,
    timed=True,
    signatures={
        "asgi-lifespan": "hung",
        "client-on-loop": "hung",
        "client-per-helper": "hung",
        "gather": "hung",
        "lazy-service": "hung",
        "lazy-service-mended": "hung",
        "loop-registry": "hung",
        "loop-weak-registry": "hung",
        "loops-in-threads": "hung",
        "module-client": "hung",
        "one-client": "hung",
        "shared-sync-client": "hung",
        "shared-transport": "hung",
        "task-group": "hung",
        "tuned-client": "hung",
    },
)
def probe(subject: Subject, stage: Stage) -> Finding:
    """20 calls at once over HTTP/2; the server answers ten, lowers its limit to five, and then answers the rest.

    httpcore 1.0.9 takes the new limit in by waiting for streams to end, in the task that alone could read their ends:
    all calls on the connection hang, and no timeout of theirs covers that wait. Timeouts are cut to 1.2 s; a call that
    has not ended after twice that has hung. A call on a connection of its own has nothing to wait for, and httpx2
    2.16.2 lets all calls pass.

    Of threads it is a matter of chance how many hang beside the ten: whoever gets hold of the connection next and has
    no answer yet keeps those waiting who have theirs.
    """
    with shared_fate(subject, stage, impatient=True) as fate:
        if isinstance(fate, Finding):
            return fate
        tally = fate.strike("lower")
    if not tally.hung_count:
        return tally.finding(f"After the limit was lowered {tally.failed_count} of {CALLS_COUNT} calls failed.")
    finding = tally.finding(f"{tally.hung_count} of {CALLS_COUNT} calls hung past every timeout.")
    if subject.is_async:
        return finding
    least_count = CALLS_COUNT // 2
    symptom = f"{least_count} or more of {CALLS_COUNT} calls hung past every timeout."
    return replace(finding, symptom=symptom, observed={"hung_at_least": least_count})
