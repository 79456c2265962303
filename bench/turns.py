"""The lean timing worker: a fresh process that runs one session each time it is its turn.

``{"case": {...}, "target": {...}, "options": {...}}`` comes in as the first line; the process warms up and answers
``{"ready": "FOLDER OF THE SUITE"}``. Each further line is its turn: it runs one session and answers
``{"wall_ns": ..., "thread_time_ns": ...}``. The end of standard input is the worker's end. An answer of
``{"failed": "one sentence"}`` is the last.

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
from contextlib import asynccontextmanager, contextmanager, nullcontext
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
    from collections.abc import AsyncIterator, Callable, Iterator

    from bench.registry import AsyncSend, Send

__all__ = ["main", "slowed"]

_WARMUP_CALLS_COUNT = 5


def slowed(strategy: Strategy, *, burn_share: float = 0.0, wait_share: float = 0.0) -> Strategy:
    """``strategy`` with sessions that are longer by a known share: what the calibration must find.

    Args:
        strategy: what is slowed down.
        burn_share: this share of the session's own CPU time is burned once more before the session ends.
        wait_share: this share of the session's own wall time is slept, which costs no CPU time.
    """
    if isinstance(strategy, AsyncStrategy):
        return replace(strategy, enter=asynccontextmanager(_slowed_async(strategy, burn_share, wait_share)))
    return replace(strategy, enter=contextmanager(_slowed_sync(strategy, burn_share, wait_share)))


def _slowed_async(
    strategy: AsyncStrategy, burn_share: float, wait_share: float
) -> Callable[[Target], AsyncIterator[AsyncSend]]:
    async def enter(target: Target) -> AsyncIterator[AsyncSend]:
        wall_ns, cpu_ns = time.perf_counter_ns(), time.thread_time_ns()
        async with strategy.enter(target) as send:
            yield send
        await asyncio.sleep((time.perf_counter_ns() - wall_ns) * wait_share / 1e9)
        _burn((time.thread_time_ns() - cpu_ns) * burn_share)

    return enter


def _slowed_sync(strategy: SyncStrategy, burn_share: float, wait_share: float) -> Callable[[Target], Iterator[Send]]:
    def enter(target: Target) -> Iterator[Send]:
        wall_ns, cpu_ns = time.perf_counter_ns(), time.thread_time_ns()
        with strategy.enter(target) as send:
            yield send
        time.sleep((time.perf_counter_ns() - wall_ns) * wait_share / 1e9)
        _burn((time.thread_time_ns() - cpu_ns) * burn_share)

    return enter


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
    run_session(strategy, workload.steps(min(_WARMUP_CALLS_COUNT, case["calls_count"])), target, nullcontext)
    answer({"ready": str(Path(bench.__file__).resolve().parent.parent)})
    while True:
        lines.get()
        session = run_session(strategy, steps, target, nullcontext)
        answer({"wall_ns": session.end_ns - session.start_ns, "thread_time_ns": session.thread_time_ns})


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
