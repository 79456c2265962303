"""Inside a process that ``connprof run`` observes: when it begins, how it is followed, and its last word.

What the window sees is written into the run's folder as ``process-{pid}-{started_at_ns}.json``: when the process
ends by itself, in ``os._exit``, before ``exec``, on a signal that would kill it, and now and then in between, so that
a process that is killed loses little. The file's mode says whether something is unwritten, and a link beside it that
writing failed: neither needs room on a disk or a file number. Nothing in here raises into the program or prints.
"""

from __future__ import annotations

import _thread
import contextlib
import errno
import functools
import gc
import itertools
import json
import os
import sys
import threading
from time import sleep, thread_time_ns
from typing import TYPE_CHECKING, Any, Final

from connprof.observe.children import BlindChildren
from connprof.observe.originals import make_lock, now_ns
from connprof.observe.recorder import RECORDER, describe
from connprof.observe.sites import take_for_user_code
from connprof.observe.snapshot import snapshot
from connprof.observe.window import observe
from connprof.observe.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from connprof.observe.observation import Observation
    from connprof.observe.tracking import Tracking
    from connprof.observe.window import Window

__all__ = ["begin", "end"]

_SHARE: Final = 100
"""One part in so many of a process's time may go into writing what is known so far, but for what must be written."""
_GRACE_NS: Final = 20_000_000
"""Writing time that is granted at the start, when a share of the time is next to nothing."""
_BUSY: Final = 10
"""One part in so many of the time that passes while something is written is counted, if no more was worked."""
_APART_NS: Final = 5_000_000
"""Two writings are at least this far apart."""
_chmod: Final = os.chmod
_LIVE_S: Final = 0.5
_LOCK_S: Final = 1.0
_GONE_S: Final = 0.0005
_GONE_LOOKS_COUNT: Final = 200
_ERRORS_MAX: Final = 20
_SPARE_NUMBER: Final = 200
"""From here on: the program's own files get the numbers that they would get without us."""
_TROUBLE: Final = "trouble"
"""An empty file in the folder: its mode or a byte in it says that a process could leave no word of its own."""
_WHOLE_MODE: Final = 0o600
_UNWRITTEN_MODE: Final = 0o700
"""Of a process's file, while more is known than it says."""
_FOLLOWED_SIGNALS: Final = ("SIGTERM", "SIGHUP", "SIGQUIT")


class _Follower:
    """One process and its file."""

    def __init__(self, folder: str, *, live: bool, memory: bool) -> None:
        self._folder = folder
        self._live = live
        self._with_memory = memory
        self._window: Window | None = None
        self._observation: Observation | None = None
        self._errors: list[str] = []
        self._tracking: Tracking | None = None
        self._signals = _Signals(self._killed_by)
        self._workers = Workers(
            self._is_worker, self._before_telling, lambda what, error: self._note(describe(what, error))
        )
        self._children = BlindChildren(self._tell_blind, lambda what, error: self._note(describe(what, error)))
        self._is_replaced = False
        self._spare: _Spare | None = None
        self._new_process()

    def _new_process(self) -> None:
        self._lock = threading.RLock()  # reentrant: a signal may come while something is being written
        self._started_ns = now_ns()
        self._due_ns = 0
        self._spent_ns = 0
        self._is_told = False
        self._has_told = False
        self._is_unwritten = False
        self._written_count = 0
        self._path = ""
        self._failures: list[tuple[str, str]] = []
        self._failure_numbers = itertools.count()
        self._has_ended = False
        self._speaker = 0
        self._deferred_signal = 0
        self._blind_count = 0
        self._is_fork = False
        self._ticker: _Ticker | None = None
        self._later: _Later | None = None
        self._is_later_due = False
        self._later_lock = make_lock()

    # --- the beginning ------------------------------------------------------------------------------------

    def begin(self) -> None:
        self._window = observe(events_max=0)
        self._observation = self._window.__enter__()
        if hasattr(os, "register_at_fork"):
            # After the window's own: in a child it counts from zero by then.
            os.register_at_fork(
                before=self._before_fork,
                after_in_parent=self._after_fork_in_parent,
                after_in_child=self._after_fork_in_child,
            )
        self._replace_ends()
        if self._with_memory:
            self._attempt("memray", self._record_memory)
        if os.name == "posix":
            self._attempt("spare file number", self._keep_spare)
        self._attempt("signals", self._signals.follow)
        self._attempt("multiprocessing", self._workers.follow)
        self._attempt("subprocess", self._children.follow)
        RECORDER.on_event = self._event
        self.write("running")
        self._tick()

    def _keep_spare(self) -> None:
        self._spare = _Spare(self._folder)

    def _attempt(self, what: str, do: Callable[[], None]) -> None:
        try:
            do()
        except Exception as error:  # noqa: BLE001 - the observed program must not notice
            self._note(describe(what, error))

    def _note(self, sentence: str) -> None:
        if len(self._errors) < _ERRORS_MAX and sentence not in self._errors:
            self._errors.append(sentence)

    # --- the middle ---------------------------------------------------------------------------------------

    def _event(self) -> None:
        """Something was recorded. It runs for every request: it must cost nothing nearly every time."""
        if not self._is_unwritten:
            self._is_unwritten = True
            self._mark_unwritten()
        if now_ns() < self._due_ns:
            self._write_later()
            return
        if self._signals.are_pending:
            self._attempt("signals", self._signals.follow)
        self.write("running")
        if self._is_unwritten:  # another thread was amid a write that had begun too early for this
            self._write_later()
        self._tick()

    def _mark_unwritten(self) -> None:
        """Until it is written, a kill would lose something: so that it can be known."""
        if self._path:
            with contextlib.suppress(OSError):
                _chmod(self._path, _UNWRITTEN_MODE)
        else:
            self._tell_failure("killed or crashed before that")

    def _write_later(self) -> None:
        """This may be the last event before a long wait, and a kill: until it is written nobody asks again."""
        if self._ticker is not None or self._has_ended or not self._later_lock.acquire(blocking=False):
            return
        try:
            RECORDER.on_event = None
            if not self._is_later_due:
                self._is_later_due = True
                self._later = _Later(self._write_now, (self._due_ns - now_ns()) / 1e9)
        except RuntimeError:  # no more threads
            self._is_later_due = False
            RECORDER.on_event = self._event
        finally:
            self._later_lock.release()

    def _write_now(self) -> None:
        self._is_later_due = False
        RECORDER.on_event = self._event
        if not self._is_unwritten:
            return
        collects = gc.isenabled()
        gc.disable()  # what the program has dropped is finished in threads of its own
        try:
            self.write("running", wait_s=_LOCK_S)
        finally:
            if collects:
                gc.enable()

    def _is_worker(self) -> None:
        """This is a child of multiprocessing."""
        self._signals.leave()
        self._is_told = True  # its parent has heard of nothing yet
        if self._written_count:
            self.write("running")

    def _before_telling(self) -> None:
        """A worker is about to tell its parent something, which may end it thereupon: nothing may be unwritten then."""
        is_first, self._has_told = not self._has_told, True
        if self._has_ended or not (is_first or self._is_unwritten):
            return
        # A thread that is to write later stays, and may find nothing to write: to stop it takes longer than to write.
        # No share of the time limits this: what is lost here is lost for good, as the parent has no use for us then.
        self.write("running", wait_s=_LOCK_S)

    def _stop_later(self) -> bool:
        """Let its thread be over; whether there is something left to write."""
        later, self._later = self._later, None
        if later is not None:
            later.stop()
        was_due, self._is_later_due = self._is_later_due, False
        if was_due:
            RECORDER.on_event = self._event
        return was_due

    def write(self, ended: str, signal: int | None = None, *, wait_s: float = 0.0) -> None:
        """Put what is known by now in the place of what was written before.

        Where another thread is writing, the last word waits for it; any other for ``wait_s``.
        """
        if self._has_ended and ended == "running":
            return
        if not self._lock.acquire(timeout=wait_s if ended == "running" else _LOCK_S):
            return
        begun_ns, begun_cpu_ns = now_ns(), thread_time_ns()
        try:
            if not (self._has_ended and ended == "running"):
                self._has_ended = ended != "running"
                try:
                    self._write(ended, signal)
                except Exception as error:  # noqa: BLE001 - the observed program must not notice
                    number = error.errno if isinstance(error, OSError) else None
                    if number is None:  # else it is told below until it can be written, which lacks nothing then
                        self._note(describe("writing", error))
                    self._tell_failure(os.strerror(number) if number else type(error).__name__)
        finally:
            # On a busy machine most of the time is somebody else's; on a slow disk it is ours all the same.
            spent_ns = max(thread_time_ns() - begun_cpu_ns, (now_ns() - begun_ns) // _BUSY)
            self._spent_ns += spent_ns
            share_due_ns = self._started_ns + (self._spent_ns + spent_ns - _GRACE_NS) * _SHARE
            self._due_ns = max(share_due_ns, now_ns() + _APART_NS)
            self._lock.release()

    def _write(self, ended: str, signal: int | None) -> None:
        assert self._observation is not None
        self._is_unwritten = False
        if self._is_later_due:  # what happens from now on is new
            RECORDER.on_event = self._event
        seen = snapshot(self._observation, ended=ended, signal=signal)
        seen["errors"] = [*seen.get("errors", ()), *self._errors]
        seen["is_told"] = self._is_told and (self._has_told or _is_blank(seen))
        if self._is_fork and not self._written_count and _is_blank(seen):
            self._withdraw_failures()
            return  # one of many workers, perhaps, that have nothing to tell
        name = f"process-{seen['pid']}-{seen['started_at_ns']}.json"
        self._written_count += 1
        content = json.dumps(seen, ensure_ascii=False).encode("utf-8", "replace")
        try:
            _put(self._folder, name, content, self._written_count)
        except OSError as error:
            if error.errno != errno.EMFILE or self._spare is None or not self._spare.give():
                raise
            try:
                _put(self._folder, name, content, self._written_count)
            finally:
                with contextlib.suppress(OSError):
                    self._keep_spare()
        self._path = os.path.join(self._folder, name)  # noqa: PTH118 - this runs often
        if self._is_unwritten:  # it came too late for this
            self._mark_unwritten()
        self._withdraw_failures()

    def _tell_failure(self, reason: str) -> None:
        """Leave word, in a name and a link, that what was seen is not written.

        Another thread, or a signal, may be doing the same amid this, or be withdrawing what is told here: each link has
        a name of its own, which is known before it is there.
        """
        if any(told == reason for told, _ in self._failures):
            return
        self._withdraw_failures()
        name = f"unwritten-{os.getpid()}-{self._started_ns}-{next(self._failure_numbers)}"
        path = os.path.join(self._folder, name)  # noqa: PTH118 - a string is kept as one
        self._failures.append((reason, path))
        try:
            os.symlink(reason, path)  # noqa: PTH211 - as above
        except Exception:  # noqa: BLE001 - whatever it is: one file is there already, and may be open since before it was
            try:
                _chmod(os.path.join(self._folder, _TROUBLE), _UNWRITTEN_MODE)  # noqa: PTH118
            except OSError:
                if self._spare is not None:
                    self._spare.write()
            return
        if (reason, path) not in self._failures:  # it was withdrawn before it was there
            with contextlib.suppress(OSError):
                os.unlink(path)  # noqa: PTH108 - a string is kept as one

    def _withdraw_failures(self) -> None:
        withdrawn, self._failures = self._failures, []
        for _, path in withdrawn:
            with contextlib.suppress(OSError):
                os.unlink(path)  # noqa: PTH108 - this runs often

    def _tick(self) -> None:
        if self._live and self._ticker is None and not self._has_ended:
            self._ticker = _Ticker(lambda: self.write("running"))

    def _tell_blind(self, reason: str) -> None:
        """Leave word of a child that will leave none itself."""
        self._blind_count += 1
        name = f"blind-{os.getpid()}-{now_ns()}-{self._blind_count}"
        _put(self._folder, name, reason.encode(), self._blind_count)

    # --- forks --------------------------------------------------------------------------------------------

    def _before_fork(self) -> None:
        # With a thread of ours beside it, Python would warn of the fork. The next event brings it back.
        if self._ticker is not None:
            self._ticker.stop()
        self._later_lock.acquire()
        if self._stop_later():
            self.write("running")
        self._lock.acquire()

    def _after_fork_in_parent(self) -> None:
        self._ticker = None
        self._lock.release()
        self._later_lock.release()

    def _after_fork_in_child(self) -> None:
        self._errors = []
        self._new_process()
        self._is_fork = True

    # --- the end ------------------------------------------------------------------------------------------

    def at_exit(self) -> None:
        """The interpreter ends."""
        if self._ticker is not None:
            self._ticker.stop()
        self._stop_later()
        self._last_words("exit")
        RECORDER.on_event = None
        window, self._window = self._window, None
        if window is not None:
            self._attempt("closing the window", lambda: window.__exit__(None, None, None))

    def _last_words(self, ended: str, signal: int | None = None) -> None:
        if self._has_ended:
            return
        self._speaker = threading.get_ident()
        try:
            self._end_memory()
            self.write(ended, signal)
        finally:
            self._speaker = 0
        number, self._deferred_signal = self._deferred_signal, 0
        if number:
            self.write("signal", number)
            self._signals.die(number)

    def _killed_by(self, signal: int) -> None:
        if self._speaker == threading.get_ident():  # amid the last words: they are finished first
            self._deferred_signal = signal
            return
        self._last_words("signal", signal)
        if self._lock.acquire(timeout=_LOCK_S):  # those of another thread
            self._lock.release()
        self._signals.die(signal)

    def _replace_ends(self) -> None:
        """``os._exit`` and both functions that all others of the ``exec`` family end in."""
        if self._is_replaced:
            return
        self._is_replaced = True
        exits = os._exit

        @functools.wraps(exits)
        def _exit(*args: Any, **kwargs: Any) -> Any:
            self._last_words("os._exit")
            exits(*args, **kwargs)

        os._exit = _exit
        for name in ("execv", "execve"):
            if hasattr(os, name):
                setattr(os, name, self._exec(getattr(os, name)))

    def _exec(self, original: Any) -> Any:
        @functools.wraps(original)
        def execute(path: Any, *args: Any, **kwargs: Any) -> Any:
            if not _can_be_executed(path):  # a look along PATH
                return original(path, *args, **kwargs)
            self._children.look(path, *args)
            self._last_words("exec")
            try:
                return original(path, *args, **kwargs)
            except BaseException:
                self._go_on()
                raise

        return execute

    def _go_on(self) -> None:
        """The process goes on after all."""
        self._has_ended = False
        self.write("running")

    # --- memory -------------------------------------------------------------------------------------------

    def _record_memory(self) -> None:
        from connprof.observe.tracking import Tracking

        self._tracking = Tracking(self._folder)

    def _end_memory(self) -> None:
        tracking, self._tracking = self._tracking, None
        if tracking is not None:
            self._attempt("memray", tracking.stop)


class _Signals:
    """A last word before a signal kills, where the program itself has no handler for it.

    The program sees none of it: for ``signal.signal`` and ``signal.getsignal`` the default stays the default.
    """

    def __init__(self, end_by: Callable[[int], None]) -> None:
        self._end_by = end_by
        self._numbers: frozenset[Any] = frozenset()
        self._set: Any = None
        self._get: Any = None
        self._has_left = False
        self.are_pending = True

    def follow(self) -> None:
        """Take the default's place, if it is in force; only the main thread may do that, so it may have to wait."""
        if self._has_left or threading.get_ident() != threading.main_thread().ident:
            return
        self.are_pending = False
        import signal

        self._numbers = frozenset(getattr(signal, name) for name in _FOLLOWED_SIGNALS if hasattr(signal, name))
        self._set, self._get, default = signal.signal, signal.getsignal, signal.SIG_DFL

        @functools.wraps(self._set)
        def ours_for_default(signalnum: Any, handler: Any) -> Any:
            if handler == default and signalnum in self._numbers and not self._has_left:
                handler = self._on_signal
            previous = self._set(signalnum, handler)
            return default if previous == self._on_signal else previous

        @functools.wraps(self._get)
        def default_for_ours(signalnum: Any) -> Any:
            handler = self._get(signalnum)
            return default if handler == self._on_signal else handler

        for number in self._numbers:
            if self._get(number) == default:
                self._set(number, self._on_signal)
        signal.signal = ours_for_default
        signal.getsignal = default_for_ours

    def leave(self) -> None:
        """Give the default its place back, in this process and those that it forks."""
        self._has_left = True
        for number in self._numbers:
            if self._get(number) == self._on_signal:
                self._set(number, 0)  # SIG_DFL

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self._end_by(number)

    def die(self, number: int) -> None:
        """End by a signal, as if nobody had caught it."""
        self._set(number, 0)  # SIG_DFL
        os.kill(os.getpid(), number)


class _Ticker:
    """A thread that writes at a steady pace, for ``--live`` alone."""

    def __init__(self, do: Callable[[], None]) -> None:
        self._do = do
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="connprof", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stopped.wait(_LIVE_S):
            self._do()

    def stop(self) -> None:
        self._stopped.set()
        if threading.current_thread() is not self._thread:
            self._thread.join(_LOCK_S)
            _wait_until_gone(self._thread.native_id)


class _Later:
    """Does something once, after a while, in a thread that :mod:`threading` does not know of.

    So the program neither counts it nor waits for it; and a signal to the process never finds it.
    """

    def __init__(self, do: Callable[[], None], delay_s: float) -> None:
        self._do = do
        self._woken = _thread.allocate_lock()
        self._over = _thread.allocate_lock()
        self._native_id: int | None = None
        self._woken.acquire()
        self._over.acquire()
        _thread.start_new_thread(self._run, (max(delay_s, 0.0),))

    def _run(self, delay_s: float) -> None:
        try:
            self._native_id = _thread.get_native_id()
            import signal

            if hasattr(signal, "pthread_sigmask"):
                signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
            if not self._woken.acquire(timeout=delay_s):
                self._do()
        except Exception:  # noqa: BLE001, S110 - the next event is another occasion
            pass
        finally:
            self._over.release()

    def stop(self) -> None:
        """Do it no more, if it has not begun; wait until the thread is over."""
        self._woken.release()
        self._over.acquire(timeout=_LOCK_S)
        _wait_until_gone(self._native_id)


def _wait_until_gone(native_id: int | None) -> None:
    """Wait until the system has no such thread any more, which is a moment after Python has not: forks look at that."""
    for _ in range(_GONE_LOOKS_COUNT):
        if native_id is None or not os.path.exists(f"/proc/self/task/{native_id}"):  # noqa: PTH110 - this runs often
            return
        sleep(_GONE_S)


class _Spare:
    """A file number to give up when the program has used up all of its own.

    It is that of a file of ours: should the program have closed it, another will be no match. A process that has become
    another user's may not write into the folder, but still into this.
    """

    def __init__(self, folder: str) -> None:
        import fcntl

        path = os.path.join(folder, _TROUBLE)  # noqa: PTH118 - a string is kept as one
        self._number = number = os.open(path, os.O_WRONLY | os.O_APPEND | getattr(os, "O_CLOEXEC", 0))
        with contextlib.suppress(OSError):  # few are allowed here, or this was the last one
            self._number = fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, _SPARE_NUMBER)
            os.close(number)
        self._identity = self._look()

    def _look(self) -> tuple[int, int]:
        status = os.fstat(self._number)
        return status.st_dev, status.st_ino

    def write(self) -> None:
        """Say that there was trouble."""
        with contextlib.suppress(OSError):
            if self._look() == self._identity:
                os.write(self._number, b"x")

    def give(self) -> bool:
        """Give it up; whether that was of any use."""
        try:
            if self._look() != self._identity:
                return False
            os.close(self._number)
        except OSError:
            return False
        return True


def _is_blank(seen: dict[str, Any]) -> bool:
    """Whether nothing at all was seen."""
    return not any(seen["counts"].values()) and not any(seen.get(name) for name in ("clients", "contexts", "errors"))


def _can_be_executed(path: Any) -> bool:
    try:
        return isinstance(path, int) or os.access(path, os.X_OK)
    except Exception:  # noqa: BLE001 - the original says what is wrong with it
        return True


def _put(folder: str, name: str, content: bytes, serial: int) -> None:
    """A whole file or none."""
    path = os.path.join(folder, name)  # noqa: PTH118 - this runs often
    part = f"{path}.{serial}.part"
    number = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_CLOEXEC", 0), _WHOLE_MODE)
    try:
        try:
            left = memoryview(content)
            while left:
                left = left[os.write(number, left) :]
        finally:
            os.close(number)
        os.replace(part, path)  # noqa: PTH105 - this runs often
    except BaseException:
        os.unlink(part)  # noqa: PTH108 - this runs often
        raise


_follower: _Follower | None = None


def begin(folder: str) -> None:
    """Observe this process from now on."""
    global _follower  # noqa: PLW0603 - a process has one
    if _follower is None:
        take_for_user_code(os.environ.get("CONNPROF_RUN_USER_CODE", "").split(os.pathsep))
        _follower = _Follower(
            folder,
            live=os.environ.get("CONNPROF_RUN_LIVE") == "1",
            memory=os.environ.get("CONNPROF_RUN_MEMORY") == "1",
        )
        _follower.begin()


def end() -> None:
    """The interpreter ends: the last that it calls."""
    if _follower is not None and sys is not None:
        _follower.at_exit()
