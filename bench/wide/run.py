"""Runs what a plan needs and the cache lacks, and makes one report of both."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

import connprof
from bench.children import Workers
from bench.gathered import Gathered, note_from, note_of
from bench.hazards.runner import Prober, as_expected
from bench.hazards.runner import notes as hazard_notes
from bench.incidents import INCIDENTS
from bench.lanes import Lane, Listener, ServerKind, lanes, run_alone, run_beside, run_to_its_end
from bench.libraries import find, split
from bench.measuring import Measuring, Subject, headroom_of, server_requests_per_s
from bench.provenance import commit
from bench.registry import names
from bench.reserve import WORK, ignore_signals, partial_file
from bench.surroundings import child_variables, describe
from bench.wide.cache import Cache, KeptCase, KeptCell
from bench.wide.interpreters import interpreter_for, needs_environment
from bench.wide.keys import Keys
from bench.wide.plan import DEFAULT_GROUP, Probe, jobs_of
from connprof.errors import RunError
from connprof.model import SCHEMA, HazardOutcome, Measured, Record, Report, Run, SafetyCell
from connprof.store import save_report
from connprof.verdict import judge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bench.matrix import Job
    from bench.wide.interpreters import Interpreter
    from bench.wide.plan import Planned
    from connprof.model import Case, Ended, Environment, StrategyNote, TimingPass

__all__ = ["Order", "Wide", "is_lasting", "run_wide"]

_PROJECT = Path(__file__).resolve().parents[2]
_HEADROOM_S = 0.6
_SAVE_EVERY_S = 10.0
ROUNDS_COUNT = 1
"""Timed sessions in each timing process."""


@dataclass(frozen=True, slots=True)
class Order:
    """One wide run, as it was asked for.

    Attributes:
        cases: what is measured.
        probes: the hazard cells that are filled.
        seed: of the order in which jobs are run.
        quick: whether it is a small cross-section.
        limit_s: after that long a worker is stopped and its case has failed.
        out: folder of the report.
        cache: folder of what has been measured before, and of the environments.
        fresh: measure everything again.
        absent: sentences about what was left out because it is not on this machine.
    """

    cases: tuple[Planned, ...]
    probes: tuple[Probe, ...]
    seed: int
    quick: bool
    limit_s: float
    out: Path
    cache: Path
    fresh: bool = False
    absent: tuple[str, ...] = ()


@dataclass(slots=True)
class _CaseState:
    """What is known of one case, and where it comes from."""

    planned: Planned
    subject: Subject
    interpreter: Interpreter | None = None
    key: str = ""
    done: set[Job] = field(default_factory=set)
    timing: dict[int, TimingPass] = field(default_factory=dict)
    measured_at: str = ""
    is_cached: bool = False
    recalled: list[str] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        return self.done >= set(self.planned.jobs)


class Wide:
    """One wide run. Not for reuse."""

    def __init__(self, order: Order, command: str, listener: Listener, say: Callable[[str], None]) -> None:
        self.order = order
        self._command = command
        self._listener = listener
        self._started_at = datetime.now(UTC)
        self._clock = self._saved_at = time.monotonic()
        self._commit, self._dirty = commit()
        self._environment: Environment | None = None
        self._server_requests_per_s: float | None = None
        self._workers = Workers(_PROJECT, order.limit_s)
        self._say = say
        self._cache = Cache(order.cache, say, fresh=order.fresh)
        self._keys = Keys()
        self._states = [_state(number, each) for number, each in enumerate(order.cases)]
        self._by_key = {state.planned.case.key: state for state in self._states}
        self._by_subject = {id(state.subject): state for state in self._states}
        self._cells: dict[Probe, SafetyCell] = {}
        self._cell_keys: dict[Probe, str] = {}
        self._places: dict[str, Interpreter] = {}
        self._labels: list[str] = []
        self._jobs_count = 0
        self._is_edited = False
        self._done_count = 0
        self._measuring = Measuring(
            self._workers,
            order.out / WORK,
            listener,
            keep_captures=False,
            rounds_count=ROUNDS_COUNT,
            job_done=self._job_done,
        )

    # --- running ----------------------------------------------------------------------------------------------

    def run(self) -> Report:
        """Run everything that is not known yet; Ctrl-C ends it early and well."""
        ending = run_to_its_end(
            self._run_all,
            has_begun=lambda: self._environment is not None,
            how_far=lambda: f"{self._done_count} of {self._jobs_count} jobs",
        )
        ignore_signals()
        if ending.stage:
            for state in self._states:
                if state.subject.gathered.failure is None and not state.is_complete:
                    state.subject.gathered.failure = (ending.stage, ending.message)
        return self.report(ending.sentence, ending.ended)

    def _run_all(self) -> None:
        self._cache.sweep()
        with lanes() as where:
            target = where[0].server(ServerKind()).target
            self._environment = describe(target, child_variables(target)[1])
            for sentence in self.order.absent:
                self._say(sentence)
            environments_count = self._make_environments(where)
            for state in self._states:
                self._recall(state)
            missing = self._recall_cells()
            jobs = sum(len(state.planned.jobs) - len(state.done) for state in self._states if state.interpreter)
            self._jobs_count = jobs + len(missing) + 1
            self._listener.planned(environments_count + self._jobs_count)
            for beside, alone in jobs_of(self.order.cases, self.order.seed):
                run_beside(self._measure, self._open(beside), where, self._workers)
                run_alone(self._measure, self._open(alone), where)
            self._server_requests_per_s = server_requests_per_s(
                self._workers, where[0], self._listener, server=ServerKind(), seconds=_HEADROOM_S
            )
            self._done_count += 1
        self._probe(missing)

    def _open(self, pairs: Iterable[tuple[Planned, Job]]) -> list[tuple[_CaseState, Job]]:
        """Those that have still to be run."""
        found = [(self._by_key[planned.case.key], job) for planned, job in pairs]
        return [(state, job) for state, job in found if state.interpreter and job not in state.done]

    def _measure(self, pair: tuple[_CaseState, Job], lane: Lane) -> None:
        state, job = pair
        self._measuring.measure(job, state.subject, lane, _label(state.planned.case, job))

    def _job_done(self, subject: Subject, job: Job) -> None:
        state = self._by_subject[id(subject)]
        gathered = subject.gathered
        state.done.add(job)
        state.is_cached = False
        state.measured_at = state.measured_at or _now()
        self._done_count += 1
        self._labels.append(_label(state.planned.case, job))
        if gathered.failure is None and job.kind == "timing":
            state.timing[job.repetition] = gathered.timing[-1]
        if gathered.failure is None and not gathered.measured().problems:
            kept = KeptCase(
                measured_at=state.measured_at, counts=gathered.counts, memory=gathered.memory, timing=state.timing
            )
            self._keep(state.key, kept)
        elif gathered.note.foresees(gathered.outcome()):
            self._keep(state.key, KeptCase(measured_at=state.measured_at, failure=gathered.failure))
        else:
            self._cache.forget(state.key)
        self._save_now_and_then()

    def _keep(self, key: str, kept: KeptCase | KeptCell) -> None:
        """Keep a result for later runs, unless it is of source that was edited after its key was made."""
        if self._keys.is_current(key):
            self._cache.keep(key, kept)
        elif not self._is_edited:
            self._is_edited = True
            self._say("Source was changed during the run: what depends on it is measured again next time.")

    # --- environments -----------------------------------------------------------------------------------------

    def _make_environments(self, where: list[Lane]) -> int:
        """Find the interpreter of each case and probe; a library that cannot be installed fails its own cases.

        Returns how many had to be made or looked for, which the listener has counted as jobs.
        """
        wanted: dict[tuple[str, str], list[_CaseState]] = {}
        for state in self._states:
            case = state.planned.case
            wanted.setdefault((case.client_library, case.python), []).append(state)
        for probe in self.order.probes:
            wanted.setdefault((probe.client_library, ""), [])

        def make(place: tuple[str, str], _lane: Lane) -> None:
            label = f"environment of {place[0]}" + (f" on Python {place[1]}" if place[1] else "")
            if needs_environment(*place):
                self._listener.started(label)
            failure: str | None = None
            try:
                found = interpreter_for(*place, self.order.cache / "environments", lambda: self._workers.is_stopped)
            except RunError as error:
                failure = str(error)
            for state in wanted[place]:
                if failure is not None:
                    state.subject.gathered.failure = ("environment", failure)
                else:
                    state.interpreter, state.subject.python = found, found.path
            if failure is None and not place[1]:
                self._places[place[0]] = found
            if needs_environment(*place):
                self._listener.finished(label, failure)

        environments_count = sum(needs_environment(*place) for place in wanted)
        self._listener.planned(environments_count)
        run_beside(make, list(wanted), where, self._workers)
        return environments_count

    # --- what is known ----------------------------------------------------------------------------------------

    def _recall(self, state: _CaseState) -> None:
        if state.interpreter is None or state.subject.gathered.failure is not None:
            return
        state.key = self._keys.case(state.planned.case, state.interpreter, rounds_count=ROUNDS_COUNT)
        kept = self._cache.load(state.key, KeptCase)
        if kept is None:
            return
        gathered = state.subject.gathered
        gathered.failure = kept.failure
        if kept.failure is not None:
            state.done.update(state.planned.jobs)
        gathered.counts, gathered.memory = kept.counts, kept.memory
        for job in state.planned.jobs:
            if job.kind == "timing" and job.repetition in kept.timing:
                state.timing[job.repetition] = kept.timing[job.repetition]
                gathered.timing.append(kept.timing[job.repetition])
                state.done.add(job)
                state.recalled.append(job.pass_label)
            elif getattr(kept, job.kind, None) is not None and job.kind != "timing":
                state.done.add(job)
                state.recalled.append(job.pass_label)
        state.measured_at, state.is_cached = kept.measured_at, state.is_complete

    def _recall_cells(self) -> list[Probe]:
        """Fill in the cells that are known; those that are not, and can be probed."""
        missing = []
        for probe in self.order.probes:
            interpreter = self._places.get(probe.client_library)
            if interpreter is None:  # its library cannot be installed, which has been said
                continue
            key = self._cell_keys[probe] = self._keys.cell(probe, interpreter)
            kept = self._cache.load(key, KeptCell)
            if kept is None:
                missing.append(probe)
            else:
                self._cells[probe] = msgspec.structs.replace(kept.cell, cached_from=kept.measured_at)
        return missing

    def _probe(self, missing: list[Probe]) -> None:
        def finished(cell: SafetyCell) -> None:
            probe = Probe(cell.strategy, cell.hazard, cell.client_library)
            self._cells[probe] = cell
            worked = cell.outcome is not HazardOutcome.NOT_PROBED
            if is_lasting(cell):
                self._keep(self._cell_keys[probe], KeptCell(measured_at=_now(), cell=cell))
            self._done_count += 1
            self._labels.append(f"probe {cell.key}")
            self._listener.finished(f"probe {cell.key}", None if worked else cell.symptom)
            self._save_now_and_then()

        for library in dict.fromkeys(probe.client_library for probe in missing):
            with Prober() as prober:
                prober.probe_all(
                    (),
                    (),
                    pairs=[(probe.strategy, probe.hazard) for probe in missing if probe.client_library == library],
                    client_library=library,
                    python=self._places[library].path,
                    started=lambda key: self._listener.started(f"probe {key}"),
                    finished=finished,
                )

    # --- the report -------------------------------------------------------------------------------------------

    def _save_now_and_then(self) -> None:
        now = time.monotonic()
        if now - self._saved_at >= _SAVE_EVERY_S or self._done_count == 1:
            self._saved_at = now
            unfinished = self.report("The run has not come to its end, or was killed.", "interrupted")
            save_report(unfinished, partial_file(self.order.out))

    def report(self, interrupted: str | None, ended: Ended) -> Report:
        """What is known by now. A case of which nothing is known yet is in it once the run has ended."""
        assert self._environment is not None
        states = [state for state in self._states if state.done or state.subject.gathered.failure]
        records = tuple(self._record(state, self._environment) for state in states)
        strategies = {state.planned.case.strategy for state in self._states} | {
            probe.strategy for probe in self.order.probes
        }
        hazards = list(dict.fromkeys(probe.hazard for probe in self.order.probes))
        default = [record for state, record in zip(states, records, strict=True) if _is_default(state)]
        return Report(
            schema=SCHEMA,
            run=Run(
                command=self._command,
                seed=self.order.seed,
                started_at=self._started_at.isoformat(timespec="seconds"),
                duration_s=round(time.monotonic() - self._clock, 1),
                connprof_version=connprof.__version__,
                commit=self._commit,
                dirty=self._dirty,
                quick=self.order.quick,
                left_out=tuple(name for name in names() if name not in strategies),
                order=tuple(self._labels),
                ended=ended,
                interrupted=interrupted,
            ),
            environment=self._environment,
            strategies=_notes(self._states, self.order.probes),
            records=records,
            verdict=judge(
                INCIDENTS["datagouv-67"],
                records,
                certificates_count=int(self._environment.identity["ca_bundle_certificates_count"]),
            ),
            headroom=headroom_of(self._server_requests_per_s, default),
            hazards=hazard_notes(hazards),
            safety=tuple(self._cells[probe] for probe in self.order.probes if probe in self._cells),
        )

    def _record(self, state: _CaseState, environment: Environment) -> Record:
        identity: dict[str, str] = {}
        if state.interpreter is not None:
            name, version = split(state.planned.case.client_library)
            here = {"python": state.interpreter.python, "openssl": state.interpreter.openssl, "client_library": name}
            known = version or state.interpreter.packages.get(name)
            if name != "httpx" or version:
                here["client_library_version"] = known or state.interpreter.python.partition(" ")[2]
            identity = {key: value for key, value in here.items() if environment.identity.get(key) != value}
        return Record(
            case=state.planned.case,
            outcome=state.subject.gathered.outcome(),
            identity=identity,
            cached_from=state.measured_at if state.is_cached else None,
            cached_passes=() if state.is_cached else tuple(state.recalled),
        )


def run_wide(order: Order, *, command: str, listener: Listener, say: Callable[[str], None]) -> Report:
    """Run ``order`` and write ``report.json`` into its folder, which must be :func:`bench.reserve.reserved`.

    A run that is interrupted, or loses its server, ends early: its report says so. The same run started again goes on
    where that one stopped, as whatever it finished is in the cache.

    Args:
        order: what was asked for.
        command: the command that makes this run again.
        listener: is told of each job.
        say: is told, in sentences, what a person should know beside that.

    Raises:
        FileError: the report cannot be written.
        RunError: the server did not start.
    """
    report = Wide(order, command, listener, say).run()
    final = order.out / "report.json"
    with suppress(OSError):  # it shows another report than the one written now
        (order.out / "index.html").unlink(missing_ok=True)
    if final.exists():
        final.replace(order.out / "report.previous.json")
    save_report(report, final)
    partial_file(order.out).unlink(missing_ok=True)
    return report


def is_lasting(cell: SafetyCell) -> bool:
    """Whether a cell says something of its strategy that would come out the same another time.

    A hang that nobody declared may be that of a machine that was too busy; it is looked at once more the next time.
    """
    if cell.outcome is HazardOutcome.NOT_PROBED:
        return False
    return cell.outcome is not HazardOutcome.HUNG or as_expected(cell)


def _state(number: int, planned: Planned) -> _CaseState:
    case = planned.case
    note, failure = _note(case)
    stem = f"{number}-{case.strategy}"
    return _CaseState(planned, Subject(case, Gathered(note, failure), stem, lean=True))


def _note(case: Case) -> tuple[StrategyNote, tuple[str, str] | None]:
    if case.client_library == "httpx":
        return note_of(case.strategy)
    found = find(case.client_library)
    strategy = found.at(split(case.client_library)[1], case.strategy, case.calls_count)
    return note_from(strategy, client_library=case.client_library), None


def _notes(states: Iterable[_CaseState], probes: Iterable[Probe]) -> tuple[StrategyNote, ...]:
    found = {(note.name, note.client_library): note for note in (state.subject.gathered.note for state in states)}
    for strategy in dict.fromkeys(probe.strategy for probe in probes):
        if (strategy, "httpx") not in found:
            found[strategy, "httpx"] = note_of(strategy)[0]
    return tuple(found.values())


def _is_default(state: _CaseState) -> bool:
    return state.planned.group == DEFAULT_GROUP and isinstance(state.subject.gathered.outcome(), Measured)


def _label(case: Case, job: Job) -> str:
    number = f" {job.repetition + 1}" if job.kind == "timing" else ""
    return f"{job.kind}{number} of {case.key}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
