"""SSL bytes of one test: memray around it, in as many captures as the test has windows."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connprof.memory import CONTEXT, HANDSHAKE, IO, read_capture, tracked

if TYPE_CHECKING:
    from connprof.memory import CaptureFigures

__all__ = ["MISSING", "MemrayError", "SslBytes", "check_memray", "has_memray"]

MISSING = "max_ssl_bytes needs memray: pip install 'connprof[memory]'"
_NESTED = "max_ssl_bytes needs memray for itself, and memray tracks one thing at a time"


class MemrayError(Exception):
    """memray is absent, or something else uses its tracker; the message is a sentence."""


def has_memray() -> bool:
    """Whether memray is installed."""
    return find_spec("memray") is not None


def check_memray(item: Any) -> None:
    """Make sure that a test can be recorded.

    Raises:
        MemrayError: memray is absent, or pytest-memray is about to track this test as well.
    """
    config = item.config
    if not has_memray():
        raise MemrayError(MISSING)
    if not config.pluginmanager.has_plugin("memray_manager"):
        return
    marks = sorted(
        {mark.name for mark in item.iter_markers()} & {"limit_memory", "limit_leaks", "limit_leaked_objects"}
    )
    if marks:
        raise MemrayError(f"{_NESTED}: pytest-memray's {marks[0]} marks this test too, so give each a test of its own")
    if config.getoption("memray", default=None) or config.getini("memray"):
        raise MemrayError(f"{_NESTED}: pytest-memray tracks this test, so run it without --memray")


class SslBytes:
    """Records the SSL allocations of a test, of all its threads."""

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._captures: list[Path] = []
        self._open = ExitStack()

    def start(self) -> None:
        """Record from here on.

        Raises:
            MemrayError: something else uses memray's tracker.
        """
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="connprof-test-"))
        capture = self._folder / f"{len(self._captures)}.bin"
        try:
            self._open.enter_context(tracked(capture))
        except RuntimeError as error:
            raise MemrayError(f"{_NESTED}: something else uses its tracker now ({error})") from None
        self._captures.append(capture)

    def pause(self) -> None:
        """Record no more until the next start."""
        self._open.close()

    def read(self) -> dict[str, int]:
        """Cumulative bytes of what was recorded, by category."""
        figures: list[CaptureFigures] = [read_capture(capture) for capture in self._captures]
        return {category: sum(each.ssl_bytes(category) for each in figures) for category in (CONTEXT, HANDSHAKE, IO)}

    def discard(self) -> None:
        """Remove the captures. May be called again."""
        self._open.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None
