"""Counts and bytes: real reports of the same code, compared with each other, and with changes injected into them."""

from __future__ import annotations

from collections import Counter
from itertools import permutations
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from bench.calibration.tally import Condition, Count
from bench.matrix import Settings
from bench.reserve import reserved
from bench.runner import run_suite
from connprof.compare import compare
from connprof.errors import RunError
from connprof.gate import Policy, Row, Status, judge
from connprof.model import Failed, Measured, Record, Report
from connprof.store import abridge

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    Gate = Callable[[Report, Report], set[str]]

__all__ = ["INJECTIONS", "count_comparisons", "false_alarms", "flagged", "measure"]


def flagged(base: Report, head: Report) -> set[str]:
    """The strategies of which the gate, with its default policy, says that a figure has regressed, or that it fails."""
    return {row.pair.subject.strategy for row in _rows(base, head)}


def _rows(base: Report, head: Report) -> list[Row]:
    judgement = judge(compare(abridge(base, name="base"), abridge(head, name="head")), Policy())
    return [row for row in judgement.rows if row.status not in _HARMLESS]


_HARMLESS = frozenset({Status.UNCHANGED, Status.IMPROVED, Status.SHOWN, Status.NEW})


def measure(strategies: Sequence[str], *, calls_count: int, seed: int, out: Path) -> Report:
    """One report of the suite as it stands, without timing: a run of its own, with a server of its own."""
    settings = Settings(
        strategies=tuple(strategies),
        workload="llm-session",
        calls_count=calls_count,
        seed=seed,
        quick=True,
        timing_processes_count=0,
        rounds_count=1,
        rtt_ms=0.0,
        limit_s=120.0,
        out=out,
    )
    with reserved(settings.out):
        report = run_suite(settings, command="calibrate", listener=_Silent())
    for record in report.records:
        if isinstance(record.outcome, Failed) and not report.run.interrupted:
            raise RunError(f"a run of the same code failed at {record.case.key}: {record.outcome.message}.")
    return report


class _Silent:
    """A listener that says nothing."""

    def planned(self, jobs_count: int) -> None:
        pass

    def started(self, label: str) -> None:
        pass

    def finished(self, label: str, failure: str | None) -> None:
        pass


# --- what is injected -----------------------------------------------------------------------------------------


def _one_more_handshake(found: Measured) -> Measured:
    """One more full handshake, on one more connection, seen by client and server in every pass."""

    def more(ledger: Any) -> Any:
        return replace(
            ledger,
            tcp_accepted_count=ledger.tcp_accepted_count + 1,
            handshakes_full_count=ledger.handshakes_full_count + 1,
            connections_count=ledger.connections_count + 1,
            requests_per_connection=(*ledger.requests_per_connection, 0),
        )

    assert found.counts is not None
    client = found.counts.client
    counts = replace(
        found.counts,
        client=replace(
            client,
            handshakes_full_count=client.handshakes_full_count + 1,
            connections_count=client.connections_count + 1,
        ),
        ledger=more(found.counts.ledger),
    )
    assert found.memory is not None
    return replace(found, counts=counts, memory=replace(found.memory, ledger=more(found.memory.ledger)))


def _one_more_context(found: Measured) -> Measured:
    """One more context without CA certificates: a count, and no bytes."""
    assert found.counts is not None
    client = replace(found.counts.client, contexts_count=found.counts.client.contexts_count + 1)
    return replace(found, counts=replace(found.counts, client=client))


def _bytes_in_proportion(found: Measured) -> Measured:
    """2 % more SSL bytes, in each category alike."""
    assert found.memory is not None
    ssl = found.memory.ssl
    more = replace(
        ssl,
        context_bytes=round(ssl.context_bytes * 1.02),
        handshake_bytes=round(ssl.handshake_bytes * 1.02),
        io_bytes=round(ssl.io_bytes * 1.02),
    )
    return replace(found, memory=replace(found.memory, ssl=more))


def _bytes_in_io(found: Measured) -> Measured:
    """2 % more SSL bytes, all of them in reading and writing: no context byte is there to give them away."""
    assert found.memory is not None
    ssl = found.memory.ssl
    more = replace(ssl, io_bytes=ssl.io_bytes + round(ssl.total_bytes * 0.02))
    return replace(found, memory=replace(found.memory, ssl=more))


def _context_bytes(found: Measured) -> Measured:
    """2 % more bytes of contexts."""
    assert found.memory is not None
    ssl = found.memory.ssl
    more = replace(ssl, context_bytes=round(ssl.context_bytes * 1.02))
    return replace(found, memory=replace(found.memory, ssl=more))


INJECTIONS: dict[str, Callable[[Measured], Measured]] = {
    "+1 handshake": _one_more_handshake,
    "+1 context": _one_more_context,
    "+2 % context bytes": _context_bytes,
    "+2 % SSL bytes, in proportion": _bytes_in_proportion,
    "+2 % SSL bytes, all in reading": _bytes_in_io,
}
"""What is added to real candidate records."""


def _injected(report: Report, change: Callable[[Measured], Measured]) -> Report:
    records = tuple(
        Record(case=record.case, outcome=change(record.outcome)) if isinstance(record.outcome, Measured) else record
        for record in report.records
    )
    return replace(report, records=records)


# --- counting -------------------------------------------------------------------------------------------------


def false_alarms(reports: Sequence[Report]) -> list[str]:
    """In sentences, what the gate says of the same code: which run, which figure, against how many others."""
    seen: Counter[tuple[int, str, str, str]] = Counter()
    for base, head in permutations(range(len(reports)), 2):
        for row in _rows(reports[base], reports[head]):
            metric = row.pair.metric.name if row.pair.metric else "the whole case"
            seen[head, row.pair.subject.strategy, metric, row.status.value] += 1
    return [
        f"Run {head + 1} of the same code: {strategy}, {metric} {status} against {count} of {len(reports) - 1} others."
        for (head, strategy, metric, status), count in seen.most_common()
    ]


def count_comparisons(reports: Sequence[Report], condition: Condition, gate: Gate) -> list[Count]:
    """Compare every report with every other one, both ways, as it is and with each change injected."""
    counts = []
    strategies = [record.case.strategy for record in reports[0].records]
    for name, change in {"none": None, **INJECTIONS}.items():
        hits = dict.fromkeys(strategies, 0)
        heads = [report if change is None else _injected(report, change) for report in reports]
        pairs = list(permutations(range(len(reports)), 2))
        for base, head in pairs:
            for strategy in gate(reports[base], heads[head]):
                hits[strategy] += 1
        counts += [
            Count(
                group="counts and bytes",
                condition=condition,
                subject=strategy,
                change=name,
                method="connprof compare",
                said="regressed",
                hits=hits[strategy],
                trials=len(pairs),
            )
            for strategy in strategies
        ]
    return counts
