from __future__ import annotations

from typing import TYPE_CHECKING

from bench.hazards.crowd import crowd
from bench.hazards.dials import Dials
from bench.hazards.finding import Finding, Tally
from bench.hazards.registry import hazard
from bench.hazards.subject import call_of

if TYPE_CHECKING:
    from bench.hazards.stage import Stage
    from bench.hazards.subject import Subject

POOLED_COUNT = 4
CALLS_COUNT = 6
TIMEOUT_S = 0.5
_HUNG_S = 2.0


@hazard(
    "H6",
    title="A middlebox forgets idle connections",
    raised_by="four connections are used at once, then a TCP proxy swallows all that is sent on them; six calls more",
    by_dials=True,
    signatures={
        "asgi-lifespan": "broke 4 of 6: ReadTimeout",
        "base-url-loop": "broke 1 of 6: ReadTimeout",
        "celery-global-client": "broke 3 of 6: RuntimeError",
        "celery-persistent-loop": "broke 1 of 6: ReadTimeout",
        "celery-worker-init": "broke 1 of 6: ReadTimeout",
        "client-on-loop": "broke 4 of 6: ReadTimeout",
        "client-per-helper": "broke 4 of 6: ReadTimeout",
        "floor": "hung",
        "lazy-service": "broke 4 of 6: ReadTimeout",
        "lazy-service-mended": "broke 4 of 6: ReadTimeout",
        "loop-registry": "broke 4 of 6: ReadTimeout",
        "loop-weak-registry": "broke 4 of 6: ReadTimeout",
        "loops-in-threads": "broke 4 of 6: ReadTimeout",
        "module-client": "broke 4 of 6: ReadTimeout",
        "one-client": "broke 4 of 6: ReadTimeout",
        "process-pool": "broke 1 of 6: ReadTimeout",
        "shared-sync-client": "broke 4 of 6: ReadTimeout",
        "shared-transport": "broke 4 of 6: ReadTimeout",
        "sync-client": "broke 1 of 6: ReadTimeout",
        "thread-local": "broke 4 of 6: ReadTimeout",
        "tuned-client": "broke 4 of 6: ReadTimeout",
    },
)
def probe(subject: Subject, stage: Stage) -> Finding:
    """Four calls at once, so that a pool holds four connections; these are swallowed; then six calls, one by one.

    Nothing tells the client that a connection is dead, so each of the pool costs a whole read timeout, one after
    another. Timeouts are cut to 0.5 s; with httpx's default it would be 5 s for each pooled connection. The first four
    are answered once all of them are there.
    """
    Dials(longest_s={"read": TIMEOUT_S, "connect": 2.0})
    server = stage.start("bench.hazards.servers.scripted", swallows=True)
    with crowd(subject, server.target, POOLED_COUNT) as people:
        count = people.at_once_count
        warm = people.play(*[[call_of(f"gather-{count}-warm-{number}")] for number in range(count)])
        server.ask("swallow")
        before_count = server.ask("counts")["connections"]
        tally = Tally()
        for number in range(CALLS_COUNT):
            seat = people.seats[number % len(people.seats)]
            reply = seat.ask(f"after-{number}", limit_s=_HUNG_S)
            tally.add(reply)
            if reply.hung:
                people.hung_count += 1
                break  # whoever waits for ever makes no more calls
            stage.progress(tally, tally.course)
    failed_warm_count = sum(not reply.is_right for reply in warm)
    if failed_warm_count:
        raise RuntimeError(f"{failed_warm_count} of {len(warm)} calls failed before anything was done to them")
    tally.observed = {"connections_swallowed": before_count}
    return tally.finding(
        f"After {before_count} connections were swallowed, the next {CALLS_COUNT} calls came out as: {tally.course}."
    )
