"""memray in an observed process, for ``connprof run --memory``: its capture, and what is needed to read it."""

from __future__ import annotations

import json
import os
import ssl
import time
from importlib import import_module
from typing import Any

from connprof.observe.sites import LIBRARY_FOLDERS

__all__ = ["Tracking"]


class Tracking:
    """Records every allocation of this process, and of those that it forks, until it is stopped in each."""

    def __init__(self, folder: str) -> None:
        memray: Any = import_module("memray")
        path = os.path.join(folder, f"memory-{os.getpid()}-{time.time_ns()}")  # noqa: PTH118 - a string is wanted
        with open(f"{path}.json", "w", encoding="utf-8") as file:  # noqa: PTH123 - the same
            json.dump({"ssl_file": ssl.__file__, "library_folders": list(LIBRARY_FOLDERS)}, file)
        self._tracker = memray.Tracker(destination=memray.FileDestination(f"{path}.bin"), follow_fork=True)
        self._tracker.__enter__()

    def stop(self) -> None:
        """Write what is left to write."""
        self._tracker.__exit__(None, None, None)
