from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from bench.hazards.finding import Finding, Tally, does_not_apply
from bench.hazards.forks import Child
from bench.hazards.registry import hazard

if TYPE_CHECKING:
    from bench.hazards.stage import Stage
    from bench.hazards.subject import Held, Subject

ROUNDS_COUNT, CHILDREN_COUNT = 20, 4
PATIENCE_S = 3.0
_WARM_TRIES_COUNT = 3


@hazard(
    "H4s",
    title="Fork after first use, over TLS: how often an answer reaches the wrong process",
    raised_by="twenty times one call, and then four forked children that are let go together and make one call each",
    statistical=True,
)
def probe(subject: Subject, stage: Stage) -> Finding:
    """Four children at once on the TLS connection that their parent has warmed up, twenty times.

    The server ends the connection on the second request, as in H4, and most children fail. But the first request may
    have been answered by then. Whoever reads first gets that answer, and can decrypt it: all have inherited the same
    keys and the same record number. Of eight children at a time about 1 in 300 got another's answer, and of
    four 1 in 50: whoever comes late sees that something has arrived on the connection, and opens another. Over plain
    HTTP it can be made certain (H4b).

    The rate is of wrong answers alone. Children that fail are H4's, and are no more than told here.
    """
    if subject.hands_over:
        return does_not_apply("Its processes make no call before they begin, and so inherit no connection.")
    if subject.has_loops:
        return does_not_apply(
            "Its connections belong to event loops, which end before a fork or are not forked: see H4."
        )
    server = stage.start()
    tally = Tally()
    with subject.held(server.target) as held:
        for number in range(ROUNDS_COUNT):
            _warm_up(held, number)
            if not server.ask("counts")["open"]:
                return does_not_apply("It leaves no connection open between batches, so that children inherit none.")
            for child in _let_go_together(held, number):
                tally.add(child.reply(PATIENCE_S))
            stage.progress(tally, f"{tally.wrong_count} of {tally.attempts_count} children got another's answer")
    failures = server.ask("settled")["failures"]
    tally.observed |= {"failed": tally.failed_count}
    tally.observed |= {f"server saw {failure}": count for failure, count in failures.items()}
    found = tally.finding(
        f"{tally.wrong_count} of {tally.attempts_count} children got the answer to another's call, and could not tell; "
        f"{tally.failed_count} failed, as under H4."
    )
    return replace(found, outcome="held" if found.outcome == "broke" else found.outcome, failed_count=0, errors={})


def _warm_up(held: Held, number: int) -> None:
    """One call in the parent; the first of a round may meet the connection that the last round's children broke."""
    for turn in range(_WARM_TRIES_COUNT):
        reply = held.call(f"warm-{number}-{turn}")
        if reply.is_right:
            return
    raise RuntimeError(f"the parent's own call came out as {reply.error or reply.wrong}")


def _let_go_together(held: Held, number: int) -> list[Child]:
    waiting, gate = os.pipe()
    children = [Child(held, f"{number}-{child}", gate=(waiting, gate)) for child in range(CHILDREN_COUNT)]
    os.close(waiting)
    os.close(gate)
    return children
