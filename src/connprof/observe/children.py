"""Notices when an observed process starts a Python that nobody will observe."""

from __future__ import annotations

import functools
import os
import re
import sys
from typing import TYPE_CHECKING, Any, Final

from connprof.observe.imports import ImportHooks

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

__all__ = ["BlindChildren", "blind_reason"]

_PYTHON: Final = re.compile(r"(python|pypy)[\d.]*[tw]*(\.exe)?", re.IGNORECASE)
_BLINDING: Final = frozenset("EIS")
"""The hook is found by way of ``PYTHONPATH``, which ``-E`` and ``-I`` ignore, and by ``site``, which ``-S`` omits."""
_TAKING_A_VALUE: Final = frozenset("WX")
_LAST: Final = frozenset("cm")
OWN_ENVIRONMENT: Final = "an environment of its own"


class BlindChildren:
    """Follows ``subprocess`` from its import on, as :mod:`asyncio` and most others start their children by it.

    Args:
        tell: called with the reason why a child will be blind.
        note_error: called with a place and an exception when it cannot be followed.
    """

    def __init__(self, tell: Callable[[str], None], note_error: Callable[[str, BaseException], None]) -> None:
        self._tell = tell
        self._note_error = note_error
        self._hook_folder = os.environ.get("PYTHONPATH", "").partition(os.pathsep)[0]

    def follow(self) -> None:
        """From now on."""
        ImportHooks(["subprocess"], self._replace, self._note_error).install()

    def look(self, executable: object, arguments: object, variables: object = None) -> None:
        """A program is about to be started."""
        try:
            reason = blind_reason(executable, arguments, variables, self._hook_folder)
            if reason:
                self._tell(reason)
        except Exception as error:  # noqa: BLE001 - the observed program must not notice
            self._note_error("start of a process", error)

    def _replace(self, module: ModuleType, _late: bool) -> None:
        popen: Any = module.Popen
        original = popen._execute_child  # noqa: SLF001 - the one place that knows both the words and the variables

        @functools.wraps(original)
        def execute_child(process: Any, args: Any, executable: Any, *rest: Any, **kwargs: Any) -> Any:
            # Then come preexec_fn, close_fds, pass_fds, cwd, env.
            self.look(executable, args, rest[4] if len(rest) > 4 else kwargs.get("env"))  # noqa: PLR2004
            return original(process, args, executable, *rest, **kwargs)

        popen._execute_child = execute_child  # noqa: SLF001


def blind_reason(executable: object, arguments: object, variables: object, hook_folder: str) -> str:
    """Why a Python that is started so will not be observed; empty where it will, or where it is no Python.

    Args:
        executable: what is started; ``None`` for the first of the arguments.
        arguments: its command line. A shell's is not looked into.
        variables: its environment; ``None`` for ours.
        hook_folder: what must be in its ``PYTHONPATH``.
    """
    if not isinstance(arguments, (list, tuple)) or not arguments:
        return ""
    words = [os.fsdecode(each) for each in arguments]
    name = words[0] if executable is None else os.fsdecode(executable)  # type: ignore[arg-type]
    if name != sys.executable and _PYTHON.fullmatch(os.path.basename(name)) is None:  # noqa: PTH119 - runs in others
        return ""
    option = _blinding_option(words[1:])
    if option:
        return option
    given: Any = os.environ if variables is None else variables
    path = next((value for name, value in given.items() if os.fsdecode(name) == "PYTHONPATH"), "")
    return "" if hook_folder in os.fsdecode(path).split(os.pathsep) else OWN_ENVIRONMENT


def _blinding_option(words: list[str]) -> str:
    left = iter(words)
    for word in left:
        if not word.startswith("-") or word.startswith("--") or word == "-":
            return ""
        for index, letter in enumerate(word[1:], 2):
            if letter in _BLINDING:
                return f"-{letter}"
            if letter in _LAST:
                return ""
            if letter in _TAKING_A_VALUE:
                if index == len(word):
                    next(left, None)
                break
    return ""
