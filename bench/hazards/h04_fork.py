from __future__ import annotations

from typing import TYPE_CHECKING

from bench.hazards.finding import Finding, Tally, does_not_apply
from bench.hazards.forks import Child
from bench.hazards.registry import hazard

if TYPE_CHECKING:
    from bench.hazards.stage import Stage
    from bench.hazards.subject import Subject

CHILDREN_COUNT = 2
PATIENCE_S = 2.0


@hazard(
    "H4",
    title="Fork after first use, over TLS",
    raised_by="one call, then two forked children that call while neither has its answer, then the parent again",
    signatures={
        "client-per-helper": "broke 3 of 3: RuntimeError",
        "lazy-service": "broke 3 of 3: RuntimeError",
        "module-client": "broke 3 of 3: RuntimeError",
        "shared-sync-client": "broke 2 of 3: RemoteProtocolError",
        "shared-transport": "broke 3 of 3: RuntimeError",
        "thread-local": "broke 2 of 3: RemoteProtocolError",
        "loops-in-threads": "hung",
    },
)
def probe(subject: Subject, stage: Stage) -> Finding:
    """A call in the parent, one in each of two children whose calls overlap, and one in the parent again.

    Parent and children inherit one TLS connection and its state. The second to write on it uses a record number that
    the server has seen: the server ends the connection, and with it all that was under way on it.
    Then the parent finds it closed, and opens another.

    A strategy that hands its calls to a thread waits for ever in a child: threads are not forked.

    An asynchronous client fails sooner, and in the parent too: the event loop of its connection ended before the fork.
    Each process runs its call under ``asyncio.run``, as Celery tasks and gunicorn workers do.
    """
    if subject.hands_over:
        return does_not_apply("Its processes make no call before they begin, and so inherit no connection.")
    server = stage.start()
    tally = Tally()
    with subject.held(server.target) as held:
        before = held.call("before")
        if not before.is_right:
            tally.add(before)
        children = []
        for number in range(CHILDREN_COUNT):
            children.append(Child(held, f"hold-{number}"))
            server.ask("received", requests_count=2 + number, limit_s=0.5)
        server.ask("release")
        for child in children:
            tally.add(child.reply(PATIENCE_S))
            stage.progress(tally, tally.course)
        tally.add(held.call("after"))
    failures = server.ask("settled")["failures"]
    tally.observed |= {f"server saw {failure}": count for failure, count in failures.items()}
    return tally.finding(f"{CHILDREN_COUNT} children, then their parent: {tally.course}.")
