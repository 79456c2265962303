from __future__ import annotations

import asyncio
import gc
import threading
import time
from typing import TYPE_CHECKING

from bench.hazards.finding import Finding, Reply, Tally
from bench.hazards.registry import hazard
from bench.hazards.subject import ask, ask_async, call_of
from bench.registry import SyncStrategy

if TYPE_CHECKING:
    from bench.hazards.stage import Scripted, Stage
    from bench.hazards.subject import Subject

WAITING_COUNT = CONNECTING_COUNT = 10
ARRIVAL_S, HUNG_S = 2.0, 2.0


@hazard(
    "H8",
    title="Closed while in use",
    raised_by="closing while ten calls wait for their answers and ten more are about to connect",
)
def probe(subject: Subject, stage: Stage) -> Finding:
    """The strategy's block is left while calls are under way; harmed are connections that outlive that close.

    A connection that is being made when the client closes is not in anybody's list: it comes up afterwards, carries its
    call, and then stays open. Plain functions are probed with the calls that wait, from threads.
    """
    server = stage.start()
    closes = _closes(subject, server)
    opened_before = server.ask("settled")["opened"]
    tally = Tally()
    if isinstance(subject.strategy, SyncStrategy):
        _close_under_threads(subject.strategy, server, tally)
    else:
        asyncio.run(_close_under_tasks(subject, server, tally, opened_before))
    return tally.finding("x")


def _closes(subject: Subject, server: Scripted) -> bool:
    return True


async def _close_under_tasks(subject: Subject, server: Scripted, tally: Tally, opened: int) -> None:
    async with subject.entered_async(server.target) as send:
        waiting = [asyncio.create_task(ask_async(send, call_of(f"hold-{number}"))) for number in range(WAITING_COUNT)]
        await asyncio.to_thread(server.ask, "received", requests_count=WAITING_COUNT, limit_s=ARRIVAL_S)
        connecting = [
            asyncio.create_task(ask_async(send, call_of(f"new-{number}"))) for number in range(CONNECTING_COUNT)
        ]
        await asyncio.sleep(0)
    server.ask("release")
    tasks = [*waiting, *connecting]
    await asyncio.wait(tasks, timeout=HUNG_S)
    for task in tasks:
        tally.add(task.result() if task.done() else Reply(call_of("?"), hung=True))
    await asyncio.sleep(0.05)
    gc.collect()
    tally.observed["opened"] = server.ask("settled")["opened"]
    tally.observed["open"] = server.ask("settled")["open"]
    print(tally.course)

def _close_under_threads(strategy, server: Scripted, tally: Tally) -> None:
    replies = {}
    with strategy.enter(server.target) as send:
        def run(number):
            replies[number] = ask(send, call_of(f"hold-{number}"))
        threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(WAITING_COUNT)]
        for t in threads: t.start()
        server.ask("received", requests_count=WAITING_COUNT, limit_s=ARRIVAL_S)
    server.ask("release")
    for t in threads: t.join(HUNG_S)
    for number in range(WAITING_COUNT):
        tally.add(replies.get(number) or Reply(call_of("?"), hung=True))
    gc.collect()
    tally.observed["opened"] = server.ask("settled")["opened"]
    tally.observed["open"] = server.ask("settled")["open"]
