"""On which axes the cases of one report differ: pure functions on :class:`~connprof.model.Case`."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from connprof.model import Case

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["AXES", "base_values", "varied"]

AXES = tuple(field.name for field in msgspec.structs.fields(Case) if field.name != "strategy")
"""Every field of a case but its strategy, in their order."""

_DEFAULTS = {field.name: field.default for field in msgspec.structs.fields(Case) if not field.required}


def base_values(cases: Iterable[Case], *, calls_count: int) -> dict[str, object]:
    """For each axis the value from which the other cases depart.

    It is the axis's default where any case has that, for calls ``calls_count`` where any case makes so many, and else
    the value that most cases have.
    """
    every = list(cases)
    wanted = _DEFAULTS | {"calls_count": calls_count}
    base: dict[str, object] = {}
    for axis in AXES:
        tally = Counter(getattr(case, axis) for case in every)
        if axis in wanted and (wanted[axis] in tally or not tally):
            base[axis] = wanted[axis]
        elif tally:
            base[axis] = max(sorted(tally, key=str), key=lambda value: tally[value])
    return base


def varied(case: Case, base: dict[str, object]) -> tuple[str, ...]:
    """The axes on which ``case`` departs from ``base``.

    Another workload brings its own number of calls: that alone is no second axis.
    """
    found = [axis for axis in AXES if axis in base and getattr(case, axis) != base[axis]]
    if "workload" in found and "calls_count" in found:
        found.remove("calls_count")
    return tuple(found)
