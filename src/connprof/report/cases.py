"""What is derived from one case's raw figures: a :class:`Seen` for each record, sorted for reading."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import structs

from connprof import stats
from connprof.axes import base_values, varied
from connprof.model import Case, Failed, Measured
from connprof.report import words

if TYPE_CHECKING:
    from collections.abc import Iterable

    from connprof.model import (
        CountsPass,
        LedgerCounts,
        MemoryPass,
        Record,
        Report,
        SslBytes,
        StrategyNote,
        TimingPass,
    )

__all__ = ["FLOOR", "Seen", "State", "is_wide", "of_one_run", "on_base", "primary", "seen", "shared_axes"]

FLOOR = "floor"
"""The strategy that the others' times are divided by: what the work costs without any client library."""


_PASSES = frozenset({"counts", "memory", "retained", "growth", "timing"})


class State(StrEnum):
    """What came of a case."""

    MEASURED = "measured"
    INVALID = "invalid"
    FAILED = "failed"
    FORESEEN = "failed as declared"
    INTERRUPTED = "interrupted"
    MISSING = "not measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A case with what was measured of it; every property is ``None`` where that was not measured.

    Attributes:
        case: the case, ``None`` for a strategy that was known but not run.
        name: the strategy's name, fit to be shown.
        axes: the case's axes that differ from the default and from other cases, in words; mostly empty.
        title: the strategy's own line.
        role: what it is in the incident, or empty.
        state: what came of it.
        sentences: why it is invalid or failed.
        measured: the passes, partial ones included.
        shard: in a merged report which run measured it; times of two runs are of two machines.
    """

    case: Case | None
    name: str
    axes: str
    title: str
    role: str
    state: State
    sentences: tuple[str, ...]
    measured: Measured
    shard: str = ""

    @property
    def place(self) -> str:
        """The shortest unambiguous name."""
        return f"{self.name} ({self.axes})" if self.axes else self.name

    @property
    def label(self) -> str:
        """The same, with a word where its figures are not to be trusted."""
        return f"{self.place} ({self.state})" if self.state is not State.MEASURED else self.place

    @property
    def counts(self) -> CountsPass | None:
        """The counts pass."""
        return self.measured.counts

    @property
    def retained_bytes(self) -> int | None:
        """What was live at the end of the retained pass's window."""
        return self.measured.retained.retained_bytes if self.measured.retained else None

    @property
    def memory(self) -> MemoryPass | None:
        """The full memory pass."""
        return self.measured.memory

    @property
    def ssl(self) -> SslBytes | None:
        """SSL bytes of the full memory pass."""
        return self.memory.ssl if self.memory else None

    @property
    def ssl_bytes(self) -> int | None:
        """All SSL bytes of the full memory pass."""
        return self.ssl.total_bytes if self.ssl else None

    @property
    def ledger(self) -> LedgerCounts | None:
        """The server's view of the counts pass, or else of the memory pass."""
        if self.counts:
            return self.counts.ledger
        return self.memory.ledger if self.memory else None

    @property
    def contexts(self) -> int | None:
        """SSL contexts created in the window."""
        return self.counts.client.contexts_count if self.counts else None

    @property
    def handshakes(self) -> int | None:
        """Full TLS handshakes, as the server counted them."""
        return self.ledger.handshakes_full_count if self.ledger else None

    @property
    def connections(self) -> int | None:
        """Connections, as the server counted them."""
        return self.ledger.connections_count if self.ledger else None

    @property
    def calls_count(self) -> int | None:
        """The number of calls in the case's window."""
        return self.case.calls_count if self.case else None

    @property
    def requests_per_connection(self) -> float | None:
        """The mean over the connections that were opened."""
        ledger = self.ledger
        if ledger is None or not ledger.connections_count:
            return None
        return ledger.requests_count / ledger.connections_count

    @property
    def timing(self) -> tuple[TimingPass, ...]:
        """The timing passes that hold at least one round."""
        return tuple(one for one in self.measured.timing if one.wall_ns and one.thread_time_ns)

    @property
    def wall_minima_ns(self) -> tuple[float, ...]:
        """For each process the wall time of its fastest round, per call."""
        return tuple(stats.minimum(one.wall_ns) / one.calls_count for one in self.timing)

    @property
    def cpu_minima_ns(self) -> tuple[float, ...]:
        """For each process the CPU time of its cheapest round, per call."""
        return tuple(stats.minimum(one.thread_time_ns) / one.calls_count for one in self.timing)

    @property
    def latency_ns(self) -> tuple[int, ...]:
        """Every call's latency, over all rounds and processes."""
        return tuple(call for one in self.timing for latencies in one.latency_ns for call in latencies)

    @property
    def memory_passes(self) -> tuple[MemoryPass, ...]:
        """The growth passes and the full one, by number of calls."""
        passes = {one.calls_count: one for one in self.measured.growth}
        if self.memory:
            passes[self.memory.calls_count] = self.memory
        return tuple(passes[calls] for calls in sorted(passes))


def _seen(record: Record, note: StrategyNote | None, role: str, axes: str) -> Seen:
    outcome = record.outcome
    sentences: tuple[str, ...]
    if isinstance(outcome, Failed):
        stopped = outcome.stage == "interrupted"
        stage = words.plain(outcome.stage)
        stage = f"{stage} pass" if stage in _PASSES else f"stage “{stage}”"
        message = words.plain(outcome.message)
        measured = outcome.partial or Measured()
        state = State.INTERRUPTED if stopped else State.FAILED
        if note is not None and note.foresees(outcome):
            state = State.FORESEEN
        sentences = (message,) if stopped else (f"Failed in the {stage}: {message}",)
    else:
        measured = outcome
        state = State.INVALID if outcome.problems else State.MEASURED
        sentences = ()
    sentences += tuple(words.plain(problem.sentence) for problem in measured.problems)
    name = words.plain(record.case.strategy)
    return Seen(
        case=record.case,
        name=name,
        axes=axes,
        title=_title(note.title, role) if note else name,
        role=role,
        state=state,
        sentences=sentences,
        measured=measured,
        shard=record.shard,
    )


def _special_axes(case: Case) -> dict[str, str]:
    """The axes on which a case is not the default one, each in words."""
    base = Case(strategy=case.strategy, workload=case.workload, calls_count=case.calls_count)
    said = {
        "client_library": f"client library {case.client_library}",
        "http_version": f"HTTP/{case.http_version}",
        "trust_store": f"trust store {case.trust_store}",
        "rtt_ms": f"{case.rtt_ms:g} ms modelled round trip",
        "concurrency_count": f"{words.plural(case.concurrency_count, 'call')} at once",
    }
    return {
        field: words.plain(said.get(field, f"{field.replace('_', ' ')} {value}"))
        for field, value in structs.asdict(case).items()
        if value != getattr(base, field)
    }


def shared_axes(report: Report) -> tuple[str, ...]:
    """The axes on which all cases differ from the default in the same way, in words: they are said once for all."""
    every = [_special_axes(record.case) for record in report.records]
    if not every:
        return ()
    return tuple(said for field, said in every[0].items() if all(axes.get(field) == said for axes in every))


def _length(case: Case, base: dict[str, object]) -> tuple[str, ...]:
    """Workload and calls in words; beside a base only what departs from it."""
    if case.workload == base.get("workload"):
        if case.calls_count == base["calls_count"]:
            return ()
        return (words.plural(case.calls_count, "call"),)
    return words.plain(case.workload), words.plural(case.calls_count, "call")


def _title(title: str, role: str) -> str:
    """A strategy's title without its full stop, and without a role that is told beside it anyway."""
    return words.plain(title).rstrip(".").removesuffix(f"({role})").rstrip()


def seen(report: Report) -> tuple[Seen, ...]:
    """Every record, and every strategy that has none, costliest first; failed ones and missing ones last."""
    incident = report.verdict.incident
    roles = {
        incident.before: "the regression",
        incident.after: "the fix",
        incident.shared_context: "only the context shared",
        FLOOR: "the floor",
    }
    notes = {(note.name, note.client_library): note for note in report.strategies}
    of_any_library = {note.name: note for note in report.strategies}
    workloads = {(record.case.workload, record.case.calls_count) for record in report.records}
    shared = shared_axes(report)
    base = _base(report) if is_wide(report) else {}
    found = []
    for record in report.records:
        case = record.case
        parts = tuple(said for said in _special_axes(case).values() if said not in shared)
        if len(workloads) > 1:
            parts = (*_length(case, base), *parts)
        axes = ", ".join(parts)
        note = notes.get((case.strategy, case.client_library)) or of_any_library.get(case.strategy)
        found.append(_seen(record, note, roles.get(case.strategy, ""), axes))
    # What was only probed stands in the safety matrix.
    ran = {record.case.strategy for record in report.records} | {cell.strategy for cell in report.safety}
    found += [
        Seen(
            case=None,
            name=words.plain(note.name),
            axes="",
            title=_title(note.title, roles.get(note.name, "")),
            role=roles.get(note.name, ""),
            state=State.MISSING,
            sentences=(),
            measured=Measured(),
        )
        for note in report.strategies
        if note.name not in ran
    ]
    return tuple(sorted(found, key=_rank))


def of_one_run(all_seen: Iterable[Seen]) -> tuple[Seen, ...]:
    """Those whose times may stand beside each other: of a merged report the run that timed the most of them."""
    every = tuple(all_seen)
    timed = Counter(one.shard for one in every if one.latency_ns)
    if len(timed) <= 1:
        return every
    ((most, _),) = timed.most_common(1)
    return tuple(one for one in every if one.shard == most or not one.latency_ns)


def _rank(one: Seen) -> tuple[int, float, float, float, str, str]:
    place = {State.MEASURED: 0, State.INVALID: 0, State.MISSING: 2}
    return (
        place.get(one.state, 1),
        -(one.ssl_bytes or 0),
        -(one.contexts or 0),
        -(one.handshakes or 0),
        one.name,
        one.axes,
    )


def primary(all_seen: tuple[Seen, ...], strategy: str, calls_count: int) -> Seen | None:
    """The case that stands for a strategy where several were run.

    It is the one with the fewest special axes, and among those the one with that many calls.
    """
    name = words.plain(strategy)
    found = [(one.case, one) for one in all_seen if one.name == name and one.case is not None]
    ranked = sorted(found, key=lambda pair: (len(_special_axes(pair[0])), pair[0].calls_count != calls_count))
    return ranked[0][1] if ranked else None


_FEW = 2


def _base(report: Report) -> dict[str, object]:
    return base_values((record.case for record in report.records), calls_count=report.verdict.incident.calls_count)


def is_wide(report: Report) -> bool:
    """Whether so many cases depart from the base that they have sections of their own.

    A case or two stand among the others instead.
    """
    base = _base(report)
    return len({record.case for record in report.records if varied(record.case, base)}) > _FEW


def on_base(report: Report, all_seen: tuple[Seen, ...]) -> tuple[Seen, ...]:
    """Those that the page shows in full: all of them, or in a wide report the ones that depart on no axis."""
    if not is_wide(report):
        return all_seen
    base = _base(report)
    return tuple(one for one in all_seen if one.case is None or not varied(one.case, base))
