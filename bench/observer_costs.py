"""What observing a program costs, beside other tools on the same work: ``nox -s overhead``.

Each work runs with each tool in a process of its own, against the real TLS server. There, blocks of requests with the
tool off, on, and off again take turns in an order drawn anew for each round. A round's ratio is the time of *on* over
the geometric mean of both *off*; the same off over off is the *identical pair*, which says what the method sees where
there is nothing to see. Of each, the median over rounds is shown with its 95 % interval from order statistics.

The observer, cProfile and memray run under the suite's own interpreter; OpenTelemetry's instrumentation of httpx in an
environment of its own, with the same versions of httpx and below. Not part of the tests: a busy machine must not turn
those red.
"""

from __future__ import annotations

import json
import math
import platform
import ssl
import sys
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from bench.children import JobFailed, Workers
from bench.environments import Requirements, environment
from bench.observer_instructions import Instructions, counted
from bench.observer_work import TOOLS, WORKS
from bench.provenance import commit
from bench.surroundings import child_variables, cpu_model
from bench.wide.sources import installed
from connprof.cli.exits import ExitCode, guarded
from connprof.errors import RunError
from connprof.stats import Middle, median, middle
from connprof_server import ServerError, json_size_bytes, serve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connprof_server.target import Target

__all__ = ["Cost", "main", "overhead"]

_PROJECT = Path(__file__).resolve().parent.parent
_PATH = "/api/1/datasets/?q=velo"
_LIMIT_S = 900.0
_FEWEST_ROUNDS_COUNT = 6  # below that no two of the values hold the median in 95 %
_ROUNDS_OF_OTHERS = 10
"""A tenth of the rounds is enough for the others: they are beside the observer, not held against a limit."""
_KEEP_ALIVE_S = 60.0
_FILE_WIDTH = 200
"""Where no terminal says how much there is room for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one tool costs on one work.

    Attributes:
        work: which requests.
        tool: what was switched on.
        ratio: CPU time with it over CPU time without it.
        identical: the same of two blocks without it.
        added_us_per_request: the median of what it adds to a request, in microseconds of CPU time.
        request_us: CPU time of a request without it.
        rounds_count: how many rounds that is from.
        by_process: the median ratio in each of the processes that the rounds were in, lowest first.
        limit: the most that ``ratio`` may be; only the observer has one.
    """

    work: str
    tool: str
    ratio: Middle
    identical: Middle
    added_us_per_request: float
    request_us: float
    rounds_count: int
    by_process: tuple[float, ...]
    limit: float | None = None

    @property
    def kept(self) -> bool:
        """Whether the limit is kept, by the median."""
        return self.limit is None or self.ratio.median <= self.limit


def cost_of(work: str, tool: str, outcomes: Sequence[dict[str, Any]]) -> Cost:
    """What the workers measured, one or more, as figures."""
    processes = [list(zip(each["off_ns"], each["on_ns"], each["again_ns"], strict=True)) for each in outcomes]
    rounds = [each for process in processes for each in process]
    each = outcomes[0]["requests_count"] * 1e3
    return Cost(
        work=work,
        tool=tool,
        ratio=middle(_ratios(rounds)),
        identical=middle([other / one for one, _with_it, other in rounds]),
        added_us_per_request=median([(with_it - (one + other) / 2) / each for one, with_it, other in rounds]),
        request_us=median([time_ns for one, _with_it, other in rounds for time_ns in (one, other)]) / each,
        rounds_count=len(rounds),
        by_process=tuple(sorted(median(_ratios(process)) for process in processes)),
        limit=WORKS[work].limit if tool == "observer" else None,
    )


def _ratios(rounds: Sequence[tuple[int, int, int]]) -> list[float]:
    return [with_it / math.sqrt(one * other) for one, with_it, other in rounds]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--work", "works", type=click.Choice(list(WORKS)), multiple=True, help="Only this; may be repeated.")
@click.option("--tool", "tools", type=click.Choice(list(TOOLS)), multiple=True, help="Only this; may be repeated.")
@click.option(
    "--rounds",
    "rounds_count",
    type=click.IntRange(_FEWEST_ROUNDS_COUNT, 100_000),
    default=100,
    show_default=True,
    help="Rounds with the observer; a tenth of them with other tools.",
)
@click.option(
    "--processes",
    "processes_count",
    type=click.IntRange(1, 1_000),
    default=5,
    show_default=True,
    help="The rounds are in so many processes, as how one lies in memory matters as well.",
)
@click.option("--instructions", is_flag=True, help="Count instructions instead, with valgrind: see METHODOLOGY.md.")
@click.option("--quick", is_flag=True, help="Few rounds: shows that it works, and decides nothing within 1 %.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Of the order within rounds.")
@click.option("--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Also write the figures.")
def overhead(
    *,
    works: tuple[str, ...],
    tools: tuple[str, ...],
    rounds_count: int,
    processes_count: int,
    instructions: bool,
    quick: bool,
    seed: int,
    json_file: Path | None,
) -> int:
    """Measure what the observer adds to the CPU time of requests, beside OpenTelemetry, cProfile and memray.

    Exit code 1 when the observer's median ratio is above its limit: 1.01 on pooled requests, 1.02 on a client per call.
    Those limits are for CPU time, and for whole runs: with --instructions or --quick there are none.
    """
    if instructions and tools and "observer" not in tools:
        raise click.UsageError("--instructions are counted of the observer alone.")
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    start = time.perf_counter()
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _FILE_WIDTH
    rounds_count = 20 if quick else rounds_count
    others_count = max(rounds_count // _ROUNDS_OF_OTHERS, _FEWEST_ROUNDS_COUNT)
    wanted = [
        (work, tool, rounds_count if tool == "observer" else others_count)
        for work in (works or tuple(WORKS))
        for tool in (tools or tuple(TOOLS))
        if tool != "OpenTelemetry" or WORKS[work].by_library == "httpx"
        if tool == "observer" or not instructions
    ]
    costs: list[Cost] = []
    counts: list[Instructions] = []
    try:
        with serve(origins=("search",), keep_alive_s=_KEEP_ALIVE_S) as server:
            for work, tool, count in wanted:
                if instructions:
                    job, variables = _job(work, tool, server.target)
                    say = partial(console.print, style="dim")
                    counts.append(counted(work, tool, job, variables, folder=_PROJECT, say=say))
                    continue
                console.print(f"{work}, {tool}", style="dim")
                costs.append(_measured(work, tool, _shares(count, processes_count), seed, server.target))
            certificates_count = server.target.bundle_certificates_count
    except ServerError as error:
        raise RunError(str(error)) from None
    console.print(_table_of_instructions(counts) if instructions else _table(costs, decides=not quick))
    if json_file is not None:
        figures = {
            "started_at": started_at,
            "duration_s": round(time.perf_counter() - start, 1),
            "seed": seed,
            "quick": quick,
            **_conditions(certificates_count),
            "costs": [{**asdict(cost), "kept": cost.kept} for cost in costs],
            "instructions": [asdict(each) for each in counts],
        }
        _write(json_file, json.dumps(figures, indent=2) + "\n")
    return ExitCode.PASS if quick or all(cost.kept for cost in costs) else ExitCode.NEGATIVE


def _shares(rounds_count: int, processes_count: int) -> list[int]:
    """How many rounds each process has; fewer processes where that would be too few."""
    processes_count = min(processes_count, rounds_count // _FEWEST_ROUNDS_COUNT)
    return [(rounds_count + number) // processes_count for number in range(processes_count)]


def _job(work: str, tool: str, target: Target) -> tuple[dict[str, Any], dict[str, str]]:
    """What a worker is told, and its environment."""
    variables, _done = child_variables(target)
    return {"work": work, "tool": tool, "url": target.url(_PATH), "size_bytes": json_size_bytes(_PATH)}, variables


def _measured(work: str, tool: str, shares: Sequence[int], seed: int, target: Target) -> Cost:
    job, variables = _job(work, tool, target)
    command = [_interpreter(tool), "-m", "bench.observer_work"]
    try:
        outcomes = [
            Workers(_PROJECT, _LIMIT_S).run(command, {**job, "rounds_count": count, "seed": seed + number}, variables)
            for number, count in enumerate(shares)
        ]
        return cost_of(work, tool, outcomes)
    except JobFailed as error:
        raise RunError(f"{work} under {tool} was not measured: {error}.") from None


def _interpreter(tool: str) -> str:
    """The interpreter that has the tool: the suite's own, or one of an environment with the same httpx."""
    if tool != "OpenTelemetry":
        return sys.executable
    lines = (Path(__file__).parent / "observer_constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = installed(("httpx",)) | dict(line.split("==") for line in lines)
    asked = ("httpx", "opentelemetry-instrumentation-httpx", "opentelemetry-sdk")
    wanted = Requirements(
        packages=tuple(f"{name}=={pins[name]}" for name in asked),
        constraints=tuple(f"{name}=={version}" for name, version in sorted(pins.items()) if name not in asked),
        python=platform.python_version(),
    )
    return str(environment(wanted, _PROJECT / ".duel"))  # where duels keep theirs, too


def _conditions(certificates_count: int) -> dict[str, Any]:
    revision, is_changed = commit()
    return {
        "commit": revision,
        "tree_is_changed": is_changed,
        "python": platform.python_version(),
        "openssl": ssl.OPENSSL_VERSION,
        "packages": installed(("httpx", "memray")),
        "cpu": cpu_model(),
        "ca_bundle_certificates_count": certificates_count,
    }


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RunError(f"{file} cannot be written: {error.strerror}.") from None


def _table(costs: Sequence[Cost], *, decides: bool) -> Table:
    table = Table(
        "work", "tool", "CPU ratio", "by process", "identical pair", "added per request", "of", "limit", "kept"
    )
    for cost in costs:
        table.add_row(
            cost.work,
            cost.tool,
            _shown(cost.ratio),
            f"{cost.by_process[0]:.3f}-{cost.by_process[-1]:.3f}",
            _shown(cost.identical),
            f"{cost.added_us_per_request:,.1f} us",
            f"{cost.request_us:,.0f} us",
            "" if cost.limit is None else f"{cost.limit:g}",
            "" if cost.limit is None or not decides else ("yes" if cost.kept else "no"),
        )
    return table


def _table_of_instructions(counts: Sequence[Instructions]) -> Table:
    table = Table("work", "tool", "instructions per request", "added", "by hash seed", "ratio")
    for each in counts:
        table.add_row(
            each.work,
            each.tool,
            f"{each.off:,.0f}",
            f"{median(each.added):,.0f}",
            f"{each.added[0]:,.0f}-{each.added[-1]:,.0f}",
            f"{each.ratio:.4f}",
        )
    return table


def _shown(ratio: Middle) -> str:
    return f"{ratio.median:.3f} ({ratio.low:.3f}-{ratio.high:.3f})"


def main() -> None:
    """Entry point of ``python -m bench.observer_costs``."""
    sys.exit(guarded(overhead))


if __name__ == "__main__":
    main()
