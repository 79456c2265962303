"""The page of a calibration: Markdown from finished counts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bench.calibration.pool import CHANGES, DUEL, RIVALS
from bench.calibration.reports import INJECTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.calibration.tally import Calibration, Count

__all__ = ["misses", "quoted", "render"]

_OURS = "connprof duel"
_FALSE_ALARMS_AIM = 0.001
_DETECTED_AIM = {"+10 % CPU": 0.95, "+10 % waiting": 0.95, "+25 % CPU": 0.99, "+25 % waiting": 0.99}
_SAMPLING_AIM_S = 60.0
_IN_READING = "+2 % SSL bytes, all in reading"
_FROM, _TO = "<!-- counted: written by nox -s calibrate -->", "<!-- /counted -->"
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
                why = ", which is within the 3 % that a shared client's reads may vary by" * (
                    count.change == _IN_READING
                )
                said.append(f"{where}: {count.change} was found in {_percent(rate)}{why}.")
        elif count.method == _OURS and count.said == "regressed":
            if count.change == "none" and rate > _FALSE_ALARMS_AIM:
                said.append(f"{where}: {_percent(rate)} false alarms on time; the aim is at most 0.1 %.")
            aim = _DETECTED_AIM.get(count.change)
            if aim is not None and rate < aim:
                said.append(f"{where}: {count.change} was found in {_percent(rate)}; the aim is {_percent(aim)}.")
    for pool in found.pools:
        seconds = pool.trio_s * found.trios_count
        if seconds > _SAMPLING_AIM_S:
            said.append(
                f"{pool.strategy}, {_IN_WORDS[pool.condition]}: two looks took about {seconds:.0f} s of sampling per "
                f"case; the aim is at most {_SAMPLING_AIM_S:.0f} s."
            )
    return said


def quoted(text: str, found: Calibration) -> str:
    """``text`` with what it quotes of a calibration written anew, between two comments.

    Raises:
        ValueError: the comments are not there.
    """
    before, start, rest = text.partition(_FROM)
    _old, end, after = rest.partition(_TO)
    if not start or not end:
        raise ValueError(f"there is no {_FROM} ... {_TO}")
    return "\n".join([f"{before}{_FROM}", "", *_summary(found), f"{_TO}{after}"])


def _summary(found: Calibration) -> Iterator[str]:
    """The rates that a reader wants to know, with date and conditions."""
    yield f"Counted on {found.started_at[:10]} in {found.duration_s / 60:.0f} minutes, {_machine(found)}:"
    yield ""
    ours = [count for count in found.counts if count.method == _OURS and count.said == "regressed"]
    yield from _table(ours, ["none", *CHANGES], "said *regressed*", exactly=False)
    yield "False alarms should be at most 0.1 %; 10 % more should be found in 95 % and 25 % more in 99 %, with at most"
    yield "60 s of sampling per case. What fell short:"
    yield ""
    said = misses(found)
    yield from (f"- {sentence}" for sentence in said)
    if not said:
        yield "- nothing, by these rates; mind their intervals."
    yield ""
    yield "Of the same samples others would have said *regressed* of the same code:"
    yield ""
    for rival in RIVALS:
        rates = [
            f"{_percent(count.hits / count.trials)} ({count.subject}, {_IN_WORDS[count.condition]})"
            for count in found.counts
            if count.method == rival and count.change == "none"
        ]
        yield f"- {rival}: {', '.join(rates) or 'not counted'}"
    yield ""


def _machine(found: Calibration) -> str:
    loads = [f"{pool.load} ({_IN_WORDS[pool.condition]})" for pool in found.pools]
    cpu = f"{found.context.get('cpu', 'an unknown CPU')}, {found.context.get('cores', 'unknown')} cores"
    return f"on {cpu}, load average {', '.join(loads) or 'not known'}"


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
    yield f"{found.draws_count:,} duels drawn for each cell from the pools above: {found.trios_count} groups that"
    yield "followed each other, roles dealt anew by coin, corrected as one of three cases. All changes are real: those"
    yield "processes burned, or slept, that share of their own session once more (of its wall time without the wait for"
    yield "a core). Duels from one pool share its measurements: the intervals describe the drawing, and are too narrow"
    yield "for another hour or another machine. An empty cell was not injected."
    yield ""
    for pool in found.pools:
        yield (
            f"- {pool.strategy}, {_IN_WORDS[pool.condition]}: {pool.trio_s:.1f} s per trio, so that a first look takes "
            f"{pool.trio_s * _first_count(found):.0f} s of sampling, and both {pool.trio_s * found.trios_count:.0f} s"
        )
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
    yield "Run from end to end, with the change in the head."
    if len(found.duels) < found.duels_wanted_count:
        yield f"The calibration was stopped when {len(found.duels)} of {found.duels_wanted_count} had been run."
    yield ""
    yield "| condition | strategy | injected | answer | CPU ratio | wall ratio | sampling |"
    yield "|---|---|---|---|---|---|---|"
    for duel in found.duels:
        yield (
            f"| {_IN_WORDS[duel.condition]} | {duel.strategy} | {_change(duel.change)} | {duel.answer} "
            f"| {duel.ratio:.3f} | {duel.wall_ratio:.3f} | {duel.sampling_s:.0f} s |"
        )


def _first_count(found: Calibration) -> int:
    return replace(DUEL, trios_count=found.trios_count).first_count


def _change(name: str) -> str:
    return "the same code" if name == "none" else name


def _table(counts: Sequence[Count], changes: Sequence[str], word: str, *, exactly: bool = True) -> Iterator[str]:
    columns = list(dict.fromkeys((count.subject, count.condition) for count in counts))
    heads = " | ".join(f"{subject}, {_IN_WORDS[condition]}" for subject, condition in columns)
    yield f"| {word} | {heads} |"
    yield "|---" * (len(columns) + 1) + "|"
    cells = {
        (count.change, count.subject, count.condition): _cell(count)
        if exactly
        else f"{_percent(count.hits / count.trials)} of {count.trials:,}"
        for count in counts
    }
    for change in changes:
        yield f"| {_change(change)} | " + " | ".join(cells.get((change, *column), "") for column in columns) + " |"
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
