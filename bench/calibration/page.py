"""The page of a calibration: Markdown from finished counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.calibration.pool import CHANGES, RIVALS
from bench.calibration.reports import INJECTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.calibration.tally import Calibration, Count

__all__ = ["misses", "render"]

_OURS = "connprof duel"
_FALSE_ALARMS_AIM = 0.001
_DETECTED_AIM = {"+10 % CPU": 0.95, "+10 % waiting": 0.95, "+25 % CPU": 0.99, "+25 % waiting": 0.99}
_SAMPLING_AIM_S = 60.0
_LOOKS_TRIOS_COUNT = 40
_IN_WORDS = {"quiet": "no load of ours", "busy": "busy neighbour"}


def render(found: Calibration) -> str:
    """The whole page."""
    return "\n".join(_lines(found)) + "\n"


def misses(found: Calibration) -> list[str]:
    """Each aim that this calibration did not reach, as a sentence."""
    said = []
    for count in found.counts:
        rate = count.hits / count.trials
        where = f"{count.subject}, {_IN_WORDS[count.condition]}"
        if count.group == "counts and bytes":
            if count.change == "none" and count.hits:
                said.append(f"{where}: {count.hits} false alarms on counts and bytes; the aim is none.")
            elif count.change != "none" and count.hits < count.trials:
                said.append(f"{where}: {count.change} was found in {_percent(rate)}, not always.")
        elif count.method == _OURS and count.said == "regressed":
            if count.change == "none" and rate > _FALSE_ALARMS_AIM:
                said.append(f"{where}: {_percent(rate)} false alarms on time; the aim is at most 0.1 %.")
            aim = _DETECTED_AIM.get(count.change)
            if aim is not None and rate < aim:
                said.append(f"{where}: {count.change} was found in {_percent(rate)}; the aim is {_percent(aim)}.")
    for pool in found.pools:
        seconds = pool.trio_s * _LOOKS_TRIOS_COUNT
        if seconds > _SAMPLING_AIM_S:
            said.append(
                f"{pool.strategy}, {_IN_WORDS[pool.condition]}: two looks took about {seconds:.0f} s of sampling per "
                f"case; the aim is at most {_SAMPLING_AIM_S:.0f} s."
            )
    return said


def _lines(found: Calibration) -> Iterator[str]:
    yield "# How often it is wrong, counted"
    yield ""
    yield (
        f"Written by `{found.command}` on {found.started_at[:10]} in {found.duration_s / 60:.0f} minutes, seed "
        f"{found.seed}."
    )
    yield "The figures behind it are in [calibration.json](calibration.json). Intervals are Wilson's, 95 %."
    if found.quick:
        yield "This was a quick run: fewer samples, wider intervals."
    yield ""
    yield "| condition | |"
    yield "|---|---|"
    yield f"| CPU | {found.context.get('cpu', 'unknown')}, {found.context.get('cores', 'unknown')} cores |"
    yield f"| httpx, calls per session | {found.packages.get('httpx', 'unknown')}, {found.calls_count} |"
    for pool in found.pools:
        yield (
            f"| time, {pool.strategy}, {_IN_WORDS[pool.condition]} | {pool.processes_count:,} processes in "
            f"{pool.groups_count} groups, {pool.turns_count:.1f} sessions each, load average {pool.load} |"
        )
    yield ""
    yield "*No load of ours* does not mean an idle machine: the load average says what else it did. A *busy neighbour*"
    yield "is a process per core that burns in bursts of random length, on top of that."
    yield ""
    yield "## Aims that were not reached"
    yield ""
    said = misses(found)
    yield from (f"- {sentence}" for sentence in said)
    if not said:
        yield "None, by the rates below; mind their intervals."
    yield ""
    yield from _of_reports(found)
    yield from _of_time(found)
    yield from _of_duels(found)


def _of_reports(found: Calibration) -> Iterator[str]:
    counts = [count for count in found.counts if count.group == "counts and bytes"]
    yield "## Counts and bytes: `connprof compare`"
    yield ""
    if not counts:
        yield "Not counted: no gate was given."
        yield ""
        return
    yield f"{found.reports_count} real runs of the same code without load of ours, and a quarter as many beside a"
    yield "neighbour, each with a server of its own, are compared with each other, both ways. Changes are added to the"
    yield "real figures of the candidate. Comparisons share runs, so they are less independent than they are many."
    yield ""
    yield from _table(counts, ["none", *INJECTIONS], "flagged")


def _of_time(found: Calibration) -> Iterator[str]:
    yield "## Time: `connprof duel`"
    yield ""
    if not found.pools:
        yield "Not counted."
        yield ""
        return
    yield f"{found.draws_count:,} duels drawn for each cell from the pools above: 40 groups that followed each other,"
    yield "roles dealt anew by coin, corrected as one of three cases. All changes are real: those processes burned, or"
    yield "slept, that share of their own session once more. Duels from one pool share its measurements: the intervals"
    yield "describe the drawing, and are too narrow for another hour or another machine. A pool of 40 groups is no more"
    yield "than the minutes of one duel, dealt again and again."
    yield ""
    ours = [count for count in found.counts if count.method == _OURS]
    yield from _table([count for count in ours if count.said == "regressed"], ["none", *CHANGES], "regressed")
    wrong = [count for count in ours if count.said in {"improved", "unstable"}]
    yield "What else it said:"
    yield ""
    for said in ("improved", "unstable"):
        yield from _table([count for count in wrong if count.said == said], ["none", *CHANGES], said)
    yield "## The same samples, judged by others"
    yield ""
    yield "On wall time. The first two compare a stored baseline with a later run, as they are used; the other two get"
    yield "the interleaved samples of both looks."
    yield ""
    for rival in RIVALS:
        yield from _table([count for count in found.counts if count.method == rival], ["none", *CHANGES], rival)


def _of_duels(found: Calibration) -> Iterator[str]:
    yield "## Whole duels"
    yield ""
    if not found.duels:
        yield "None were run."
        return
    yield "Run from end to end, with the share of CPU time burned in the head."
    if len(found.duels) < found.duels_wanted_count:
        yield f"The calibration was stopped when {len(found.duels)} of {found.duels_wanted_count} had been run."
    yield ""
    yield "| condition | strategy | injected | answer | CPU ratio | sampling |"
    yield "|---|---|---|---|---|---|"
    for duel in found.duels:
        yield (
            f"| {_IN_WORDS[duel.condition]} | {duel.strategy} | {duel.burn_share:+.0%} CPU | {duel.answer} "
            f"| {duel.ratio:.3f} | {duel.sampling_s:.0f} s |"
        )


def _table(counts: Sequence[Count], changes: Sequence[str], word: str) -> Iterator[str]:
    columns = list(dict.fromkeys((count.subject, count.condition) for count in counts))
    heads = " | ".join(f"{subject}, {_IN_WORDS[condition]}" for subject, condition in columns)
    yield f"| {word} | {heads} |"
    yield "|---" * (len(columns) + 1) + "|"
    cells = {(count.change, count.subject, count.condition): _cell(count) for count in counts}
    for change in changes:
        label = "the same code" if change == "none" else change
        yield f"| {label} | " + " | ".join(cells.get((change, *column), "") for column in columns) + " |"
    yield ""


def _cell(count: Count) -> str:
    low, high = count.interval
    return (
        f"{_percent(count.hits / count.trials)} ({_percent(low)} to {_percent(high)}); "
        f"{count.hits:,} of {count.trials:,}"
    )


def _percent(rate: float) -> str:
    per_cent = 100 * rate
    return f"{per_cent:.2f} %" if 0 < per_cent < 10 else f"{per_cent:.1f} %"  # noqa: PLR2004 - digits where they matter
