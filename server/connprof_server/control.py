"""The parent's end of the control channel: starts a child, asks it, and learns how it ended."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from connprof_server.errors import ServerError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ChildProcess"]

# These slow a process down, change what it imports or prints, or start an observer in it. The server is not
# what is being looked at.
_UNWANTED_ENV = (
    "PYTHONASYNCIODEBUG",
    "PYTHONDEVMODE",
    "PYTHONINSPECT",
    "PYTHONMALLOC",
    "PYTHONPROFILEIMPORTTIME",
    "PYTHONTRACEMALLOC",
    "PYTHONWARNINGS",
)
_UNWANTED_PREFIX = "CONNPROF_"
_STOP_S = 3.0
_LOG_TAIL_BYTES = 8_192


class ChildProcess:
    """One child process (the server, or the proxy before it) and the pipes to it.

    Args:
        name: how messages name it, e.g. ``server``.
        module: what to run.
        arguments: command-line arguments for it; the descriptor of the channel is added to them.
        log: file for what it prints, made anew.
        pass_fds: file descriptors that it inherits.

    Raises:
        ServerError: its log cannot be written, or it cannot be started.
    """

    def __init__(
        self,
        name: str,
        module: str,
        *,
        arguments: tuple[str, ...] = (),
        log: Path,
        pass_fds: tuple[int, ...] = (),
    ) -> None:
        self._name = name
        self._log = log
        self._answers = b""
        self._last_id = 0
        # Not the child's stdout: whatever is printed in it, also before it runs a line of ours, belongs into the log.
        answers_fd, childs_fd = os.pipe()
        self._answers_pipe = open(answers_fd, "rb", buffering=0)  # noqa: SIM115, PTH123 - closed in stop()
        try:
            with log.open("wb") as output:
                # -P: a file named like a module of the standard library in the working directory is none of ours.
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-m", module, *arguments, str(childs_fd)],
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=output,
                    bufsize=0,
                    env=_environment(),
                    pass_fds=(*pass_fds, childs_fd),
                    start_new_session=True,
                )
        except OSError as error:
            self._answers_pipe.close()
            why = error.strerror or error
            raise ServerError(f"the {name} could not start ({error.filename or module}: {why})") from None
        finally:
            os.close(childs_fd)
        assert self._process.stdin is not None
        self._stdin = self._process.stdin
        os.set_blocking(self._stdin.fileno(), False)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def start(self, config: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        """Hands the configuration over; returns what the child says of itself once it is ready.

        Raises:
            ServerError: it could not start, or not within ``timeout_s``.
        """
        deadline = time.monotonic() + timeout_s
        try:
            self._write(config)
            answer = self._read(deadline)
        except _Gone:
            raise ServerError(f"the {self._name} could not start ({self._ending()}") from None
        except TimeoutError:
            raise ServerError(f"the {self._name} was not ready after {timeout_s:g} s") from None
        if "error" in answer:
            raise ServerError(answer["error"])
        ready: dict[str, Any] = answer["ready"]
        return ready

    def ask(self, op: str, timeout_s: float, **values: Any) -> dict[str, Any]:
        """Asks for one operation and returns the answer.

        Raises:
            ServerError: the process is gone, or did not answer within ``timeout_s``.
        """
        deadline = time.monotonic() + timeout_s
        self._last_id += 1
        try:
            self._write({"id": self._last_id, "op": op, **values})
            # An answer to an earlier question may still be there, if that one was broken off by Ctrl-C.
            while (answer := self._read(deadline)).get("id") != self._last_id:
                pass
        except _Gone:
            raise ServerError(f"the {self._name} stopped unexpectedly ({self._ending()}") from None
        except TimeoutError:
            raise ServerError(f"the {self._name} did not answer within {timeout_s:g} s") from None
        if "error" in answer:
            raise ServerError(answer["error"])
        return answer

    def check(self) -> None:
        """Does nothing while the process runs.

        Raises:
            ServerError: it is gone.
        """
        if not self.alive:
            raise ServerError(f"the {self._name} stopped unexpectedly ({self._ending()}")

    def stop(self) -> None:
        """Ends the process, if need be by force. May be called again."""
        # To the child this is the end of its parent, the one way in which it ever ends.
        with contextlib.suppress(OSError):
            self._stdin.close()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._answers_pipe.close()

    def _write(self, message: dict[str, Any]) -> None:
        line = json.dumps(message).encode() + b"\n"
        try:
            written_bytes = os.write(self._stdin.fileno(), line)
        except (BrokenPipeError, ValueError):
            raise _Gone from None
        # Far below a pipe's capacity, and the child reads all the time.
        if written_bytes != len(line):
            raise TimeoutError

    def _read(self, deadline: float) -> dict[str, Any]:
        """The child's next line."""
        with selectors.DefaultSelector() as selector:
            try:
                selector.register(self._answers_pipe, selectors.EVENT_READ)
            except ValueError:
                raise _Gone from None
            while b"\n" not in self._answers:
                left_s = deadline - time.monotonic()
                if left_s <= 0 or not selector.select(left_s):
                    raise TimeoutError
                received = os.read(self._answers_pipe.fileno(), 1 << 16)
                if not received:
                    raise _Gone
                self._answers += received
        line, _, self._answers = self._answers.partition(b"\n")
        try:
            answer: dict[str, Any] = json.loads(line)
        except ValueError:
            return {}  # the rest of a line whose reading was broken off by Ctrl-C
        return answer

    def _ending(self) -> str:
        """How the process ended, from after an opening bracket; kills it if only its pipes are gone."""
        try:
            code = self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        how = f"exit code {code}"
        if code < 0:
            with contextlib.suppress(ValueError):
                how = f"signal {signal.Signals(-code).name}"
        last_line = _last_line(self._log)
        return f"{how}): last line {last_line!r}" if last_line else f"{how})"


class _Gone(Exception):  # noqa: N818 - a signal inside this module, turned into a ServerError before it leaves
    """The child closed its end of the pipes."""


def _environment() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if name not in _UNWANTED_ENV and not name.startswith(_UNWANTED_PREFIX)
    }


def _last_line(log: Path) -> str:
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _LOG_TAIL_BYTES))
            lines = file.read().decode(errors="replace").split("\n")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
