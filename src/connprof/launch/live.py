"""Counters while a program runs, on standard error."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING

from connprof.launch.gathered import process_profiles

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Counters", "line"]

_APART_S = 5.0
_WIDTH = 80


class Counters:
    """What all processes have used so far, told every few seconds where it has changed.

    Each time on a line of its own: the program writes to the same place, and would write into one that stays.

    Args:
        folder: the run's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._shown = ""
        self._shown_at = 0.0

    def tick(self, *, is_last: bool = False) -> None:
        """Show how things stand; the last time in any case."""
        now = time.monotonic()
        if now - self._shown_at < _APART_S and not is_last:
            return
        latest = line(self._folder)
        if latest == self._shown:
            return
        self._shown, self._shown_at = latest, now
        with contextlib.suppress(OSError, ValueError):
            print(f"{_to_a_new_line()}{latest}", file=sys.stderr, flush=True)  # noqa: T201 - what was asked for


def _to_a_new_line() -> str:
    """What goes to the start of a line on a terminal: the next one's where the program has left one unfinished.

    A row's width of blanks ends in the row below, unless they began where the row does.
    """
    if sys.stderr is None or not sys.stderr.isatty():
        return ""
    try:
        width = os.get_terminal_size(sys.stderr.fileno()).columns or _WIDTH
    except OSError:
        width = _WIDTH
    return " " * width + "\r"


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
