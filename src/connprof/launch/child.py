"""Runs a program with our own input and output, passes on what signals it would have got, and ends as it ended."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from connprof.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from connprof.launch.program import Program

    _Child = subprocess.Popen[Any]

__all__ = ["Ended", "end_alike", "follow"]

_FORWARDED = ("SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2")
_FROM_A_TERMINAL = ("SIGHUP", "SIGINT", "SIGQUIT")
_TICK_S = 1.0
_GRACE_S = 0.5
"""A signal that was sent to both of us is not sent to the program again, if it ends within this time."""
_SHELL_BASE = 128


@dataclass(frozen=True, slots=True)
class Ended:
    """A program that has ended.

    Attributes:
        exit_code: its own; negative for the signal that killed it.
        started_at: ISO 8601, UTC.
        duration_ns: from its start to its end.
    """

    pid: int
    exit_code: int
    started_at: str
    duration_ns: int


def follow(program: Program, variables: Mapping[str, str], on_tick: Callable[[], None] = lambda: None) -> Ended:
    """Run ``program`` to its end. ``on_tick`` is called about every second.

    It gets our standard input, output and error as they are, and stays in our process group, so that a key pressed at
    a terminal reaches it as ever. What is sent to us alone is passed on. We outlive both.

    Raises:
        UsageError: it cannot be started.
    """
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    begun_ns = time.perf_counter_ns()
    wait = _wait_with_signals if hasattr(signal, "pthread_sigmask") else _wait
    pid, exit_code = wait(program, dict(variables), on_tick)
    return Ended(pid, exit_code, started_at, time.perf_counter_ns() - begun_ns)


def _start(program: Program, variables: dict[str, str], before: Callable[[], None] | None = None) -> _Child:
    try:
        # It shares our file numbers too: those that are inheritable are the program's.
        return subprocess.Popen(program.arguments, env=variables, close_fds=False, preexec_fn=before)  # noqa: PLW1509
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{program.name!r} cannot be started: {reason}.") from None


def _wait_with_signals(program: Program, variables: dict[str, str], on_tick: Callable[[], None]) -> tuple[int, int]:
    with _blocked() as (watched, before, ignored):

        def restore() -> None:
            for number in ignored:
                signal.signal(number, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

        child = _start(program, variables, restore)
        tick_at = time.monotonic() + _TICK_S
        while child.poll() is None:
            received = _next(watched, tick_at - time.monotonic())
            if received is None:
                on_tick()
                tick_at = time.monotonic() + _TICK_S
            elif received.number != signal.SIGCHLD and received.was_sent_to_us:
                _await(child, _GRACE_S)
                child.send_signal(received.number)
    return child.pid, int(child.returncode)


@contextlib.contextmanager
def _blocked() -> Iterator[tuple[set[int], set[signal.Signals | int], set[int]]]:
    """Signals wait to be asked for. What has come when the block ends was meant for the program.

    Gives back which are watched, what was blocked before, and which of those watched were ignored, as the program must
    find them. That we were started so says nothing of the program, which may want them all the same: a shell without
    job control ignores SIGINT and SIGQUIT for all that it starts in the background, and many servers handle them.
    """
    watched = {int(getattr(signal, name)) for name in (*_FORWARDED, "SIGCHLD") if hasattr(signal, name)}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    ignored = {each for each in watched if signal.getsignal(each) is signal.SIG_IGN}
    # Ignored, and SIGCHLD by its default too, a signal may be forgotten at once, blocked or not.
    handlers = {each: signal.signal(each, lambda _number, _frame: None) for each in {*ignored, int(signal.SIGCHLD)}}
    try:
        yield watched, before, ignored
    finally:
        while _next(watched, 0) is not None:
            pass
        for number, handler in handlers.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@dataclass(frozen=True, slots=True)
class _Received:
    number: int
    was_sent_to_us: bool
    """By a process, to us; otherwise the terminal has sent it to the program as well."""


def _next(watched: set[int], timeout_s: float) -> _Received | None:
    """The next signal that has come, or comes within the time."""
    if hasattr(signal, "sigtimedwait"):
        received = signal.sigtimedwait(watched, max(timeout_s, 0))
        # After a stop that outlasts the time, CPython 3.11 gives back a structure that nobody has filled in.
        if received is None or received.si_signo not in watched:
            return None
        # The kernel's own have a positive code; those that a process sends have none.
        return _Received(received.si_signo, received.si_code <= 0)
    return _next_by_polling(watched, timeout_s)


def _next_by_polling(watched: set[int], timeout_s: float) -> _Received | None:
    """For macOS, which can neither limit the wait nor tell who sent a signal."""
    until = time.monotonic() + timeout_s
    while True:
        for number in signal.sigpending() & watched:
            signal.sigwait({number})
            by_terminal = number in _from_a_terminal() and _is_in_foreground()
            return _Received(int(number), not by_terminal)
        left_s = until - time.monotonic()
        if left_s <= 0:
            return None
        time.sleep(min(left_s, 0.02))


def _from_a_terminal() -> set[int]:
    return {getattr(signal, name) for name in _FROM_A_TERMINAL}


def _is_in_foreground() -> bool:
    for stream in range(3):
        with contextlib.suppress(OSError):
            return os.tcgetpgrp(stream) == os.getpgrp()
    return False


def _await(child: _Child, timeout_s: float) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(timeout_s)


def _wait(program: Program, variables: dict[str, str], on_tick: Callable[[], None]) -> tuple[int, int]:
    """For Windows, where a console sends Ctrl-C to all of its processes."""
    child = _start(program, variables)
    while True:
        with contextlib.suppress(KeyboardInterrupt):
            _await(child, _TICK_S)
            if child.returncode is not None:
                return child.pid, int(child.returncode)
            on_tick()


def end_alike(exit_code: int) -> int:
    """The exit code of a program that ended by itself; where a signal has killed it, the same kills us here."""
    if exit_code >= 0:
        return exit_code
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    number = -exit_code
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the program has left its own
        if number not in {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
        os.kill(os.getpid(), number)
    return _SHELL_BASE + number
