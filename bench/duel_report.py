"""What a duel found: the values of its JSON, schema ``connprof-duel/1``, and the lines that a person reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from connprof.model import Case, Frozen
from connprof.paired import Look, PairedTest, judge, look_at, ratio_range

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = [
    "DUEL_SCHEMA", "UNITS", "Answer", "DuelCase", "DuelReport", "DuelSide", "Trio", "Turns", "Unit", "UnitAnswer",
    "answered", "lines", "paired_test",
]  # fmt: skip

DUEL_SCHEMA = "connprof-duel/1"
"""Name and version of the file format."""

Answer = Literal["regressed", "improved", "unchanged", "unstable", "failed", "missing", "new"]
"""The answer to a case. ``missing`` is gone at the head, ``new`` was not there at the base."""

Unit = Literal["thread_time_ns", "wall_ns"]
UNITS: tuple[Unit, ...] = ("thread_time_ns", "wall_ns")
"""What is compared: CPU time, the quieter one, first; and wall time, which also sees waiting."""

_GRAVEST: tuple[Answer, ...] = ("failed", "missing", "unstable", "regressed", "improved", "new", "unchanged")
_WORDS = {"thread_time_ns": "CPU", "wall_ns": "wall"}


class Turns(Frozen, frozen=True, kw_only=True):
    """The samples of one process, one of each for each session, in nanoseconds."""

    wall_ns: tuple[int, ...]
    thread_time_ns: tuple[int, ...]


class Trio(Frozen, frozen=True, kw_only=True):
    """Three processes that took turns; ``look`` is 1 or 2."""

    look: int
    base: Turns
    twin: Turns
    head: Turns


class UnitAnswer(Frozen, frozen=True, kw_only=True):
    """The answer in one unit: head against base, and base against base (``twin``) beside it.

    ``ratio`` is the median over all pairs of both looks of head / base, between ``low`` and ``high`` with the
    ``confidence`` of a bootstrap that starts from ``seed``.
    """

    unit: Unit
    answer: Answer
    head: tuple[Look, ...]
    twin: tuple[Look, ...]
    ratio: float
    low: float
    high: float
    confidence: float
    seed: int


class DuelCase(Frozen, frozen=True, kw_only=True):
    """One case. ``sentence`` says why there is no comparison, else it is ``None``."""

    case: Case
    answer: Answer
    sentence: str | None = None
    sampling_s: float = 0.0
    units: tuple[UnitAnswer, ...] = ()
    trios: tuple[Trio, ...] = ()


class DuelSide(Frozen, frozen=True, kw_only=True):
    """One side: a commit under the name that was given, and what was installed for it."""

    ref: str
    commit: str
    packages: tuple[str, ...]
    environment_key: str


class DuelReport(Frozen, frozen=True, kw_only=True):
    """One duel, with every sample.

    ``pairs_needed_count`` is how many pairs of a look must agree when there are ``tests_count`` tests: in Holm's first
    step, the strictest.
    """

    schema: str
    command: str
    seed: int
    started_at: str
    duration_s: float
    connprof_version: str
    dirty: bool
    context: dict[str, str]
    base: DuelSide
    head: DuelSide
    pairs_count: int
    pairs_needed_count: int
    tests_count: int
    error: float
    least_ratio: float
    cases: tuple[DuelCase, ...]


def paired_test(trios: Sequence[Trio], unit: Unit) -> PairedTest:
    """The looks that ``trios`` are; each process counts with the smallest of its samples."""

    def smallest(side: str, look: int) -> list[int]:
        return [min(getattr(getattr(trio, side), unit)) for trio in trios if trio.look == look]

    looks = sorted({trio.look for trio in trios})
    return PairedTest(
        head=tuple(look_at(smallest("head", look), smallest("base", look)) for look in looks),
        twin=tuple(look_at(smallest("twin", look), smallest("base", look)) for look in looks),
    )


def answered(sampled: Mapping[Case, tuple[Sequence[Trio], float]], *, seed: int) -> tuple[DuelCase, ...]:
    """The cases that were sampled (trios, seconds), judged together."""
    tests = {
        f"{case.key} {unit}": paired_test(trios, unit) for case, (trios, _seconds) in sampled.items() for unit in UNITS
    }
    changes = judge(tests)
    cases = []
    for case, (trios, seconds) in sampled.items():
        units = []
        for unit in UNITS:
            name = f"{case.key} {unit}"
            found = ratio_range(
                [min(getattr(trio.head, unit)) for trio in trios],
                [min(getattr(trio.base, unit)) for trio in trios],
                seed=seed,
            )
            units.append(
                UnitAnswer(
                    unit=unit,
                    answer=changes[name].value,
                    head=tests[name].head,
                    twin=tests[name].twin,
                    ratio=found.ratio,
                    low=found.low,
                    high=found.high,
                    confidence=found.confidence,
                    seed=seed,
                )
            )
        gravest = min((unit.answer for unit in units), key=_GRAVEST.index)
        cases.append(
            DuelCase(case=case, answer=gravest, sampling_s=round(seconds, 1), units=tuple(units), trios=tuple(trios))
        )
    return tuple(cases)


# --- for a person ---------------------------------------------------------------------------------------------


def lines(report: DuelReport) -> Iterator[str]:
    """The report as plain lines, gravest case first."""
    base, head = report.base, report.head
    yield f"base  {_side(base, head)}"
    yield f"head  {_side(head, base)}"
    if report.dirty:
        yield "The checkout has changes that are in no commit; they are on neither side."
    yield (
        f"{report.pairs_count} pairs a look, of which {report.pairs_needed_count} must agree, twice, with a median "
        f"ratio beyond {report.least_ratio:g}; seed {report.seed}"
    )
    for found in sorted(report.cases, key=lambda each: _GRAVEST.index(each.answer)):
        yield ""
        yield f"{found.answer:10} {found.case.key}" + (f": {found.sentence}" if found.sentence else "")
        for unit in found.units:
            yield (
                f"  {_WORDS[unit.unit]:5}head/base {unit.ratio:.3f} ({unit.low:.3f} to {unit.high:.3f}), "
                f"worse in {_looks(unit.head)}; base/base {_ratios(unit.twin)}, {_looks(unit.twin)}: {unit.answer}"
            )
        if found.units:
            yield f"  {found.sampling_s:.0f} s of sampling"


def _side(side: DuelSide, other: DuelSide) -> str:
    text = f"{side.ref} ({side.commit[:12]})"
    return text + (f" with {', '.join(side.packages)}" if side.packages != other.packages else "")


def _looks(looks: Sequence[Look]) -> str:
    return " and ".join(f"{look.worse_count} of {look.pairs_count}" for look in looks)


def _ratios(looks: Sequence[Look]) -> str:
    return " and ".join(f"{look.ratio:.3f}" for look in looks)
