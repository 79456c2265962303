"""Runs workers: a job goes in as a JSON line, an outcome comes out, and no process stays behind."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

from bench.worker import SCRATCH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

__all__ = ["JobFailed", "Overdue", "Stopped", "Workers", "plain"]

_LONGEST_MESSAGE = 600
_ENDING_S = 1.0
_NO_OUTCOME = "its process answered something that is no outcome"


class JobFailed(Exception):  # noqa: N818 - it is an outcome that is recorded, not a defect
    """The worker had no outcome; the message is one sentence."""


class Overdue(JobFailed):
    """The worker had not ended at its limit, and was killed."""


class Stopped(Exception):  # noqa: N818 - the run is ending, and this says so to whoever waits for a worker
    """The workers were stopped from outside."""


@dataclass(slots=True)
class Workers:
    """The workers of one run. May be used from several threads.

    Attributes:
        folder: where they are started.
        limit_s: after that long a worker is stopped and has failed.
    """

    folder: Path
    limit_s: float
    _live: set[subprocess.Popen[bytes]] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stopped: bool = False

    def run(self, command: Sequence[str], job: Mapping[str, Any], variables: Mapping[str, str]) -> dict[str, Any]:
        """Run ``command`` in a fresh process, hand it ``job``, and return its outcome.

        The worker leads a session of its own, so that a Ctrl-C in the terminal reaches only us, and all that it
        started is killed with it.

        Raises:
            JobFailed: it raised, hung, died, or answered nothing, or there is no room for what it would say.
            Stopped: :meth:`stop` was called before it had an outcome.
        """
        with _places() as (answers, complaints, scratch):
            with self._lock:
                if self._stopped:
                    raise Stopped
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=answers,
                    stderr=complaints,
                    env=dict(variables) | {"TMPDIR": scratch},
                    cwd=self.folder,
                    start_new_session=True,
                )
                self._live.add(process)
            try:
                code = self._converse(process, job)
            finally:
                _kill_session(process)
                with self._lock:
                    self._live.discard(process)
            line = _last_line(answers)
            if self._stopped:
                raise Stopped
            if line is None:
                raise JobFailed(_obituary(code, complaints))
        try:
            answer = json.loads(line)
            if "failed" in answer:
                raise JobFailed(plain(str(answer["failed"])))
            outcome = answer["outcome"]
        except (ValueError, TypeError, KeyError, RecursionError):
            outcome = None
        if not isinstance(outcome, dict):
            raise JobFailed(_NO_OUTCOME)
        return outcome

    def converse(
        self,
        command: Sequence[str],
        job: Mapping[str, Any],
        variables: Mapping[str, str],
        *,
        hear: Callable[[dict[str, Any]], dict[str, Any] | None],
        limit_s: float,
    ) -> dict[str, Any]:
        """As :meth:`run`, for a worker that has more to say than its outcome.

        Args:
            command: what to run.
            job: its job.
            variables: its environment.
            hear: is given each line that is no outcome; what it returns, if anything, is sent back to the worker.
            limit_s: after that long it is killed.

        Raises:
            Overdue: it had not ended by then.
            JobFailed: it raised, died, or answered nothing.
            Stopped: :meth:`stop` was called before it had an outcome.
        """
        with _places() as (_answers, complaints, scratch):
            with self._lock:
                if self._stopped:
                    raise Stopped
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=complaints,
                    env=dict(variables) | {"TMPDIR": scratch},
                    cwd=self.folder,
                    start_new_session=True,
                )
                self._live.add(process)
            try:
                answer = _hear_out(process, job, hear, limit_s)
            finally:
                _kill_session(process)
                with self._lock:
                    self._live.discard(process)
            if self._stopped:
                raise Stopped
            if answer is None:
                raise JobFailed(_obituary(process.returncode, complaints))
        if "failed" in answer:
            raise JobFailed(plain(str(answer["failed"])))
        if not isinstance(answer["outcome"], dict):
            raise JobFailed(_NO_OUTCOME)
        outcome: dict[str, Any] = answer["outcome"]
        return outcome

    @property
    def is_stopped(self) -> bool:
        """Whether :meth:`stop` was called."""
        return self._stopped

    def stop(self) -> None:
        """Kill all workers, and start no more."""
        with self._lock:
            self._stopped = True
            for process in self._live:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)

    def _converse(self, process: subprocess.Popen[bytes], job: Mapping[str, Any]) -> int:
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # it died at once; its exit code tells more
            process.stdin.write(json.dumps(job).encode() + b"\n")
            process.stdin.flush()
        try:
            return process.wait(self.limit_s)
        except subprocess.TimeoutExpired:
            raise JobFailed(f"it had not ended after {self.limit_s:g} s and was stopped") from None


@contextmanager
def _places() -> Iterator[tuple[IO[bytes], IO[bytes], str]]:
    """Where a worker answers and complains, and its folder for temporary files.

    What it leaves in the folder, because it is killed, is removed after it.

    Raises:
        JobFailed: they cannot be made.
    """
    with ExitStack() as stack:
        try:
            answers = stack.enter_context(tempfile.TemporaryFile())
            complaints = stack.enter_context(tempfile.TemporaryFile())
            scratch = tempfile.TemporaryDirectory(prefix=SCRATCH, ignore_cleanup_errors=True)
        except OSError as error:
            raise JobFailed(f"{tempfile.gettempdir()} cannot be written: {error.strerror}") from None
        yield answers, complaints, stack.enter_context(scratch)


def plain(text: str) -> str:
    """``text`` from outside as one line that can be stored and printed: no control characters, no lone surrogates."""
    clean = text.encode("utf-8", "replace").decode()
    clean = " ".join("".join(letter if letter.isprintable() else " " for letter in clean).split())
    return clean if len(clean) <= _LONGEST_MESSAGE else clean[: _LONGEST_MESSAGE - 1] + "…"


def _hear_out(
    process: subprocess.Popen[bytes],
    job: Mapping[str, Any],
    hear: Callable[[dict[str, Any]], dict[str, Any] | None],
    limit_s: float,
) -> dict[str, Any] | None:
    """The first line that is an outcome or a failure; nothing if the worker ends without one."""
    assert process.stdin is not None
    assert process.stdout is not None
    deadline = time.monotonic() + limit_s
    said = b""

    def tell(message: Mapping[str, Any]) -> None:
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # it has died; the end of what it says comes next
            process.stdin.write(json.dumps(message).encode() + b"\n")
            process.stdin.flush()

    with process.stdout as output, selectors.DefaultSelector() as selector:
        selector.register(output, selectors.EVENT_READ)
        tell(job)
        while True:
            left_s = deadline - time.monotonic()
            if left_s <= 0 or not selector.select(left_s):
                raise Overdue(f"it had not ended after {limit_s:g} s and was stopped")
            received = os.read(output.fileno(), 1 << 16)
            if not received:
                # Its pipe may be gone a moment before its exit code is there.
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_ENDING_S)
                return None
            said += received
            *lines, said = said.split(b"\n")
            for line in lines:
                try:
                    message = dict(json.loads(line))
                except (ValueError, TypeError, RecursionError):
                    raise JobFailed(_NO_OUTCOME) from None
                if "outcome" in message or "failed" in message:
                    return message
                if (answer := hear(message)) is not None:
                    tell(answer)


def _kill_session(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of the worker and of all that it started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdin is not None:
        with suppress(BrokenPipeError):
            process.stdin.close()


def _last_line(file: IO[bytes]) -> bytes | None:
    """The answer, or nothing when it is missing or cut off."""
    file.seek(0)
    text = file.read()
    return text.splitlines()[-1] if text.endswith(b"\n") else None


def _obituary(code: int, complaints: IO[bytes]) -> str:
    complaints.seek(0)
    lines = complaints.read().decode(errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    return f"its process {how} without an answer" + (f"; its last words: {plain(last)}" if last else "")
