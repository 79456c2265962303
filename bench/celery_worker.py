"""Runs a real Celery worker for the strategies that are about Celery: prefork, one child, nothing to install.

Messages and results are files in a folder of the session's own. In the worker's processes this module sees to it that
the suite measures what they do; strategies know nothing of that.

There is one child process, so that it is no matter of chance which process takes which task. Starting the worker is
part of a session's wall time, and no part of any call's latency.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from celery import signals

from bench import offspring
from bench.celery_files import LOOK_EVERY_S, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from celery import Celery

    from bench.registry import Send
    from bench.workloads import Call
    from connprof_server.target import Target

__all__ = ["SETTINGS", "Reply", "working"]

_FOLDER = "CONNPROF_CELERY_FOLDER"
_IN_WORKER = "CONNPROF_CELERY_WORKER"
_START_LIMIT_S = 30.0
_STOP_LIMIT_S = 10.0
_TASK_LIMIT_S = 60.0

# The same for every session of this process, and for the worker that it starts; no other process may inherit it.
_folder = Path(os.environ.get(_FOLDER, str(Path(tempfile.gettempdir()) / f"connprof-celery-{os.getpid()}")))

SETTINGS = settings(_folder)


class Reply(NamedTuple):
    """A task's result: what JSON can carry of an answer."""

    status_code: int
    text: str

    @property
    def content(self) -> bytes:
        """The body."""
        return self.text.encode()


@contextmanager
def working(app: Celery, task: Any, target: Target) -> Iterator[Send]:
    """Start a worker for ``app``; send a call by giving its method and URL to ``task`` and waiting for the result."""
    for name in ("queue", "control", "results"):
        (_folder / name).mkdir(parents=True, mode=0o700)
    try:
        with _worker(app):

            def send(call: Call) -> Reply:
                result = task.delay(call.method, target.url(call.path, call.origin))
                return Reply(*result.get(timeout=_TASK_LIMIT_S, interval=LOOK_EVERY_S))

            yield send
    finally:
        app.close()
        shutil.rmtree(_folder, ignore_errors=True)


@contextmanager
def _worker(app: Celery) -> Iterator[None]:
    ready = _folder / "ready"
    with (_folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                sys.executable, "-m", "celery", "--app", app.main, "--quiet", "worker", "--pool", "prefork",
                "--concurrency", "1", "--without-gossip", "--without-mingle", "--without-heartbeat",
                "--loglevel", "ERROR",
            ],
            env=os.environ | {_FOLDER: str(_folder), _IN_WORKER: str(ready)},
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
        )  # fmt: skip
    try:
        _wait_for(ready, process)
        yield
        process.terminate()
        process.wait(_STOP_LIMIT_S)
    finally:
        process.kill()
        process.wait()
        assert process.stdin is not None
        process.stdin.close()


def _wait_for(ready: Path, process: subprocess.Popen[bytes]) -> None:
    limit = time.monotonic() + _START_LIMIT_S
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > limit:
            said = (_folder / "log").read_text(errors="replace").strip().splitlines() or ["nothing"]
            raise RuntimeError(f"the Celery worker did not start; its last words: {said[-1]}")
        time.sleep(LOOK_EVERY_S)


# --- in the worker's processes --------------------------------------------------------------------------------


def _end_with_parent() -> None:
    def wait() -> None:
        with suppress(OSError):
            os.read(0, 1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="parent-watch", daemon=True).start()


def _child_starts(**_: object) -> None:
    offspring.enter()


def _child_ends(**_: object) -> None:
    offspring.leave()


def _worker_starts(**_: object) -> None:
    # After the project's own handlers, so that what they do at the end is seen.
    signals.worker_process_shutdown.connect(_child_ends)


def _worker_is_ready(**_: object) -> None:
    Path(os.environ[_IN_WORKER]).touch()


def _worker_ends(**_: object) -> None:
    offspring.leave()


if _IN_WORKER in os.environ:
    _end_with_parent()
    offspring.enter(is_worker=False)
    signals.worker_process_init.connect(_child_starts)
    signals.worker_init.connect(_worker_starts)
    signals.worker_ready.connect(_worker_is_ready)
    signals.worker_shutdown.connect(_worker_ends)
