"""Runs the jobs of a plan, folds their outcomes into records, and loses nothing that was measured."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import connprof
from bench.benchmark_file import merge_benchmark_files
from bench.children import Workers
from bench.gathered import Gathered, note_of
from bench.incidents import INCIDENTS
from bench.lanes import Lane, Listener, ServerKind, lanes, run_alone, run_beside, run_to_its_end
from bench.matrix import DEFAULT, Job, Settings, plan
from bench.measuring import Measuring, Subject, headroom_of, server_requests_per_s
from bench.provenance import commit
from bench.reserve import WORK, ignore_signals, partial_file
from bench.surroundings import child_variables, describe
from connprof.errors import FileError
from connprof.model import SCHEMA, Case, Ended, Environment, Record, Report, Run
from connprof.store import load_report, save_report
from connprof.verdict import judge

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["run_suite"]

_PROJECT = Path(__file__).resolve().parent.parent
_HEADROOM_S = {True: 0.6, False: 2.0}


class _Suite:
    """One run, from the first job to the report. Not for reuse."""

    def __init__(self, settings: Settings, command: str, listener: Listener) -> None:
        self.settings = settings
        self._command = command
        self._listener = listener
        self._started_at = datetime.now(UTC)
        self._clock = time.monotonic()
        self._jobs = plan(settings)
        self._server = ServerKind(rtt_ms=settings.rtt_ms)
        self._subjects = {name: self._subject(name) for name in settings.strategies}
        self._done: set[Job] = set()
        self._environment: Environment | None = None
        self._commit, self._dirty = commit()
        self._server_requests_per_s: float | None = None
        self._work = settings.out / WORK
        self._workers = Workers(_PROJECT, settings.limit_s)
        self._measuring = Measuring(
            self._workers,
            self._work,
            listener,
            keep_captures=settings.keep_captures or settings.flamegraph,
            rounds_count=settings.rounds_count,
            job_done=self._job_done,
        )

    def _subject(self, name: str) -> Subject:
        case = Case(
            strategy=name,
            workload=self.settings.workload,
            calls_count=self.settings.calls_count,
            rtt_ms=self.settings.rtt_ms,
        )
        return Subject(case, Gathered(*note_of(name)), name)

    # --- running ----------------------------------------------------------------------------------------------

    def run(self) -> Report:
        """Run everything; Ctrl-C ends it early and well.

        Counts and bytes come out the same whatever else the machine does, so those jobs run two at a time where there
        are two cores; timing runs alone.
        """
        self._listener.planned(len(self._jobs) + 1)
        ending = run_to_its_end(
            self._run_jobs,
            has_begun=lambda: bool(self._done),
            how_far=lambda: f"{len(self._done)} of {len(self._jobs) + 1} jobs",
        )
        if ending.stage:
            self._give_up(ending.stage, ending.message)
        ignore_signals()
        self._finish_files()
        return self.report(ending.sentence, ending.ended)

    def _run_jobs(self) -> None:
        with lanes() as where:
            for lane in where:
                target = lane.server(self._server).target
                if self._environment is None:
                    self._environment = describe(target, child_variables(target)[1])
            run_beside(self._run_one, [job for job in self._jobs if job.kind != "timing"], where, self._workers)
            run_alone(self._run_one, [job for job in self._jobs if job.kind == "timing"], where)
            self._server_requests_per_s = server_requests_per_s(
                self._workers, where[0], self._listener, server=self._server, seconds=_HEADROOM_S[self.settings.quick]
            )

    def _run_one(self, job: Job, lane: Lane) -> None:
        self._measuring.measure(job, self._subjects[job.strategy], lane, job.label)

    def _job_done(self, _subject: Subject, job: Job) -> None:
        self._done.add(job)
        unfinished = self.report("The run has not come to its end, or was killed.", "interrupted")
        save_report(unfinished, partial_file(self.settings.out))

    def _give_up(self, stage: str, message: str) -> None:
        """Mark every case that lacks a pass."""
        for name, subject in self._subjects.items():
            wanted = {job for job in self._jobs if job.strategy == name}
            if subject.gathered.failure is None and not wanted <= self._done:
                subject.gathered.failure = (stage, message)

    # --- the report -------------------------------------------------------------------------------------------

    def report(self, interrupted: str | None, ended: Ended) -> Report:
        """What is known by now."""
        assert self._environment is not None
        records = tuple(
            Record(case=subject.case, outcome=subject.gathered.outcome()) for subject in self._subjects.values()
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
                left_out=tuple(name for name in DEFAULT if name not in self._subjects),
                order=tuple(job.label for job in self._jobs if job in self._done),
                ended=ended,
                interrupted=interrupted,
                in_quick=self.settings.in_quick,
            ),
            environment=self._environment,
            strategies=tuple(subject.gathered.note for subject in self._subjects.values()),
            records=records,
            verdict=judge(
                INCIDENTS["datagouv-67"],
                records,
                certificates_count=int(self._environment.identity["ca_bundle_certificates_count"]),
            ),
            headroom=headroom_of(self._server_requests_per_s, records),
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
    previous = settings.out / "report.previous.json"
    if final.exists() and not (previous.exists() and _is_cut_short(final)):
        final.replace(previous)
    save_report(report, final)
    partial_file(settings.out).unlink(missing_ok=True)
    return report


def _is_cut_short(report: Path) -> bool:
    """Whether it is of a run that did not come to its end: it takes the place of no other."""
    try:
        return load_report(report).run.interrupted is not None
    except FileError:
        return False


def _draw_flamegraph(capture: Path, page: Path) -> None:
    command = [sys.executable, "-m", "memray", "flamegraph", "--no-web", "--force", "--output", str(page), str(capture)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"memray could not draw it (exit code {done.returncode})")
