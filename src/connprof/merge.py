"""Several reports as one: shards of a run, or the same suite run in parts on equal machines. Pure functions.

A report has one environment, so only reports of one identity and one commit can be joined; what differs is named.
"""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from connprof.errors import FileError
from connprof.model import (
    PEAK_PACKAGES,
    Case,
    Ended,
    Environment,
    Failed,
    HazardNote,
    Record,
    Report,
    Run,
    SafetyCell,
    StrategyNote,
    Verdict,
)
from connprof.store import moment
from connprof.verdict import MOST_DIGITS, judge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = ["merge"]

_BETWEEN = " | "
_GRAVEST_FIRST: tuple[Ended, ...] = ("interrupted", "server-lost", "complete")
_NEVER = datetime.max.replace(tzinfo=UTC)


def merge(reports: Sequence[tuple[str, Report]], *, command: str = "connprof merge OUT REPORT...") -> Report:
    """One report with the cases of all; each comes with a name for messages.

    ``command`` is how they are joined: the last line of what makes the joined report again.

    A case that is in several of them with the very same figures is kept once; where one of them was interrupted in the
    midst of it, it is the other's. The verdict is made anew from the joined cases. Of the surroundings that may differ,
    all values are kept, with a bar between them.

    Raises:
        FileError: they do not fit together; one sentence that names the files and what differs.
    """
    assert reports, "at least one report is needed"
    (first_name, first), *rest = reports
    for name, report in rest:
        _check_same(first_name, first, name, report)
    records = _records(reports)
    joined = replace(
        first,
        run=_run([report.run for _, report in reports], {record.case.strategy for record in records}, command),
        environment=_environment([report.environment for _, report in reports]),
        strategies=_strategies(reports),
        records=records,
        hazards=_hazards(reports),
        safety=_safety(reports),
        headroom=min(
            (report.headroom for _, report in reports if report.headroom is not None),
            key=lambda headroom: (headroom.ratio, headroom.server_requests_per_s, headroom.fastest_strategy),
            default=None,
        ),
    )
    return joined if not rest else replace(joined, verdict=_verdict(joined))


def _check_same(first_name: str, first: Report, name: str, report: Report) -> None:
    between = f"{first_name} and {name} cannot be merged"
    if first.schema != report.schema:
        raise FileError(f"{between}: their schemas are {first.schema} and {report.schema}.")
    ours, theirs = first.environment.identity, report.environment.identity
    unlike = [
        f"{key[:40]!r} ({ours.get(key, 'not recorded')[:80]!r} and {theirs.get(key, 'not recorded')[:80]!r})"
        for key in dict.fromkeys((*ours, *theirs))
        if ours.get(key) != theirs.get(key)
    ]
    if unlike:
        raise FileError(f"{between}, because they were measured in unlike environments: {', '.join(unlike)}.")
    if first.run.commit != report.run.commit:
        raise FileError(
            f"{between}, because they measured different commits: {(first.run.commit or 'not known')[:40]!r} and "
            f"{(report.run.commit or 'not known')[:40]!r}."
        )
    one_sided = [
        name for name in PEAK_PACKAGES if (name in first.environment.packages) != (name in report.environment.packages)
    ]
    if one_sided:
        raise FileError(
            f"{between}, because only one of them was measured with {', '.join(one_sided)} installed, on which peak "
            "bytes depend."
        )
    if first.verdict.incident != report.verdict.incident:
        raise FileError(f"{between}, because they are about different incidents.")


def _records(reports: Sequence[tuple[str, Report]]) -> tuple[Record, ...]:
    """The cases of all, each with the run that measured it where there were several."""
    found: dict[Case, tuple[str, Record]] = {}
    shards = [_shard(report) for _, report in reports]
    several = len(set(shards)) > 1
    for (name, report), shard in zip(reports, shards, strict=True):
        for each in report.records:
            record = replace(each, shard=shard) if several and not each.shard else each
            known = found.setdefault(record.case, (name, record))
            if _is_unfinished(record) or _is_unfinished(known[1]):
                found[record.case] = min(known, (name, record), key=lambda one: _is_unfinished(one[1]))
            elif _figures(known[1]) != _figures(record):
                raise FileError(
                    f"{known[0]} and {name} cannot be merged, because both measured {record.case.key[:100]!r}, with "
                    "different figures."
                )
    return tuple(record for _, record in found.values())


def _is_unfinished(record: Record) -> bool:
    """Whether the run was stopped before this case was measured: then another one may have done it."""
    return isinstance(record.outcome, Failed) and record.outcome.stage == "interrupted"


def _figures(record: Record) -> Record:
    return replace(record, cached_from=None, cached_passes=(), shard="")


def _shard(report: Report) -> str:
    """A name for the run that made ``report``: when it started, and what tells it from another at the same moment."""
    surroundings = msgspec.json.encode((report.run, report.environment), order="sorted")
    return f"{report.run.started_at} {sha256(surroundings).hexdigest()[:8]}"


def _strategies(reports: Sequence[tuple[str, Report]]) -> tuple[StrategyNote, ...]:
    found: dict[tuple[str, str], tuple[str, StrategyNote]] = {}
    for name, report in reports:
        for note in report.strategies:
            known = found.setdefault((note.name, note.client_library), (name, note))
            if known[1] != note:
                raise FileError(
                    f"{known[0]} and {name} cannot be merged, because they describe the strategy {note.name[:100]!r} "
                    "differently."
                )
    return tuple(note for _, note in found.values())


def _hazards(reports: Sequence[tuple[str, Report]]) -> tuple[HazardNote, ...]:
    found: dict[str, tuple[str, HazardNote]] = {}
    for name, report in reports:
        for note in report.hazards:
            known = found.setdefault(note.id, (name, note))
            if known[1] != note:
                raise FileError(
                    f"{known[0]} and {name} cannot be merged, because they describe the hazard {note.id[:100]!r} "
                    "differently."
                )
    return tuple(note for _, note in found.values())


def _safety(reports: Sequence[tuple[str, Report]]) -> tuple[SafetyCell, ...]:
    """The probes of all. When and how fast one was made may differ; how it came out may not."""
    found: dict[str, tuple[str, SafetyCell]] = {}
    for name, report in reports:
        for cell in report.safety:
            known = found.setdefault(cell.key, (name, cell))
            if _result(known[1]) != _result(cell):
                raise FileError(
                    f"{known[0]} and {name} cannot be merged, because both probed {cell.key[:100]!r}, and it came out "
                    f"as {known[1].signature[:80]!r} and {cell.signature[:80]!r}."
                )
    return tuple(cell for _, cell in found.values())


def _result(cell: SafetyCell) -> tuple[object, ...]:
    return cell.outcome, cell.attempts_count, cell.failed_count, cell.harmed_count, cell.errors, cell.observed


def _run(runs: Sequence[Run], measured: set[str], command: str) -> Run:
    if len(runs) == 1:
        return runs[0]
    # A command a line: with a bar between them a shell would make a pipe of them.
    lines = [line for run in runs for line in run.command.splitlines()]
    return Run(
        command="\n".join(dict.fromkeys([*lines, command])),
        seed=runs[0].seed,
        started_at=min((run.started_at for run in runs), key=lambda said: (moment(said) or _NEVER, said)),
        duration_s=sum(run.duration_s for run in runs),
        connprof_version=_joined(run.connprof_version for run in runs),
        commit=runs[0].commit,
        dirty=_any(run.dirty for run in runs),
        quick=any(run.quick for run in runs),
        order=tuple(step for run in runs for step in run.order),
        ended=min((run.ended for run in runs), key=_GRAVEST_FIRST.index),
        left_out=tuple(dict.fromkeys(name for run in runs for name in run.left_out if name not in measured)),
        interrupted=_joined(run.interrupted for run in runs if run.interrupted) or None,
        in_quick=tuple(dict.fromkeys(name for run in runs for name in run.in_quick)),
        seeds=tuple(dict.fromkeys(seed for run in runs for seed in run.seeds or (run.seed,))),
    )


def _any(values: Iterable[bool | None]) -> bool | None:
    found = list(values)
    return True if True in found else (None if None in found else False)


def _environment(environments: Sequence[Environment]) -> Environment:
    def together(part: Callable[[Environment], dict[str, str]]) -> dict[str, str]:
        keys = dict.fromkeys(key for one in environments for key in part(one))
        return {key: _joined(part(one)[key] for one in environments if key in part(one)) for key in keys}

    return Environment(
        identity=environments[0].identity,
        context=together(lambda one: one.context),
        packages=together(lambda one: one.packages),
        variables=together(lambda one: one.variables),
    )


def _joined(values: Iterable[str]) -> str:
    return _BETWEEN.join(dict.fromkeys(values))


def _verdict(report: Report) -> Verdict:
    count = report.environment.identity.get("ca_bundle_certificates_count", "")
    if not count.isdecimal() or len(count) > MOST_DIGITS or int(count) == 0:
        raise FileError(f"The merged reports do not say how many certificates their CA bundle has, but {count[:40]!r}.")
    return judge(report.verdict.incident, report.records, certificates_count=int(count))
