from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from bench.hazards.dials import Dials
from bench.hazards.finding import Finding, Reply, Tally, does_not_apply
from bench.hazards.registry import hazard
from bench.hazards.subject import ask_async, call_of

if TYPE_CHECKING:
    from bench.hazards.stage import Scripted, Stage
    from bench.hazards.subject import Subject

AFTER_COUNT = 3
PATIENCE_S, QUEUED_S, ARRIVAL_S, HUNG_S = 0.3, 0.1, 2.0, 2.0
# Until it is cancelled B must not give up by itself, however slow the machine is.
_LONG_PATIENCE_S = 5.0


@hazard(
    "H11",
    title="A cancelled request keeps its slot",
    raised_by="pools of one connection: a second call is cancelled at the moment in which it gets the first one's slot",
    by_dials=True,
    signatures={
        "client-on-loop": "broke 3 of 3: PoolTimeout",
        "client-per-helper": "broke 3 of 3: PoolTimeout",
        "loop-registry": "broke 3 of 3: PoolTimeout",
        "loop-weak-registry": "broke 3 of 3: PoolTimeout",
        "module-client": "broke 3 of 3: PoolTimeout",
        "one-client": "broke 3 of 3: PoolTimeout",
        "shared-transport": "broke 3 of 3: PoolTimeout",
        "tuned-client": "broke 3 of 3: PoolTimeout",
        "asgi-lifespan": "broke 3 of 3: PoolTimeout",
    },
)
def probe(subject: Subject, stage: Stage) -> Finding:
    """A holds the only slot, B queues for it; A ends and B is cancelled before it runs again. Then three more calls.

    A's answer says ``Connection: close``, so that its slot is given to B as a connection yet to be made. B, cancelled,
    never makes it, and nobody else does: it counts as one of the pool's for ever. With 100 slots it takes 100 such
    cancellations. A pool with HTTP/2 on gives the connection that was never made to the next call, and so holds.
    """
    if not subject.is_async:
        return does_not_apply("Plain functions cannot be cancelled.")
    server = stage.start()
    tally = Tally()
    dials = Dials(most_connections_count=1, longest_s={"pool": _LONG_PATIENCE_S})
    asyncio.run(_cancel(subject, server, tally, dials))
    if not dials.pools_count:
        return does_not_apply("Its library has no pool that could be made small.")
    return tally.finding(
        f"After one cancelled call, {tally.failed_count} of {AFTER_COUNT} calls on a pool of one connection failed."
    )


async def _cancel(subject: Subject, server: Scripted, tally: Tally, dials: Dials) -> None:
    async with subject.entered_async(server.target) as send:

        async def first() -> None:
            """Makes A's call, and cancels B without an ``await`` in between."""
            with suppress(Exception):
                await send(call_of("close-hold-A"))
            second.cancel()

        holding = asyncio.create_task(first())
        await asyncio.to_thread(server.ask, "received", requests_count=1, limit_s=ARRIVAL_S)
        second = asyncio.create_task(ask_async(send, call_of("B")))
        await asyncio.sleep(QUEUED_S)
        server.ask("release")
        await asyncio.gather(holding, return_exceptions=True)
        await asyncio.gather(second, return_exceptions=True)
        dials.longest_s["pool"] = PATIENCE_S
        for number in range(AFTER_COUNT):
            call = call_of(f"after-{number}")
            try:
                tally.add(await asyncio.wait_for(ask_async(send, call), HUNG_S))
            except TimeoutError:
                tally.add(Reply(call, hung=True))
