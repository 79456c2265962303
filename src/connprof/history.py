"""Metrics over a row of reports, and the steps in them. Pure functions.

A step is a change that the gate would not call unchanged: any change of an exact figure, a change beyond its limit of a
banded one. Noisy figures have none, unless the policy gives them a limit. Each figure is held against the last one that
was measured before it, so that a failed run in between hides nothing.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import msgspec

from connprof.compare import PEAK, MetricClass, barred, behind_the_peak, figures, pair, unlike
from connprof.errors import FileError
from connprof.gate import Row, Status, judge_pair
from connprof.store import moment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from connprof.abridged import AbridgedReport
    from connprof.compare import Difference, Metric, Subject
    from connprof.gate import Policy

__all__ = ["Course", "History", "Moment", "Step", "history"]


class Moment(msgspec.Struct, frozen=True):
    """One report of the row. ``differences`` are those of its environment to the one before."""

    name: str
    started_at: str
    commit: str | None
    dirty: bool | None
    differences: tuple[Difference, ...]


class Course(msgspec.Struct, frozen=True):
    """One metric of one case: a value for each report that measured it, by its place (from 0)."""

    subject: Subject
    metric: Metric
    points: tuple[tuple[int, float], ...]
    steps: tuple[Step, ...]


class Step(msgspec.Struct, frozen=True):
    """A change from the report at ``start`` to the one at ``end``, with the gate's row on it."""

    start: int
    end: int
    row: Row


class History(msgspec.Struct, frozen=True):
    """Reports in order of time, and what became of each figure in them."""

    moments: tuple[Moment, ...]
    courses: tuple[Course, ...]


def history(reports: Sequence[tuple[str, AbridgedReport]], policy: Policy) -> History:
    """The course of every metric over ``reports``, which come with names for messages, in any order.

    Raises:
        FileError: a report does not say in ISO 8601 when it was made.
    """
    ordered = sorted(reports, key=lambda one: (_when(*one), one[0]))
    points: dict[tuple[str, str], list[tuple[int, float]]] = {}
    owners: dict[tuple[str, str], tuple[Subject, Metric]] = {}
    for place, (_name, report) in enumerate(ordered):
        for subject, metric, value in figures(report):
            key = (subject.key, metric.name)
            owners.setdefault(key, (subject, metric))
            points.setdefault(key, []).append((place, value))
    judge = _Judge([report for _, report in ordered], policy)
    return History(
        moments=tuple(
            Moment(
                name,
                report.run.started_at,
                report.run.commit,
                report.run.dirty,
                unlike(ordered[place - 1][1].environment.identity, report.environment.identity) if place else (),
            )
            for place, (name, report) in enumerate(ordered)
        ),
        courses=tuple(
            Course(*owners[key], points=tuple(values), steps=judge.steps(*owners[key], values))
            for key, values in points.items()
        ),
    )


def _when(name: str, report: AbridgedReport) -> datetime:
    found = moment(report.run.started_at)
    if found is None:
        raise FileError(f"{name} does not say when it was made, but {report.run.started_at[:40]!r}.")
    return found


class _Judge:
    """Holds consecutive figures against each other; what two environments differ in is looked up once."""

    def __init__(self, reports: Sequence[AbridgedReport], policy: Policy) -> None:
        self._reports = reports
        self._policy = policy
        self._own = [
            {record.case.key: record.identity for record in report.records if record.identity} for report in reports
        ]
        self._barred: dict[tuple[int, int, str], Mapping[MetricClass, str]] = {}

    def steps(self, subject: Subject, metric: Metric, values: Sequence[tuple[int, float]]) -> tuple[Step, ...]:
        found = []
        for (start, one), (end, other) in itertools.pairwise(values):
            if one == other:
                continue
            why = self._why(start, end, subject.key)[metric.kind]
            if metric is PEAK:
                why = why or behind_the_peak(*(self._reports[k].environment.packages for k in (start, end)))
            row = judge_pair(pair(self._between(subject, start, end), metric, one, other, why), self._policy)
            if row.status in {Status.REGRESSED, Status.IMPROVED}:
                found.append(Step(start, end, row))
        return tuple(found)

    def _between(self, subject: Subject, start: int, end: int) -> Subject:
        """The case, for the limits that hold between two of the reports: bytes differ a little between two Pythons."""
        one, other = (
            (self._reports[place].environment.identity | self._own[place].get(subject.key, {})).get("python")
            for place in (start, end)
        )
        return subject if one == other else msgspec.structs.replace(subject, patches_differ=True)

    def _why(self, start: int, end: int, case: str) -> Mapping[MetricClass, str]:
        own = [self._own[place].get(case, {}) for place in (start, end)]
        key = (start, end, case if any(own) else "")
        known = self._barred.get(key)
        if known is None:
            before, after = (
                self._reports[place].environment.identity | mine for place, mine in zip((start, end), own, strict=True)
            )
            known = self._barred[key] = barred(unlike(before, after))
        return known
