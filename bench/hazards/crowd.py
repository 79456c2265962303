"""Several callers at once, on a strategy that is held: as many as its users have. Standard library only."""

from __future__ import annotations

import threading
import time
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.hazards.finding import Reply
from bench.hazards.subject import Held, Seat

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future

    from bench.hazards.subject import Subject
    from bench.workloads import Call
    from connprof_server.target import Target

__all__ = ["Crowd", "at_once", "crowd"]


def at_once(subject: Subject, size: int) -> int:
    """How many of ``size`` calls the users of ``subject`` have under way at once.

    An asynchronous strategy is called from one event loop, and one of plain functions from threads; but where clients
    live for a batch in a script, a batch is one thread's, which makes one call at a time, and so does a process that
    is handed tasks and jobs.
    """
    if subject.world in {"celery", "processes"}:
        return 1
    if not subject.is_async and subject.scope == "batch" and subject.world != "threads":
        return 1
    return size


@contextmanager
def crowd(subject: Subject, target: Target, size: int) -> Iterator[Crowd]:
    """``subject`` with up to ``size`` calls under way at once: as many as :func:`at_once` says."""
    with ExitStack() as stack:
        held = stack.enter_context(subject.held(target))
        at_once_count = at_once(subject, size)
        if not subject.is_async and subject.scope == "batch" and at_once_count > 1:
            held = Held(subject.strategy, target, send=stack.enter_context(held.sending()))
        seats_count = 1 if subject.is_async else at_once_count
        people = Crowd(tuple(Seat(held) for _ in range(seats_count)), at_once_count)
        yield people
        # Those that hang are left behind: the process ends without them.
        if not people.hung_count:
            for seat in people.seats:
                seat.leave()


@dataclass(slots=True)
class Crowd:
    """Made by :func:`crowd`.

    Attributes:
        seats: where calls are made.
        at_once_count: how many can be under way at once.
        hung_count: calls that never ended.
    """

    seats: tuple[Seat, ...]
    at_once_count: int
    hung_count: int = 0

    def play(
        self, *callers: Sequence[Call], limit_s: float = 10.0, started: Callable[[int], None] = lambda _count: None
    ) -> list[Reply]:
        """Each of ``callers`` makes its calls one after another, all callers at once; returns the replies by caller.

        Where each has one call, a strategy that makes several at once by itself is left to it. Calls that have not
        ended ``limit_s`` after the last was started have hung. ``started`` is told each time how many callers have been
        started.
        """
        if len(self.seats) == 1 and all(len(calls) == 1 for calls in callers):
            calls = [call for (call,) in callers]
            if (batch := self.seats[0].start_all(calls)) is not None:
                return self._all_of(batch, calls, limit_s)
        chains = [_Chain(self.seats[number % len(self.seats)], calls) for number, calls in enumerate(callers)]
        for count, chain in enumerate(chains, start=1):
            chain.start()
            started(count)
        deadline = time.monotonic() + limit_s
        for chain in chains:
            chain.ended.wait(max(0.0, deadline - time.monotonic()))
        replies = [reply for chain in chains for reply in chain.so_far()]
        self.hung_count += sum(reply.hung for reply in replies)
        return replies

    def _all_of(self, batch: Future[list[Reply]], calls: Sequence[Call], limit_s: float) -> list[Reply]:
        try:
            return batch.result(limit_s)
        except TimeoutError:
            self.hung_count += len(calls)
            return [Reply(call, hung=True) for call in calls]


@dataclass(slots=True)
class _Chain:
    """One caller: a call after the other."""

    seat: Seat
    calls: Sequence[Call]
    ended: threading.Event = field(default_factory=threading.Event)
    _replies: list[Reply] = field(default_factory=list)

    def start(self) -> None:
        """Make the next call."""
        done_count = len(self._replies)
        if done_count == len(self.calls):
            self.ended.set()
        else:
            self.seat.start(self.calls[done_count]).add_done_callback(self._done)

    def so_far(self) -> list[Reply]:
        """The replies; calls that have none have hung."""
        replies = list(self._replies)
        return replies + [Reply(call, hung=True) for call in self.calls[len(replies) :]]

    def _done(self, future: Future[Reply]) -> None:
        try:
            reply = future.result()
        except (Exception, CancelledError) as error:  # noqa: BLE001 - it is what the caller got
            reply = Reply.failed(self.calls[len(self._replies)], error)
        self._replies.append(reply)
        self.start()
