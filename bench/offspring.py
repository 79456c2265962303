"""Measures what a strategy's own child processes do: Celery workers, process pools.

A pass leaves word in an environment variable. Whoever starts a child sees to it that :func:`enter` runs there before
the first client is made, and :func:`leave` after the last one has been closed. In between the child is in a window of
its own, of the same kind as the pass's; what that saw is left as a file, and the pass adds all files up. Without a word
both do nothing.

Standard library, :mod:`connprof.observe` and, in the memory pass, :mod:`connprof.memory`.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["USER_CODE", "OffspringError", "Outcomes", "enter", "followed", "leave"]

_VARIABLE = "CONNPROF_OFFSPRING"
# A hazard probe has turned dials of all clients, in every process.
_DIALS = "CONNPROF_DIALS"
_SUITE = Path(__file__).resolve().parent
USER_CODE = tuple(str(_SUITE / folder) for folder in ("strategies", "helpers", "libraries"))
"""Where the code is that lines are attributed to."""


class OffspringError(Exception):
    """A child process did not say what was measured in it; the message is one sentence."""


class _Window:
    """The window of this process."""

    def __init__(self, kind: str, folder: Path, *, is_worker: bool) -> None:
        self.pid = os.getpid()
        self._is_worker = is_worker
        self._file = folder / f"{self.pid}.json"
        self._opened = self._file.with_suffix(".open")
        self._opened.touch()
        self._stack = ExitStack()
        self._result: Callable[[], dict[str, Any]] = _OPENERS[kind](self._stack, folder / f"{self.pid}.bin")

    def close(self) -> None:
        self._stack.close()
        self._opened.write_text(json.dumps({"is_worker": self._is_worker} | self._result()), encoding="utf-8")
        self._opened.replace(self._file)


def _open_counts(stack: ExitStack, _capture: Path) -> Callable[[], dict[str, Any]]:
    from connprof.observe import observe

    observation = stack.enter_context(observe(user_code=USER_CODE))

    def result() -> dict[str, Any]:
        return {
            "seen": observation.to_dict(relative_to=_SUITE.parent),
            "peers": list(observation.origins),
            "started_ns": observation.started_ns,
        }

    return result


def _open_memory(stack: ExitStack, capture: Path) -> Callable[[], dict[str, Any]]:
    from connprof.memory import tracked

    stack.enter_context(tracked(capture))
    return lambda: {"capture": str(capture)}


def _open_retained(stack: ExitStack, capture: Path) -> Callable[[], dict[str, Any]]:
    from connprof.memory import tracked

    stack.enter_context(tracked(capture, live_only=True))
    return lambda: {"capture": str(capture)}


def _open_timing(_stack: ExitStack, _capture: Path) -> Callable[[], dict[str, Any]]:
    began_ns = time.process_time_ns()
    return lambda: {"cpu_ns": time.process_time_ns() - began_ns}


_OPENERS = {"counts": _open_counts, "memory": _open_memory, "retained": _open_retained, "timing": _open_timing}
_window: _Window | None = None


# --- in the child ---------------------------------------------------------------------------------------------


def enter(*, is_worker: bool = True) -> None:
    """Open this process's window, if a pass wants one and there is none.

    memray cannot be started in a process that was forked from one in which it runs, so that a process which only
    starts others is left out of the memory passes.

    Args:
        is_worker: whether calls are made here; a process that only starts others is measured, but is none of the
            ``processes`` that a strategy's claim is about.
    """
    global _window  # noqa: PLW0603 - a process has one window
    if _DIALS in os.environ:
        from bench.hazards.dials import inherit

        inherit()
    word = os.environ.get(_VARIABLE)
    if word is None or (_window is not None and _window.pid == os.getpid()):
        return
    kind, _, folder = word.partition(":")
    if not is_worker and kind in {"memory", "retained"}:
        return
    _window = _Window(kind, Path(folder), is_worker=is_worker)


def leave() -> None:
    """Close this process's window and leave what it saw; without one, do nothing."""
    global _window
    window, _window = _window, None
    if window is not None and window.pid == os.getpid():
        window.close()


# --- in the pass ----------------------------------------------------------------------------------------------


class Outcomes:
    """What the children left. Complete when the block of :func:`followed` has ended."""

    def __init__(self) -> None:
        self.all: list[dict[str, Any]] = []

    @property
    def workers_count(self) -> int:
        """How many of them made calls."""
        return sum(outcome["is_worker"] for outcome in self.all)


@contextmanager
def followed(kind: str, read: Callable[[dict[str, Any]], dict[str, Any]] = dict) -> Iterator[Outcomes]:
    """Have child processes that are started inside the block measure themselves as the pass ``kind`` does.

    Args:
        kind: ``counts``, ``memory``, ``retained``, or ``timing``, which takes the children's CPU time alone.
        read: makes what is wanted of a child's outcome, while its files still exist.

    Raises:
        OffspringError: a child ended without leaving its window.
    """
    outcomes = Outcomes()
    with tempfile.TemporaryDirectory(prefix="connprof-offspring-") as name:
        folder = Path(name)
        os.environ[_VARIABLE] = f"{kind}:{folder}"
        try:
            yield outcomes
        finally:
            del os.environ[_VARIABLE]
        lost = sorted(folder.glob("*.open"))
        if lost:
            raise OffspringError(f"{len(lost)} child processes ended without saying what was measured in them")
        for file in sorted(folder.glob("*.json")):
            outcome = json.loads(file.read_bytes())
            outcomes.all.append({"is_worker": outcome["is_worker"]} | read(outcome))
