"""Runs the jobs of a plan, folds their outcomes into records, and loses nothing that was measured."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

import connprof
from bench.benchmark_file import merge_benchmark_files
from bench.children import JobFailed, Stopped, Workers, plain
from bench.incidents import INCIDENTS
from bench.matrix import DEFAULT, Job, Settings, plan
from bench.registry import AsyncStrategy, StrategyError, load
from bench.surroundings import child_variables, describe
from bench.workloads import ORIGINS
from connprof.checks import problems_of
from connprof.errors import FileError, RunError
from connprof.model import (
    SCHEMA,
    Case,
    CountsPass,
    Ended,
    Environment,
    Failed,
    Headroom,
    Measured,
    MemoryPass,
    Record,
    Report,
    RetainedPass,
    Run,
    StrategyNote,
    TimingPass,
)
from connprof.store import save_report
from connprof.verdict import judge
from connprof_server import LedgerSnapshot, RunningServer, ServerError, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

__all__ = ["Listener", "ignore_signals", "partial_file", "reserved", "run_suite"]

_PROJECT = Path(__file__).resolve().parent.parent
_HEADROOM_S = {True: 0.6, False: 2.0}
_LANES_COUNT = 2


class Listener(Protocol):
    """Is told how far the run has come."""

    def planned(self, jobs_count: int) -> None:
        """So many jobs will be run."""

    def started(self, label: str) -> None:
        """A job begins."""

    def finished(self, label: str, failure: str | None) -> None:
        """It has ended, well or with this sentence."""


@dataclass(slots=True)
class _Progress:
    """What is known so far of one strategy."""

    note: StrategyNote
    failure: tuple[str, str] | None = None
    counts: CountsPass | None = None
    memory: MemoryPass | None = None
    retained: RetainedPass | None = None
    growth: list[MemoryPass] = field(default_factory=list)
    timing: list[TimingPass] = field(default_factory=list)

    def measured(self) -> Measured:
        found = Measured(
            counts=self.counts,
            memory=self.memory,
            retained=self.retained,
            growth=tuple(sorted(self.growth, key=lambda each: each.calls_count)),
            timing=tuple(self.timing),
        )
        return msgspec.structs.replace(found, problems=problems_of(self.note, found))

    def outcome(self) -> Measured | Failed:
        if self.failure is None:
            return self.measured()
        stage, message = self.failure
        return Failed(stage=stage, message=message, partial=self.measured())


@dataclass(frozen=True, slots=True)
class _Lane:
    """A server of its own, so that jobs beside each other never meet in one ledger."""

    server: RunningServer
    variables: Mapping[str, str]


class _Suite:
    """One run, from the first job to the report. Not for reuse."""

    def __init__(self, settings: Settings, command: str, listener: Listener) -> None:
        self.settings = settings
        self._command = command
        self._listener = listener
        self._started_at = datetime.now(UTC)
        self._clock = time.monotonic()
        self._jobs = plan(settings)
        self._progress = {name: _Progress(*_note(name)) for name in settings.strategies}
        self._done: set[Job] = set()
        self._environment: Environment | None = None
        self._commit, self._dirty = _commit()
        self._server_requests_per_s: float | None = None
        self._work = settings.out / ".work"
        self._workers = Workers(_PROJECT, settings.limit_s)
        self._lock = threading.Lock()

    # --- running ----------------------------------------------------------------------------------------------

    def run(self) -> Report:
        """Run everything; Ctrl-C ends it early and well.

        Counts and bytes come out the same whatever else the machine does, so those jobs run two at a time where there
        are two cores; timing runs alone.
        """
        interrupted: str | None = None
        ended: Ended = "complete"
        self._listener.planned(len(self._jobs) + 1)
        lanes_count = min(_LANES_COUNT, os.cpu_count() or 1)
        try:
            with ExitStack() as stack:
                lanes = [self._open_lane(stack) for _number in range(lanes_count)]
                self._run_beside([job for job in self._jobs if job.kind != "timing"], lanes)
                for job in self._jobs:
                    if job.kind == "timing":
                        self._run_one(job, lanes[0])
                self._measure_headroom(lanes[0])
        except KeyboardInterrupt:
            if self._environment is None:
                raise
            ended = "interrupted"
            interrupted = (
                f"Interrupted after {len(self._done)} of {len(self._jobs) + 1} jobs; what they measured is kept."
            )
            self._give_up("interrupted", "the run was interrupted before this case was complete")
        except ServerError as error:
            if self._environment is None:
                raise RunError(str(error)) from None
            ended = "server-lost"
            interrupted = f"The server was lost after {len(self._done)} of {len(self._jobs) + 1} jobs: {error}"
            self._give_up("server", f"not complete when the server was lost: {error}")
        ignore_signals()
        self._finish_files()
        return self.report(interrupted, ended)

    def _open_lane(self, stack: ExitStack) -> _Lane:
        server = stack.enter_context(serve(origins=ORIGINS, rtt_ms=self.settings.rtt_ms))
        variables, done = child_variables(server.target)
        if self._environment is None:
            self._environment = describe(server.target, done)
        return _Lane(server, variables)

    def _run_beside(self, jobs: Sequence[Job], lanes: Sequence[_Lane]) -> None:
        """Run ``jobs`` in their order, each in the lane that is free next."""
        waiting = deque(jobs)

        def work(lane: _Lane) -> None:
            while waiting:
                try:
                    job = waiting.popleft()
                except IndexError:  # the other lane was faster
                    return
                try:
                    self._run_one(job, lane)
                except Stopped:
                    return

        with ThreadPoolExecutor(len(lanes)) as pool:
            try:
                futures = [pool.submit(work, lane) for lane in lanes]
                for future in as_completed(futures):
                    future.result()
            except BaseException:
                waiting.clear()
                self._workers.stop()
                raise

    def _run_one(self, job: Job, lane: _Lane) -> None:
        progress = self._progress[job.strategy]
        self._listener.started(job.label)
        if progress.failure is not None:
            self._listener.finished(job.label, None)  # its case has failed already
            self._done.add(job)
            return
        failure: str | None = None
        outcome: dict[str, Any] = {}
        before = lane.server.settled_ledger()
        try:
            outcome = self._worker(job, lane)
        except JobFailed as error:
            failure = str(error)
        seen = lane.server.settled_ledger().minus(before)
        with self._lock:
            if failure is None:
                try:
                    self._fold(job, outcome | {"ledger": _ledger(seen)})
                except msgspec.ValidationError as error:
                    failure = f"the worker's answer has the wrong shape: {error}"
            if failure is not None:
                progress.failure = (job.kind, failure)
            self._done.add(job)
            unfinished = self.report("The run has not come to its end, or was killed.", "interrupted")
            save_report(unfinished, partial_file(self.settings.out))
        self._listener.finished(job.label, failure)

    def _worker(self, job: Job, lane: _Lane) -> dict[str, Any]:
        case = {
            "strategy": job.strategy, "workload": self.settings.workload, "calls_count": job.calls_count,
        }  # fmt: skip
        message: dict[str, Any] = {"case": case, "target": lane.server.target.to_dict()}
        if job.kind == "timing":
            file = self._work / f"timing-{job.repetition}-{job.strategy}.json"
            command = [
                sys.executable, "-m", "pytest", "-c", "bench/pytest.ini", "-p", "pytest_benchmark.plugin", "-s", "-q",
                "--connprof-worker", f"--benchmark-json={file}", "bench/test_strategies.py",
            ]  # fmt: skip
            message |= {"options": {"rounds_count": self.settings.rounds_count}}
        else:
            file = self._work / f"{job.kind}-{job.calls_count}-{job.strategy}.bin"
            keep = job.kind == "memory" and (self.settings.keep_captures or self.settings.flamegraph)
            command = [sys.executable, "-m", "bench.worker"]
            message |= {
                "pass": "memory" if job.kind == "growth" else job.kind,
                "options": {"capture": str(file), "keep_capture": keep},
            }
        try:
            return self._workers.run(command, message, lane.variables)
        except JobFailed:
            file.unlink(missing_ok=True)
            raise

    def _fold(self, job: Job, outcome: dict[str, Any]) -> None:
        progress = self._progress[job.strategy]
        match job.kind:
            case "counts":
                progress.counts = msgspec.convert(outcome, CountsPass)
            case "memory":
                progress.memory = msgspec.convert(outcome, MemoryPass)
            case "retained":
                progress.retained = msgspec.convert(outcome, RetainedPass)
            case "growth":
                progress.growth.append(msgspec.convert(outcome, MemoryPass))
            case "timing":
                progress.timing.append(msgspec.convert(outcome, TimingPass))

    def _measure_headroom(self, lane: _Lane) -> None:
        label = "server headroom"
        self._listener.started(label)
        message = {
            "target": lane.server.target.to_dict(), "options": {"seconds": _HEADROOM_S[self.settings.quick]},
        }  # fmt: skip
        failure: str | None = None
        try:
            outcome = self._workers.run([sys.executable, "-m", "bench.headroom"], message, lane.variables)
            self._server_requests_per_s = msgspec.convert(outcome["requests_per_s"], float)
        except (JobFailed, KeyError, msgspec.ValidationError) as error:
            failure = str(error)
            lane.server.ledger()  # raises ServerError where that is the reason
        self._listener.finished(label, failure)

    def _give_up(self, stage: str, message: str) -> None:
        """Mark every case that lacks a pass."""
        for name, progress in self._progress.items():
            wanted = {job for job in self._jobs if job.strategy == name}
            if progress.failure is None and not wanted <= self._done:
                progress.failure = (stage, message)

    # --- the report -------------------------------------------------------------------------------------------

    def report(self, interrupted: str | None, ended: Ended) -> Report:
        """What is known by now."""
        assert self._environment is not None
        records = tuple(
            Record(
                case=Case(
                    strategy=name,
                    workload=self.settings.workload,
                    calls_count=self.settings.calls_count,
                    rtt_ms=self.settings.rtt_ms,
                ),
                outcome=progress.outcome(),
            )
            for name, progress in self._progress.items()
        )
        return Report(
            schema=SCHEMA,
            run=Run(
                command=self._command,
                seed=self.settings.seed,
                started_at=self._started_at.isoformat(timespec="seconds"),
                duration_s=round(time.monotonic() - self._clock, 1),
                connprof_version=connprof.__version__,
                commit=self._commit,
                dirty=self._dirty,
                quick=self.settings.quick,
                left_out=tuple(name for name in DEFAULT if name not in self._progress),
                order=tuple(job.label for job in self._jobs if job in self._done),
                ended=ended,
                interrupted=interrupted,
            ),
            environment=self._environment,
            strategies=tuple(progress.note for progress in self._progress.values()),
            records=records,
            verdict=judge(
                INCIDENTS["datagouv-67"],
                records,
                certificates_count=int(self._environment.identity["ca_bundle_certificates_count"]),
            ),
            headroom=self._headroom_of(records),
        )

    def _headroom_of(self, records: tuple[Record, ...]) -> Headroom | None:
        if self._server_requests_per_s is None:
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
            server_requests_per_s=self._server_requests_per_s,
            fastest_requests_per_s=rates[fastest],
            fastest_strategy=fastest,
        )

    def _finish_files(self) -> None:
        """Bring what the passes left in the work folder to its place in the report's."""
        out = self.settings.out
        try:
            merge_benchmark_files(sorted(self._work.glob("timing-*.json")), out / "pytest-benchmark.json")
        except FileError as error:
            self._listener.finished("pytest-benchmark.json", str(error))
        captures = {
            file.stem.removeprefix(f"memory-{self.settings.calls_count}-"): file
            for file in self._work.glob("memory-*.bin")
        }
        for name, capture in captures.items():
            if self.settings.flamegraph:
                self._keep(_draw_flamegraph, capture, out / "flamegraphs" / f"{name}.html")
            if self.settings.keep_captures:
                self._keep(Path.replace, capture, out / "captures" / f"{name}.bin")

    def _keep(self, put: Callable[[Path, Path], object], capture: Path, file: Path) -> None:
        """Put something beside the report; what stands in its way is said, and costs nothing but this file."""
        try:
            file.parent.mkdir(exist_ok=True)
            put(capture, file)
        except OSError as error:
            self._listener.finished(file.name, f"{file} cannot be written: {error.strerror or error}")


def run_suite(settings: Settings, *, command: str, listener: Listener) -> Report:
    """Run the suite and write ``report.json`` and ``pytest-benchmark.json`` into ``settings.out``.

    A run that is interrupted, or loses its server, ends early: its report says so and holds what was measured.
    While it works, the same is in ``partial.json``, for the case that the process is killed.

    The folder must be :func:`reserved`. From the moment when measuring ends, Ctrl-C is ignored: what follows takes
    seconds, and half of it would be worse than none.

    Raises:
        FileError: the report cannot be written.
        RunError: the server did not start.
    """
    report = _Suite(settings, command, listener).run()
    final = settings.out / "report.json"
    with suppress(OSError):  # if it cannot be removed it cannot be written either, which the page's writer says
        (settings.out / "index.html").unlink(missing_ok=True)  # it shows another report than the one written now
    if final.exists():
        final.replace(settings.out / "report.previous.json")
    save_report(report, final)
    partial_file(settings.out).unlink(missing_ok=True)
    return report


def partial_file(out: Path) -> Path:
    """Where a run keeps what it has measured so far."""
    return out / "partial.json"


def ignore_signals() -> None:
    """Go deaf to Ctrl-C and SIGTERM, in the main thread."""
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)


@contextmanager
def reserved(out: Path) -> Iterator[None]:
    """Hold the folder ``out`` for one run, with an empty work folder in it that is gone afterwards.

    Raises:
        FileError: the folder cannot be written, or another run is at work in it.
    """
    lock, work = out / ".lock", out / ".work"
    try:
        out.mkdir(parents=True, exist_ok=True)
        handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise FileError(f"{out} cannot be written: {error.strerror}. Choose another folder with --out.") from None
    try:
        if not _locked(handle, lock):
            raise FileError(f"another run is at work in {out}; wait for it, or choose a folder with --out.")
        try:
            shutil.rmtree(work, ignore_errors=True)  # of a run that was killed
            try:
                work.mkdir()
            except OSError as error:
                raise FileError(f"{work} cannot be made: {error.strerror}. Remove what is there.") from None
            yield
        finally:
            shutil.rmtree(work, ignore_errors=True)
            lock.unlink(missing_ok=True)
    finally:
        os.close(handle)


def _locked(handle: int, lock: Path) -> bool:
    """Whether ``handle`` now holds the file that is called ``lock``, and not one that a run that ended has removed."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(handle), lock.stat())
    except OSError:
        return False


def _note(name: str) -> tuple[StrategyNote, tuple[str, str] | None]:
    """What a strategy says of itself; or, where its file cannot be loaded, why: its case has failed at once."""
    try:
        strategy = load(name)
    except StrategyError as error:
        source = f"bench/strategies/{name.replace('-', '_')}.py"
        nothing = StrategyNote(
            name=name, title=name, source=source, is_async=False, fixes=None, contexts="calls", handshakes="calls"
        )
        return nothing, ("load", plain(str(error)))
    note = StrategyNote(
        name=strategy.name,
        title=strategy.title,
        source=strategy.source,
        is_async=isinstance(strategy, AsyncStrategy),
        fixes=strategy.fixes,
        contexts=strategy.contexts,
        handshakes=strategy.handshakes,
        scope=strategy.scope,
        world=strategy.world,
    )
    return note, None


def _ledger(seen: LedgerSnapshot) -> dict[str, Any]:
    """The ledger's sums as the record names them."""
    total = seen.total
    return {
        "tcp_accepted_count": total.tcp_accepts_count,
        "handshakes_full_count": total.handshakes_full_count,
        "handshakes_resumed_count": total.handshakes_resumed_count,
        "handshakes_failed_count": total.handshakes_failed_count,
        "connections_count": total.connections_opened_count,
        "connections_open_count": total.connections_open_count,
        "requests_count": total.requests_count,
        "requests_per_connection": total.requests_per_connection,
        "tls_versions": total.tls_versions,
        "ciphers": total.ciphers,
        "alpn": total.alpn,
        "disagreements": seen.disagreements,
    }


def _commit() -> tuple[str | None, bool | None]:
    """The commit of the suite and whether its tree was changed; nothing where there is no git."""
    try:
        commit = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=_PROJECT, capture_output=True, text=True, check=True, timeout=10
        )
        status = subprocess.run(
            ["git", "status", "--porcelain"], cwd=_PROJECT, capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None, None
    return commit.stdout.strip(), bool(status.stdout.strip())


def _draw_flamegraph(capture: Path, page: Path) -> None:
    command = [sys.executable, "-m", "memray", "flamegraph", "--no-web", "--force", "--output", str(page), str(capture)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"memray could not draw it (exit code {done.returncode})")
