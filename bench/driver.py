"""Runs a workload through a strategy once, and checks every answer. Standard library only."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from bench.places import CallTime, here, start_afresh
from bench.registry import Answer, AsyncStrategy, InParallel, Strategy, SyncStrategy

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from bench.registry import AsyncSend, Send
    from bench.workloads import Call, Step
    from connprof_server.target import Target

__all__ = ["AnswerError", "CallTime", "Session", "Window", "run_session"]


class AnswerError(Exception):
    """An answer was not the one that the workload expects: the figures would be worth nothing."""


class Window(Protocol):
    """Makes the context manager inside which everything is measured."""

    def __call__(self) -> AbstractContextManager[object]:
        """A new one for each session."""


@dataclass(frozen=True, slots=True)
class Session:
    """What one session yields beside what its window measured.

    Attributes:
        start_ns: when the window had opened, on the same clock as the calls.
        end_ns: just before it closed.
        calls: the calls, in the order in which the workload names them.
        thread_time_ns: CPU time of the session, summed over the threads that made calls.
    """

    start_ns: int
    end_ns: int
    calls: tuple[CallTime, ...]
    thread_time_ns: int

    @property
    def wall_ns(self) -> int:
        """The session's length."""
        return self.end_ns - self.start_ns


def run_session(
    strategy: Strategy, steps: Sequence[Step], target: Target, window: Window, *, concurrency_count: int = 1
) -> Session:
    """Enter ``strategy``, make all calls of ``steps``, leave it; all of that inside one ``window``.

    The calls of a step are made one after another, or up to ``concurrency_count`` at once: each in a task of its own
    on an event loop, in so many threads otherwise. A strategy that makes calls beside each other itself is handed so
    many at a time; with 1, all of a step.

    Raises:
        AnswerError: an answer had the wrong status or size.
        Exception: whatever the strategy raised.
    """
    start_afresh()
    if isinstance(strategy, AsyncStrategy):
        with asyncio.Runner() as runner:
            return runner.run(_run_async(strategy, steps, target, window, concurrency_count))
    if concurrency_count > 1:
        return _run_threads(strategy, steps, target, window, concurrency_count)
    return _run_sync(strategy, steps, target, window)


async def _run_async(
    strategy: AsyncStrategy, steps: Sequence[Step], target: Target, window: Window, concurrency_count: int
) -> Session:
    calls: list[CallTime] = []
    with window():
        start_ns, cpu_ns = time.perf_counter_ns(), time.thread_time_ns()
        async with strategy.enter(target) as send:
            for step in steps:
                if step.pause_s:
                    await asyncio.sleep(step.pause_s)
                background = asyncio.create_task(_call_async(send, step.background)) if step.background else None
                try:
                    if isinstance(send, InParallel):
                        for batch in _batches(step.calls, concurrency_count):
                            calls.extend(await _call_all(send, batch))
                    elif concurrency_count > 1:
                        calls.extend(await _call_together(send, step.calls, concurrency_count))
                    else:
                        calls.extend([await _call_async(send, call) for call in step.calls])
                finally:
                    if background is not None:
                        calls.append(await background)
        cpu_ns, end_ns = time.thread_time_ns() - cpu_ns, time.perf_counter_ns()
    return Session(start_ns, end_ns, tuple(calls), cpu_ns)


async def _call_async(send: AsyncSend, call: Call) -> CallTime:
    place, start_ns = here(), time.perf_counter_ns()
    answer = await send(call)
    end_ns = time.perf_counter_ns()
    _check(call, answer)
    return CallTime(call.origin, start_ns, end_ns, place)


async def _call_together(send: AsyncSend, calls: Sequence[Call], concurrency_count: int) -> list[CallTime]:
    """Make ``calls``, each in a task, so many at once; the first that fails ends the others."""
    free = asyncio.Semaphore(concurrency_count)

    async def in_turn(call: Call) -> CallTime:
        async with free:
            return await _call_async(send, call)

    tasks = [asyncio.create_task(in_turn(call)) for call in calls]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _batches(calls: Sequence[Call], concurrency_count: int) -> list[Sequence[Call]]:
    size_count = concurrency_count if concurrency_count > 1 else max(1, len(calls))
    return [calls[start : start + size_count] for start in range(0, len(calls), size_count)]


async def _call_all(send: InParallel, calls: Sequence[Call]) -> list[CallTime]:
    """Hand over calls that do not wait for each other; each takes as long as its caller waits, which is for all."""
    place, start_ns = here(), time.perf_counter_ns()
    answers = await send.send_all(calls)
    end_ns = time.perf_counter_ns()
    for call, answer in zip(calls, answers, strict=True):
        _check(call, answer)
    first, *others = calls
    known = CallTime(first.origin, start_ns, end_ns, place)
    return [known, *(replace(known, origin=call.origin) for call in others)]


def _run_sync(strategy: SyncStrategy, steps: Sequence[Step], target: Target, window: Window) -> Session:
    calls: list[CallTime] = []
    with window():
        start_ns, cpu_ns = time.perf_counter_ns(), time.thread_time_ns()
        with strategy.enter(target) as send:
            for step in steps:
                time.sleep(step.pause_s)
                calls.extend([_call_sync(send, call) for call in step.calls])
                if step.background is not None:
                    background = _Background(send, step.background)
                    background.join()
                    calls.append(background.result())
                    cpu_ns -= background.thread_time_ns
        cpu_ns, end_ns = time.thread_time_ns() - cpu_ns, time.perf_counter_ns()
    return Session(start_ns, end_ns, tuple(calls), cpu_ns)


def _call_sync(send: Send, call: Call) -> CallTime:
    place, start_ns = here(), time.perf_counter_ns()
    answer = send(call)
    end_ns = time.perf_counter_ns()
    _check(call, answer)
    return CallTime(call.origin, start_ns, end_ns, place)


def _run_threads(
    strategy: SyncStrategy, steps: Sequence[Step], target: Target, window: Window, concurrency_count: int
) -> Session:
    calls: list[CallTime] = []
    callers_ns: list[int] = []  # appended to by several threads, which lists allow

    with window():
        start_ns, cpu_ns = time.perf_counter_ns(), time.thread_time_ns()
        # The threads live as long as the session: what a strategy keeps for each is used again in the next step.
        with strategy.enter(target) as send, ThreadPoolExecutor(concurrency_count, "caller") as pool:

            def call_in_thread(call: Call) -> CallTime:
                began_ns = time.thread_time_ns()
                try:
                    return _call_sync(send, call)
                finally:
                    callers_ns.append(time.thread_time_ns() - began_ns)

            for step in steps:
                time.sleep(step.pause_s)
                calls.extend(pool.map(call_in_thread, step.calls))
        cpu_ns, end_ns = time.thread_time_ns() - cpu_ns, time.perf_counter_ns()
    return Session(start_ns, end_ns, tuple(calls), cpu_ns + sum(callers_ns))


class _Background(threading.Thread):
    """One call in a thread of its own, as plain functions send a ping, in the pause before the next step.

    It overlaps no other call: two threads that make contexts at once share caches of OpenSSL whose sizes then depend
    on who comes first, and context bytes would differ by some hundred bytes from run to run.
    """

    def __init__(self, send: Send, call: Call) -> None:
        super().__init__(name="background-call", daemon=True)
        self._send, self._call = send, call
        self._outcome: CallTime | BaseException | None = None
        self.thread_time_ns = 0
        self.start()

    def run(self) -> None:
        try:
            self._outcome = _call_sync(self._send, self._call)
        except BaseException as error:  # noqa: BLE001 - it is raised again by result(), in the thread that asks
            self._outcome = error
        self.thread_time_ns = time.thread_time_ns()

    def result(self) -> CallTime:
        """The finished call, or what it raised."""
        if isinstance(self._outcome, BaseException):
            raise self._outcome
        assert self._outcome is not None, "result() is asked for after join()"
        return self._outcome


def _check(call: Call, answer: Answer) -> None:
    got = (answer.status_code, len(answer.content))
    if got != (call.status, call.size_bytes):
        raise AnswerError(
            f"{call.origin} answered {call.path} with status {got[0]} and {got[1]:,} bytes "
            f"instead of {call.status} and {call.size_bytes:,} bytes"
        )
