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
import sys
import threading
import time
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import bench
from bench.driver import run_session
from bench.registry import AsyncStrategy, Strategy, SyncStrategy, load
from bench.worker import reason
from bench.workloads import WORKLOADS
from connprof_server.target import Target

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from bench.registry import AsyncSend, Send

__all__ = ["delays_ns", "main", "slowed"]

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
    return time.perf_counter_ns() - delays_ns([os.getpid()])


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
    partners = [os.getpid(), *job.get("partners", ())]
    run_session(strategy, workload.steps(min(_WARMUP_CALLS_COUNT, case["calls_count"])), target, nullcontext)
    answer({"ready": str(Path(bench.__file__).resolve().parent.parent)})
    while True:
        lines.get()
        delay = _Delay(partners)
        session = run_session(strategy, steps, target, lambda delay=delay: delay)
        answer(
            {
                "wall_ns": session.end_ns - session.start_ns,
                "thread_time_ns": session.thread_time_ns,
                "delay_ns": delay.ns,
            }
        )


class _Delay:
    """The window of one session: how long those who work on it had to wait for a core meanwhile."""

    def __init__(self, processes: Sequence[int]) -> None:
        self._processes = processes
        self.ns = 0

    def __enter__(self) -> None:
        self.ns = -delays_ns(self._processes)

    def __exit__(self, *_error: object) -> None:
        self.ns += delays_ns(self._processes)


def delays_ns(processes: Sequence[int]) -> int:
    """How long the threads of ``processes`` have been ready to run, and had to wait for a core, since they started.

    Linux tells it (Documentation/scheduler/sched-stats.rst, the second number); elsewhere it is always 0.
    """
    found = 0
    for process in processes:
        for file in Path(f"/proc/{process}/task").glob("*/schedstat"):
            with suppress(OSError):  # a thread that has just ended
                found += int(file.read_bytes().split()[1])
    return found


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
