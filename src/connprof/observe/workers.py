"""Children of multiprocessing, which their parent ends by SIGTERM as a matter of course."""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any

from connprof.observe.imports import ImportHooks

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

__all__ = ["Workers"]

_PROCESS, _CONNECTION = "multiprocessing.process", "multiprocessing.connection"
_TELLING = {
    # What every queue and pipe ends in; and before a queue's lock is taken, so that nobody waits for us with it.
    _CONNECTION: (("Connection", "_send_bytes"),),
    "multiprocessing.queues": (("SimpleQueue", "put"), ("Queue", "put"), ("JoinableQueue", "put")),
    "multiprocessing.synchronize": (("Event", "set"), ("Condition", "notify")),
}
"""Ways to tell a parent something: by module, methods of classes."""


class Workers:
    """Tells when this process turns out to be such a child, and when it is about to tell its parent something.

    A handler of ours is nothing for them. Python calls it between two of its own steps: a worker that is about to wait
    for a lock of the pool's when the signal comes would wait for ever, and its parent for it. So the default stays,
    which ends it at once, and what it has seen is written before its parent hears of the work that it was for.

    Args:
        begins: called in such a child, before its work or, where the observation began amid that, at once.
        tells: called there before each message to the parent.
        note_error: called with a place and an exception when something cannot be followed.
    """

    def __init__(
        self,
        begins: Callable[[], None],
        tells: Callable[[], None],
        note_error: Callable[[str, BaseException], None],
    ) -> None:
        self._begins = begins
        self._tells = tells
        self._note_error = note_error
        self._is_one = False

    def follow(self) -> None:
        """From now on, in this process and in those that it forks."""
        ImportHooks([_PROCESS, *_TELLING], self._replace, self._note_error).install()
        module: Any = sys.modules.get(_PROCESS)
        parent_process = getattr(module, "parent_process", None)
        if parent_process is not None and parent_process() is not None:
            self._begin()

    def _begin(self) -> None:
        self._is_one = True
        try:
            self._begins()
        except Exception as error:  # noqa: BLE001 - the observed program must not notice
            self._note_error("multiprocessing", error)

    def _replace(self, module: ModuleType, _late: bool) -> None:
        if module.__name__ == _PROCESS:
            self._replace_bootstrap(module)
        for name, method in _TELLING.get(module.__name__, ()):
            owner = getattr(module, name, None)
            if owner is not None:
                self._replace_telling(owner, method)

    def _replace_bootstrap(self, module: Any) -> None:
        original = module.BaseProcess._bootstrap  # noqa: SLF001 - where every such child begins, however it was started

        @functools.wraps(original)
        def _bootstrap(process: Any, *args: Any, **kwargs: Any) -> Any:
            self._begin()
            return original(process, *args, **kwargs)

        module.BaseProcess._bootstrap = _bootstrap  # noqa: SLF001

    def _replace_telling(self, owner: Any, method: str) -> None:
        original = getattr(owner, method)

        @functools.wraps(original)
        def telling(told: Any, *args: Any, **kwargs: Any) -> Any:
            if self._is_one:
                self._tells()
            return original(told, *args, **kwargs)

        setattr(owner, method, telling)
