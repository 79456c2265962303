from __future__ import annotations

import asyncio
import gc
import threading
import time
from typing import TYPE_CHECKING

from bench.hazards.finding import Finding, Reply, Tally, does_not_apply
from bench.hazards.registry import hazard
from bench.hazards.subject import ask, ask_async, call_of
from bench.registry import SyncStrategy

if TYPE_CHECKING:
    from bench.hazards.stage import Scripted, Stage
    from bench.hazards.subject import Subject
    from bench.workloads import Call

WAITING = [call_of(f"hold-{number}") for number in range(10)]
CONNECTING = [call_of(f"new-{number}") for number in range(10)]
ARRIVAL_S, HUNG_S = 3.0, 2.0


@hazard(
    "H8",
    title="Closed while in use",
    raised_by="closing while ten calls wait for their answers and ten more have begun to connect",
    signatures={
        "client-on-loop": "silent harm 10 of 20: ReadError",
        "client-per-helper": "silent harm 10 of 20: ReadError",
        "lazy-service": "silent harm 4 of 20: ReadError",
        "loop-registry": "silent harm 10 of 20: ReadError",
        "one-client": "silent harm 10 of 20: ReadError",
        # The latter since Python 3.13.
        "shared-sync-client": "broke 10 of 10: RemoteProtocolError or broke 10 of 10: ReadError",
        "shared-transport": "silent harm 10 of 20: ReadError",
        "tuned-client": "silent harm 10 of 20: ReadError",
        "loops-in-threads": "broke 10 of 10: ReadError",
        "shared-client on aiohttp": "broke 20 of 20: ClientConnectionError",
        "shared-client on httpx2": "silent harm 10 of 20: ReadError",
    },
)
def probe(subject: Subject, stage: Stage) -> Finding:
    """The strategy's block is left while calls are under way; harmed are connections that outlive that close.

    The calls that wait fail. A connection that is being made when the client closes escapes: it comes up afterwards,
    carries its call, and stays open for as long as the garbage collector lets it (which therefore rests here), with
    nobody left to close it. Threads are probed with the calls that wait alone: just when one of them connects is not
    ours to say.
    """
    if isinstance(subject.strategy, SyncStrategy) and subject.world not in {"threads", "loops"}:
        return does_not_apply("It is closed in the thread that makes the calls, and so after the last of them.")
    if subject.world == "asgi":
        return does_not_apply("A server closes it only after its last request.")
    server = stage.start()
    tally = Tally()
    gc.disable()
    try:
        if not _closes(subject, server):
            return does_not_apply("It is never closed.")
        if isinstance(subject.strategy, SyncStrategy):
            _close_under_threads(subject.strategy, server, tally)
        else:
            asyncio.run(_close_under_tasks(subject, server, tally))
    finally:
        gc.enable()
    outliving_count = tally.observed["open after the close"]
    gc.collect()
    tally.observed["open after the garbage collector"] = server.ask("settled")["open"]
    return tally.finding(
        f"Closed under {tally.attempts_count} calls: {tally.failed_count} failed, "
        f"and {outliving_count} connections outlived it.",
        harmed_count=outliving_count,
    )


def _closes(subject: Subject, server: Scripted) -> bool:
    """Whether leaving the strategy closes its connections where nothing is under way."""
    if isinstance(subject.strategy, SyncStrategy):
        with subject.strategy.enter(server.target) as send:
            ask(send, call_of("before"))
        return not server.ask("settled")["open"]

    async def run() -> bool:
        async with subject.entered_async(server.target) as send_async:
            await ask_async(send_async, call_of("before"))
        await asyncio.sleep(0)
        return not server.ask("settled")["open"]

    return asyncio.run(run())


async def _close_under_tasks(subject: Subject, server: Scripted, tally: Tally) -> None:
    before_count = server.ask("counts")["requests"]
    async with subject.entered_async(server.target) as send:

        def start(calls: list[Call]) -> list[asyncio.Task[Reply]]:
            return [asyncio.create_task(ask_async(send, call)) for call in calls]

        waiting = start(WAITING)
        # In a thread, since connecting needs this loop.
        await asyncio.to_thread(
            server.ask, "received", requests_count=before_count + len(WAITING), limit_s=ARRIVAL_S
        )  # fmt: skip
        connecting = start(CONNECTING)
        await asyncio.sleep(0)  # they run until they wait for their connections
    server.ask("release")
    tasks = [*waiting, *connecting]
    await asyncio.wait(tasks, timeout=HUNG_S)
    for task, call in zip(tasks, [*WAITING, *CONNECTING], strict=True):
        tally.add(task.result() if task.done() else Reply(call, hung=True))
    await asyncio.sleep(0)
    tally.observed["open after the close"] = server.ask("settled")["open"]


def _close_under_threads(strategy: SyncStrategy, server: Scripted, tally: Tally) -> None:
    replies: dict[str, Reply] = {}
    before_count = server.ask("counts")["requests"]
    with strategy.enter(server.target) as send:

        def run(call: Call) -> None:
            replies[call.path] = ask(send, call)

        threads = [threading.Thread(target=run, args=(call,), daemon=True) for call in WAITING]
        for thread in threads:
            thread.start()
        server.ask("received", requests_count=before_count + len(WAITING), limit_s=ARRIVAL_S)
    server.ask("release")
    deadline = time.monotonic() + HUNG_S
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    tally.extend(replies.get(call.path, Reply(call, hung=True)) for call in WAITING)
    tally.observed["open after the close"] = server.ask("settled")["open"]
