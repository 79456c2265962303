"""The timing pass: pytest-benchmark and nothing else.

As a worker (``--connprof-worker``) it takes one job on standard input and prints one JSON line, like
:mod:`bench.worker`. Without that, ``pytest -c bench/pytest.ini bench/test_strategies.py`` starts a server of its own
and runs the default strategies.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import pytest

from bench.matrix import DEFAULT
from bench.reason import reason
from bench.surroundings import child_variables
from bench.worker import die_with_parent
from connprof_server.target import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_AS_WORKER = "--connprof-worker"


@dataclass(frozen=True, slots=True)
class TimingJob:
    """What the timing pass is to run.

    Attributes:
        case: ``strategy``, ``workload`` and ``calls_count``.
        rounds_count: sessions that are timed, after one that is not.
    """

    case: dict[str, Any]
    rounds_count: int


class Worker:
    """The plugin that speaks the worker's protocol."""

    def __init__(self) -> None:
        self._answer: IO[str] = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        job: dict[str, Any] = json.loads(sys.stdin.readline())
        die_with_parent(sys.stdin)
        self.job = TimingJob(job["case"], job["options"]["rounds_count"])
        self.target = Target(**job["target"])
        self._line: dict[str, Any] = {"failed": "pytest ended without running the benchmark"}

    def pytest_exception_interact(self, call: pytest.CallInfo[Any]) -> None:
        """Say why the benchmark failed."""
        assert call.excinfo is not None
        self._line = {"failed": reason(call.excinfo.value)}

    def finished(self, outcome: dict[str, Any]) -> None:
        """Keep what the benchmark measured."""
        self._line = {"outcome": outcome}

    def pytest_unconfigure(self) -> None:
        """Answer, once pytest-benchmark has written its file."""
        self._answer.write(json.dumps(self._line) + "\n")
        self._answer.close()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        _AS_WORKER,
        action="store_true",
        help="Take one job as a JSON line on standard input, answer with one line. Used by `python -m bench`.",
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption(_AS_WORKER):
        config.pluginmanager.register(Worker(), "connprof-worker")


def _worker(config: pytest.Config) -> Worker | None:
    plugin: Worker | None = config.pluginmanager.get_plugin("connprof-worker")
    return plugin


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "timing_job" not in metafunc.fixturenames:
        return
    worker = _worker(metafunc.config)
    jobs = [worker.job] if worker else [
        TimingJob({"strategy": name, "workload": "llm-session", "calls_count": 40}, rounds_count=3)
        for name in DEFAULT
    ]  # fmt: skip
    metafunc.parametrize("timing_job", jobs, ids=[job.case["strategy"] for job in jobs])


@pytest.fixture(scope="session")
def target(request: pytest.FixtureRequest) -> Iterator[Target]:
    """The server that the parent started, or one of our own."""
    worker = _worker(request.config)
    if worker:
        yield worker.target
        return
    from bench.workloads import ORIGINS
    from connprof_server import serve

    with serve(origins=ORIGINS) as server, pytest.MonkeyPatch.context() as patch:
        variables, _done = child_variables(server.target)
        for name in os.environ.keys() - variables.keys():
            patch.delenv(name)
        for name, value in variables.items():
            patch.setenv(name, value)
        yield server.target


@pytest.fixture
def finished(request: pytest.FixtureRequest) -> Callable[[dict[str, Any]], None]:
    """Takes what the benchmark measured, when there is a parent that wants it."""
    worker = _worker(request.config)
    return worker.finished if worker else lambda _outcome: None
