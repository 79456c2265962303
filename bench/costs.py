"""What the suite itself costs, against the limits that it sets itself: ``nox -s costs``.

Each figure is taken in whole processes; what is compared is run in pairs, one after the other in an order drawn by
coin, and judged by the median of the pairs' ratios. Not part of the tests: a busy machine must not turn those red.
"""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

from bench import compare_costs
from bench.children import Workers
from bench.surroundings import child_variables
from bench.workloads import ORIGINS
from connprof.cli.exits import ExitCode, guarded
from connprof.store import load_report
from connprof_server import serve

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["costs", "main"]

_PROJECT = Path(__file__).resolve().parent.parent
_LIMIT_S = 300.0


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the result: what was measured, and the limit that it should keep."""

    name: str
    measured: float
    limit: float
    unit: str
    at_least: bool = False

    @property
    def kept(self) -> bool:
        """Whether the limit is kept."""
        return self.measured >= self.limit if self.at_least else self.measured <= self.limit


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--pairs", type=click.IntRange(1, 100), default=5, show_default=True, help="Pairs of each comparison.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Of the order within pairs.")
@click.option("--full", is_flag=True, help="Also time the default run, which takes minutes.")
def costs(pairs: int, seed: int, full: bool) -> int:
    """Measure what the suite costs: its runs, its parent's memory, reading a capture, the server's headroom, comparing.

    Exit code 1 when a limit is not kept. Figures of a busy machine say little: run it on an idle one.
    """
    console = Console(highlight=False)
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="connprof-costs-") as name:
        folder = Path(name)
        console.print("quick run")
        figures += _run_of_the_suite(folder / "quick", ["--quick", "--keep-captures"], "quick run", limit_s=40)
        if full:
            console.print("default run")
            figures += _run_of_the_suite(folder / "default", [], "default run", limit_s=180)
        headroom = load_report(folder / "quick").headroom
        assert headroom is not None, "the quick run measures it"
        figures.append(
            Figure(f"server over fastest strategy ({headroom.fastest_strategy})", headroom.ratio, 3, "x", at_least=True)
        )
        console.print("server against the floor on one long connection")
        figures.append(_headroom_on_one_connection(folder))
        console.print(f"reading a capture, {pairs} pairs")
        figures.append(_reading(folder / "quick" / "captures" / "per-call-async.bin", pairs, random.Random(seed)))
        console.print(f"comparing {compare_costs.CASES_COUNT:,} cases, {pairs} pairs")
        figures += _comparing(folder / "comparing", pairs, random.Random(seed))
    console.print(_table(figures))
    return ExitCode.PASS if all(figure.kept for figure in figures) else ExitCode.NEGATIVE


def _run_of_the_suite(out: Path, arguments: Sequence[str], name: str, *, limit_s: float) -> list[Figure]:
    """Wall time and the parent's own peak memory of one run."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "bench", "--out", str(out), "--seed", "1", *arguments],
        cwd=_PROJECT,
        stdout=subprocess.DEVNULL,
    )
    _pid, _status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    peak_bytes = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return [
        Figure(f"{name}: wall", seconds, limit_s, "s"),
        Figure(f"{name}: peak memory of the parent", peak_bytes / 1e6, 300, "MB"),
    ]


def _headroom_on_one_connection(folder: Path) -> Figure:
    """The worst case for the server: the floor on one connection that is already open, so that nothing else is paid."""
    calls = 400
    with serve(origins=ORIGINS) as server:
        variables, _done = child_variables(server.target)
        workers = Workers(_PROJECT, _LIMIT_S)
        timing = workers.run(
            [
                *(
                    sys.executable,
                    "-m",
                    "pytest",
                    "-c",
                    "bench/pytest.ini",
                    "-p",
                    "pytest_benchmark.plugin",
                    "-s",
                    "-q",
                ),
                *("--connprof-worker", f"--benchmark-json={folder / 'floor.json'}", "bench/test_strategies.py"),
            ],
            {
                "case": {"strategy": "floor", "workload": "single-origin", "calls_count": calls},
                "target": server.target.to_dict(),
                "options": {"rounds_count": 5},
            },
            variables,
        )
        load = workers.run(
            [sys.executable, "-m", "bench.headroom"],
            {"target": server.target.to_dict(), "options": {"seconds": 3.0}},
            variables,
        )
    fastest = max(calls / (wall_ns / 1e9) for wall_ns in timing["wall_ns"])
    return Figure(
        "server over floor, 400 calls on one connection", load["requests_per_s"] / fastest, 3, "x", at_least=True
    )


def _reading(capture: Path, pairs: int, draw: random.Random) -> Figure:
    """Our reading of a capture over ``memray stats`` of the same file, each in a process of its own."""
    code = (
        "import sys; from pathlib import Path; from connprof.memory import read_capture\n"
        "read_capture(Path(sys.argv[1]))"
    )

    def ours() -> float:
        return _seconds([sys.executable, "-c", code, str(capture)])

    def memrays() -> float:
        return _seconds([sys.executable, "-m", "memray", "stats", str(capture)])

    return Figure("reading a capture over memray stats", _median_ratio(ours, memrays, pairs, draw), 1.0, "x")


def _comparing(folder: Path, pairs: int, draw: random.Random) -> list[Figure]:
    """``connprof compare`` of two large reports, with every row printed, beside pytest-benchmark's own comparison.

    Wall time and peak memory are the worst of all runs; the ratio is that of CPU times.
    """
    folder.mkdir()
    base, head = folder / "base.json", folder / "head.json"
    compare_costs.write_ours(base)
    compare_costs.write_ours(head, candidate=True)
    theirs = compare_costs.write_theirs(folder)
    costs = []

    def our_cost() -> float:
        costs.append(compare_costs.compare_ours(base, head, "--all"))
        return costs[-1].cpu_s

    ratio = _median_ratio(our_cost, lambda: compare_costs.compare_theirs(*theirs).cpu_s, pairs, draw)
    name = f"comparing {compare_costs.CASES_COUNT:,} cases"
    return [
        Figure(f"{name}: wall", max(cost.wall_s for cost in costs), 2, "s"),
        Figure(f"{name}: peak memory", max(cost.peak_bytes for cost in costs) / 1e6, 300, "MB"),
        Figure(f"{name} over pytest-benchmark compare", ratio, 1.0, "x"),
    ]


def _median_ratio(first: Callable[[], float], second: Callable[[], float], pairs: int, draw: random.Random) -> float:
    ratios = []
    for _pair in range(pairs):
        if draw.random() < 0.5:  # noqa: PLR2004 - a fair coin
            one, other = first(), second()
        else:
            other, one = second(), first()
        ratios.append(one / other)
    return statistics.median(ratios)


def _seconds(command: Sequence[str]) -> float:
    """CPU time of a process, user and system: less at the mercy of its neighbours than wall time."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _pid, status, usage = os.wait4(process.pid, 0)
    if status:
        raise click.ClickException(f"{' '.join(command[:4])} ended with exit code {os.waitstatus_to_exitcode(status)}")
    return usage.ru_utime + usage.ru_stime


def _table(figures: Sequence[Figure]) -> Table:
    table = Table("figure", "measured", "limit", "kept")
    for figure in figures:
        sign = "at least" if figure.at_least else "at most"
        table.add_row(
            figure.name,
            f"{figure.measured:.2f} {figure.unit}",
            f"{sign} {figure.limit:g} {figure.unit}",
            "yes" if figure.kept else "no",
        )
    return table


def main() -> None:
    """Entry point of ``python -m bench.costs``."""
    sys.exit(guarded(costs))


if __name__ == "__main__":
    main()
