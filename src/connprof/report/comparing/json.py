"""A comparison for other programs: the figures themselves, unrounded, all rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from connprof.gate import PPM_PER_PERCENT
from connprof.store import encode

if TYPE_CHECKING:
    from connprof.abridged import AbridgedReport
    from connprof.compare import Comparison, Difference
    from connprof.gate import Judgement, Row

__all__ = ["SCHEMA", "render"]

SCHEMA = "connprof-comparison/1"
"""Name and version of this format; described in ``docs/FORMAT.md``."""


class _Side(msgspec.Struct, frozen=True):
    name: str
    started_at: str
    commit: str | None
    identity: dict[str, str]


class _Difference(msgspec.Struct, frozen=True):
    key: str
    baseline: str | None
    candidate: str | None
    incomparable: tuple[str, ...]


class _Row(msgspec.Struct, frozen=True):
    case: str
    metric: str | None
    unit: str | None
    class_: str | None = msgspec.field(name="class")
    baseline: float | None
    candidate: float | None
    ratio: float | None
    verdict: str
    limit_percent: float | None
    allowed: bool
    reason: str


class _Document(msgspec.Struct, frozen=True):
    schema: str
    answer: str
    exit_code: int
    judged_count: int
    tally: dict[str, int]
    baseline: _Side
    candidate: _Side
    differences: tuple[_Difference, ...]
    packages: tuple[_Difference, ...]
    rows: tuple[_Row, ...]


def render(
    judgement: Judgement,
    comparison: Comparison,
    baseline: tuple[str, AbridgedReport],
    candidate: tuple[str, AbridgedReport],
    *,
    exit_code: int,
) -> bytes:
    """The whole document."""
    return encode(
        _Document(
            schema=SCHEMA,
            answer=judgement.answer,
            exit_code=exit_code,
            judged_count=judgement.judged_count,
            tally={status.value: number for status, number in judgement.tally.items()},
            baseline=_side(*baseline),
            candidate=_side(*candidate),
            differences=tuple(map(_difference, comparison.differences)),
            packages=tuple(map(_difference, comparison.packages)),
            rows=tuple(map(_row, judgement.rows)),
        )
    )


def _difference(one: Difference) -> _Difference:
    return _Difference(one.key, one.baseline, one.candidate, tuple(kind.value for kind in one.hidden))


def _side(name: str, report: AbridgedReport) -> _Side:
    # A file's name may hold bytes that are no text.
    return _Side(
        name.encode(errors="replace").decode(), report.run.started_at, report.run.commit, report.environment.identity
    )


def _row(row: Row) -> _Row:
    pair, metric = row.pair, row.pair.metric
    return _Row(
        case=pair.subject.key,
        metric=metric.name if metric else None,
        unit=metric.unit if metric else None,
        class_=metric.kind.value if metric else None,
        baseline=pair.baseline,
        candidate=pair.candidate,
        ratio=pair.ratio,
        verdict=row.status.value,
        limit_percent=None if row.limit_ppm is None else row.limit_ppm / PPM_PER_PERCENT,
        allowed=row.is_allowed,
        reason=pair.reason,
    )
