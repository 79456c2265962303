"""``--axis NAME=VALUE,...`` in words of the command line -> values of a case."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from bench.axes import AXES, MOST_CALLS_COUNT
from bench.wide.plan import AXIS_NAMES, LIBRARY, PYTHON, WORKLOAD
from bench.workloads import WORKLOADS
from connprof.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.wide.plan import Found

__all__ = ["SHORT_NAMES", "axes_from"]

SHORT_NAMES = {
    "http": "http_version", "rtt": "rtt_ms", "trust": "trust_store", "concurrency": "concurrency_count",
    "calls": "calls_count", "library": LIBRARY,
}  # fmt: skip


def axes_from(texts: Sequence[str], found: Found) -> dict[str, tuple[object, ...]]:
    """What all ``--axis`` options together name; one that is named twice has all of its values.

    Raises:
        UsageError: an axis or a value that there is not.
    """
    axes: dict[str, tuple[object, ...]] = {}
    for text in texts:
        name, equals, values = text.partition("=")
        name = name.strip().replace("-", "_")
        name = SHORT_NAMES.get(name, name)
        if name not in AXIS_NAMES:
            raise UsageError(f"there is no axis {name!r}; there are: {', '.join(AXIS_NAMES)}.")
        wanted = [value.strip() for value in values.split(",") if value.strip()]
        if not equals or not wanted:
            raise UsageError(f"--axis {text!r} names no value; write {name}=VALUE or {name}=VALUE,VALUE.")
        read = [each for value in wanted for each in _values(name, value, found)]
        axes[name] = tuple(dict.fromkeys((*axes.get(name, ()), *read)))
    return axes


def _values(name: str, text: str, found: Found) -> list[Any]:
    if name == "rtt_ms":
        return [_number(name, text.lower().removesuffix("ms"), float)]
    if name in {"calls_count", "concurrency_count"}:
        number = _number(name, text, int)
        if name == "calls_count" and number > MOST_CALLS_COUNT:
            raise UsageError(f"{name} is at most {MOST_CALLS_COUNT:,}, not {text[:20]}.")
        return [number]
    versions = [each for each in found.libraries if each.partition("==")[0] == text]
    if name == LIBRARY and text != "httpx" and versions:
        return list(versions)  # the bare name of another library than the suite's own stands for all of its versions
    known = {
        LIBRARY: ("httpx", *found.libraries),
        PYTHON: (found.own_python, *found.pythons),
        WORKLOAD: tuple(WORKLOADS),
    }.get(name, tuple(map(str, AXES.get(name, ()))))
    if text not in known:
        raise UsageError(f"{name} is one of {', '.join(known)}, not {text!r}.")
    return [text]


def _number(name: str, text: str, kind: type[int | float]) -> float:
    try:
        number = kind(text)
    except ValueError:
        raise UsageError(f"{name} is a number, not {text!r}.") from None
    if not math.isfinite(number):
        raise UsageError(f"{name} is a number, not {text!r}.")
    return number
