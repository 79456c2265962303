from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

from bench.hazards.finding import Finding, does_not_apply, error_text
from bench.hazards.registry import hazard
from bench.hazards.subject import call_of
from bench.registry import InParallel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.hazards.stage import Scripted, Stage
    from bench.hazards.subject import Subject
    from bench.registry import AsyncSend

CALLS_COUNT = 10
CUT = call_of("hold-cut", method="POST")
SIBLINGS = [call_of(f"hold-{number}", method="POST") for number in range(CALLS_COUNT - 1)]
ARRIVAL_S, HUNG_S = 3.0, 2.0


@hazard(
    "H16",
    title="One of several calls at once raises, and the client closes under its siblings",
    raised_by="ten POSTs by asyncio.gather (or as the strategy has it) in one block; the server cuts one of them off",
    signatures={
        "gather": "silent harm 9 of 10: ReadError",
        "one-client": "silent harm 9 of 10: ReadError",
        "tuned-client": "silent harm 9 of 10: ReadError",
        "shared-client on aiohttp": "silent harm 9 of 10: ClientConnectionError",
        "shared-client on httpx2": "silent harm 9 of 10: ReadError",
    },
)
def probe(subject: Subject, stage: Stage) -> Finding:
    """All ten are with the server when one is cut off; then the others are answered.

    ``gather`` raises at once and leaves the siblings running, the block ends and closes their client: they fail where
    nobody looks, although the server executes them. Harmed are those. Siblings that are cancelled and waited for (a
    TaskGroup), or that end well, are not.
    """
    if not subject.is_async:
        return does_not_apply("Plain functions make no calls beside each other.")
    server = stage.start()
    return asyncio.run(_probe(subject, server))


async def _probe(subject: Subject, server: Scripted) -> Finding:
    loop = asyncio.get_running_loop()
    tasks: list[asyncio.Task[Any]] = []

    batch = asyncio.current_task()

    def record(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        task = asyncio.Task(coroutine, loop=loop, **options)
        if asyncio.current_task() is batch:  # not those that its library starts to connect
            tasks.append(task)
        return task

    cutting = asyncio.create_task(_cut_one_off(server))
    raised: list[str] = []
    try:
        async with subject.entered_async(server.target) as send:
            loop.set_task_factory(record)
            try:
                await _all_at_once(send)
            finally:
                if subject.world == "asgi":  # an application goes on after a request that fails
                    server.ask("release")
                    await asyncio.wait(tasks, timeout=HUNG_S)
    except Exception as error:  # noqa: BLE001 - the batch is meant to raise
        raised = [error_text(leaf) for leaf in _leaves(error)]
    loop.set_task_factory(None)
    await cutting
    server.ask("release")
    if tasks:
        await asyncio.wait(tasks, timeout=HUNG_S)
    ends = Counter(_end(task) for task in tasks)
    hung_count, cancelled_count, well_count = ends.pop("hung", 0), ends.pop("cancelled", 0), ends.pop("", 0)
    ends.subtract(raised)
    unseen = {error: count for error, count in sorted(ends.items()) if count > 0}
    unseen_count = sum(unseen.values())
    executed = server.ask("settled")["executed"]
    return Finding(
        "silent harm" if unseen_count else "hung" if hung_count else "held",
        f"The server executed {sum(executed.values())} calls and cut one of them off, for which the batch raised; of "
        f"its siblings {unseen_count} failed unseen, {cancelled_count} were cancelled, {well_count} ended well, "
        f"{hung_count} hung.",
        attempts_count=CALLS_COUNT,
        harmed_count=unseen_count,
        errors=unseen,
        observed={"executed": sum(executed.values())},
    )


async def _all_at_once(send: AsyncSend | InParallel) -> None:
    calls = [CUT, *SIBLINGS]
    if isinstance(send, InParallel):
        await send.send_all(calls)
    else:
        await asyncio.gather(*(send(call) for call in calls))


async def _cut_one_off(server: Scripted) -> None:
    await asyncio.to_thread(server.ask, "received", requests_count=CALLS_COUNT, limit_s=ARRIVAL_S)
    server.ask("release_on", path=CUT.path)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """The exceptions in a group, or the one that is none."""
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _leaves(each)
    else:
        yield error


def _end(task: asyncio.Task[Any]) -> str:
    """How a task ended: its exception, or nothing."""
    if not task.done():
        return "hung"
    if task.cancelled():
        return "cancelled"
    error = task.exception()
    return "" if error is None else error_text(error)
