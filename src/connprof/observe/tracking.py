"""memray in an observed process, for ``connprof run --memory``: its capture, and what is needed to read it."""

from __future__ import annotations

import contextlib
import json
import os
import ssl
import sys
import threading
import time
from importlib import import_module
from typing import TYPE_CHECKING, Any

from connprof.observe.sites import LIBRARY_FOLDERS

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Tracking"]


class Tracking:
    """Records every allocation of this process, and of those that it forks, until it is stopped in each."""

    def __init__(self, folder: str) -> None:
        memray: Any = import_module("memray")
        path = os.path.join(folder, f"memory-{os.getpid()}-{time.time_ns()}")  # noqa: PTH118 - a string is wanted
        with open(f"{path}.json", "w", encoding="utf-8") as file:  # noqa: PTH123 - the same
            json.dump({"ssl_file": ssl.__file__, "library_folders": list(LIBRARY_FOLDERS)}, file)
        with _arguments_hidden():
            self._tracker = memray.Tracker(destination=memray.FileDestination(f"{path}.bin"), follow_fork=True)
        # memray keeps the stacks of other threads when it begins, but not its own: every frame that returns below the
        # one that began would take one of the program's with it, the outermost first. So another thread begins.
        failures: list[Exception] = []
        beginning = threading.Thread(target=self._begin, args=(failures,))
        beginning.start()
        beginning.join()
        if failures:
            raise failures[0]

    def _begin(self, failures: list[Exception]) -> None:
        try:
            self._tracker.__enter__()
        except Exception as error:  # noqa: BLE001 - for the thread that waits
            failures.append(error)

    def stop(self) -> None:
        """Write what is left to write."""
        self._tracker.__exit__(None, None, None)


class _System:
    """:mod:`sys`, but for the arguments."""

    def __init__(self) -> None:
        self.argv = sys.argv[:1]

    def __getattr__(self, name: str) -> Any:
        return getattr(sys, name)


@contextlib.contextmanager
def _arguments_hidden() -> Iterator[None]:
    """Let memray, which writes the command line into its file, and nobody else, see the program's name alone."""
    its: Any = import_module("memray._memray")
    before = its.sys
    its.sys = _System()
    try:
        yield
    finally:
        its.sys = before
