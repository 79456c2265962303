"""One job: a worker in, a pass out, folded into its case together with what the server saw meanwhile."""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from bench.children import JobFailed
from bench.gathered import Gathered, ledger_sums
from bench.lanes import ServerKind
from bench.surroundings import child_variables
from connprof.model import Headroom, Measured

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bench.children import Workers
    from bench.lanes import Lane, Listener
    from bench.matrix import Job
    from connprof.model import Case, Record
    from connprof_server import RunningServer

__all__ = ["Measuring", "Subject", "headroom_of", "server_requests_per_s"]


@dataclass(slots=True)
class Subject:
    """A case under measurement.

    Attributes:
        case: which.
        gathered: its passes so far.
        stem: what its files in the work folder are called.
        python: the interpreter, and so the environment, of its workers.
        lean: time it without pytest-benchmark, for environments that hold the client library alone.
    """

    case: Case
    gathered: Gathered
    stem: str
    python: str = sys.executable
    lean: bool = False


@dataclass(slots=True)
class Measuring:
    """Runs jobs, from any lane.

    Attributes:
        workers: the processes.
        work: the folder for their files.
        listener: is told of each job.
        keep_captures: leave the captures of memory passes in ``work``.
        rounds_count: timed sessions in each timing process.
        job_done: is called after each job with all that is gathered held still.
    """

    workers: Workers
    work: Path
    listener: Listener
    keep_captures: bool
    rounds_count: int
    job_done: Callable[[Subject, Job], None]
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def measure(self, job: Job, subject: Subject, lane: Lane, label: str) -> None:
        """Run ``job`` of ``subject``; one that fails is noted there, and later jobs of the same case are left out.

        Raises:
            ServerError: the server is gone.
            Stopped: the workers were stopped.
        """
        self.listener.started(label)
        if subject.gathered.failure is not None:
            self.listener.finished(label, None)  # its case has failed already
            with self._lock:
                self.job_done(subject, job)
            return
        failure: str | None = None
        outcome: dict[str, Any] = {}
        server = lane.server(ServerKind.of(subject.case))
        before = server.settled_ledger()
        try:
            outcome = self._worker(job, subject, server)
        except JobFailed as error:
            failure = str(error)
        seen = server.settled_ledger().minus(before)
        with self._lock:
            if failure is None:
                try:
                    subject.gathered.fold(job.kind, outcome | {"ledger": ledger_sums(seen)})
                except msgspec.ValidationError as error:
                    failure = f"the worker's answer has the wrong shape: {error}"
            if failure is not None:
                subject.gathered.failure = (job.kind, failure)
            self.job_done(subject, job)
        self.listener.finished(label, failure)

    def _worker(self, job: Job, subject: Subject, server: RunningServer) -> dict[str, Any]:
        case = msgspec.to_builtins(subject.case) | {"calls_count": job.calls_count}
        variables, _done = child_variables(server.target, case)
        message: dict[str, Any] = {"case": case, "target": server.target.to_dict()}
        worker = [subject.python, "-m", "bench.worker"]
        if job.kind == "timing" and subject.lean:
            message |= {"pass": "timing", "options": {"rounds_count": self.rounds_count}}
            return self.workers.run(worker, message, variables)
        if job.kind == "timing":
            file = self.work / f"timing-{job.repetition}-{subject.stem}.json"
            message |= {"options": {"rounds_count": self.rounds_count}}
            worker = [
                subject.python, "-m", "pytest", "-c", "bench/pytest.ini", "-p", "pytest_benchmark.plugin", "-s", "-q",
                "--connprof-worker", f"--benchmark-json={file}", "bench/test_strategies.py",
            ]  # fmt: skip
        else:
            file = self.work / f"{job.kind}-{job.calls_count}-{subject.stem}.bin"
            message |= {
                "pass": "memory" if job.kind == "growth" else job.kind,
                "options": {"capture": str(file), "keep_capture": job.kind == "memory" and self.keep_captures},
            }
        try:
            return self.workers.run(worker, message, variables)
        except JobFailed:
            file.unlink(missing_ok=True)
            raise


def server_requests_per_s(
    workers: Workers, lane: Lane, listener: Listener, *, server: ServerKind, seconds: float
) -> float | None:
    """How many requests per second the server sustains; nothing when that could not be measured.

    Raises:
        ServerError: the server is gone.
    """
    label = "server headroom"
    listener.started(label)
    running = lane.server(server)
    variables = child_variables(running.target)[0]
    message = {"target": running.target.to_dict(), "options": {"seconds": seconds}}
    failure, rate = None, None
    try:
        outcome = workers.run([sys.executable, "-m", "bench.headroom"], message, variables)
        rate = msgspec.convert(outcome["requests_per_s"], float)
    except (JobFailed, KeyError, msgspec.ValidationError) as error:
        failure = str(error)
        running.ledger()  # raises ServerError where that is the reason
    listener.finished(label, failure)
    return rate


def headroom_of(rate: float | None, records: Sequence[Record]) -> Headroom | None:
    """How far a server that sustains ``rate`` requests per second was from being the bottleneck of ``records``."""
    if rate is None:
        return None
    rates = {
        record.case.strategy: max(
            timing.calls_count / (sum(latencies_ns) / 1e9)
            for timing in record.outcome.timing
            for latencies_ns in timing.latency_ns
        )
        for record in records
        if isinstance(record.outcome, Measured) and record.outcome.timing
    }
    if not rates:
        return None
    fastest = max(rates, key=lambda name: rates[name])
    return Headroom(
        server_requests_per_s=rate,
        fastest_requests_per_s=rates[fastest],
        fastest_strategy=fastest,
    )
