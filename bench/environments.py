"""Environments for workers: an interpreter with pinned packages, made once and kept."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from bench.children import Stopped
from connprof.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

__all__ = ["MakeEnvironment", "Requirements", "environment", "last_line"]

_INSTALL_LIMIT_S = 600.0
_LOOK_EVERY_S = 0.2
_DYING_LIMIT_S = 1.0
_DYING_LOOK_EVERY_S = 0.01


@dataclass(frozen=True, slots=True)
class Requirements:
    """What an environment is made of, and so what makes it another one when it changes.

    Attributes:
        packages: what is installed, as pip takes it.
        constraints: the lines of the side's constraints file, without the packages that were asked for by hand.
        python: version of the interpreter behind it.
        interpreter: the interpreter behind it.
    """

    packages: tuple[str, ...]
    constraints: tuple[str, ...]
    python: str
    interpreter: str = sys.executable

    @property
    def key(self) -> str:
        """A name for the folder of the environment: equal requirements share one."""
        text = "\n".join((self.python, *self.packages, "", *self.constraints))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


class MakeEnvironment(Protocol):
    """Turns requirements into the interpreter of an environment that has them; the seam for tests is here."""

    def __call__(self, wanted: Requirements, folder: Path) -> Path:
        """The interpreter; ``folder`` is where environments are kept."""


def environment(wanted: Requirements, folder: Path, is_stopped: Callable[[], bool] = lambda: False) -> Path:
    """The interpreter of an environment with ``wanted`` in it, made in ``folder`` unless it is there already.

    A mark is set when it is complete, so that one whose making was interrupted is never used; a lock keeps two duels
    from making the same one at once.

    Args:
        wanted: what it is made of.
        folder: where environments are kept.
        is_stopped: asked while pip works; when it says so, pip is killed.

    Raises:
        RunError: pip cannot install it; the message holds pip's own last word.
        Stopped: ``is_stopped`` said so.
    """
    home = folder / wanted.key
    python = home / "bin" / "python"
    with _held(folder / f"{wanted.key}.lock"):
        if not (home / "complete").exists():
            _make(wanted, home, python, is_stopped)
    return python


@contextmanager
def _held(lock: Path) -> Iterator[None]:
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise RunError(f"{lock.parent} cannot be written: {error.strerror}.") from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _make(wanted: Requirements, home: Path, python: Path, is_stopped: Callable[[], bool]) -> None:
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    temporary = home / "tmp"
    try:
        temporary.mkdir()
        pins = home / "constraints.txt"
        pins.write_text("\n".join(wanted.constraints) + "\n", encoding="utf-8")
        _install(
            [wanted.interpreter, "-m", "venv", str(home)], "an environment could not be made", temporary, is_stopped
        )
        _install(
            [str(python), "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check",
             "--constraint", str(pins), "--", *wanted.packages],
            f"{', '.join(wanted.packages)} could not be installed",
            temporary,
            is_stopped,
        )  # fmt: skip
        shutil.rmtree(temporary, ignore_errors=True)
        (home / "complete").touch()
    except BaseException:
        shutil.rmtree(home, ignore_errors=True)
        raise


def _install(command: Sequence[str], what: str, temporary: Path, is_stopped: Callable[[], bool]) -> None:
    """Run ``command``, which has ``temporary`` for the files that it leaves behind when it is killed."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**os.environ, "TMPDIR": str(temporary.resolve())},
        start_new_session=True,
    )
    printed, end_s = None, time.monotonic() + _INSTALL_LIMIT_S
    try:
        while printed is None:
            if is_stopped():
                raise Stopped
            try:
                printed, _ = process.communicate(timeout=_LOOK_EVERY_S)
            except subprocess.TimeoutExpired:
                if time.monotonic() >= end_s:
                    raise RunError(f"{what}: pip had not ended after {_INSTALL_LIMIT_S:g} s.") from None
    finally:
        _kill_group(process)
    if process.returncode:
        errors = [line for line in printed.splitlines() if line.startswith("ERROR")]
        raise RunError(f"{what}: {last_line(errors[-1] if errors else printed)}.")


def _kill_group(process: subprocess.Popen[str]) -> None:
    """Kill what is left of it and of all that it started, and wait until none of them can write any more."""
    end_s = time.monotonic() + _DYING_LIMIT_S
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    with suppress(ProcessLookupError, PermissionError):
        while time.monotonic() < end_s:
            os.killpg(process.pid, 0)
            time.sleep(_DYING_LOOK_EVERY_S)
    if process.stdout is not None:
        process.stdout.close()


def last_line(text: str) -> str:
    """The last thing that a program said, as part of a sentence."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].removeprefix("ERROR: ").removeprefix("fatal: ").rstrip(".") if lines else "no reason given"
