from __future__ import annotations

import asyncio
import ssl
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bench.hazards.finding import Finding, Reply, Tally, does_not_apply
from bench.hazards.registry import hazard
from bench.hazards.subject import ask_async, call_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.hazards.stage import Stage
    from bench.hazards.subject import Subject
    from connprof_server.target import Target

THREADS_COUNT, TASKS_COUNT = 2, 50
CONSTRUCTION_S, PATIENCE_S = 0.2, 2.5


@hazard(
    "H3",
    title="Two threads use it first at the same time",
    raised_by="two threads at a barrier, one asyncio.run with one call in each; loading trust stores takes 200 ms",
    signatures={
        "lazy-service": "hung",
    },
)
def probe(subject: Subject, stage: Stage) -> Finding:
    """The first use of a client that is made on first use, by two threads at once.

    A real trust bundle takes some 10 ms to load, time enough for another thread to arrive at the lock, but not always.
    Here it takes 200 ms, so that it always is. A task that waits for an ``asyncio.Lock`` is woken in the loop of the
    thread that lets go, and its own loop sleeps on. In one loop the lock makes no difference, since making a client
    takes no ``await``: fifty tasks make one, which is looked at first.
    """
    if subject.scope != "process" or subject.hands_over:
        return does_not_apply("Nothing is made on first use that two threads would share.")
    server = stage.start()
    tally = Tally()
    if subject.is_async:
        with counted_contexts() as contexts:
            asyncio.run(_tasks(subject, server.target))
            tally.observed[f"contexts made by {TASKS_COUNT} tasks"] = len(contexts)
    with subject.held(server.target) as held, counted_contexts(CONSTRUCTION_S) as contexts:
        replies: dict[int, Reply] = {}
        barrier = threading.Barrier(THREADS_COUNT)

        def run(number: int) -> None:
            barrier.wait()
            replies[number] = held.call(f"first-{number}")

        threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(THREADS_COUNT)]
        deadline = time.monotonic() + PATIENCE_S
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        tally.extend(
            replies.get(number, Reply(call_of(f"first-{number}"), hung=True)) for number in range(THREADS_COUNT)
        )
        tally.observed[f"contexts made by {THREADS_COUNT} threads"] = len(contexts)
        stage.progress(tally, tally.course)
    hung = " The one that waits for the lock is never woken." if tally.hung_count else ""
    return tally.finding(
        f"{tally.hung_count} of {THREADS_COUNT} threads hung, {tally.failed_count} failed; "
        f"clients made: {len(contexts)}.{hung}"
    )


async def _tasks(subject: Subject, target: Target) -> None:
    async with subject.entered_async(target) as send:
        await asyncio.gather(*(ask_async(send, call_of(f"task-{number}")) for number in range(TASKS_COUNT)))


@contextmanager
def counted_contexts(pause_s: float = 0.0) -> Iterator[list[float]]:
    """Count the contexts that load a trust store, one for each client; each takes ``pause_s`` longer for it."""
    made: list[float] = []
    load = ssl.SSLContext.load_verify_locations

    def slow(self: ssl.SSLContext, *arguments: Any, **options: Any) -> None:
        made.append(time.monotonic())
        time.sleep(pause_s)
        load(self, *arguments, **options)

    ssl.SSLContext.load_verify_locations = slow  # type: ignore[method-assign]
    try:
        yield made
    finally:
        ssl.SSLContext.load_verify_locations = load  # type: ignore[method-assign]
