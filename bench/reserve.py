"""The folder of one run, and how a signal ends one."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from connprof.cli.exits import ExitCode
from connprof.errors import FileError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["WORK", "code_of_end", "end_if_interrupted", "ignore_signals", "interrupt_once", "partial_file", "reserved"]

WORK = ".work"
"""The folder inside a run's own where its processes leave their files."""

_ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_received: Final[set[int]] = set()
_put_off: Final[list[bool]] = []


def partial_file(out: Path) -> Path:
    """Where a run keeps what it has measured so far."""
    return out / "partial.json"


def ignore_signals() -> None:
    """Go deaf to Ctrl-C, SIGTERM and the end of the terminal, in the main thread."""
    if threading.current_thread() is threading.main_thread():
        for number in _ENDING:
            signal.signal(number, signal.SIG_IGN)


def interrupt_once() -> None:
    """Let the first Ctrl-C, SIGTERM or SIGHUP end the run; ignore more of them while it writes down what it has.

    That takes seconds, and everything that it waits for has a time limit. What was ignored from the start (``nohup``)
    stays so.
    """

    def interrupt(number: int, _frame: object) -> None:
        ignore_signals()
        _received.add(number)
        if not _put_off:
            raise KeyboardInterrupt
        _put_off[0] = True

    for number in _ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, interrupt)


def end_if_interrupted() -> None:
    """Raise what a signal has raised before, and what has not ended the run: for its main thread, before each step.

    Python may call a signal's handler amid a finalizer, or a callback of a weak reference, and what is raised there is
    lost. The second signal would be ignored.
    """
    if _received and not _put_off:
        raise KeyboardInterrupt


def code_of_end(code: int) -> int:
    """The exit code of a command that would end with ``code``: an interruption is told from a closed terminal."""
    is_hung_up = code == ExitCode.INTERRUPTED and signal.SIGHUP in _received
    return ExitCode.HUNG_UP if is_hung_up else code


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Put what :func:`interrupt_once` would raise off until the block has ended.

    A file that was made a moment before is otherwise left, since nothing knows of it yet. A mask for signals would not
    do: another thread takes them, and Python still raises in this one.
    """
    _put_off.append(False)
    try:
        yield
    finally:
        is_interrupted = _put_off.pop()
    if is_interrupted:
        raise KeyboardInterrupt


@contextmanager
def reserved(out: Path) -> Iterator[str | None]:
    """Hold the folder ``out`` for one run, with an empty work folder in it that is gone afterwards.

    What a run that was killed has left as its partial report is put aside, and the block is given a sentence that says
    so.

    Raises:
        FileError: the folder cannot be written, or another run is at work in it.
    """
    lock, work = out / ".lock", out / WORK
    handles: list[int] = []
    try:
        with _undisturbed():
            handles.append(_opened(out, lock))
        shutil.rmtree(work, ignore_errors=True)  # of a run that was killed
        try:
            work.mkdir()
        except OSError as error:
            raise FileError(f"{work} cannot be made: {error.strerror}. Remove what is there.") from None
        yield _put_aside(partial_file(out))
    finally:
        try:
            _give_back(handles, lock, work)
        except KeyboardInterrupt:  # it was put off until now, or came just before it would have been
            _give_back(handles, lock, work)
            raise


def _give_back(handles: list[int], lock: Path, work: Path) -> None:
    with _undisturbed():
        if handles:
            shutil.rmtree(work, ignore_errors=True)
            lock.unlink(missing_ok=True)
            os.close(handles.pop())


def _opened(out: Path, lock: Path) -> int:
    try:
        out.mkdir(parents=True, exist_ok=True)
        handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise FileError(f"{out} cannot be written: {error.strerror}. Choose another folder with --out.") from None
    if not _locked(handle, lock):
        os.close(handle)
        raise FileError(f"another run is at work in {out}; wait for it, or choose a folder with --out.")
    return handle


def _put_aside(partial: Path) -> str | None:
    kept = partial.with_name("partial.previous.json")
    try:
        partial.replace(kept)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise FileError(f"{partial} cannot be renamed: {error.strerror}. Remove what is there.") from None
    return f"What a run that was killed had measured is kept in {kept}."


def _locked(handle: int, lock: Path) -> bool:
    """Whether ``handle`` now holds the file that is called ``lock``, and not one that a run that ended has removed."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(handle), lock.stat())
    except OSError:
        return False
