"""Arithmetic of baseline against candidate: which figures face each other, and which cannot be compared.

Nothing is judged here; that is :mod:`connprof.gate`. A figure that cannot be compared says why.
"""

from __future__ import annotations

import math
from enum import StrEnum
from operator import attrgetter
from typing import TYPE_CHECKING

import msgspec

from connprof import stats
from connprof.abridged import FailedFigures, MeasuredFigures
from connprof.axes import AXES
from connprof.checks import at_odds, broken_claim
from connprof.model import PEAK_PACKAGES, Case, HazardOutcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from connprof.abridged import AbridgedReport, CellFigures, OneRecord, TimingFigures
    from connprof.model import StrategyNote

__all__ = [
    "BASELINE",
    "CANDIDATE",
    "CELLS",
    "CELL_METRICS",
    "FLOOR",
    "LARGEST_FIGURE",
    "METRICS",
    "OUTCOMES",
    "PEAK",
    "PEAK_PACKAGES",
    "SENSITIVE_TO",
    "Comparison",
    "Difference",
    "Metric",
    "MetricClass",
    "Pair",
    "State",
    "Subject",
    "barred",
    "behind_the_peak",
    "compare",
    "figures",
    "metric_named",
    "pair",
    "unlike",
]

FLOOR = "floor"
"""The strategy that the others' times are divided by."""

LARGEST_FIGURE = 2**63 - 1
"""A larger figure is no measurement: 9 exabytes, or 292 years in nanoseconds."""


class MetricClass(StrEnum):
    """How far a metric's figures can be trusted to repeat."""

    EXACT = "exact"
    BANDED = "banded"
    NOISY = "noisy"


class Metric(msgspec.Struct, frozen=True, gc=False):
    """A figure that every measured case may have.

    Fewer is better for all of them, except where ``must_equal``: there any difference means that something else was
    measured. What is ``shown_only`` is held to nothing, and no policy can change that.
    """

    name: str
    title: str
    unit: str
    kind: MetricClass
    must_equal: bool = False
    shown_only: bool = False


_BYTES_KEYS = ("os", "arch", "python", "openssl", "ca_bundle_certificates_count", "ca_bundle_sha256")

SENSITIVE_TO: Mapping[MetricClass, tuple[str, ...]] = {
    MetricClass.EXACT: (),
    MetricClass.BANDED: _BYTES_KEYS,
    MetricClass.NOISY: _BYTES_KEYS,
}
"""For each class the keys of the environment's identity that change its figures; where one differs, they are
incomparable. The one table of this kind; METHODOLOGY.md gives the reasons.

``python`` is compared up to its minor version. ``client_library`` and its version are in no row: comparing two
versions of a client is what many comparisons are for. They are named where they differ.
"""

_COUNT, _BYTES, _RATIO = "count", "bytes", "ratio"
_EXACT, _BANDED, _NOISY = MetricClass.EXACT, MetricClass.BANDED, MetricClass.NOISY

METRICS = (
    Metric("contexts", "SSL contexts", _COUNT, _EXACT),
    Metric("ca_loads", "CA loads", _COUNT, _EXACT),
    Metric("handshakes", "TLS handshakes (full + resumed)", _COUNT, _EXACT),
    Metric("handshakes_full", "full TLS handshakes", _COUNT, _EXACT),
    Metric("handshakes_failed", "failed TLS handshakes", _COUNT, _EXACT),
    Metric("connections", "connections", _COUNT, _EXACT),
    Metric("connections_failed", "failed connections", _COUNT, _EXACT),
    Metric("requests", "requests", _COUNT, _EXACT, must_equal=True),
    Metric("context_bytes", "context bytes", _BYTES, _BANDED),
    Metric("ssl_bytes", "SSL bytes", _BYTES, _BANDED),
    Metric("peak_bytes", "peak bytes", _BYTES, _BANDED),
    Metric("retained_bytes", "retained bytes", _BYTES, _BANDED),
    Metric("cpu_over_floor", "CPU time over the floor's", _RATIO, _NOISY),
    Metric("wall_over_floor", "wall time over the floor's", _RATIO, _NOISY),
    Metric("cpu_over_regression", "CPU time over that of what it fixes", _RATIO, _NOISY),
    Metric("wall_over_regression", "wall time over that of what it fixes", _RATIO, _NOISY),
)
"""Every metric that is compared, exact ones first. Resumed handshakes have no row of their own: one more of them is
bad when it comes on top and good when it comes instead of a full one, which the sum and the full ones tell."""

OUTCOMES = (
    HazardOutcome.DOES_NOT_APPLY,
    HazardOutcome.HELD,
    HazardOutcome.BROKE,
    HazardOutcome.HUNG,
    HazardOutcome.HARM,
)
"""The outcomes of a hazard probe that worked, gravest last; a figure of the unit ``outcome`` is a place in here."""

_OUTCOME = "outcome"
CELL_METRICS = (
    Metric("hazard_outcome", "outcome of the probe", _OUTCOME, _EXACT),
    Metric("hazard_attempts", "attempts of the probe", _COUNT, _EXACT, must_equal=True),
    Metric("hazard_failed", "attempts that failed aloud", _COUNT, _EXACT),
    Metric("hazard_harmed", "attempts that were harmed in silence", _COUNT, _EXACT),
    Metric("hazard_errors", "exceptions that only one side saw", _COUNT, _EXACT),
    Metric("hazard_observed", "other counts of the probe that changed", _COUNT, _EXACT, shown_only=True),
)
"""What is compared of a hazard probe on a strategy. The counts are, where the outcome is the same. By their names
exceptions are part of a signature, which is the same every time; what else a probe observes need not be."""

_RATES = tuple(
    Metric(f"{metric.name}_statistical", f"{metric.title} (statistical)", metric.unit, _EXACT, shown_only=True)
    for metric in CELL_METRICS
)
# The same of a probe whose outcome is a rate.

_HARMFUL = frozenset({HazardOutcome.BROKE, HazardOutcome.HUNG, HazardOutcome.HARM})

CELLS = {
    outcome: Metric(
        f"cells_{outcome.name.lower()}",
        f"hazard probes: {outcome.value}",
        _COUNT,
        _EXACT,
        shown_only=outcome in {HazardOutcome.HELD, HazardOutcome.DOES_NOT_APPLY},
    )
    for outcome in HazardOutcome
}
"""How many of a report's probes came out so; statistical ones left out. More that broke is worse, more that held is
neither better nor worse: there may be more of them."""

_BY_NAME = {metric.name: metric for metric in (*METRICS, *CELL_METRICS)}
PEAK = _BY_NAME["peak_bytes"]
_COUNTS, _MEMORY, _RETAINED, _TIMES = METRICS[:8], METRICS[8:11], METRICS[11], METRICS[12:]
_SELDOM = _BY_NAME["connections_failed"]
# No case is expected to have any: a row where neither side has would say nothing.


def metric_named(name: str) -> Metric | None:
    """The metric, if there is one of that name."""
    return _BY_NAME.get(name)


class State(StrEnum):
    """What two figures, or two cases, are to each other before anything is judged."""

    COMPARABLE = "comparable"
    INCOMPARABLE = "incomparable"
    NEW = "new"
    MISSING = "missing"
    FAILED = "failed"
    INVALID = "invalid"
    LEFT_OUT = "left out"


class Subject(msgspec.Struct, frozen=True, gc=False):
    """A case, or a hazard probe, as far as a policy depends on it.

    That is its name, whether its strategy claims a context for each call, whether contexts are most of its SSL bytes
    (those that load few certificates are not), whether certificates are loaded at other times than when contexts are
    made, as truststore does at each handshake, whether its strategy claims a handshake for each call, and so leaves
    each call's connection for the garbage collector, and whether the two sides ran on two patch versions of one Python.
    """

    key: str
    strategy: str
    contexts_per_call: bool
    contexts_weigh: bool = True
    loads_apart: bool = False
    connects_per_call: bool = False
    patches_differ: bool = False


class Pair(msgspec.Struct, frozen=True, gc=False):
    """One metric of one case on both sides; without a metric, the case as a whole.

    ``ratio`` is candidate / baseline, ``None`` where the baseline is 0 or a side is missing, and of outcomes.
    ``reason`` says why the state is not :attr:`State.COMPARABLE`, or how two outcomes differ.
    """

    subject: Subject
    metric: Metric | None
    baseline: float | None
    candidate: float | None
    ratio: float | None
    state: State
    reason: str = ""


class Difference(msgspec.Struct, frozen=True):
    """A key of the environment's identity that is not the same on both sides (``None``: not recorded).

    ``hidden`` are the classes whose figures cannot be compared because of it.
    """

    key: str
    baseline: str | None
    candidate: str | None
    hidden: tuple[MetricClass, ...]


class Comparison(msgspec.Struct, frozen=True):
    """Two reports beside each other, in the baseline's order, new cases last.

    ``packages`` are the installed ones that differ (``None``: not there). They hide nothing, and often explain much.
    ``conditions`` are the axes of cases on which no case of one strategy on one side alone is like any on the other.
    """

    pairs: tuple[Pair, ...]
    differences: tuple[Difference, ...]
    packages: tuple[Difference, ...]
    is_same_run: bool
    conditions: tuple[Difference, ...] = ()


def compare(baseline: AbridgedReport, candidate: AbridgedReport) -> Comparison:
    """Put every figure of ``baseline`` beside its counterpart in ``candidate``."""
    differences = unlike(baseline.environment.identity, candidate.environment.identity)
    base, head = _Side(baseline), _Side(candidate)
    return Comparison(
        pairs=(
            *_partial(BASELINE, baseline),
            *_partial(CANDIDATE, candidate),
            *_pairs(base, head),
            *_cell_pairs(base, head),
        ),
        differences=differences,
        packages=_unlike_packages(baseline.environment.packages, candidate.environment.packages),
        is_same_run=(baseline.run.started_at, baseline.run.seed, len(baseline.records))
        == (candidate.run.started_at, candidate.run.seed, len(candidate.records)),
        conditions=_unlike_conditions(base, head),
    )


BASELINE, CANDIDATE = "baseline", "candidate"
"""The names of the rows that say that a side is itself incomplete."""


def _partial(role: str, report: AbridgedReport) -> Iterator[Pair]:
    """A row of its own where a side's run did not come to its end: nobody misses what a baseline did not measure.

    Of a candidate nobody knows how its run would have gone on.
    """
    run = report.run
    if run.interrupted or run.ended != "complete":
        rest = (
            "what it lacks is compared with nothing"
            if role == BASELINE
            else "what it holds is not all that it was to be"
        )
        reason = f"The {role}'s run did not come to its end ({run.ended}): {rest}."
        yield Pair(Subject(role, role, contexts_per_call=False), None, None, None, None, State.MISSING, reason)


def _unlike_conditions(base: _Side, head: _Side) -> tuple[Difference, ...]:
    """Why cases of the same strategies are on one side alone: all of them were measured under another value."""
    alone = [[case for case in one.records if case not in other.records] for one, other in ((base, head), (head, base))]
    both = {case.strategy for case in alone[0]} & {case.strategy for case in alone[1]}
    found = []
    for axis in AXES:
        ours, theirs = (
            dict.fromkeys(_axis_value(case, axis) for case in cases if case.strategy in both) for cases in alone
        )
        if both and ours.keys().isdisjoint(theirs):
            found.append(Difference(axis, ", ".join(ours), ", ".join(theirs), ()))
    return tuple(found)


def _axis_value(case: Case, axis: str) -> str:
    value = getattr(case, axis)
    return f"{value:g}" if isinstance(value, float) else str(value)


# --- environments -------------------------------------------------------------------------------------------------


def unlike(ours: Mapping[str, str], theirs: Mapping[str, str]) -> tuple[Difference, ...]:
    """In which keys of their identity two environments differ, or of which it is not known."""
    found = []
    for key in dict.fromkeys((*_BYTES_KEYS, *ours, *theirs)):
        one, other = ours.get(key), theirs.get(key)
        unknown = key in _BYTES_KEYS and (one in {None, "unknown"} or other in {None, "unknown"})
        if one == other and not unknown:
            continue
        # Two patch versions of one Python allocate nearly alike; they are named, and hide nothing.
        same = key == "python" and not unknown and _minor(one) == _minor(other)
        hidden = () if same else tuple(kind for kind in MetricClass if key in SENSITIVE_TO[kind])
        found.append(Difference(key, one, other, hidden))
    return tuple(found)


def behind_the_peak(ours: Mapping[str, str], theirs: Mapping[str, str]) -> str:
    """Why peaks cannot be compared between environments with these packages, whatever is equal otherwise."""
    found = [name for name in PEAK_PACKAGES if (name in ours) != (name in theirs)]
    return f"{', '.join(found)} installed on one side only" if found else ""


def _unlike_packages(ours: Mapping[str, str], theirs: Mapping[str, str]) -> tuple[Difference, ...]:
    return tuple(
        Difference(name, ours.get(name), theirs.get(name), ())
        for name in dict.fromkeys((*ours, *theirs))
        if ours.get(name) != theirs.get(name)
    )


def _minor(python: str | None) -> str:
    """``CPython 3.12.8`` -> ``CPython 3.12``."""
    return ".".join((python or "").split(".")[:2])


def barred(differences: Iterable[Difference]) -> Mapping[MetricClass, str]:
    """For each class why its figures cannot be compared, naming the keys; empty where they can."""
    found = list(differences)
    return {kind: _hindrance([one for one in found if kind in one.hidden]) for kind in MetricClass}


def _hindrance(differences: list[Difference]) -> str:
    keys = [one.key for one in differences if one.baseline != one.candidate]
    unknown = [one.key for one in differences if one.baseline == one.candidate]
    return "; ".join(
        text
        for text in (
            f"{', '.join(keys)} {'differ' if len(keys) > 1 else 'differs'}" if keys else "",
            f"{', '.join(unknown)} not recorded" if unknown else "",
        )
        if text
    )


# --- one side -----------------------------------------------------------------------------------------------------


class _Times(msgspec.Struct, frozen=True, gc=False):
    """CPU and wall time per call: the median over processes of each one's fastest round. ``None``: unusable."""

    cpu_ns: float | None
    wall_ns: float | None


class _Side:
    """A report's cases by name, with the times that others are divided by."""

    def __init__(self, report: AbridgedReport) -> None:
        self.report = report
        self.records = {record.case: record for record in report.records}
        self.notes = {(note.name, note.client_library): note for note in report.strategies}
        self._times: dict[Case, _Times] = {}
        self._references: dict[str, dict[tuple[object, ...], Case]] = {}
        wanted = {FLOOR, *(note.fixes for note in report.strategies if note.fixes)}
        for record in report.records:
            if record.case.strategy in wanted:
                self._references.setdefault(record.case.strategy, {})[_axes(record.case)] = record.case

    def note(self, case: Case) -> StrategyNote | None:
        """What the strategy says of itself."""
        return self.notes.get((case.strategy, case.client_library))

    def times(self, case: Case) -> _Times:
        """The case's own times."""
        found = self._times.get(case)
        if found is None:
            outcome = self.records[case].outcome
            found = _times(outcome.timing) if isinstance(outcome, MeasuredFigures) else _Times(None, None)
            self._times[case] = found
        return found

    def is_without(self, case: Case, reference: str) -> bool:
        """Whether ``reference`` was not measured under this case's axes, or is not to be trusted."""
        return self._reference(case, reference) is None

    def is_apart(self, case: Case, reference: str) -> bool:
        """Whether ``reference`` was measured, but in another run than this case: a merged report holds several."""
        other = self._references.get(reference, {}).get(_axes(case))
        return other is not None and self.records[other].shard != self.records[case].shard

    def _reference(self, case: Case, reference: str | None) -> Case | None:
        other = self._references.get(reference or "", {}).get(_axes(case))
        if other is None or _state(self.records[other]) is not None:
            return None
        return other if self.records[other].shard == self.records[case].shard else None

    def over(self, case: Case, reference: str | None) -> tuple[float | None, float | None]:
        """CPU and wall time over those of ``reference`` under the same axes; ``None`` where there are none."""
        other = self._reference(case, reference)
        if other is None:
            return None, None
        ours, theirs = self.times(case), self.times(other)
        return _quotient(ours.cpu_ns, theirs.cpu_ns), _quotient(ours.wall_ns, theirs.wall_ns)


# All of a case but its strategy.
_axes = attrgetter(*(field for field in Case.__struct_fields__ if field != "strategy"))


def _times(passes: tuple[TimingFigures, ...]) -> _Times:
    return _Times(
        _per_call([(one.calls_count, one.thread_time_ns) for one in passes]),
        _per_call([(one.calls_count, one.wall_ns) for one in passes]),
    )


def _per_call(rounds: list[tuple[int, tuple[int, ...]]]) -> float | None:
    """The median over processes; ``None`` without any, or where a figure is not a time."""
    minima = []
    for calls_count, values_ns in rounds:
        if not values_ns:
            continue
        least_ns = min(values_ns)
        if not (0 < least_ns <= LARGEST_FIGURE and 0 < calls_count <= LARGEST_FIGURE):
            return None
        minima.append(least_ns / calls_count)
    if len(minima) == 1:
        return minima[0]
    return stats.median(minima) if minima else None


def _quotient(value: float | None, reference: float | None) -> float | None:
    if value is None or reference is None:
        return None
    found = stats.ratio(value, reference)
    return found if math.isfinite(found) else None


# --- pairs --------------------------------------------------------------------------------------------------------


def _pairs(base: _Side, head: _Side) -> Iterator[Pair]:
    hindrances = _Hindrances(base.report, head.report)
    for case, ours in base.records.items():
        theirs = head.records.get(case)
        note = base.note(case) or head.note(case)
        subject = _subject(case, note, ours)
        if theirs is None:
            yield _gone(subject, base, head, "The case")
        else:
            whole = _broken(subject, ours, theirs, base.note(case))
            if whole is not None:
                yield whole
                continue
            if hindrances.patches_differ(ours, theirs):
                subject = msgspec.structs.replace(subject, patches_differ=True)
            found = list(_figures(subject, case, note, (base, head), hindrances.of(ours, theirs)))
            yield from found
            broken = _trouble(theirs) or _claim_trouble(theirs, head.note(case))
            if broken is not None and not any(_is_worse_count(one) for one in found):
                yield Pair(subject, None, None, None, None, *broken)
    for case, record in head.records.items():
        if case not in base.records:
            note = head.note(case)
            subject = _subject(case, note, record)
            state, reason = _trouble(record) or (State.NEW, "The case is not in the baseline.")
            if _is_foreseen(record, note):
                state, reason = (
                    State.NEW,
                    f"The case is not in the baseline; it failed as its strategy declares: {reason}",
                )
            yield Pair(subject, None, None, None, None, state, reason)


class _Hindrances:
    """Why the figures of a class cannot be compared; the same for all cases but those with an identity of their own."""

    def __init__(self, base: AbridgedReport, head: AbridgedReport) -> None:
        self._sides = base.environment.identity, head.environment.identity
        self._common = barred(unlike(*self._sides))
        self._known: dict[tuple[tuple[tuple[str, str], ...], ...], Mapping[MetricClass, str]] = {}

    def patches_differ(self, ours: OneRecord, theirs: OneRecord) -> bool:
        """Whether a case ran on two Pythons; of two minor versions no bytes are compared."""
        one, other = self._sides
        return {**one, **ours.identity}.get("python") != {**other, **theirs.identity}.get("python")

    def of(self, ours: OneRecord, theirs: OneRecord) -> Mapping[MetricClass, str]:
        if not ours.identity and not theirs.identity:
            return self._common
        key = tuple(tuple(sorted(record.identity.items())) for record in (ours, theirs))
        found = self._known.get(key)
        if found is None:
            base, head = self._sides
            found = self._known[key] = barred(unlike(base | ours.identity, head | theirs.identity))
        return found


def _gone(subject: Subject, base: _Side, head: _Side, what: str) -> Pair:
    """What only the baseline has: missing, unless a quick run leaves it out by the baseline's own account."""
    if _is_left_out(subject.strategy, base.report, head.report):
        reason = f"A quick run does not measure {subject.strategy}."
        return Pair(subject, None, None, None, None, State.LEFT_OUT, reason)
    return Pair(subject, None, None, None, None, State.MISSING, f"{what} is not in the candidate.")


def _is_left_out(strategy: str, base: AbridgedReport, head: AbridgedReport) -> bool:
    """Whether the candidate lacks ``strategy`` by design.

    It must have been a quick run, and the strategy there, but not run. That a quick run leaves it out is for the
    baseline to say, which a candidate cannot edit: otherwise a case taken out of the quick ones would be one that
    nobody misses.
    """
    return (
        head.run.quick
        and not base.run.quick
        and bool(base.run.in_quick)
        and strategy not in base.run.in_quick
        and strategy in head.run.left_out
    )


def _subject(case: Case, note: StrategyNote | None, record: OneRecord) -> Subject:
    outcome = record.outcome
    memory, counts = (outcome.memory, outcome.counts) if isinstance(outcome, MeasuredFigures) else (None, None)
    return Subject(
        case.key,
        case.strategy,
        contexts_per_call=note is not None and note.contexts == "calls",
        contexts_weigh=memory is None or 2 * memory.ssl.context_bytes >= memory.ssl.total_bytes,
        loads_apart=counts is not None and counts.client.ca_loads_count != counts.client.contexts_count,
        connects_per_call=note is not None and note.handshakes == "calls",
    )


def _trouble(record: OneRecord) -> tuple[State, str] | None:
    """What is wrong with this record."""
    outcome = record.outcome
    if isinstance(outcome, FailedFigures) and outcome.stage == "interrupted":
        return State.FAILED, "The run was interrupted before this case was complete."
    if isinstance(outcome, FailedFigures):
        return State.FAILED, f"Failed in the {outcome.stage} pass: {outcome.message}"
    if outcome.problems:
        return State.INVALID, f"Invalid: {outcome.problems[0].sentence}"
    return None


def _claim_trouble(record: OneRecord, note: StrategyNote | None) -> tuple[State, str] | None:
    """What ``note`` declares and the figures break, where the file itself does not say so."""
    outcome = record.outcome
    sentence = broken_claim(note, outcome.counts) if isinstance(outcome, MeasuredFigures) else ""
    return (State.INVALID, f"Invalid: {sentence}") if sentence else None


def _state(record: OneRecord) -> tuple[State, str] | None:
    """Why nothing of this record may be compared.

    That a strategy makes more than it declares is no reason: client, server and passes agree on how much, and churn
    that came back is just that. It is to be a regression with its figures and its place, not a case without any.
    """
    wrong = _impossible(record)
    if wrong:
        return State.INVALID, f"Invalid: {wrong}"
    return None if _breaks_its_claim_alone(record.outcome) else _trouble(record)


def _impossible(record: OneRecord) -> str:
    """What no run can have measured of this case, whatever the file says of its problems."""
    outcome = record.outcome
    if isinstance(outcome, FailedFigures):
        return ""
    calls_count, memory = record.case.calls_count, outcome.memory
    for name, one in (("counts", outcome.counts), ("memory", memory), ("retained", outcome.retained)):
        if one is not None and one.calls_count != calls_count:
            return f"The {name} pass made {one.calls_count} calls instead of {calls_count}."
    for timing in outcome.timing:
        if timing.calls_count != calls_count:
            return f"The timing pass made {timing.calls_count} calls instead of {calls_count}."
    if any(problem.code != "claim" for problem in outcome.problems):
        return ""  # what a file admits itself is said in its own words
    return next(iter(at_odds(outcome.counts, memory)), "")


def _breaks_its_claim_alone(outcome: MeasuredFigures | FailedFigures) -> bool:
    return isinstance(outcome, MeasuredFigures) and all(problem.code == "claim" for problem in outcome.problems)


def _is_worse_count(pair: Pair) -> bool:
    return (
        pair.state is State.COMPARABLE
        and pair.metric is not None
        and pair.metric.kind is MetricClass.EXACT
        and (pair.candidate or 0) > (pair.baseline or 0)
    )


def _is_foreseen(record: OneRecord, note: StrategyNote | None) -> bool:
    """Whether it failed as ``note`` says that it must: some strategies are there to show what cannot work."""
    outcome = record.outcome
    return (
        note is not None and bool(note.fails) and isinstance(outcome, FailedFigures) and note.fails in outcome.message
    )


def _broken(subject: Subject, ours: OneRecord, theirs: OneRecord, note: StrategyNote | None) -> Pair | None:
    """The row of a case that cannot be compared; ``note`` is the baseline's, so that no candidate excuses itself."""
    now = _state(theirs)
    if now is not None:
        if _is_foreseen(ours, note) and _is_foreseen(theirs, note):
            reason = f"On both sides it failed as its strategy declares: {now[1]}"
            return Pair(subject, None, None, None, None, State.INCOMPARABLE, reason)
        return Pair(subject, None, None, None, None, *now)
    then = _state(ours)
    if then is None:
        return None
    return Pair(subject, None, None, None, None, State.INCOMPARABLE, f"In the baseline: {then[1]}")


def _figures(
    subject: Subject,
    case: Case,
    note: StrategyNote | None,
    sides: tuple[_Side, _Side],
    hindrances: Mapping[MetricClass, str],
) -> Iterator[Pair]:
    base, head = sides
    ours, theirs = base.records[case].outcome, head.records[case].outcome
    assert isinstance(ours, MeasuredFigures)
    assert isinstance(theirs, MeasuredFigures)
    anything = False
    why = hindrances[MetricClass.EXACT]
    if ours.counts is not None or theirs.counts is not None:
        anything = True
        for metric, one, other in zip(_COUNTS, _counts(ours), _counts(theirs), strict=True):
            if one or other or metric is not _SELDOM:
                yield pair(subject, metric, one, other, why)
    why = hindrances[MetricClass.BANDED]
    behind = behind_the_peak(base.report.environment.packages, head.report.environment.packages)
    if ours.memory is not None or theirs.memory is not None:
        anything = True
        for metric, one, other in zip(_MEMORY, _memory(ours), _memory(theirs), strict=True):
            yield pair(subject, metric, one, other, why or (behind if metric is PEAK else ""))
    if ours.retained is not None or theirs.retained is not None:
        anything = True
        if theirs.retained is None and head.report.run.quick and not base.report.run.quick:
            reason = "A quick run has no retained pass."
            yield Pair(subject, _RETAINED, _retained(ours), None, None, State.LEFT_OUT, reason)
        else:
            yield pair(subject, _RETAINED, _retained(ours), _retained(theirs), why)
    if ours.timing or theirs.timing:
        anything = True
        yield from _ratios(subject, case, note, sides, hindrances[MetricClass.NOISY])
    if not anything:
        yield Pair(subject, None, None, None, None, State.INCOMPARABLE, "Nothing was measured on either side.")


def _counts(outcome: MeasuredFigures) -> tuple[int | None, ...]:
    """In the order of :data:`METRICS`: what the client alone can know from the client, the rest from the ledger."""
    counts = outcome.counts
    if counts is None:
        return (None,) * len(_COUNTS)
    client, ledger = counts.client, counts.ledger
    return (
        client.contexts_count,
        client.ca_loads_count,
        ledger.handshakes_full_count + ledger.handshakes_resumed_count,
        ledger.handshakes_full_count,
        ledger.handshakes_failed_count,
        ledger.tcp_accepted_count,
        client.connections_failed_count,
        ledger.requests_count,
    )


def _memory(outcome: MeasuredFigures) -> tuple[int | None, ...]:
    memory = outcome.memory
    if memory is None:
        return (None,) * len(_MEMORY)
    return memory.ssl.context_bytes, memory.ssl.total_bytes, memory.peak_bytes


def _retained(outcome: MeasuredFigures) -> int | None:
    return None if outcome.retained is None else outcome.retained.retained_bytes


_ROLES = ("baseline", "candidate")


def _ratios(
    subject: Subject, case: Case, note: StrategyNote | None, sides: tuple[_Side, _Side], why: str
) -> Iterator[Pair]:
    """Times only as ratios within one run. A side without any timing lacks them; one without a reference cannot say."""
    for reference, metrics in ((FLOOR, _TIMES[:2]), (note.fixes if note else None, _TIMES[2:])):
        if reference is None or reference == case.strategy:
            continue
        found = [side.over(case, reference) for side in sides]
        apart = [role for role, side in zip(_ROLES, sides, strict=True) if side.is_apart(case, reference)]
        for k, metric in enumerate(metrics):
            one, other = found[0][k], found[1][k]
            if apart:
                reason = f"{reference} was measured in another run than this case, in the {' and the '.join(apart)}."
                yield Pair(subject, metric, one, other, None, State.INCOMPARABLE, reason)
                continue
            if one is None and other is None:
                continue
            broken = other is None and sides[1].is_without(case, reference)
            if broken:
                # The reference is a row of its own, missing or failed: once is enough.
                reason = f"{reference} was not measured in the candidate."
                yield Pair(subject, metric, one, None, None, State.INCOMPARABLE, reason)
            else:
                yield pair(subject, metric, one, other, why)


# --- hazard probes ------------------------------------------------------------------------------------------------


def _cell_pairs(base: _Side, head: _Side) -> Iterator[Pair]:
    """Probes that both sides made, then those that only the candidate did.

    Whether a hazard is statistical is for the baseline to say: a candidate cannot take one out of the gate.
    """
    theirs = {cell.key: cell for cell in head.report.safety}
    statistical = [{note.id for note in side.report.hazards if note.statistical} for side in (base, head)]
    for ours in base.report.safety:
        subject = Subject(ours.key, ours.strategy, contexts_per_call=False)
        found = theirs.pop(ours.key, None)
        if found is None:
            yield _gone(subject, base, head, "The hazard probe")
        else:
            yield from _cell_figures(subject, ours, found, is_statistical=ours.hazard in statistical[0])
    for cell in theirs.values():
        subject = Subject(cell.key, cell.strategy, contexts_per_call=False)
        if cell.outcome is HazardOutcome.NOT_PROBED and cell.hazard not in statistical[1]:
            yield Pair(subject, None, None, None, None, State.FAILED, f"Not probed: {cell.symptom}")
            continue
        state, reason = State.NEW, f"Not probed in the baseline; now: {cell.signature}"
        if cell.hazard not in statistical[1] and cell.outcome in _HARMFUL and cell.signature != cell.expected:
            state, reason = State.INVALID, f"{reason}, which its strategy does not declare."
        yield Pair(subject, None, None, None, None, state, reason)


def _cell_figures(subject: Subject, ours: CellFigures, theirs: CellFigures, *, is_statistical: bool) -> Iterator[Pair]:
    outcome, attempts, failed, harmed, errors, observed = _RATES if is_statistical else CELL_METRICS
    unprobed = HazardOutcome.NOT_PROBED
    if theirs.outcome is unprobed and not is_statistical:
        yield Pair(subject, None, None, None, None, State.FAILED, f"Not probed: {theirs.symptom}")
        return
    if unprobed in {ours.outcome, theirs.outcome}:
        side = "baseline" if ours.outcome is unprobed else "candidate"
        yield Pair(subject, None, None, None, None, State.INCOMPARABLE, f"Not probed in the {side}.")
        return
    one, other = OUTCOMES.index(ours.outcome), OUTCOMES.index(theirs.outcome)
    applies = one > 0, other > 0
    state, reason = State.COMPARABLE, ""
    if applies == (False, False):
        state, reason = State.INCOMPARABLE, f"It does not apply: {theirs.symptom}"
    elif applies == (True, False):
        state, reason = State.MISSING, f"It does not apply any more: {theirs.symptom}"
    elif one != other:
        reason = f"{ours.signature} -> {theirs.signature}"
        if applies == (False, True) and theirs.outcome is HazardOutcome.HELD:
            state, reason = State.NEW, "It did not apply in the baseline, and has held."
    yield Pair(subject, outcome, one, other, None, state, reason)
    if one == other and applies[0]:
        yield pair(subject, attempts, ours.attempts_count, theirs.attempts_count)
        for metric, before, after in (
            (failed, ours.failed_count, theirs.failed_count),
            (harmed, ours.harmed_count, theirs.harmed_count),
        ):
            if before or after:
                yield pair(subject, metric, before, after)
        yield from _unlike_signs(subject, errors, observed, ours, theirs)


def _unlike_signs(
    subject: Subject, errors: Metric, observed: Metric, ours: CellFigures, theirs: CellFigures
) -> Iterator[Pair]:
    """Another exception, or another count of the probe's own, where the outcome is the same: a row each."""
    then, now = ({error.partition(":")[0] for error in side.errors} for side in (ours, theirs))
    if then != now:
        reason = f"{ours.signature} -> {theirs.signature}"
        yield Pair(subject, errors, 0, len(then ^ now), None, State.COMPARABLE, reason)
    names = dict.fromkeys((*ours.observed, *theirs.observed))
    changed = [
        f"{name} {ours.observed.get(name, 'absent')} -> {theirs.observed.get(name, 'absent')}"
        for name in names
        if ours.observed.get(name) != theirs.observed.get(name)
    ]
    if changed:
        yield Pair(subject, observed, 0, len(changed), None, State.COMPARABLE, "; ".join(changed))


# --- over time ----------------------------------------------------------------------------------------------------


def figures(report: AbridgedReport) -> Iterator[tuple[Subject, Metric, float]]:
    """Every figure of every case that may be compared, in the report's order.

    Then how many hazard probes have come out how.
    """
    side = _Side(report)
    for case, record in side.records.items():
        outcome = record.outcome
        if isinstance(outcome, FailedFigures) or _state(record) is not None:
            continue
        note = side.note(case)
        subject = _subject(case, note, record)
        values: list[float | None] = [*_counts(outcome), *_memory(outcome), _retained(outcome)]
        for reference in (FLOOR, note.fixes if note else None):
            values += side.over(case, reference) if reference not in {None, case.strategy} else (None, None)
        for metric, value in zip(METRICS, values, strict=True):
            if value is not None and 0 <= value <= LARGEST_FIGURE:
                yield subject, metric, value
    rates = {note.id for note in report.hazards if note.statistical}
    outcomes = [cell.outcome for cell in report.safety if cell.hazard not in rates]
    if outcomes:
        for kind, metric in CELLS.items():
            yield _PROBES, metric, outcomes.count(kind)


_PROBES = Subject("hazard probes", "hazard probes", contexts_per_call=False)


def pair(subject: Subject, metric: Metric, baseline: float | None, candidate: float | None, why: str = "") -> Pair:
    """Two figures beside each other; ``why`` says why they cannot be compared although both are there.

    A negative figure or one above :data:`LARGEST_FIGURE` is invalid. Over a baseline of 0 there is no ratio.
    """
    if baseline is None or candidate is None:
        if baseline is None:
            return Pair(subject, metric, None, candidate, None, State.NEW, "Not measured in the baseline.")
        return Pair(subject, metric, baseline, None, None, State.MISSING, "Not measured in the candidate.")
    if not (0 <= baseline <= LARGEST_FIGURE and 0 <= candidate <= LARGEST_FIGURE):
        side, value = ("candidate", candidate) if 0 <= baseline <= LARGEST_FIGURE else ("baseline", baseline)
        size = "negative" if value < 0 else "larger than any measurement"
        return Pair(subject, metric, None, None, None, State.INVALID, f"The {side}'s figure is {size}.")
    ratio = candidate / baseline if baseline else None
    if why:
        return Pair(subject, metric, baseline, candidate, ratio, State.INCOMPARABLE, why)
    return Pair(subject, metric, baseline, candidate, ratio, State.COMPARABLE)
