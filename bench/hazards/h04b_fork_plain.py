from __future__ import annotations

from typing import TYPE_CHECKING

from bench.hazards.finding import Finding, Tally, does_not_apply
from bench.hazards.forks import Child
from bench.hazards.registry import hazard

if TYPE_CHECKING:
    from bench.hazards.stage import Stage
    from bench.hazards.subject import Subject

PAIRS_COUNT = 1
PATIENCE_S, ARRIVAL_S = 2.0, 1.0


@hazard(
    "H4b",
    title="Fork after first use, over plain HTTP: answers reach the wrong process",
    raised_by="one call, then pairs of forked children; one of each pair is suspended while it waits for its answer",
    signatures={
        "client-per-helper": "broke 2 of 2: RuntimeError",
        "lazy-service": "broke 2 of 2: RuntimeError",
        "module-client": "broke 2 of 2: RuntimeError",
        "shared-sync-client": "silent harm 2 of 2",
        "shared-transport": "broke 2 of 2: RuntimeError",
        "thread-local": "silent harm 2 of 2",
        "loops-in-threads": "hung",
    },
)
def probe(subject: Subject, stage: Stage) -> Finding:
    """A call in the parent, then two forked children at a time that call in turns and read in the other order.

    They share one socket: whoever reads first gets the first answer, whosever it is. Which of them that is depends on
    the scheduler (18 to 41 of 80 calls were wrong when it was left to chance). Here the first is suspended until the
    second has read, so that both get the other's answer. Asynchronous clients fail before they can read, as in H4.
    """
    if subject.hands_over:
        return does_not_apply("Its processes make no call before they begin, and so inherit no connection.")
    server = stage.start(tls=False)
    tally = Tally()
    requests_count = 1
    with subject.held(server.target) as held:
        before = held.call("before")
        if before.error:
            return does_not_apply(f"It does not speak plain HTTP ({before.error}).")
        for pair in range(PAIRS_COUNT):
            first = Child(held, f"hold-{pair}-first")
            server.ask("received", requests_count=requests_count + 1, limit_s=ARRIVAL_S)
            first.suspend()
            second = Child(held, f"hold-{pair}-second")
            requests_count = server.ask("received", requests_count=requests_count + 2, limit_s=ARRIVAL_S)["requests"]
            server.ask("release_on", path=second.call.path)
            reply = second.reply(PATIENCE_S)
            server.ask("release_on", path=first.call.path)
            server.ask("release_on", path=second.call.path)
            first.resume()
            tally.add(first.reply(PATIENCE_S), reply)
            stage.progress(tally, tally.course)
    return tally.finding(
        f"{tally.wrong_count} of {2 * PAIRS_COUNT} children got the answer to another's call, and could not tell; "
        f"{tally.failed_count} failed."
    )
