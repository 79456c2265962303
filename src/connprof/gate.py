"""Policy: from figures beside each other to verdicts, and from verdicts to one answer. Pure functions.

A figure is judged only against a limit that stands in :data:`DEFAULT_LIMITS_PPM` or in the policy. Limits are whole
parts per million (10,000 are one per cent), so that a figure at its limit is at its limit, without any rounding.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from connprof.compare import MetricClass, State

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connprof.compare import Comparison, Metric, Pair, Subject

__all__ = [
    "DEFAULT_LIMITS_PPM",
    "PPM_PER_PERCENT",
    "SLACK_BYTES",
    "WORST_FIRST",
    "Answer",
    "Judgement",
    "Limits",
    "Policy",
    "Row",
    "Status",
    "judge",
    "judge_pair",
    "limit_ppm",
]

PPM_PER_PERCENT = 10_000
_MILLION = 1_000_000


class Status(StrEnum):
    """The verdict on one figure, or on one case as a whole."""

    FAILED = "failed"
    INVALID = "invalid"
    UNSTABLE = "unstable"
    REGRESSED = "regressed"
    MISSING = "missing"
    IMPROVED = "improved"
    INCOMPARABLE = "incomparable"
    NEW = "new"
    LEFT_OUT = "left out"
    SHOWN = "shown"
    UNCHANGED = "unchanged"


WORST_FIRST = tuple(Status)
"""The order of rows. Improvements come before all that asks for nothing: they want the baseline refreshed."""

_JUDGED = frozenset({Status.IMPROVED, Status.UNCHANGED, Status.REGRESSED, Status.UNSTABLE})
_UNTRUSTED = frozenset({Status.FAILED, Status.INVALID, Status.UNSTABLE})
_ALLOWED_AS_FAILED = frozenset({Status.FAILED, Status.INVALID})


class Limits(msgspec.Struct, frozen=True):
    """How far a metric may move before it counts as moved, in parts per million of the baseline.

    ``per_call`` is for strategies that make an SSL context for each call, so that contexts are most of their bytes, and
    ``pooled`` for the others, where what arrives in how many reads weighs more; SSL bytes of which contexts are less
    than half are held to it too. Retained bytes are a matter of connections: what a strategy that opens one for each
    call retains is held to ``per_call`` even where it shares a context. ``None``: shown, not judged.
    """

    per_call: int | None
    pooled: int | None


DEFAULT_LIMITS_PPM: Mapping[str, Limits] = {
    "context_bytes": Limits(0, 0),
    "ssl_bytes": Limits(10_000, 30_000),
    "peak_bytes": Limits(500_000, 50_000),
    "retained_bytes": Limits(None, 20_000),
    "cpu_over_floor": Limits(None, None),
    "wall_over_floor": Limits(None, None),
    "cpu_over_regression": Limits(None, None),
    "wall_over_regression": Limits(None, None),
}
"""One limit for each metric that is not exact. Where they come from stands in METHODOLOGY.md, "The gate"."""

LOADS_APART_PPM = 100
"""The limit on context bytes where certificates are loaded at handshakes: these vary by up to 63 parts per million."""

OTHER_PATCH_PPM = 5_000
"""The limit on context bytes between two patch versions of one Python: 3.11.2 and 3.11.7 differ by 1,300."""

SLACK_BYTES: Mapping[str, int] = {"peak_bytes": 1_048_576, "retained_bytes": 1_024}
"""A difference of at most so many bytes is none, whatever its ratio. CPython takes memory in arenas of 1 MiB, and it is
chance whether a peak has one more; retained bytes may be few, and they do vary."""


class Policy(msgspec.Struct, frozen=True):
    """What a project asks of a candidate beyond the defaults.

    Attributes:
        limits_ppm: metric -> limit, for every case.
        case_limits_ppm: case or strategy -> metric -> limit; a case goes before its strategy, both before the above.
        allow_missing: names of cases that may vanish, wholly or in part.
        allow_failed: names of cases that may fail or be invalid.
        source: where this was read, for messages.
    """

    limits_ppm: dict[str, int] = {}
    case_limits_ppm: dict[str, dict[str, int]] = {}
    allow_missing: frozenset[str] = frozenset()
    allow_failed: frozenset[str] = frozenset()
    source: str = "the defaults"


class Row(msgspec.Struct, frozen=True, gc=False):
    """A pair with its verdict.

    ``limit_ppm`` is what it was held to, ``None`` where it was not judged. ``is_allowed`` says that a policy names the
    case, so that the row does not count.
    """

    pair: Pair
    status: Status
    limit_ppm: int | None
    is_allowed: bool = False


class Answer(StrEnum):
    """The whole comparison in a word. The order is the precedence: the first that applies is the answer."""

    UNTRUSTED = "untrusted"
    REGRESSED = "regressed"
    NOTHING = "nothing"
    PASSED = "passed"


class Judgement(msgspec.Struct, frozen=True):
    """Every row, worst first, and the answer.

    ``tally`` counts the rows of each status that are not allowed, ``judged_count`` those of figures that were held to
    a limit. ``unknown_names`` are names in the policy that fit no case.
    """

    rows: tuple[Row, ...]
    tally: dict[Status, int]
    allowed_count: int
    judged_count: int
    answer: Answer
    unknown_names: tuple[str, ...]


def judge(comparison: Comparison, policy: Policy) -> Judgement:
    """Hold every pair to the policy.

    The answer is never :attr:`Answer.PASSED` when no figure was judged, or when something vanished.
    """
    sorted_rows: dict[Status, list[Row]] = {status: [] for status in WORST_FIRST}
    allowed_count = 0
    tally = dict.fromkeys(WORST_FIRST, 0)
    limits = _Limits(policy)
    for pair in comparison.pairs:
        row = judge_pair(pair, policy, limits)
        sorted_rows[row.status].append(row)
        if row.is_allowed:
            allowed_count += 1
        else:
            tally[row.status] += 1
    for status in (Status.REGRESSED, Status.IMPROVED, Status.SHOWN):
        sorted_rows[status].sort(key=_badness)
    judged_count = sum(tally[status] for status in _JUDGED)
    if any(tally[status] for status in _UNTRUSTED):
        answer = Answer.UNTRUSTED
    elif tally[Status.REGRESSED]:
        answer = Answer.REGRESSED
    elif tally[Status.MISSING] or not judged_count:
        answer = Answer.NOTHING
    else:
        answer = Answer.PASSED
    return Judgement(
        rows=tuple(row for rows in sorted_rows.values() for row in rows),
        tally=tally,
        allowed_count=allowed_count,
        judged_count=judged_count,
        answer=answer,
        unknown_names=_unknown_names(comparison, policy),
    )


class _Limits:
    """Looks limits up; but for cases with limits of their own a metric has two, and they are looked up once."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._known: dict[tuple[str, bool, bool, bool, bool, bool], int | None] = {}

    def of(self, subject: Subject, metric: Metric) -> int | None:
        own = self._policy.case_limits_ppm
        if own and (subject.key in own or subject.strategy in own):
            return limit_ppm(subject, metric, self._policy)
        key = (
            metric.name,
            subject.contexts_per_call,
            subject.contexts_weigh,
            subject.loads_apart,
            subject.connects_per_call,
            subject.patches_differ,
        )
        if key not in self._known:
            self._known[key] = limit_ppm(subject, metric, self._policy)
        return self._known[key]


def judge_pair(pair: Pair, policy: Policy, limits: _Limits | None = None) -> Row:
    """The verdict on one pair; ``limits`` of the same policy, where there are many pairs."""
    metric = pair.metric
    if pair.state is not State.COMPARABLE:
        status = _STATUS_OF[pair.state]
        allowed = (status is Status.MISSING and pair.subject.key in policy.allow_missing) or (
            status in _ALLOWED_AS_FAILED and pair.subject.key in policy.allow_failed
        )
        return Row(pair, status, None, is_allowed=allowed)
    assert metric is not None
    assert pair.baseline is not None
    assert pair.candidate is not None
    limit = (limits or _Limits(policy)).of(pair.subject, metric)
    if limit is None:
        return Row(pair, Status.SHOWN, None)
    if pair.baseline == pair.candidate:
        return Row(pair, Status.UNCHANGED, limit)
    return Row(pair, _moved(metric, pair.baseline, pair.candidate, limit), limit)


_STATUS_OF = {
    State.INCOMPARABLE: Status.INCOMPARABLE,
    State.NEW: Status.NEW,
    State.LEFT_OUT: Status.LEFT_OUT,
    State.MISSING: Status.MISSING,
    State.FAILED: Status.FAILED,
    State.INVALID: Status.INVALID,
}


def _moved(metric: Metric, baseline: float, candidate: float, limit: int) -> Status:
    """At the limit is still unchanged; a unit beyond it is not.

    A limit is a share of the baseline. That of a noisy ratio is one of the smaller side: it may be above 100 %, and a
    time that is three times shorter has moved as far as one that is three times longer.
    """
    if metric.must_equal:
        return Status.REGRESSED
    more = candidate - baseline
    base = min(baseline, candidate) if metric.kind is MetricClass.NOISY else baseline
    if abs(more) <= SLACK_BYTES.get(metric.name, 0) or abs(more) * _MILLION <= limit * base:
        return Status.UNCHANGED
    return Status.REGRESSED if more > 0 else Status.IMPROVED


def limit_ppm(subject: Subject, metric: Metric, policy: Policy) -> int | None:
    """What this metric of this case is held to; ``None``: it is shown only. Exact ones have one limit, which is 0."""
    if metric.shown_only:
        return None
    if metric.kind is MetricClass.EXACT:
        return 0
    name = metric.name
    if policy.case_limits_ppm:
        for place in (subject.key, subject.strategy):
            own = policy.case_limits_ppm.get(place)
            if own is not None and name in own:
                return own[name]
    if name in policy.limits_ppm:
        return policy.limits_ppm[name]
    default = DEFAULT_LIMITS_PPM[name]
    if name == "context_bytes" and (subject.patches_differ or subject.loads_apart):
        return OTHER_PATCH_PPM if subject.patches_differ else LOADS_APART_PPM
    is_per_call = (subject.contexts_per_call and (name != "ssl_bytes" or subject.contexts_weigh)) or (
        subject.connects_per_call and name == "retained_bytes"
    )
    return default.per_call if is_per_call else default.pooled


_CLASS_ORDER = {kind: place for place, kind in enumerate(MetricClass)}


def _badness(row: Row) -> tuple[float, float, float]:
    """Exact before banded before noisy, then by how many times more or fewer; of outcomes, the gravest first.

    What is only shown is worth a look as far as it moved, and its class says nothing about that.
    """
    pair = row.pair
    assert pair.metric is not None
    ratio = pair.ratio
    size = abs(math.log(ratio)) if ratio else 0 if pair.baseline == pair.candidate else math.inf
    gravity = max(pair.baseline or 0, pair.candidate or 0) if pair.metric.unit == "outcome" else 0
    place = _CLASS_ORDER[pair.metric.kind]
    return (-size, place, -gravity) if row.status is Status.SHOWN else (place, -size, -gravity)


def _unknown_names(comparison: Comparison, policy: Policy) -> tuple[str, ...]:
    allowed, limited = policy.allow_missing | policy.allow_failed, set(policy.case_limits_ppm)
    if not allowed and not limited:
        return ()
    cases = {pair.subject.key for pair in comparison.pairs}
    strategies = {pair.subject.strategy for pair in comparison.pairs}
    # Limits can be set for a strategy, but what may be missing or fail is named one by one.
    return tuple(sorted((allowed - cases) | (limited - cases - strategies)))
