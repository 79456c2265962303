"""Tells a person how far a run has come: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from bench.lanes import Listener
    from bench.matrix import Settings

__all__ = ["listener_for", "progress_on"]

_LINE_EVERY_S = 30.0


@contextmanager
def listener_for(console: Console, settings: Settings) -> Iterator[Listener]:
    """The listener that suits ``console``, for as long as the run takes."""
    mode = "quick run" if settings.quick else "run"
    console.print(
        f"connprof {mode}: {_number(len(settings.strategies), 'strategy', 'strategies')}, "
        f"{_number(settings.calls_count, 'call', 'calls')} of "
        f"{settings.workload}, seed {settings.seed}",
        soft_wrap=True,
    )
    with progress_on(console) as listener:
        yield listener


@contextmanager
def progress_on(console: Console) -> Iterator[Listener]:
    """A listener that shows how many jobs are done."""
    if not console.is_terminal:
        yield _Lines(console)
        return
    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console,
        transient=True,
    ) as progress:  # fmt: skip
        yield _Bar(progress)


def _number(count: int, one: str, more: str) -> str:
    return f"{count} {one if count == 1 else more}"


class _Bar:
    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: TaskID = progress.add_task("starting the server", total=None)

    def planned(self, jobs_count: int) -> None:
        self._progress.update(self._task, total=jobs_count)

    def started(self, label: str) -> None:
        self._progress.update(self._task, description=f"{label:36}")

    def finished(self, label: str, failure: str | None) -> None:
        self._progress.advance(self._task)
        if failure is not None:
            self._progress.console.print(f"{label}: {failure}", markup=False, soft_wrap=True)


class _Lines:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._total = self._count = 0
        self._said = time.monotonic()

    def planned(self, jobs_count: int) -> None:
        self._total = jobs_count

    def started(self, label: str) -> None:
        pass

    def finished(self, label: str, failure: str | None) -> None:
        self._count += 1
        now = time.monotonic()
        if failure is not None:
            self._console.print(f"{label}: {failure}", markup=False, soft_wrap=True)
        if now - self._said >= _LINE_EVERY_S or self._count == self._total:
            self._said = now
            self._console.print(f"{self._count} of {self._total} jobs done", soft_wrap=True)
