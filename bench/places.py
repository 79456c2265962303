"""Where a session sent its calls from, and so what the words of a strategy's claim amount to. Standard library only.

A client may live for each task, thread or event loop. How many there are depends on how the calls were made, so it is
counted where they are made, by means that know nothing of clients.
"""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["CallTime", "Place", "amounts", "here", "start_afresh"]

_numbers = count(1)
_of_task: ContextVar[int] = ContextVar("_of_task")
_of_thread = threading.local()


class Place(NamedTuple):
    """Where one call was sent from.

    Attributes:
        task: the context (as in :mod:`contextvars`) that sent first; tasks that it starts later belong to it.
        thread: the thread; never the number of an earlier one.
        loop: the event loop that runs, 0 without one.
    """

    task: int
    thread: int
    loop: int


_NOWHERE = Place(0, 0, 0)


@dataclass(frozen=True, slots=True)
class CallTime:
    """When one call ran, on the clock of :func:`time.perf_counter_ns`, and where it was sent from.

    Calls that were handed over together have the same ``batch``.
    """

    origin: str
    start_ns: int
    end_ns: int
    place: Place = _NOWHERE
    batch: int = field(default_factory=_numbers.__next__)


def start_afresh() -> None:
    """Forget that this context has sent anything, before a session."""
    _of_task.set(0)


def here() -> Place:
    """Where this is called from. The first call in a context marks it and all that is copied from it later."""
    task = _of_task.get(0)
    if not task:
        task = next(_numbers)
        _of_task.set(task)
    if not hasattr(_of_thread, "number"):
        _of_thread.number = next(_numbers)
    try:
        loop = id(asyncio.get_running_loop())
    except RuntimeError:
        loop = 0
    return Place(task, _of_thread.number, loop)


def amounts(calls: Iterable[CallTime]) -> dict[str, dict[str, int]]:
    """What each word of a claim amounts to after ``calls``: for contexts, and for handshakes.

    One pool needs, for each origin, as many connections as calls to it were in flight at once. Where each task,
    thread or loop has a pool, that is summed over them.
    """
    calls = tuple(calls)
    contexts = {"batches": len({call.batch for call in calls})}
    handshakes = {"origins": _connections((call.origin, call) for call in calls)}
    for word, number in (("tasks", 0), ("threads", 1), ("loops", 2)):
        contexts[word] = len({call.place[number] for call in calls})
        handshakes[word] = _connections(((call.place[number], call.origin), call) for call in calls)
    return {"contexts": contexts, "handshakes": handshakes}


def _connections(calls: Iterable[tuple[object, CallTime]]) -> int:
    by_pool: Mapping[object, list[CallTime]] = defaultdict(list)
    for pool, call in calls:
        by_pool[pool].append(call)
    return sum(_most_at_once(each) for each in by_pool.values())


def _most_at_once(calls: Iterable[CallTime]) -> int:
    changes = sorted(change for call in calls for change in ((call.start_ns, 1), (call.end_ns, -1)))
    most = running = 0
    for _when, change in changes:
        running += change
        most = max(most, running)
    return most
