"""Opening and closing windows: replacements come with the first and go with the last."""

from __future__ import annotations

import functools
import inspect
import os
import sys
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar, overload
from weakref import ref

from connprof.observe import libraries, standard
from connprof.observe.imports import ImportHooks, is_initializing
from connprof.observe.observation import EVENTS_MAX, Observation
from connprof.observe.originals import is_of_a_signal
from connprof.observe.patches import Patches
from connprof.observe.recorder import RECORDER, describe
from connprof.observe.sites import DEFAULT_FINDER, SiteFinder, thread_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import ModuleType, TracebackType

__all__ = ["Window", "observe"]

_F = TypeVar("_F", bound="Callable[..., Any]")


class _Opening:
    """One opening of a window: by which thread, and what it yields until it is closed.

    It is over once it was left, or once there is no window any more that could leave it.
    """

    __slots__ = ("is_left", "observation", "thread", "window")

    def __init__(self, window: Window, observation: Observation) -> None:
        self.thread = threading.get_ident()
        self.observation: Observation | None = observation
        self.window = ref(window)
        self.is_left = False


_ENTERED: ContextVar[tuple[_Opening, ...]] = ContextVar("connprof_entered", default=())
"""What the running code, or whatever started it, has opened, the latest last; some of it may be closed again."""


class _Lifecycle:
    """What is installed while at least one window is open.

    A signal's handler may raise at any place in here. Each step is such that it can be done again: what there is to
    undo is known before it is done, and forgotten after it is undone.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._openings: list[_Opening] = []
        self._patches = Patches()
        self._imports: ImportHooks | None = None
        self._fork_hook_set = False
        self._not_followed: list[tuple[str, BaseException]] = []
        self.executed_again: dict[str, None] = {}
        """Modules of the standard library that were reloaded, whose new classes are not followed."""
        self._follows_responses = False

    def enter(self, opening: _Opening, observation: Observation) -> None:
        """Raises whatever a signal's handler raises amid it; then the opening is to be left."""
        with self.lock:
            self._close_what_is_over()
            self._openings.append(opening)
            RECORDER.open(observation)
            if self._imports is None:
                self._install()
            else:
                for place, error in self._not_followed:
                    observation.add_error(describe(place, error))

    def leave(self, opening: _Opening) -> None:
        """May be called again, where a signal's handler has raised amid it."""
        with self.lock:
            opening.is_left = True
            self._close_what_is_over()

    def _close_what_is_over(self) -> None:
        """Put everything back if nothing else is open. Whatever was cut short before is done here."""
        for opening in list(self._openings):
            if opening.is_left or opening.window() is None:
                observation = opening.observation
                if observation is not None:
                    try:
                        RECORDER.close(observation)
                    except Exception as error:
                        if not is_of_a_signal(error):
                            self._openings.remove(opening)  # it would fail again, in somebody else's window
                        raise
                    observation.end(_blind_spots())
                    opening.observation = None
                self._openings.remove(opening)
        if not self._openings:
            self._uninstall()

    def after_fork_in_child(self) -> None:
        self.lock = threading.RLock()
        RECORDER.after_fork_in_child()

    def _install(self) -> None:
        if not self._fork_hook_set and hasattr(os, "register_at_fork"):
            self._fork_hook_set = True
            os.register_at_fork(after_in_child=self.after_fork_in_child)
        self._follows_responses = False
        RECORDER.before_open_response = self._follow_responses
        self._imports = ImportHooks(libraries.MODULES, self._module_arrived, RECORDER.note_error, standard.MODULES)
        self._replace(standard.replacements())
        self._imports.install()

    def _uninstall(self) -> None:
        if self._imports is not None:
            self._imports.uninstall()
            self._imports = None
        RECORDER.before_open_response = None
        self._patches.restore()
        self._not_followed.clear()
        self.executed_again.clear()
        thread_lines().clear()

    def _module_arrived(self, module: ModuleType, late: bool) -> None:
        name = module.__name__
        with self.lock:
            if not self._openings:
                return
            if name in standard.MODULES:
                self.executed_again[name] = None
            self._replace(libraries.replacements(module, name), f"{name}.")
            if self._follows_responses:
                self._replace(libraries.response_replacements(module, name), f"{name}.")
        if late and name in libraries.REQUEST_MODULES:
            RECORDER.request_library_imported()

    def _follow_responses(self) -> None:
        """A response is about to be handed out before it was read: from now on, see when those are closed."""
        with self.lock:
            if not self._openings or self._follows_responses:
                return
            self._follows_responses = True
            RECORDER.before_open_response = None
            for name in libraries.RESPONSE_MODULES:
                module = sys.modules.get(name)
                if module is not None and not is_initializing(module):  # else it arrives when that is over
                    self._replace(libraries.response_replacements(module, name), f"{name}.")

    def _replace(self, wanted: Iterator[tuple[Any, str, Callable[[Any], Any]]], where: str = "") -> None:
        for owner, name, hook in wanted:
            try:
                self._patches.replace(owner, name, hook)
            except (AttributeError, TypeError, ValueError) as error:
                place = f"cannot follow {where}{getattr(owner, '__name__', owner)}.{name}"
                self._not_followed.append((place, error))
                RECORDER.note_error(place, error)


_LIFECYCLE = _Lifecycle()


def _blind_spots() -> tuple[str, ...]:
    imported = [
        f"{module} was imported: it connects through {how}, and whatever it did is not in these counts."
        for module, how in libraries.BLIND.items()
        if module in sys.modules
    ]
    again = [
        f"{module} was reloaded: whatever its new classes and functions did is not in these counts."
        for module in list(_LIFECYCLE.executed_again)
    ]
    return (*imported, *again)


def _still_open(openings: tuple[_Opening, ...]) -> tuple[_Opening, ...]:
    return tuple(opening for opening in openings if opening.observation is not None)


class Window:
    """A window to be opened with ``with``, or a decorator that opens one around each call.

    Each opening gives an :class:`Observation` of its own. Who opens one by hand keeps the window until it is closed:
    one that nobody has any more is over, and closed when the next one opens or closes. As a decorator, the latest
    finished one is the decorated function's attribute ``observation``.
    """

    def __init__(self, finder: SiteFinder, events_max: int) -> None:
        self._finder = finder
        self._events_max = events_max
        self._open: list[_Opening] = []
        """Several, where it is nested in itself or shared by threads or tasks."""

    def __enter__(self) -> Observation:
        observation = Observation(self._finder, RECORDER.lock, RECORDER.settle, self._events_max, _blind_spots)
        opening = _Opening(self, observation)
        try:
            _LIFECYCLE.enter(opening, observation)
            self._open.append(opening)
            _ENTERED.set((*_still_open(_ENTERED.get()), opening))
        except BaseException:  # a signal's handler may raise amid it
            self._close([opening])
            raise
        return observation

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        own: list[_Opening] = []
        try:
            self._close(own)
        except BaseException:  # as above: it is finished before that goes on
            if own or self._open:
                self._close(own)
            raise

    def _close(self, own: list[_Opening]) -> None:
        """Close what is in ``own``; where that is empty, find it first. May be called again.

        Raises:
            RuntimeError: nothing is open.
        """
        if not own:
            self._find_own(own)
        opening = own[0]
        _LIFECYCLE.leave(opening)
        if opening in self._open:
            self._open.remove(opening)
        _ENTERED.set(_still_open(_ENTERED.get()))

    def _find_own(self, own: list[_Opening]) -> None:
        """Put into ``own`` what the running code opened last, and has not left."""
        with _LIFECYCLE.lock:
            entered, thread = _ENTERED.get(), threading.get_ident()
            # Where a generator is finished from another context than it began in, the thread has to tell.
            ranks = [
                (entered.index(opening) + 1 if opening in entered else 0, opening.thread == thread, number)
                for number, opening in enumerate(self._open)
                if not opening.is_left
            ]
            if not ranks:
                raise RuntimeError("This window is not open: it was left more often than it was entered.")
            own.append(self._open[max(ranks)[2]])
            own[0].is_left = True  # it is no other thread's

    def __call__(self, function: _F) -> _F:
        """Open a window around each call of a function or coroutine function.

        Raises:
            TypeError: for a generator function, whose body does not run when it is called.
        """
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(f"{function!r} is a generator function: open the window inside it")
        decorated: Any
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def async_observed(*args: Any, **kwargs: Any) -> Any:
                window = Window(self._finder, self._events_max)
                with window as observation:
                    try:
                        return await function(*args, **kwargs)
                    finally:
                        decorated.observation = observation

            decorated = async_observed
        else:

            @functools.wraps(function)
            def observed(*args: Any, **kwargs: Any) -> Any:
                window = Window(self._finder, self._events_max)
                with window as observation:
                    try:
                        return function(*args, **kwargs)
                    finally:
                        decorated.observation = observation

            decorated = observed
        decorated.observation = None
        result: _F = decorated
        return result


@overload
def observe(
    *, user_code: Callable[[str], bool] | Iterable[str] | None = None, events_max: int = EVENTS_MAX
) -> Window: ...


@overload
def observe(function: _F, /) -> _F: ...


def observe(
    *function: Any, user_code: Callable[[str], bool] | Iterable[str] | None = None, events_max: int = EVENTS_MAX
) -> Any:
    """Count what the code in the window costs in contexts, handshakes and connections, by line.

    Windows may be nested and may be opened in several threads at once; each sees the whole process for as long
    as it is open.

    Args:
        function: where it is a decorator without parentheses, ``@connprof.observe``.
        user_code: what counts as user code: path prefixes, or a function that is given a file name as the
            code object has it. By default all but the standard library, installed packages and connprof.
        events_max: how many events, and how many handshakes, to keep; counting goes on beyond.

    Returns:
        A context manager that yields an :class:`Observation`; also a decorator.

    Raises:
        TypeError: something else than one function was given by position.
    """
    if function and not (len(function) == 1 and callable(function[0])):
        raise TypeError("observe() takes its options by name: with observe(user_code=[...]) as seen:")
    if function:
        return observe(user_code=user_code, events_max=events_max)(function[0])
    finder = DEFAULT_FINDER if user_code is None else SiteFinder(user_code)
    return Window(finder, events_max)
