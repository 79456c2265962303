"""What a duel found: the values of its JSON, schema ``connprof-duel/1``, and the lines that a person reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from connprof.model import Case, Frozen
from connprof.paired import Deal, Looks, PairedTest, deal_of_three, deal_of_two, judge, looks_at, ratio_range

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = [
    "DUEL_SCHEMA", "UNITS", "Answer", "DuelCase", "DuelReport", "DuelSide", "Trio", "Turns", "Unit", "UnitAnswer",
    "answered", "deals", "lines", "paired_test",
]  # fmt: skip

DUEL_SCHEMA = "connprof-duel/1"
"""Name and version of the file format."""

Answer = Literal["regressed", "improved", "unchanged", "unstable", "failed", "missing", "unfinished", "new"]
"""The answer to a case. ``missing`` is gone at the head, ``new`` was not there at the base, and ``unfinished`` is one
for whose answer the duel was interrupted too early."""

Unit = Literal["thread_time_ns", "unhindered_ns"]
UNITS: tuple[Unit, ...] = ("thread_time_ns", "unhindered_ns")
"""What is compared: CPU time, the quieter one, first; and wall time without the wait for a core, which also sees other
waiting."""

_GRAVEST: tuple[Answer, ...] = (
    "failed", "missing", "unstable", "regressed", "unfinished", "improved", "new", "unchanged",
)  # fmt: skip
_WORDS = {"thread_time_ns": "CPU", "unhindered_ns": "wall"}


class Turns(Frozen, frozen=True, kw_only=True):
    """The samples of one process, one of each for each session, in nanoseconds; the k-th are of the k-th round.

    ``delay_ns`` is how long the session was held up because there was no core to run on (:class:`bench.turns.Delay`); 0
    where the system does not tell.
    """

    wall_ns: tuple[int, ...]
    thread_time_ns: tuple[int, ...]
    delay_ns: tuple[int, ...]

    @property
    def unhindered_ns(self) -> tuple[int, ...]:
        """Wall time without the wait for a core.

        Threads that waited at the same moment are counted one by one, so that more may be taken off than was lost, in
        rare turns nearly all: a quarter of the CPU time is always left. That is noise, and hits all sides alike.
        """
        return tuple(
            max(1, cpu_ns // 4, wall_ns - delay_ns)
            for wall_ns, cpu_ns, delay_ns in zip(self.wall_ns, self.thread_time_ns, self.delay_ns, strict=True)
        )


class Trio(Frozen, frozen=True, kw_only=True):
    """Three processes that took turns."""

    base: Turns
    twin: Turns
    head: Turns


class UnitAnswer(Frozen, frozen=True, kw_only=True):
    """The answer in one unit: head against base, and base against base (``twin``) beside it.

    ``ratio`` is the middle over all trios of head over the geometric mean of both bases, between ``low`` and ``high``
    with the ``confidence`` of a bootstrap that starts from ``seed``.
    """

    unit: Unit
    answer: Answer
    head: Looks
    twin: Looks
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

    A case has at most ``trios_count`` trios, of which ``first_count`` are the first look. ``error`` is shared by
    ``tests_count`` tests; ``asking`` is the p that a look needs by itself. ``interrupted`` is a sentence when the duel
    did not come to its own end.
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
    trios_count: int
    first_count: int
    rtt_ms: float
    budget_s: float
    tests_count: int
    error: float
    asking: float
    least_ratio: float
    cases: tuple[DuelCase, ...]
    interrupted: str | None = None


def deals(trios: Sequence[Trio], unit: Unit) -> tuple[list[Deal], list[Deal]]:
    """What the roles were dealt in each trio: head against both bases, and twin against base."""
    heads, twins = [], []
    for trio in trios:
        base, twin, head = (getattr(side, unit) for side in (trio.base, trio.twin, trio.head))
        heads.append(deal_of_three(head, base, twin))
        twins.append(deal_of_two(twin, base))
    return heads, twins


def paired_test(trios: Sequence[Trio], unit: Unit, *, first_count: int) -> PairedTest:
    """The looks that ``trios`` are."""
    heads, twins = deals(trios, unit)
    return PairedTest(head=looks_at(heads, first_count), twin=looks_at(twins, first_count))


def answered(
    sampled: Mapping[Case, tuple[Sequence[Trio], float]], *, first_count: int, tests_count: int, seed: int
) -> tuple[DuelCase, ...]:
    """The cases that were sampled (trios, seconds), judged together as some of ``tests_count`` tests."""
    tests = {
        f"{case.key} {unit}": paired_test(trios, unit, first_count=first_count)
        for case, (trios, _seconds) in sampled.items()
        for unit in UNITS
    }
    changes = judge(tests, tests_count=tests_count)
    cases = []
    for case, (trios, seconds) in sampled.items():
        units = []
        for unit in UNITS:
            name = f"{case.key} {unit}"
            found = ratio_range(deals(trios, unit)[0], seed=seed)
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
    if report.interrupted:
        yield report.interrupted
    yield (
        f"{report.first_count} trios, and {report.trios_count - report.first_count} more where they find something; "
        f"{report.tests_count} tests share an error of {report.error:.1%}, ratios up to {report.least_ratio:g} count "
        f"for nothing; seed {report.seed}"
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


def _looks(looks: Looks) -> str:
    taken = [look for look in (looks.first, looks.second) if look is not None]
    return " and ".join(f"{look.worse_count} of {look.trios_count}" for look in taken)


def _ratios(looks: Looks) -> str:
    return f"{(looks.both or looks.first).ratio:.3f}"
