"""The files of pytest-benchmark's processes, joined into one that its own commands can read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pytest_benchmark.stats import Stats

from connprof.store import write_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["merge_benchmark_files"]


def merge_benchmark_files(files: Sequence[Path], merged: Path) -> None:
    """Write ``merged``: one benchmark for each strategy, over the rounds of all its processes.

    Statistics are pytest-benchmark's own, computed anew over all rounds. ``extra_info["processes"]`` keeps what each
    process said. Nothing is written when ``files`` is empty.
    """
    contents = [json.loads(file.read_bytes()) for file in files]
    if not contents:
        merged.unlink(missing_ok=True)
        return
    by_name: dict[str, list[dict[str, Any]]] = {}
    for content in contents:
        for benchmark in content["benchmarks"]:
            by_name.setdefault(benchmark["fullname"], []).append(benchmark)
    whole = contents[0] | {"benchmarks": [_joined(parts) for _name, parts in sorted(by_name.items())]}
    write_atomically(merged, json.dumps(whole, indent=1).encode() + b"\n")


def _joined(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    statistics = Stats()
    for part in parts:
        for seconds in part["stats"]["data"]:
            statistics.update(seconds)
    computed = statistics.as_dict() | {"data": statistics.data, "iterations": 1}
    extra = {"processes": [part["extra_info"] for part in parts]}
    return parts[0] | {"stats": parts[0]["stats"] | computed, "extra_info": extra}
