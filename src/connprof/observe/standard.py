"""Hooks for the standard library: contexts, CA loads, handshakes, connects, closes, threads.

Each takes the original and returns its replacement, which calls the original once, unchanged, and tells the
recorder. With no window open a replacement that somebody has kept does nothing but call the original.
"""

from __future__ import annotations

import functools
import socket
import threading
from contextvars import Context
from typing import TYPE_CHECKING, Any

from connprof.observe.originals import (
    SSLContext,
    SSLObject,
    SSLSocket,
    caller,
    cpu_ns,
    now_ns,
    passed_over,
    socket_class,
)
from connprof.observe.recorder import RECORDER
from connprof.observe.sites import CARRIED, NOTHING, Carrier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

__all__ = ["MODULES", "carrying_function", "carrying_submit", "replacements"]

__tracebackhide__ = True  # pytest leaves the replacements' frames out

MODULES = ("socket", "ssl", "threading")
"""Modules that are always there, and in which something is replaced."""

_nesting = threading.local()
_ASKING = frozenset({"asyncio.sslproto", "anyio.streams.tls"})


def context_new(original: Any) -> Any:
    """``SSLContext.__new__``: one context."""

    @functools.wraps(original)
    def __new__(cls: type[Any], *args: Any, **kwargs: Any) -> Any:  # noqa: N807 - it stands in for that method
        if not RECORDER.windows:
            return original(cls, *args, **kwargs)
        start_ns, start_cpu_ns = now_ns(), cpu_ns()
        context = original(cls, *args, **kwargs)
        RECORDER.context_created(context, caller(), cpu_ns() - start_cpu_ns, now_ns() - start_ns)
        return context

    return __new__


def ca_load(original: Any) -> Any:
    """``load_verify_locations``, ``set_default_verify_paths``; ``load_default_certs`` calls both: one load."""

    @functools.wraps(original)
    def load(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not RECORDER.windows or getattr(_nesting, "loading", False):
            return original(self, *args, **kwargs)
        _nesting.loading = True
        try:
            # Before it is loaded: afterwards the processor has all of this to fetch again.
            sites = RECORDER.paying(caller())
            start_ns, start_cpu_ns = now_ns(), cpu_ns()
            result = original(self, *args, **kwargs)
        finally:
            _nesting.loading = False
        RECORDER.trust_store_loaded(self, sites, cpu_ns() - start_cpu_ns, now_ns() - start_ns)
        return result

    return load


def do_handshake(original: Any) -> Any:
    """``do_handshake`` of sockets and of memory objects: one for each object, when its outcome is known."""

    @functools.wraps(original)
    def do_handshake(self: Any, *args: Any, **kwargs: Any) -> Any:
        handshake = RECORDER.handshake_begins(self, caller()) if RECORDER.windows else None
        if handshake is None:
            return original(self, *args, **kwargs)
        start_cpu_ns = cpu_ns()
        try:
            result = original(self, *args, **kwargs)
        except BaseException as error:
            RECORDER.handshake_raised(handshake, self, error, cpu_ns() - start_cpu_ns)
            raise
        RECORDER.handshake_returned(handshake, self, cpu_ns() - start_cpu_ns)
        return result

    return do_handshake


def wrap(original: Any) -> Any:
    """``wrap_socket`` and ``wrap_bio``: an object that comes back without a handshake may make it unasked.

    Of those that wrap for a connection of theirs, and ask for the handshake before anything else, there is no need to
    follow them until then; but a class of the user's may be asked in a way of its own.
    """

    @functools.wraps(original)
    def wrap(self: Any, *args: Any, **kwargs: Any) -> Any:
        tls = original(self, *args, **kwargs)
        if RECORDER.windows and not getattr(tls, "do_handshake_on_connect", False):
            frame = caller()
            if type(tls) is not SSLObject or frame is None or frame.f_globals.get("__name__") not in _ASKING:
                RECORDER.handshake_left(tls, frame)
        return tls

    return wrap


def connect(original: Any) -> Any:
    """``socket.connect``."""

    @functools.wraps(original)
    def connect(self: Any, address: Any, /) -> Any:
        attempt = RECORDER.connect_begins(self, address, caller()) if RECORDER.windows else None
        if attempt is None:
            return original(self, address)
        try:
            result = original(self, address)
        except BaseException as error:
            RECORDER.connect_raised(attempt, error)
            raise
        RECORDER.connect_returned(attempt, self, None)
        return result

    return connect


def connect_ex(original: Any) -> Any:
    """``socket.connect_ex``."""

    @functools.wraps(original)
    def connect_ex(self: Any, address: Any, /) -> Any:
        attempt = RECORDER.connect_begins(self, address, caller()) if RECORDER.windows else None
        if attempt is None:
            return original(self, address)
        try:
            code = original(self, address)
        except BaseException as error:
            RECORDER.connect_raised(attempt, error)
            raise
        RECORDER.connect_returned(attempt, self, code)
        return code

    return connect_ex


def getsockopt(original: Any) -> Any:
    """``socket.getsockopt``: reading ``SO_ERROR`` is how event loops learn the outcome of a connect."""

    @functools.wraps(original)
    def getsockopt(self: Any, *args: Any) -> Any:
        value = original(self, *args)
        if RECORDER.windows and args == (socket.SOL_SOCKET, socket.SO_ERROR):
            RECORDER.socket_error_read(self, value)
        return value

    return getsockopt


def real_close(original: Any) -> Any:
    """``socket._real_close``, where all ways of closing meet."""

    @functools.wraps(original)
    def _real_close(self: Any, *args: Any, **kwargs: Any) -> Any:
        if RECORDER.windows:
            RECORDER.socket_closing(self)
        return original(self, *args, **kwargs)

    return _real_close


def detach(original: Any) -> Any:
    """``socket.detach``: the TLS socket goes on with the number of the plain one."""

    @functools.wraps(original)
    def detach(self: Any) -> Any:
        if RECORDER.windows:
            RECORDER.socket_detached(self)
        return original(self)

    return detach


def getaddrinfo(original: Any) -> Any:
    """``socket.getaddrinfo``: which name an address was asked for by."""

    @functools.wraps(original)
    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        answers = original(host, *args, **kwargs)
        if RECORDER.windows:
            RECORDER.name_resolved(host, answers)
        return answers

    return getaddrinfo


def thread_start(original: Any) -> Any:
    """``Thread.start``: the line that starts a thread pays for what has no user code on its own stack."""

    @functools.wraps(original)
    def start(self: Any, *args: Any, **kwargs: Any) -> Any:
        if RECORDER.windows:
            RECORDER.thread_starting(self, caller())
        return original(self, *args, **kwargs)

    return start


class _Carrying:
    """A pool's work item together with the line that submitted it."""

    def __init__(self, function: Callable[..., Any], carried: Any) -> None:
        self._function = function
        self._carried = carried

    @passed_over
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        token = CARRIED.set(Carrier(self._carried, self._carried.caller, NOTHING))
        try:
            return self._function(*args, **kwargs)
        finally:
            CARRIED.reset(token)

    def __repr__(self) -> str:
        return repr(self._function)


def _carrying(function: Any, frame: FrameType | None) -> Any:
    """The function that another thread will call, for the line that hands it over."""
    carried = RECORDER.lines(frame)
    if carried is None:
        return function
    if type(function) is functools.partial and function.args:
        run = function.func
        if isinstance(getattr(run, "__self__", None), Context) and run.__name__ == "run":
            # What is carried to the thread would be hidden by what was carried when that context was copied.
            inner, *args = function.args
            return functools.partial(run, _Carrying(inner, carried), *args, **function.keywords)
    return _Carrying(function, carried)


def carrying_submit(original: Any) -> Any:
    """``ThreadPoolExecutor.submit``: the work is done for the line that submits it."""

    @functools.wraps(original)
    def submit(self: Any, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        if RECORDER.windows:
            fn = _carrying(fn, caller())
        return original(self, fn, *args, **kwargs)

    return submit


def carrying_function(original: Any) -> Any:
    """The same for the methods of ``multiprocessing.pool.ThreadPool`` that all others of its come to."""

    @functools.wraps(original)
    def method(self: Any, func: Any, *args: Any, **kwargs: Any) -> Any:
        if RECORDER.windows:
            func = _carrying(func, caller())
        return original(self, func, *args, **kwargs)

    return method


def replacements() -> Iterator[tuple[Any, str, Callable[[Any], Any]]]:
    """Owner, attribute and hook of everything that is replaced in modules that are always there."""
    yield SSLContext, "__new__", context_new
    yield SSLContext, "load_verify_locations", ca_load
    yield SSLContext, "set_default_verify_paths", ca_load
    yield SSLContext, "load_default_certs", ca_load
    yield SSLContext, "wrap_socket", wrap
    yield SSLContext, "wrap_bio", wrap
    yield SSLObject, "do_handshake", do_handshake
    yield SSLSocket, "do_handshake", do_handshake
    yield socket_class, "connect", connect
    yield socket_class, "connect_ex", connect_ex
    yield socket_class, "getsockopt", getsockopt
    yield socket_class, "_real_close", real_close
    yield socket_class, "detach", detach
    yield socket, "getaddrinfo", getaddrinfo
    yield threading.Thread, "start", thread_start
