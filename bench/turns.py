"""The lean timing worker: a fresh process that runs one session each time it is its turn.

``{"case": {...}, "target": {...}, "options": {...}, "partners": [...]}`` comes in as the first line; the process warms
up and answers ``{"ready": "FOLDER OF THE SUITE"}``. Each further line is its turn: it runs one session and answers
``{"wall_ns": ..., "thread_time_ns": ..., "delay_ns": ...}``. The end of standard input is the worker's end. An answer
of ``{"failed": "one sentence"}`` is the last.

Between its turns it waits and costs nothing, so that several of them, of two commits or with two versions of a
library, can take turns within the same seconds.

The file is run by its path (``python -P bench/turns.py``) with another checkout's ``bench`` on the import path: the
instrument is this one on both sides, what it measures is each side's own. So it uses little of ``bench``, and the
standard library alone.
"""

from __future__ import annotations

import asyncio
import json
import os
import queue
import selectors
import sys
import threading
import time
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ClassVar

import bench
from bench.driver import run_session
from bench.reason import reason
from bench.registry import AsyncStrategy, Strategy, SyncStrategy, load
from bench.workloads import WORKLOADS
from connprof_server.target import Target

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from bench.registry import AsyncSend, Send

__all__ = ["Delay", "delays_ns", "main", "slowed", "watch_selectors"]

_WARMUP_CALLS_COUNT = 5


def slowed(strategy: Strategy, *, burn_share: float = 0.0, wait_share: float = 0.0) -> Strategy:
    """``strategy`` with sessions that are longer by a known share: what the calibration must find.

    Args:
        strategy: what is slowed down.
        burn_share: this share of the session's own CPU time is burned once more before the session ends.
        wait_share: this share of the session's own wall time, without what it waited for a core, is slept: that costs
            no CPU time.
    """
    if isinstance(strategy, AsyncStrategy):
        return replace(strategy, enter=asynccontextmanager(_slowed_async(strategy, burn_share, wait_share)))
    return replace(strategy, enter=contextmanager(_slowed_sync(strategy, burn_share, wait_share)))


def _slowed_async(
    strategy: AsyncStrategy, burn_share: float, wait_share: float
) -> Callable[[Target], AsyncIterator[AsyncSend]]:
    async def enter(target: Target) -> AsyncIterator[AsyncSend]:
        wall_ns, cpu_ns = _undelayed_ns(), time.thread_time_ns()
        async with strategy.enter(target) as send:
            yield send
        await asyncio.sleep((_undelayed_ns() - wall_ns) * wait_share / 1e9)
        _burn((time.thread_time_ns() - cpu_ns) * burn_share)

    return enter


def _slowed_sync(strategy: SyncStrategy, burn_share: float, wait_share: float) -> Callable[[Target], Iterator[Send]]:
    def enter(target: Target) -> Iterator[Send]:
        wall_ns, cpu_ns = _undelayed_ns(), time.thread_time_ns()
        with strategy.enter(target) as send:
            yield send
        time.sleep((_undelayed_ns() - wall_ns) * wait_share / 1e9)
        _burn((time.thread_time_ns() - cpu_ns) * burn_share)

    return enter


def _undelayed_ns() -> int:
    return time.perf_counter_ns() - delays_ns(os.getpid())


def _burn(cpu_ns: float) -> None:
    end_ns = time.thread_time_ns() + cpu_ns
    while time.thread_time_ns() < end_ns:
        pass


def _turns(lines: queue.SimpleQueue[str], answer: Callable[[dict[str, Any]], None]) -> None:
    """Take the job, warm up, then run one session for each line."""
    job: dict[str, Any] = json.loads(lines.get())
    case, options, target = job["case"], job.get("options", {}), Target(**job["target"])
    strategy = load(case["strategy"])
    if options:
        strategy = slowed(strategy, **options)
    workload = WORKLOADS[case["workload"]]
    steps = workload.steps(case["calls_count"])
    partners = job.get("partners", ())
    watch_selectors()
    run_session(strategy, workload.steps(min(_WARMUP_CALLS_COUNT, case["calls_count"])), target, nullcontext)
    answer({"ready": str(Path(bench.__file__).resolve().parent.parent)})
    while True:
        lines.get()
        delay = Delay(partners)
        session = run_session(strategy, steps, target, lambda delay=delay: delay)
        answer(
            {
                "wall_ns": session.end_ns - session.start_ns,
                "thread_time_ns": session.thread_time_ns,
                "delay_ns": delay.ns,
            }
        )


def delays_ns(process: int) -> int:
    """How long the threads of ``process`` have been ready to run, and had to wait for a core, since they started.

    Linux tells it (Documentation/scheduler/sched-stats.rst, the second number); elsewhere it is always 0.
    """
    found = 0
    for file in _schedules(process):
        with suppress(OSError):  # a thread that has just ended
            found += int(file.read_bytes().split()[1])
    return found


def _schedules(process: int) -> list[Path]:
    return list(Path(f"/proc/{process}/task").glob("*/schedstat"))


class Delay:
    """The window of one session: how long it was held up because there was no core to run on.

    That is what this process's own threads had to wait, and while its event loop waited for an answer, what the
    partners' had to. What they waited at other times held up nobody. A client without an event loop does not say when
    it waits, so that only its own delay is known.

    Attributes:
        ns: the sum, when the window has closed.
    """

    current: ClassVar[Delay | None] = None

    def __init__(self, partners: Sequence[int]) -> None:
        self._partners = partners
        self._files: list[int] = []
        self.ns = 0

    def __enter__(self) -> None:
        for file in (file for process in self._partners for file in _schedules(process)):
            with suppress(OSError):
                self._files.append(os.open(file, os.O_RDONLY | os.O_CLOEXEC))
        self.ns = -delays_ns(os.getpid())
        Delay.current = self

    def __exit__(self, *_error: object) -> None:
        Delay.current = None
        self.ns += delays_ns(os.getpid())
        for file in self._files:
            os.close(file)

    def partners_ns(self) -> int:
        """What the partners have waited by now."""
        found = 0
        for file in self._files:
            with suppress(OSError):
                found += int(os.pread(file, 100, 0).split()[1])
        return found


def watch_selectors() -> None:
    """Tell the window that is open while an event loop waits."""
    wait = selectors.DefaultSelector.select

    def select(self: selectors.DefaultSelector, timeout: float | None = None) -> Any:
        delay = Delay.current
        if delay is None or (timeout is not None and timeout <= 0):
            return wait(self, timeout)
        before_ns = delay.partners_ns()
        try:
            return wait(self, timeout)
        finally:
            delay.ns += delay.partners_ns() - before_ns

    selectors.DefaultSelector.select = select  # type: ignore[method-assign]


def _read(channel: IO[str], lines: queue.SimpleQueue[str]) -> None:
    """Hand over each line, and end the process when the parent's end of the channel is gone, also mid-session."""
    for line in iter(channel.readline, ""):
        lines.put(line)
    os._exit(0)


def main() -> None:
    """Entry point; never returns, because a strategy may have left threads behind that never end."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a strategy prints must not reach the answers
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()

    def answer(line: dict[str, Any]) -> None:
        answers.write(json.dumps(line) + "\n")
        answers.flush()

    threading.Thread(target=_read, args=(sys.stdin, lines), name="parent-watch", daemon=True).start()
    try:
        _turns(lines, answer)
    except Exception as error:  # noqa: BLE001 - whatever a strategy raises becomes a failed case, not a lost one
        answer({"failed": reason(error)})
    os._exit(1)


if __name__ == "__main__":
    main()
