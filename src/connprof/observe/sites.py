"""Which line of the user's code pays: the walk up the stack, and what is carried where the stack ends.

The stack is cut at every event loop: under ``asyncio.run(main())`` a callback's outer frames are those of
whoever started the loop, which says nothing about who made the request. What the stack cannot tell is carried
along in a context variable, which tasks and callbacks inherit.
"""

from __future__ import annotations

import os
import site
import sys
import sysconfig
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, Literal
from weakref import WeakKeyDictionary

from connprof.observe.originals import HOOK_FILE, running_loop, task_in
from connprof.observe.own import OWN, is_entry_script, is_installed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextvars import Token
    from types import CodeType, FrameType

    from connprof.observe.figures import Certainty
    from connprof.observe.owners import Client
    from connprof.observe.tallies import Lane, Tally

__all__ = [
    "BY_TASK",
    "CARRIED",
    "CHAIN_FRAMES_MAX",
    "DEFAULT_FINDER",
    "IMPORT_FILES",
    "LIBRARY_FOLDERS",
    "NOTHING",
    "SHORTCUTS",
    "THREAD_LINES",
    "TYPED",
    "UNKNOWN",
    "UNKNOWN_CALLER",
    "Caller",
    "Carried",
    "Carrier",
    "Line",
    "Lines",
    "Location",
    "SiteFinder",
    "SiteKey",
    "Sites",
    "Spot",
    "carried_line",
    "carried_now",
    "current",
    "of_thread",
    "pick",
    "take_for_user_code",
    "thread_lines",
]

Location = tuple[str, int, str]
"""File, line, function."""
SiteKey = tuple[str, int, str, "Certainty"]
"""A location and how it was found."""
BY_TASK: Final[Location] = ("", -1, "")
"""Stands in a way to a line for the start of a task or thread; the line that started it may follow."""
Lines = tuple[tuple["SiteFinder", Location], ...]
"""One location for each way of telling user code that is in use; nearly always there is one."""

Sites = tuple[tuple["SiteFinder", SiteKey], ...]
"""The same of lines that pay."""

UNKNOWN: Final[SiteKey] = ("", 0, "", "unknown")

_GENERATIONS_MAX: Final = 50


class Caller:
    """Whom code works for: a task or a thread, and who started it.

    Two callers are akin when one of them was started by the other, or by somebody that it had started.
    """

    __slots__ = ("generation", "starter")

    def __init__(self, starter: Caller | None) -> None:
        # A task that starts its successor, for ever, must not keep all of its forebears.
        if starter is not None and starter.generation >= _GENERATIONS_MAX:
            starter = None
        self.starter = starter
        self.generation: int = 0 if starter is None else starter.generation + 1

    def is_akin(self, other: Caller) -> bool:
        """Whether one of the two goes back to the other."""
        return self._goes_back_to(other) or other._goes_back_to(self)

    def _goes_back_to(self, other: Caller) -> bool:
        forebear: Caller | None = self
        while forebear is not None:
            if forebear is other:
                return True
            forebear = forebear.starter
        return False


class Carried:
    """What goes along with a request, a task or a thread's work.

    Attributes:
        lines: the line that made the request, or started the task.
        certainty: whether that line was on the stack, or was itself carried to there.
        client: the client whose request this is, or ``None``.
        caller: whom it is for.
        live: whether the client's method has yet to return; what its tasks do later is not for that request.
        connection: the connection that the request went out on, once it is known.
        lane: where a call of a client's counts; ``None`` for what is carried to a task or a thread.
        tally: the lane's part for the peer that the request went to.
        start_ns: when the call began.
        token: undoes the carrying.
    """

    __slots__ = (
        "caller",
        "certainty",
        "client",
        "connection",
        "lane",
        "lines",
        "live",
        "start_ns",
        "tally",
        "token",
    )

    def __init__(self, lines: Lines, client: Client | None, caller: Caller, certainty: Certainty = "context") -> None:
        self.lines = lines
        self.certainty = certainty
        self.client = client
        self.caller = caller
        self.live = True
        self.connection: Any = None
        self.lane: Lane | None = None
        self.tally: Tally | None = None
        self.token: Token[Carried | Carrier | None] | None = None
        self.start_ns = 0


class Carrier:
    """Stays in a context, and carries the calls that come and go there: of standing calls, one at a time.

    A change of the context makes new objects each time, and makes the interpreter forget what it knew of it. A task has
    its own from its beginning, and so has each thread once it has called.

    Attributes:
        call: the standing call that is under way here, if one is.
        outer: what is carried here else.
        caller: whom calls are for that begin here.
        home: the event loop that this is a task of, as a reference; :data:`NOTHING` where there is none.
        task: the task, as a reference, where it is one of asyncio's. Callbacks that it registers have this object, too,
            and may run while it is waiting in a call; others may follow it in the same context.
        thread: the only one in which calls are carried. Who runs something in a copy of this context elsewhere has
            this object as well.
    """

    __slots__ = ("call", "caller", "home", "outer", "task", "thread")

    def __init__(self, outer: Carried | None, caller: Caller, home: Any) -> None:
        self.call: Any = None
        self.outer = outer
        self.caller = caller
        self.home = home
        self.task: Any = NOTHING
        self.thread = threading.get_ident()

    def now(self) -> Carried | None:
        """What the running code works for."""
        call = self.call
        if call is None or self.thread != threading.get_ident():
            return self.outer
        # While a synchronous call is under way, nothing else runs in its thread.
        if call.client.kind.is_async and not self.is_of_this_task():
            return self.outer
        told: Carried | None = self.told()
        return told

    def is_of_this_task(self) -> bool:
        """Whether what runs is a step of the task that this carries for, and no callback or other task."""
        return self.task() is task_in(running_loop())

    def told(self) -> Any:
        """The call that is under way, told whom it is for: standing calls do without that until somebody asks."""
        call = self.call
        if call is not None:
            call.caller = self.caller
        return call


class Line:
    """A user's line as its finder tells it, made once for each place in a code object that was on the stack.

    Attributes:
        location: the line.
        lines: what is carried from there.
        sites: what pays for an event there.
    """

    __slots__ = ("lines", "location", "sites")

    def __init__(self, finder: SiteFinder, location: Location) -> None:
        self.location = location
        self.lines: Lines = ((finder, location),)
        self.sites: Sites = ((finder, (*location, "stack")),)


class Spot:
    """A place in a user's code that calls, found by a walk up the stack, and the line that it is on.

    Attributes:
        lines: the line, as its finder tells it.
        between: code of the libraries that was on the stack below it, innermost first, when it was found.
        code: the user's.
        at: which instruction of that calls.
    """

    __slots__ = ("at", "between", "code", "lines")

    def __init__(self, lines: Lines, between: tuple[CodeType, ...], code: CodeType | None, at: int) -> None:
        self.lines = lines
        self.between = between
        self.code = code
        self.at = at


NO_SPOT: Final = Spot((), (), None, -1)
"""Of a client that has not been called from anywhere."""

NOTHING: Final[Any] = type(None)
"""A reference to nothing: it is called as one, and answers ``None``."""
UNKNOWN_CALLER: Final = Caller(None)
"""Of a call that has not begun."""

CARRIED: ContextVar[Carried | Carrier | None] = ContextVar("connprof_carried", default=None)
"""What the current code works for, or what carries it."""

CHAIN_FRAMES_MAX: Final = 8

_USER, _SKIP, _STOP, _NOTED = 1, 0, -1, 2
"""What a code object is: the user's, a library's, one that runs an event loop, or a library's to be told of."""

_LOOP_FUNCTIONS: Final[dict[tuple[str, str], frozenset[str]]] = {
    ("asyncio", "base_events.py"): frozenset({"_run_once", "run_forever", "run_until_complete"}),
    ("asyncio", "events.py"): frozenset({"_run"}),
    ("asyncio", "runners.py"): frozenset({"run"}),
    ("asyncio", "windows_events.py"): frozenset({"run_forever"}),
    ("_core", "_run.py"): frozenset({"unrolled_run", "run", "guest_tick", "start_guest_run"}),
    ("", HOOK_FILE): frozenset({"loop_barrier"}),
    ("site-packages", "nest_asyncio.py"): frozenset({"_run_once", "run_forever", "run_until_complete", "run"}),
}
"""Folder, file, and the functions in it that run a loop. Others in those files, as ``create_connection``, are
awaited by the user's own coroutine, and the walk goes on through them."""

TYPED: Final = ("<string>", "<stdin>")
"""What ``python -c`` and ``python -`` call the file of a program that has none."""
_OF_STARTERS: Final = ("from multiprocessing.", "import sys;exec(eval(sys.stdin.readline()))")
_CACHED_CODES_MAX = 50_000

_thread_lines: WeakKeyDictionary[threading.Thread, Carried] = WeakKeyDictionary()
THREAD_LINES: Final[Any] = _thread_lines.data  # type: ignore[attr-defined]
"""Empty where no thread was started in the window: to be asked before the rest is."""


def thread_lines() -> WeakKeyDictionary[threading.Thread, Carried]:
    """For threads started in a window: the line that started them, and for whom."""
    return _thread_lines


def _folder(path: str) -> str:
    return os.path.normcase(os.path.abspath(path)).rstrip(os.sep) + os.sep  # noqa: PTH100 - Path is slower here


def _library_folders() -> tuple[str, ...]:
    """Folders of the standard library and of installed packages, and this package's own."""
    paths = sysconfig.get_paths()
    folders = {paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib") if paths.get(name)}
    folders.add(os.path.dirname(os.__file__))  # noqa: PTH120 - a string is wanted
    folders |= {os.path.realpath(folder) for folder in folders}
    for listed in ("getsitepackages", "getusersitepackages"):
        try:
            found = getattr(site, listed)()
        except Exception:  # noqa: BLE001, S112 - `site` is replaced by some embedders; the names below still hold
            continue
        folders |= {found} if isinstance(found, str) else set(found)
    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - strings are wanted
    above = os.path.dirname(here)  # noqa: PTH120 - a string is wanted
    folders.add(above if os.path.basename(above) == "connprof" else here)  # noqa: PTH119 - a string is wanted
    return tuple(_folder(folder) for folder in folders)


LIBRARY_FOLDERS: Final = _library_folders()
"""Each with a separator at its end."""
_OWN_FOLDER: Final = _folder(os.path.dirname(__file__))  # noqa: PTH120 - a string is wanted


def _is_user_file(file: str) -> bool:
    """Whether a file is neither the standard library's, nor an installed package's that is a library, nor ours."""
    path = os.path.normcase(os.path.abspath(file))  # noqa: PTH100 - a string is wanted
    if path.startswith(LIBRARY_FOLDERS) or is_installed(path):
        return OWN.holds(path)
    return not is_entry_script(path)


def _is_typed(frame: FrameType) -> bool:
    """Whether a frame without a file is the program itself, as ``python -c`` and ``python -`` run it.

    What is made with ``exec`` in such a program has its name too, as the ``__init__`` of its dataclasses; what a
    process of :mod:`multiprocessing` or of execnet (pytest-xdist's workers) begins with is nobody's.
    """
    main, file = sys.modules.get("__main__"), frame.f_code.co_filename
    return (
        main is not None
        and frame.f_globals is vars(main)
        and frame.f_globals.get("__file__", file) == file
        and not getattr(frame.f_code, "co_qualname", "").startswith("__create_fn__")
        and not any(word.startswith(_OF_STARTERS) for word in sys.orig_argv)
    )


class SiteFinder:
    """Walks up a stack to the innermost line of user code.

    What a code object is, is found once and kept, so that a walk is a dictionary look-up for each frame.

    Args:
        user_code: what counts as user code instead of the default: path prefixes, or a function of a file.
        noted: whether a library's code is one to tell of when it was on the way, as :meth:`nearest` does.
    """

    __slots__ = ("_codes", "_is_noted", "_is_user", "_keeping", "_kinds", "_lines", "places")

    def __init__(
        self,
        user_code: Callable[[str], bool] | Iterable[str] | None = None,
        noted: Callable[[CodeType], bool] | None = None,
    ) -> None:
        # By identity: hashing a code object hashes its instructions. Codes are kept so that no id is reused.
        self._kinds: dict[int, int] = {}
        self._keeping = threading.Lock()
        self._codes: list[CodeType] = []
        self._lines: dict[int, dict[int, Line]] = {}
        self._is_noted = noted
        self.places: dict[int, dict[int, Spot] | Literal[False]] = {}
        """For a walk that must cost little: by code object ``False`` for a library's, for the user's the places in it
        that have called, by instruction. What is not in here asks for a walk with more care."""
        self._is_user: Callable[[str], bool]
        if user_code is None:
            self._is_user = _is_user_file
        elif callable(user_code):
            self._is_user = user_code
        else:
            prefixes = tuple(
                os.path.normcase(os.path.abspath(prefix))  # noqa: PTH100 - a string is wanted
                for prefix in ([user_code] if isinstance(user_code, str) else user_code)
            )
            self._is_user = lambda file: _has_prefix(file, prefixes)

    def find(self, frame: FrameType | None) -> Location | None:
        """The innermost user line at or above ``frame``; ``None`` if an event loop or the end comes first."""
        line = self.line(frame)
        return None if line is None else line.location

    def line(self, frame: FrameType | None) -> Line | None:
        """The same, with what is kept of it."""
        kinds = self._kinds
        while frame is not None:
            code = frame.f_code
            kind = kinds.get(id(code))
            if kind is None:
                kind = self._classify(frame)
            if kind:
                if kind == _USER:
                    lines = self._lines.get(id(code))
                    return (None if lines is None else lines.get(frame.f_lasti)) or self._line(frame)
                if kind == _STOP:
                    return None
            frame = frame.f_back
        return None

    def nearest(self, frame: FrameType | None) -> tuple[FrameType | None, bool]:
        """The frame in which every walk up from ``frame`` ends, and whether noted code was on the way to it."""
        kinds, is_noted = self._kinds, False
        while frame is not None:
            kind = kinds.get(id(frame.f_code))
            if kind is None:
                kind = self._classify(frame)
            if kind:
                if kind != _NOTED:
                    break
                is_noted = True
            frame = frame.f_back
        return frame, is_noted

    def _line(self, frame: FrameType) -> Line:
        code, at = frame.f_code, frame.f_lasti
        lines = self._lines.get(id(code))
        found = None if lines is None else lines.get(at)
        if found is None:
            file = code.co_filename
            if not file.startswith("<"):  # now, as the program may go to another folder
                file = os.path.abspath(file)  # noqa: PTH100 - a string is wanted
            found = Line(self, (file, frame.f_lineno or 0, getattr(code, "co_qualname", code.co_name)))
            if lines is not None:  # else another thread has just forgotten all that was kept
                lines[at] = found
        return found

    def spot(self, frame: FrameType | None, lines: Lines) -> Spot | None:
        """The place of the innermost user line at or above ``frame``, which is known from now on."""
        between: list[CodeType] = []
        while frame is not None:
            places = self.places.get(id(frame.f_code))
            if places is None:
                return None
            if places is not False:
                at = frame.f_lasti
                return places.setdefault(at, Spot(lines, tuple(between), frame.f_code, at))
            between.append(frame.f_code)
            frame = frame.f_back
        return None

    def chain(self, frame: FrameType | None) -> tuple[Location, ...]:
        """The user lines above the innermost one, innermost first, up to an event loop; at most eight."""
        found: list[Location] = []
        kinds = self._kinds
        while frame is not None and len(found) <= CHAIN_FRAMES_MAX:
            kind = kinds.get(id(frame.f_code))
            if kind is None:
                kind = self._classify(frame)
            if kind:
                if kind == _USER:
                    found.append(self._line(frame).location)
                elif kind == _STOP:
                    break
            frame = frame.f_back
        return tuple(found[1:])

    def find_named(self, frames: Iterable[tuple[str, str, int]]) -> Location | None:
        """The same for frames that were written down: function, file and line of each, innermost first."""
        for function, file, line in frames:
            kind = self._kind_named(file, function.rpartition(".")[2])
            if kind:
                return None if kind == _STOP else (file, line, function)
        return None

    def is_called_by_user(self, frame: FrameType | None, entry: str) -> bool:
        """Whether a user's line comes before a function that has a local of the name ``entry``, on the way up."""
        while frame is not None and entry not in frame.f_code.co_varnames:
            kind = self._kinds.get(id(frame.f_code))
            if kind is None:
                kind = self._classify(frame)
            if kind and kind != _NOTED:
                return kind == _USER
            frame = frame.f_back
        return False

    def is_library(self, frame: FrameType) -> bool:
        """Whether a frame is neither the user's nor an event loop's."""
        known = self._kinds.get(id(frame.f_code))
        return (self._classify(frame) if known is None else known) in {_SKIP, _NOTED}

    def _classify(self, frame: FrameType) -> int:
        code = frame.f_code
        if code.co_filename in TYPED and _is_typed(frame):
            kind = _USER if self._is_user(code.co_filename) else _SKIP
        else:
            kind = self._kind_named(code.co_filename, code.co_name)
        if kind == _SKIP and self._is_noted is not None and self._is_noted(code):
            kind = _NOTED
        # Nobody waits, be it another thread or a finalizer amid this: a code that is not kept is looked at again.
        keeping = self._keeping
        if keeping.acquire(blocking=False):
            try:
                self._keep(code, kind)
            finally:
                keeping.release()
        return kind

    def _keep(self, code: CodeType, kind: int) -> None:
        if len(self._kinds) >= _CACHED_CODES_MAX:
            self._forget()
        self._codes.append(code)
        if kind == _USER:
            self._lines[id(code)] = {}
        self._kinds[id(code)] = kind
        if kind != _STOP:
            self.places[id(code)] = {} if kind == _USER else False

    def forget(self) -> None:
        """What counts as user code has changed."""
        with self._keeping:
            self._forget()

    def _forget(self) -> None:
        self._kinds.clear()
        self._lines.clear()
        self.places.clear()
        self._codes.clear()  # last: what is known by an identity has to be gone before that is given again

    def after_fork_in_child(self) -> None:
        """A thread that does not exist here may have been keeping something."""
        self._keeping = threading.Lock()

    def _kind_named(self, file: str, function: str) -> int:
        folder, name = os.path.split(file)
        if function in _LOOP_FUNCTIONS.get((os.path.basename(folder), name), ()):  # noqa: PTH119 - strings
            return _STOP
        if file.startswith("<") or os.path.normcase(file).startswith(_OWN_FOLDER):
            return _SKIP
        return _USER if self._is_user(file) else _SKIP


def _has_prefix(file: str, prefixes: tuple[str, ...]) -> bool:
    path = os.path.normcase(os.path.abspath(file))  # noqa: PTH100 - a string is wanted
    return any(path == prefix or path.startswith(prefix.rstrip(os.sep) + os.sep) for prefix in prefixes)


def _is_noted(code: CodeType) -> bool:
    """Whether code of a library imports modules, or may be a function that stands for a client's method."""
    folder, name = os.path.split(code.co_filename)
    return code.co_filename in IMPORT_FILES or (os.path.basename(folder), name) in SHORTCUTS  # noqa: PTH119


SHORTCUTS: Final = {
    ("httpx", "_api.py"): ("httpx", ""),
    ("httpx2", "_api.py"): ("httpx2", ""),
    ("requests", "api.py"): ("requests", ""),
    ("niquests", "api.py"): ("niquests", ""),
    ("niquests", "async_api.py"): ("niquests", ""),
    ("aiohttp", "client.py"): ("aiohttp", "request"),
    ("urllib", "request.py"): ("urllib.request", ""),
}
"""Folder, file -> the module that offers its functions, and the one function that counts where not all do."""
IMPORT_FILES: Final = ("<frozen importlib._bootstrap>", "<frozen importlib._bootstrap_external>")

DEFAULT_FINDER: Final = SiteFinder(noted=_is_noted)


def take_for_user_code(names: Iterable[str]) -> None:
    """Let these installed packages, as they are imported, and paths count as user code where nothing else is said."""
    if tuple(names) != OWN.names:
        OWN.name(names)
        DEFAULT_FINDER.forget()


def carried_now() -> Carried | None:
    """What the running code works for, by the context variable."""
    carried = CARRIED.get()
    return carried.now() if isinstance(carried, Carrier) else carried


def current() -> Carried | None:
    """What the running code works for: by the context variable, else by the thread."""
    carried = carried_now()
    return of_thread() if carried is None else carried


def of_thread() -> Carried | None:
    """What the running thread was started for."""
    # Not current_thread(): that makes an object for a thread that Python did not start.
    thread = getattr(threading, "_active", {}).get(threading.get_ident())
    return None if thread is None else _thread_lines.get(thread)


def carried_line(finder: SiteFinder) -> Location | None:
    """The line carried to the running code."""
    carried = current()
    return None if carried is None else pick(carried.lines, finder)


def pick(lines: Lines, finder: SiteFinder) -> Location | None:
    """The location that one finder left among those carried."""
    for owner, location in lines:
        if owner is finder:
            return location
    return None
