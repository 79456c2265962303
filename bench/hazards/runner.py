"""Runs probes, each in a process of its own, and makes cells of the safety matrix of what they find."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import msgspec
import trustme

from bench.children import JobFailed, Overdue, Workers, plain
from bench.hazards.registry import Hazard, load, names
from bench.lanes import wait_for
from bench.libraries import split
from bench.registry import StrategyError
from bench.registry import load as load_strategy
from bench.reserve import end_if_interrupted
from bench.surroundings import child_variables
from bench.workloads import ORIGINS
from connprof.model import HazardNote, HazardOutcome, SafetyCell
from connprof_server import RunningServer, ServerError, Target, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from types import TracebackType

__all__ = ["Prober", "as_expected", "expected_signature", "notes", "probe_all", "run_probe"]

_PROJECT = Path(__file__).resolve().parents[2]
_LANES_COUNT = 2
_WORKERS_START_S = 20.0
_OR = " or "
_HOSTS = ("localhost", "127.0.0.1", "::1")
_UNDECLARED = frozenset({HazardOutcome.HELD, HazardOutcome.DOES_NOT_APPLY})


def expected_signature(hazard: Hazard, strategy: str, client_library: str = "httpx") -> str | None:
    """What is declared for ``strategy``: in its own file, else in the hazard's, else nothing.

    What is declared is of httpx; of another library only the hazard's file says something: ``one-client on httpx2``, or
    of one version ``one-client on httpx2==2.2.0``.
    """
    if client_library != "httpx":
        of_all = hazard.signatures.get(f"{strategy} on {split(client_library)[0]}")
        return hazard.signatures.get(f"{strategy} on {client_library}", of_all)
    try:
        own = load_strategy(strategy).signatures
    except StrategyError:
        own = {}
    return own.get(hazard.id, hazard.signatures.get(strategy))


def _declared(cell: SafetyCell) -> SafetyCell:
    """``cell`` with what is expected of it; where several signatures are, and it has one of them, that one."""
    hazard = load(cell.hazard)
    expected = None if hazard.statistical else expected_signature(hazard, cell.strategy, cell.client_library)
    if expected is not None and cell.signature in expected.split(_OR):
        expected = cell.signature
    return msgspec.structs.replace(cell, expected=expected)


def as_expected(cell: SafetyCell) -> bool:
    """Whether the cell came out as declared; where nothing is declared it must have held, or not apply.

    A statistical hazard has a rate and no signature: whatever it is, it is expected.
    """
    if cell.outcome is HazardOutcome.NOT_PROBED:
        return False
    if load(cell.hazard).statistical:
        return True
    return cell.outcome in _UNDECLARED if cell.expected is None else cell.signature == cell.expected


def notes(hazards: Iterable[str] | None = None) -> tuple[HazardNote, ...]:
    """What the hazards say of themselves, for a report; by default all.

    Raises:
        HazardError: one of them cannot be loaded.
    """
    loaded = [load(hazard) for hazard in (names() if hazards is None else hazards)]
    return tuple(
        HazardNote(
            id=hazard.id,
            title=hazard.title,
            raised_by=hazard.raised_by,
            statistical=hazard.statistical,
            source=hazard.source,
        )
        for hazard in loaded
    )


@dataclass(slots=True)
class _Lane:
    """Where one probe at a time runs: a folder, a trust bundle, and a standard server once one is asked for."""

    folder: Path
    bundle: Path
    stack: ExitStack
    server: RunningServer | None = None

    def answer(self, what: str) -> dict[str, Any]:
        """What a worker asks for; a failure goes to the worker in words."""
        try:
            server = self._server()
            match what:
                case "server":
                    return {"target": server.target.to_dict() | {"bundle": str(self.bundle)}}
                case "ledger":
                    return {"ledger": server.ledger().to_dict()}
                case "settled_ledger":
                    return {"ledger": server.settled_ledger().to_dict()}
                case "executions":
                    return {"executions": server.executions()}
        except ServerError as error:
            self.server = None  # the next probe gets another one
            return {"error": f"the standard server is lost: {error}"}
        return {"error": f"there is nothing to ask about {what!r}"}

    def _server(self) -> RunningServer:
        if self.server is None or not self.server.alive:
            server = self.stack.enter_context(serve(origins=ORIGINS))
            # The strategies' clients read the bundle after this, so that they trust it as well.
            trusted = self.bundle.read_text() + Path(server.target.ca).read_text()
            self.bundle.write_text(trusted)
            self.server = server
        return self.server


@dataclass(slots=True)
class Prober:
    """Runs probes for as long as its block lasts. May be used from one thread; :meth:`stop` from any.

    Attributes:
        lanes_count: how many probes run beside each other, where they may.
    """

    lanes_count: int = _LANES_COUNT
    _stack: ExitStack = field(default_factory=ExitStack)
    _lanes: list[_Lane] = field(default_factory=list)
    _workers: Workers = field(default_factory=lambda: Workers(_PROJECT, limit_s=0.0))
    _materials: dict[str, str] = field(default_factory=dict)

    def __enter__(self) -> Self:
        root = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="connprof-hazards-")))
        self._materials = _make_certificates(root)
        for number in range(self.lanes_count):
            folder = root / f"lane-{number}"
            folder.mkdir()
            bundle = folder / "bundle.pem"
            shutil.copyfile(self._materials["ca"], bundle)
            self._lanes.append(_Lane(folder, bundle, self._stack.enter_context(ExitStack())))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._stack.close()

    def stop(self) -> None:
        """Kill the probes that run, and start no more."""
        self._workers.stop()

    def probe(
        self, hazard: str, strategy: str, *, client_library: str = "httpx", python: str = sys.executable
    ) -> SafetyCell:
        """Run one probe; whatever comes of it is a cell.

        Args:
            hazard: its id.
            strategy: the strategy's name.
            client_library: as in :class:`connprof.model.Case`. One with httpx's interface takes httpx's place; of
                another the strategy must be one of its own, see :mod:`bench.libraries`.
            python: the interpreter whose environment has that library.

        Raises:
            HazardError: there is no such hazard.
            Stopped: :meth:`stop` was called.
        """
        return self._probe(self._lanes[0], load(hazard), strategy, client_library, python)

    def probe_all(
        self,
        strategies: Sequence[str],
        hazards: Sequence[str] | None = None,
        *,
        pairs: Iterable[tuple[str, str]] | None = None,
        client_library: str = "httpx",
        python: str = sys.executable,
        started: Callable[[str], object] = lambda _key: None,
        finished: Callable[[SafetyCell], object] = lambda _cell: None,
    ) -> tuple[SafetyCell, ...]:
        """Run all hazards on all strategies, or just ``pairs`` of strategy and hazard.

        Most run two at a time; those that depend on when things happen run after them, alone.

        Args:
            strategies: names.
            hazards: ids; all by default.
            pairs: only these, in this order.
            client_library: see :meth:`probe`.
            python: see :meth:`probe`.
            started: is told ``STRATEGY/HAZARD`` as it begins, in the thread that runs it.
            finished: is given each cell as it comes, one at a time.

        Returns:
            The cells in the order in which they were asked for.

        Raises:
            HazardError: there is no such hazard.
            Stopped: :meth:`stop` was called.
        """
        loaded = {name: load(name) for name in (names() if hazards is None else hazards)}
        wanted = list(pairs) if pairs is not None else [(strategy, name) for name in loaded for strategy in strategies]
        loaded |= {name: load(name) for _strategy, name in wanted if name not in loaded}
        cells: dict[tuple[str, str], SafetyCell] = {}
        lock = threading.Lock()

        def run(lane: _Lane, pair: tuple[str, str]) -> None:
            started("/".join(pair))
            cell = self._probe(lane, loaded[pair[1]], pair[0], client_library, python)
            with lock:
                cells[pair] = cell
                finished(cell)

        self._beside([pair for pair in wanted if not loaded[pair[1]].timed], run)
        for pair in wanted:
            end_if_interrupted()
            if loaded[pair[1]].timed:
                run(self._lanes[0], pair)
        return tuple(cells[pair] for pair in wanted)

    def _beside(self, pairs: Sequence[tuple[str, str]], run: Callable[[_Lane, tuple[str, str]], None]) -> None:
        """Run ``pairs`` in their order, each in the lane that is free next."""
        waiting = deque(pairs)

        def work(lane: _Lane) -> None:
            while waiting:
                try:
                    pair = waiting.popleft()
                except IndexError:  # the other lane was faster
                    return
                run(lane, pair)

        with ThreadPoolExecutor(len(self._lanes)) as pool:
            try:
                wait_for([pool.submit(work, lane) for lane in self._lanes])
            except BaseException:
                waiting.clear()
                self._workers.stop()
                raise

    def _probe(self, lane: _Lane, hazard: Hazard, strategy: str, client_library: str, python: str) -> SafetyCell:
        folder = Path(tempfile.mkdtemp(prefix="probe-", dir=lane.folder))
        job = self._materials | {
            "hazard": hazard.id, "strategy": strategy, "client_library": client_library, "folder": str(folder),
        }  # fmt: skip
        variables, _done = child_variables(Target({}, str(lane.bundle), self._materials["ca"], 1, ""))
        # Our own word to children is for children of ours; strategies leave some when they are imported.
        variables = {name: value for name, value in variables.items() if not name.startswith("CONNPROF_")}
        # What a killed probe leaves in the folder for temporary files goes with the rest.
        variables["TMPDIR"] = tempfile.mkdtemp(prefix="temporary-", dir=folder)
        limit_s = hazard.limit_s + (_WORKERS_START_S if _starts_workers(strategy) else 0.0)
        progress: dict[str, Any] = {}

        def hear(message: dict[str, Any]) -> dict[str, Any] | None:
            if "progress" in message:
                progress.update(message["progress"])
                return None
            return lane.answer(str(message.get("ask")))

        if client_library != "httpx":
            # Some read the trust bundle when they are imported, so it must be complete by then.
            lane.answer("server")
        start_ns = time.perf_counter_ns()
        outcome: dict[str, Any]
        try:
            outcome = self._workers.converse(
                [python, "-m", "bench.hazards.worker"], job, variables, hear=hear, limit_s=limit_s
            )
        except Overdue:
            known = f"; until then: {progress['symptom']}" if progress.get("symptom") else ""
            symptom = f"It had not ended after {limit_s:g} s and was killed{known}"
            outcome = progress | {"outcome": HazardOutcome.HUNG, "symptom": symptom}
        except JobFailed as error:
            outcome = {"outcome": HazardOutcome.NOT_PROBED, "symptom": f"The probe did not work: {error}"}
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        other = "" if client_library == "httpx" else f"/{client_library}"
        common = {
            "strategy": strategy,
            "hazard": hazard.id,
            "client_library": client_library,
            "command": f"nox -s matrix -- --probe {strategy}/{hazard.id}{other}",
        }
        outcome = {"duration_ns": time.perf_counter_ns() - start_ns} | outcome
        outcome["symptom"] = plain(str(outcome["symptom"]))
        try:
            return _declared(msgspec.convert(outcome | common, SafetyCell))
        except msgspec.ValidationError as error:
            symptom = f"The probe's finding has the wrong shape: {error}."
            return msgspec.convert({"outcome": HazardOutcome.NOT_PROBED, "symptom": symptom} | common, SafetyCell)


def run_probe(hazard: str, strategy: str, *, client_library: str = "httpx", python: str = sys.executable) -> SafetyCell:
    """Run one probe on one strategy; see :meth:`Prober.probe`."""
    with Prober(lanes_count=1) as prober:
        return prober.probe(hazard, strategy, client_library=client_library, python=python)


def probe_all(
    strategies: Sequence[str],
    hazards: Sequence[str] | None = None,
    *,
    finished: Callable[[SafetyCell], object] = lambda _cell: None,
) -> tuple[SafetyCell, ...]:
    """Run all hazards on all strategies; see :meth:`Prober.probe_all`."""
    with Prober(min(_LANES_COUNT, os.cpu_count() or 1)) as prober:
        return prober.probe_all(strategies, hazards, finished=finished)


def _starts_workers(strategy: str) -> bool:
    """Whether it starts processes of its own, which takes seconds on a busy machine."""
    try:
        return load_strategy(strategy).world in {"celery", "processes"}
    except StrategyError:
        return False


def _make_certificates(folder: Path) -> dict[str, str]:
    """Two CAs, and a server's certificate by each of them: name -> file."""
    made: dict[str, str] = {}
    for prefix in ("", "other_"):
        ca = trustme.CA()
        files = {"ca": folder / f"{prefix}ca.pem", "certificate": folder / f"{prefix}certificate.pem"}
        ca.cert_pem.write_to_path(str(files["ca"]))
        ca.issue_cert(*_HOSTS).private_key_and_cert_chain_pem.write_to_path(str(files["certificate"]))
        made |= {prefix + name: str(file) for name, file in files.items()}
    return made
