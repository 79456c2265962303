"""What a wide run measures: one axis varied at a time around the default case. Pure functions."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import msgspec

from bench.axes import AXES, AxisError, axes_of
from bench.libraries import PER_CALL, SHARED
from bench.matrix import DEFAULT, Job
from bench.workloads import WORKLOADS
from connprof.errors import UsageError
from connprof.model import Case

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from bench.matrix import Pass

__all__ = [
    "AXIS_NAMES",
    "DEFAULT_GROUP",
    "Asked",
    "Found",
    "Planned",
    "Probe",
    "jobs_of",
    "plan",
    "probes",
    "seconds_of",
]

LIBRARY, PYTHON, WORKLOAD, CALLS = "client_library", "python", "workload", "calls_count"
AXIS_NAMES = (*AXES, WORKLOAD, LIBRARY, PYTHON)
"""Fields of :class:`connprof.model.Case` that are axes."""

DEFAULT_GROUP = "default case"
_DEFAULTS: dict[str, Any] = {
    each.name: each.default for each in msgspec.structs.fields(Case) if not each.required
} | {WORKLOAD: "llm-session", CALLS: 40}  # fmt: skip
_FULL: tuple[Pass, ...] = ("counts", "memory", "timing")
_NO_BYTES: tuple[Pass, ...] = ("counts", "timing")
_PRICE = ("per-call-async", "per-call-shared-context", "one-client")
_TUNED = ("tuned-per-call", "tuned-client")
_MOST_CALLS_UNDER_MEMRAY = 100
# What a library's strategies follow beside the library itself: the rest is written into clients of httpx.
_OF_ANY_LIBRARY = {LIBRARY, PYTHON, WORKLOAD, CALLS, "rtt_ms", "concurrency_count"}
_QUICK = ("per-call-async", "per-call-shared-context", "client-per-helper")
_QUICK_HAZARDS = {"H1", "H1b", "H16"}
# httpx2 went on where httpx stopped: hazards that it is said to have mended, on strategies that meet them.
_FORK = "httpx2==2.16.2"
_MENDED_BY_FORK = {"H1c", "H11", "H12c"}
_PROBED_ON_FORK = {"module-client", "one-client", "lazy-service", "shared-transport"}
_QUICK_PROBED = ("per-call-async", "one-client", "lazy-service")


@dataclass(frozen=True, slots=True)
class _Axis:
    """How an axis is varied where nobody says otherwise.

    Attributes:
        values: the values, the default among them or not; nothing for those of :data:`bench.axes.AXES`.
        strategies: a small set that shows what the axis changes.
        passes: what can change along it: the round trip and the rhythm change no bytes.
        timing_count: timing processes for each case.
        around: what other axes have to be for this one to have a meaning.
    """

    strategies: tuple[str, ...]
    values: tuple[object, ...] = ()
    passes: tuple[Pass, ...] = _FULL
    timing_count: int = 2
    around: Mapping[str, object] = field(default_factory=dict)


_AXES = {
    "http_version": _Axis(_TUNED),
    "rtt_ms": _Axis(_PRICE, passes=_NO_BYTES, timing_count=1),
    "trust_store": _Axis(_TUNED),
    "concurrency_count": _Axis(_PRICE, around={WORKLOAD: "burst", CALLS: 100}),
    "limits": _Axis(("tuned-client",), passes=_NO_BYTES, around={WORKLOAD: "burst", "concurrency_count": 10}),
    CALLS: _Axis(("per-call-async", "per-call-shared-context", "client-per-helper"), timing_count=1),
    WORKLOAD: _Axis(
        ("per-call-shared-context", "tuned-client"), ("gaps-short", "gaps-long"), passes=_NO_BYTES, timing_count=1
    ),
    LIBRARY: _Axis((PER_CALL, SHARED)),
    PYTHON: _Axis(("per-call-async", "client-per-helper")),
}


@dataclass(frozen=True, slots=True)
class Found:
    """What there is to choose from.

    Attributes:
        strategies: the suite's own, by name.
        libraries: client libraries with their versions, as a case names them.
        pythons: interpreters that were found beside the suite's own, ``3.13``.
        own_python: the suite's own, ``3.11``.
        hazards: ids.
    """

    strategies: tuple[str, ...]
    libraries: tuple[str, ...]
    pythons: tuple[str, ...]
    own_python: str
    hazards: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a user asked for.

    Attributes:
        axes: axis -> the values that were named for it; empty for one axis at a time.
        only: strategies; empty for all that fit.
        hazards: whether to probe; ``None`` where nothing was said: only a run without ``axes`` does then.
        quick: a small cross-section.
    """

    axes: Mapping[str, tuple[object, ...]] = field(default_factory=dict)
    only: tuple[str, ...] = ()
    hazards: bool | None = None
    quick: bool = False


@dataclass(frozen=True, slots=True)
class Planned:
    """A case to be measured.

    Attributes:
        case: which.
        group: the axis that it is varied along, or :data:`DEFAULT_GROUP`.
        passes: in which passes.
        timing_count: timing processes.
    """

    case: Case
    group: str
    passes: tuple[Pass, ...]
    timing_count: int

    @property
    def jobs(self) -> tuple[Job, ...]:
        """All of its processes."""
        name, calls = self.case.strategy, self.case.calls_count
        beside = [Job(name, kind, calls) for kind in self.passes if kind != "timing"]
        alone = [Job(name, "timing", calls, number) for number in range(self.timing_count)]
        return (*beside, *(alone if "timing" in self.passes else ()))


Pair: TypeAlias = tuple[Planned, Job]


def plan(asked: Asked, found: Found) -> tuple[Planned, ...]:
    """All cases of a run, each once, grouped by axis.

    Raises:
        UsageError: what was asked for is not there, does not fit together, or comes to nothing.
    """
    unknown = [name for name in asked.only if name not in {*found.strategies, PER_CALL, SHARED}]
    if unknown:
        known = ", ".join((*found.strategies, PER_CALL, SHARED))
        raise UsageError(f"there is no strategy {unknown[0]!r}; there are: {known}.")
    if asked.axes:
        wanted = list(_crossed(asked, found))
    else:
        wanted = list(_quick(found) if asked.quick else _one_at_a_time(found))
        if asked.only:
            wanted = [each for each in wanted if each.case.strategy in asked.only]
    merged: dict[str, Planned] = {}
    for each in wanted:
        merged[each.case.key] = _both(merged[each.case.key], each) if each.case.key in merged else each
    if not merged:
        raise UsageError("that comes to no case: none of these strategies is measured along these axes.")
    return tuple(merged.values())


class Probe(NamedTuple):
    """A hazard cell to be filled."""

    strategy: str
    hazard: str
    client_library: str = "httpx"


def probes(asked: Asked, found: Found) -> tuple[Probe, ...]:
    """The hazard cells that a run fills."""
    if not (not asked.axes if asked.hazards is None else asked.hazards):
        return ()
    if asked.quick and not asked.only:
        hazards = [hazard for hazard in found.hazards if hazard in _QUICK_HAZARDS]
        return tuple(Probe(strategy, hazard) for hazard in hazards for strategy in _QUICK_PROBED)
    strategies = [name for name in in_order(found.strategies) if not asked.only or name in asked.only]
    mended = [
        Probe(strategy, hazard, library)
        for library in found.libraries if library == _FORK
        for hazard in found.hazards if hazard in _MENDED_BY_FORK
        for strategy in strategies if strategy in _PROBED_ON_FORK
    ]  # fmt: skip
    return (*(Probe(strategy, hazard) for hazard in found.hazards for strategy in strategies), *mended)


def in_order(names: Iterable[str]) -> list[str]:
    """Strategies as a report shows them: the main job's first, then the others by name."""
    places = {name: place for place, name in enumerate(DEFAULT)}
    return sorted(names, key=lambda name: (places.get(name, len(places)), name))


def jobs_of(
    cases: Sequence[Planned], seed: int
) -> Iterator[tuple[list[tuple[Planned, Job]], list[tuple[Planned, Job]]]]:
    """For each group its jobs that may run beside each other, and then those that run alone, in a drawn order.

    Timing follows in repetitions, each of which runs all cases of the group once in a new order, so that a slow minute
    hits all of them alike.
    """
    draw = random.Random(seed)
    for group in dict.fromkeys(each.group for each in cases):
        jobs = [(each, job) for each in cases if each.group == group for job in each.jobs]
        beside = [pair for pair in jobs if pair[1].kind != "timing"]
        alone: list[tuple[Planned, Job]] = []
        for repetition in sorted({job.repetition for _each, job in jobs if job.kind == "timing"}):
            once = [pair for pair in jobs if pair[1].kind == "timing" and pair[1].repetition == repetition]
            alone += draw.sample(once, k=len(once))
        yield draw.sample(beside, k=len(beside)), alone


def seconds_of(each: Planned, job: Job) -> float:
    """About how long a job takes, in seconds, for ``--list``: CPU time on a machine of 2026, and the modelled waits."""
    name, calls = each.case.strategy, job.calls_count
    per_call = "per-call" in name
    waits = calls * each.case.rtt_ms / 1000 * (3 if per_call else 1.2)
    if per_call and "shared" not in name:  # a context for each call is most of the work
        work = {"counts": 0.4 + calls * 0.045, "memory": 0.6 + calls * 0.2, "timing": 0.4 + calls * 0.05}
    else:
        work = {"counts": 0.5 + calls * 0.005, "memory": 0.8 + calls * 0.008, "timing": 0.5 + calls * 0.008}
    return work.get(job.kind, work["memory"]) + waits


# --- one axis at a time ---------------------------------------------------------------------------------------


def _one_at_a_time(found: Found) -> Iterator[Planned]:
    for name in in_order(found.strategies):
        if name not in _TUNED:  # without an axis they are per-call-async and one-client
            yield Planned(_case(name, {}), DEFAULT_GROUP, _FULL, 2)
    for name, axis in _AXES.items():
        values = {LIBRARY: found.libraries, PYTHON: found.pythons}.get(name, axis.values or AXES.get(name, ()))
        for value in values:
            chosen = {**axis.around, name: value}
            if name == WORKLOAD:
                chosen[CALLS] = WORKLOADS[str(value)].default_calls_count
            for strategy in axis.strategies:
                if strategy in found.strategies or name == LIBRARY:
                    yield _planned(strategy, chosen, name, axis)


def _quick(found: Found) -> Iterator[Planned]:
    for name in _QUICK:
        yield Planned(_case(name, {}), DEFAULT_GROUP, _FULL, 1)
    for group, strategy, chosen in (
        ("http_version", "tuned-client", {"http_version": "2", CALLS: 10}),
        ("rtt_ms", "one-client", {"rtt_ms": 20.0, CALLS: 10}),
        ("trust_store", "tuned-client", {"trust_store": "none", CALLS: 10}),
    ):
        if strategy in found.strategies:
            yield Planned(_case(strategy, chosen), group, _NO_BYTES, 1)
    for strategy in (PER_CALL, SHARED):  # the one library that needs no environment
        yield Planned(_case(strategy, {LIBRARY: "http.client", CALLS: 10}), LIBRARY, _NO_BYTES, 1)


def _planned(strategy: str, chosen: Mapping[str, Any], group: str, axis: _Axis) -> Planned:
    case = _case(strategy, chosen)
    passes = axis.passes
    if case.calls_count > _MOST_CALLS_UNDER_MEMRAY:  # a capture of 400 calls takes minutes and a gigabyte
        passes = tuple(kind for kind in passes if kind != "memory")
    return Planned(case, group, passes, axis.timing_count)


def _case(strategy: str, chosen: Mapping[str, Any]) -> Case:
    try:
        case = Case(**{"strategy": strategy, **_DEFAULTS, **chosen})
        axes_of(case)
    except AxisError as error:
        raise UsageError(f"{error}.") from None
    return case


def _both(one: Planned, other: Planned) -> Planned:
    """A case that is met on two axes is measured once, in the passes of both, with the first."""
    passes = tuple(kind for kind in _FULL if kind in {*one.passes, *other.passes})
    return Planned(one.case, one.group, passes, max(one.timing_count, other.timing_count))


# --- axes by name ---------------------------------------------------------------------------------------------


def _crossed(asked: Asked, found: Found) -> Iterator[Planned]:
    """Every combination of the values that were named."""
    names = list(asked.axes)
    group = ", ".join(names)
    for values in product(*asked.axes.values()):
        chosen = dict(zip(names, values, strict=True))
        if chosen.get(PYTHON) == found.own_python:
            del chosen[PYTHON]
        if WORKLOAD in chosen and CALLS not in chosen:
            chosen[CALLS] = WORKLOADS[str(chosen[WORKLOAD])].default_calls_count
        for strategy in _fitting(chosen, asked, found):
            yield _planned(strategy, chosen, group, _Axis(()))


def _fitting(chosen: Mapping[str, object], asked: Asked, found: Found) -> tuple[str, ...]:
    """Strategies that can follow a case: those asked for, or else those that show what its axes change."""
    if chosen.get(LIBRARY, _DEFAULTS[LIBRARY]) != _DEFAULTS[LIBRARY]:
        strange = [name for name, value in chosen.items() if name not in _OF_ANY_LIBRARY and value != _DEFAULTS[name]]
        if strange:
            raise UsageError(f"{strange[0]} is written into clients of httpx, so it cannot be combined with a library.")
        return tuple(name for name in (PER_CALL, SHARED) if not asked.only or name in asked.only)
    if asked.only:
        return tuple(name for name in asked.only if name in found.strategies)
    known = [name for name in chosen if name != LIBRARY]
    sets = [set(_AXES[name].strategies) for name in known] or [set(_PRICE)]
    together = set.intersection(*sets) or (set(_TUNED) if any(each & set(_TUNED) for each in sets) else set(_PRICE))
    return tuple(in_order(together & set(found.strategies)))
