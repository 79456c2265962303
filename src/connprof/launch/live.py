"""Counters while a program runs, on standard error."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import TYPE_CHECKING, Any

from connprof.launch.gathered import process_profiles

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Counters", "counting", "line"]

_PLAIN_S = 5.0


class Counters:
    """What all processes have used so far, looked up at each tick and shown where it has changed.

    Args:
        folder: the run's folder.
        screen: a rich ``Live`` that shows the line in place; ``None`` prints it every few seconds.
    """

    def __init__(self, folder: Path, screen: Any = None) -> None:
        self._folder = folder
        self._screen = screen
        self._shown = ""
        self._shown_at = 0.0

    def tick(self, *, is_last: bool = False) -> None:
        """Show how things stand; the last time in any case."""
        latest = line(self._folder)
        now = time.monotonic()
        is_early = self._screen is None and now - self._shown_at < _PLAIN_S and not is_last
        if latest == self._shown or is_early:
            return
        self._shown, self._shown_at = latest, now
        with contextlib.suppress(OSError, ValueError):
            if self._screen is not None:
                self._screen.update(latest, refresh=True)
            else:
                print(latest, file=sys.stderr, flush=True)  # noqa: T201 - the line that was asked for


def line(folder: Path) -> str:
    """The counts of all processes in one line."""
    processes, _ = process_profiles(folder)
    if not processes:
        return "connprof: nothing recorded so far"
    counts = [process.counts for process in processes]
    requests = [each.requests_count for each in counts if each.requests_count is not None]
    figures = (
        (len(processes), "process", "processes"),
        (sum(each.contexts_count for each in counts), "SSL context", "SSL contexts"),
        (sum(each.handshakes_count for each in counts), "handshake", "handshakes"),
        (sum(each.connections_count for each in counts), "connection", "connections"),
        *(((sum(requests), "request", "requests"),) if requests else ()),
    )
    return "connprof: " + ", ".join(f"{count:,} {one if count == 1 else more}" for count, one, more in figures)


@contextlib.contextmanager
def counting(folder: Path) -> Iterator[Counters]:
    """Counters in place on a terminal, where rich is installed; a line now and then otherwise."""
    if sys.stderr is not None and sys.stderr.isatty():
        with contextlib.suppress(ImportError):
            from rich.console import Console
            from rich.live import Live

            console = Console(stderr=True, highlight=False)
            with Live("", console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False) as screen:
                yield Counters(folder, screen)
            return
    yield Counters(folder)
