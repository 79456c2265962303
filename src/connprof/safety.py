"""What a safety cell amounts to: pure functions on :class:`~connprof.model.SafetyCell`.

Nothing here knows a strategy or a hazard by name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from connprof import stats
from connprof.model import HazardOutcome

if TYPE_CHECKING:
    from collections.abc import Iterable

    from connprof.model import HazardNote, SafetyCell

__all__ = ["KNOWN", "UNHARMED", "WEIGHTS", "Rate", "hazard_order", "rate", "unlike_declared", "weight"]

UNHARMED = frozenset({HazardOutcome.HELD, HazardOutcome.DOES_NOT_APPLY})
"""The outcomes of a strategy that a hazard spares."""

KNOWN = frozenset(HazardOutcome) - {HazardOutcome.NOT_PROBED}
"""The outcomes that say something about the strategy."""

WEIGHTS = {HazardOutcome.BROKE: 1, HazardOutcome.HUNG: 2, HazardOutcome.HARM: 3}
"""How much an outcome counts against a strategy.

An exception is seen and can be dealt with; a hang has to be found; silent harm is found by others. The figures only
order strategies and are a judgement: every place that uses them says so.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How often a statistical probe hit, with Wilson's 95 % interval for the rate behind it."""

    hits_count: int
    trials_count: int
    low: float
    high: float


def rate(cell: SafetyCell) -> Rate | None:
    """The rate of a cell's failures, or of its silent harm where that is its outcome; ``None`` without any attempt."""
    if cell.outcome not in KNOWN or cell.outcome is HazardOutcome.DOES_NOT_APPLY or cell.attempts_count < 1:
        return None
    hits = cell.harmed_count if cell.outcome is HazardOutcome.HARM else cell.failed_count
    if not 0 <= hits <= cell.attempts_count:
        return None
    low, high = stats.wilson(hits, cell.attempts_count)
    return Rate(hits_count=hits, trials_count=cell.attempts_count, low=low, high=high)


def unlike_declared(cell: SafetyCell, note: HazardNote | None) -> bool:
    """Whether a cell came out otherwise than its strategy declares.

    Where nothing is declared, the strategy is expected to be spared. A statistical hazard has no signature that comes
    out the same every time, and a probe that did not work says nothing of the strategy: neither is ever unlike.
    """
    if cell.outcome not in KNOWN or (note is not None and note.statistical):
        return False
    if cell.expected is None:
        return cell.outcome not in UNHARMED
    return cell.signature != cell.expected


def weight(cells: Iterable[SafetyCell]) -> int:
    """What all of these cells together count against their strategy."""
    return sum(WEIGHTS.get(cell.outcome, 0) for cell in cells)


def hazard_order(hazard: str) -> tuple[int, str]:
    """Sorts ``H1``, ``H1b``, ``H2``, ``H10`` as people count."""
    found = re.match(r"[A-Za-z]*(\d+)", hazard)
    return (int(found[1]) if found else 0, hazard)
