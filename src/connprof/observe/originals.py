"""The functions and classes that the observer itself uses, taken before anything is replaced.

A leaf: it imports nothing of ours, so that no replaced function can recurse into itself through here.
"""

from __future__ import annotations

import _ssl
import errno
import functools
import socket
import ssl
import sys
import threading
import time
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from types import CodeType, FrameType

__all__ = [
    "HOOK_FILE",
    "INTERNET",
    "IN_PROGRESS",
    "SOCKETPAIR_CODES",
    "SSLContext",
    "SSLObject",
    "SSLSocket",
    "caller",
    "cpu_ns",
    "is_of_a_signal",
    "make_lock",
    "now_ns",
    "passed_over",
    "protocol_of",
    "quick_task_in",
    "real_ssl_context_class",
    "running_loop",
    "socket_class",
    "task_in",
    "thread_id",
]

now_ns = time.perf_counter_ns
cpu_ns = time.thread_time_ns
thread_id = threading.get_ident
_protocol: Any = _ssl._SSLContext.protocol  # noqa: SLF001 - a subclass may answer for another context
protocol_of = _protocol.__get__
make_lock = threading.RLock
"""Reentrant: a garbage collection in a locked stretch may run a finalizer that closes a socket."""

socket_class = socket.socket
SSLObject = ssl.SSLObject
SSLSocket = ssl.SSLSocket

INTERNET = (socket.AF_INET, socket.AF_INET6)

IN_PROGRESS = frozenset(
    getattr(errno, name)
    for name in (
        "EINPROGRESS",
        "EWOULDBLOCK",
        "EAGAIN",
        "EALREADY",
        "EINTR",
        "WSAEINPROGRESS",
        "WSAEWOULDBLOCK",
        "WSAEALREADY",
    )
    if hasattr(errno, name)
)
"""What a connect that has only begun answers."""

SOCKETPAIR_CODES = frozenset(
    id(function.__code__)
    for name in ("socketpair", "_fallback_socketpair")
    if (function := getattr(socket, name, None)) is not None and hasattr(function, "__code__")
)
"""Where the system has no socket pairs, Python connects two loopback sockets for each event loop."""


HOOK_FILE: Final = "<connprof, importlib._bootstrap>"
"""What the code of replacements calls its file. Whose warning it is that a caller is told of (``stacklevel=2``) depends
on the frames in between, and Python passes over those whose file has both of these words in its name."""

_passed_over: dict[CodeType, CodeType] = {}


def passed_over(function: Any) -> Any:
    """The same function of ours, below which a warning is about whoever calls it, as it is without us."""
    if isinstance(function, FunctionType) and function.__code__.co_filename != HOOK_FILE:
        code = function.__code__
        # The same each time: what is known of code is kept by its identity.
        function.__code__ = _passed_over.setdefault(code, code.replace(co_filename=HOOK_FILE))
    return function


def caller() -> FrameType | None:
    """The frame that has called the function that asks.

    ``None`` where Python itself has: for ``atexit``, say, or in a thread that has nothing else to do.
    """
    try:
        return sys._getframe(2)  # noqa: SLF001 - the documented way to the caller's frame that costs little
    except ValueError:
        return None


def is_of_a_signal(error: BaseException) -> bool:
    """Whether the program's handler of a signal has raised it, which Python may call amid any code, ours among it."""
    signals: Any = sys.modules.get("_signal")  # part of the interpreter; the public one may not have been imported
    if signals is None:
        return False
    codes = set()
    for number in signals.valid_signals():
        handler = signals.getsignal(number)
        if isinstance(handler, functools.partial):
            handler = handler.func
        for function in (handler, vars(type(handler)).get("__call__")):
            codes.add(getattr(function, "__code__", None))
    traceback = error.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code in codes:
            return True
        traceback = traceback.tb_next
    return False


def task_in(loop: Any) -> Any:
    """The asyncio task whose step is running in a loop; ``None`` outside one, as in its callbacks, and of no loop."""
    tasks = sys.modules.get("asyncio.tasks")
    return None if tasks is None or loop is None else tasks.current_task(loop)


def quick_task_in() -> Any:
    """The same function, or a quicker one where this version of asyncio has what it takes."""
    known = getattr(sys.modules.get("asyncio.tasks"), "_current_tasks", None)
    return known.get if type(known) is dict else task_in


def running_loop() -> Any:
    """The event loop that runs in this thread, ``None`` if there is none. asyncio is not imported for that."""
    events: Any = sys.modules.get("asyncio.events")
    return None if events is None else events._get_running_loop()  # noqa: SLF001 - the public one raises


def real_ssl_context_class(start: type[Any]) -> type[Any]:
    """The standard library's own context class, even when a subclass has taken its name in :mod:`ssl`."""
    for candidate in start.__mro__:
        if candidate.__base__ is _ssl._SSLContext:  # noqa: SLF001 - its only mark
            return candidate
    return start


SSLContext = real_ssl_context_class(ssl.SSLContext)
