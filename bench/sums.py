"""Adds up what a session's processes measured, each for itself. Standard library only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from connprof.memory import FunctionFigures

__all__ = ["clients", "functions", "sites"]


def clients(counts: Iterable[dict[str, int | None]]) -> dict[str, int | None]:
    """The sums of equal fields: of what is known, where some know it; what nobody knows stays unknown."""
    sums: dict[str, int | None] = {}
    for each in counts:
        for name, amount in each.items():
            before = sums.get(name)
            sums[name] = before if amount is None else (before or 0) + amount
    return sums


def sites(every: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same line in several processes is one line; the costliest first."""
    by_site: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for each in every:
        by_site.setdefault(tuple(each["site"].values()), []).append(each)
    merged = [
        {"site": same[0]["site"], "counts": clients(each["counts"] for each in same)} for same in by_site.values()
    ]
    return sorted(merged, key=_cost, reverse=True)


def functions(rows: Iterable[FunctionFigures]) -> list[dict[str, Any]]:
    """The same function in several processes is one function; most bytes first."""
    merged: dict[str, dict[str, Any]] = {}
    for row in rows:
        sums = merged.setdefault(
            row.function,
            {"function": row.function, "category": row.category, "cumulative_bytes": 0, "allocations_count": 0},
        )
        sums["cumulative_bytes"] += row.cumulative_bytes
        sums["allocations_count"] += row.allocations_count
    return sorted(merged.values(), key=lambda sums: (-sums["cumulative_bytes"], sums["function"]))


def _cost(site: dict[str, Any]) -> tuple[int, ...]:
    """What to sort lines by, as the observer does."""
    counts = site["counts"]
    return (
        counts["contexts_count"] + counts["ca_loads_count"],
        counts["handshakes_full_count"] + counts["handshakes_resumed_count"] + counts["handshakes_failed_count"],
        counts["connections_count"] + counts["connections_failed_count"],
        counts["requests_count"] or 0,
    )
