"""A profile -> finished strings and rows. All arithmetic of its pages is here."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

from connprof.assemble import merge_lines
from connprof.codes import BY_CODE, CODES
from connprof.explained import explained
from connprof.launch import hot
from connprof.report import words

if TYPE_CHECKING:
    from collections.abc import Iterable

    from connprof.profile import (
        Chain,
        Costs,
        Counts,
        Finding,
        Frame,
        HeldLimit,
        LimitState,
        Linted,
        OriginTally,
        Place,
        Price,
        ProcessProfile,
        Profile,
        SiteTally,
    )

__all__ = [
    "COUNTS",
    "TIMES",
    "UNKNOWN",
    "Big",
    "FindingView",
    "LimitView",
    "LintView",
    "MarkView",
    "PlaceView",
    "ProcessView",
    "ProfileView",
    "Saving",
    "Tally",
    "build",
    "code_title",
    "path_below",
]

State: TypeAlias = Literal["found", "clean", "partial", "silent", "unobserved"]
"""Whether something was found, nothing was (``partial``: in what was recorded, which is not all), nothing happened that
could be, or nobody looked."""

_UNFILLED = 1_000_000
"""No line is so wide: a browser fills the lines of an explanation itself."""

UNKNOWN = "-"
"""What stands in place of a figure that is not known."""

COUNTS = ("contexts", "CA loads", "full", "resumed", "failed", "connections", "requests", "per conn.")
"""The figures of a :class:`Tally` in order; the third to fifth are handshakes."""

TIMES = ("CPU", "contexts", "connects", "handshakes", "requests")
"""The times of a :class:`Tally` in order, in ms; all but the first are wall times."""

MOST_FRAMES = 4
MOST_WAYS = 3
_WAY_PARTS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceView:
    """A line of code: ``app.py:14``, ``in fetch()`` and how it is known, where that is not plain to see."""

    where: str
    function: str = ""
    sureness: str = ""

    @property
    def text(self) -> str:
        """All of it."""
        return " ".join(part for part in (self.where, self.function, self.sureness) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
    """One figure of a finding: what it is here, and what the fix would leave over of it."""

    name: str
    here: str
    left: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingView:
    """One finding; ``ways`` are the lines that lead to its place.

    ``saves_nothing``: its fix leaves over all that it costs, and is for safety.
    ``explained`` is the command that explains its code; empty for a code that only a newer connprof knows.
    """

    number: str
    code: str
    title: str
    place: PlaceView
    what: str
    evidence: tuple[tuple[str, str], ...]
    cost: str
    leaves: str
    saves_nothing: bool
    savings: tuple[Saving, ...]
    fix: str
    ways: tuple[str, ...]
    related: tuple[str, ...]
    processes: str
    explained: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What an origin or a line pays: :data:`COUNTS`, :data:`TIMES` (empty where they mean nothing), SSL bytes in MB."""

    name: str
    place: PlaceView | None
    counts: tuple[str, ...]
    times: tuple[str, ...]
    megabytes: str
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessView:
    """One process; ``brief`` says its counts in words."""

    pid: str
    parent: str
    command: str
    python: str
    ended: str
    counts: tuple[str, ...]
    brief: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Big:
    """One of the large figures at the top."""

    label: str
    value: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitView:
    """A limit that the run was held to."""

    state: LimitState
    word: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkView:
    """A finding of the source: ``counts`` are the clients, contexts, handshakes and connections made at its lines."""

    where: str
    code: str
    sureness: str
    ran: bool
    counts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LintView:
    """What the source was found to hold, and what of it ran; ``sentences`` say all of it in words."""

    headline: str
    marks: tuple[MarkView, ...]
    notes: tuple[str, ...]
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileView:
    """Everything that a renderer places.

    ``headline`` and ``lead`` answer what happened, ``limits_told`` how many limits hold; ``facts`` say what was run and
    ``ended`` how that went, ``totals`` what it paid altogether.
    ``explanations`` are of the codes that were found: a title, and text.
    """

    state: State
    is_incomplete: bool
    headline: str
    lead: str
    limits_told: str
    limits: tuple[LimitView, ...]
    facts: tuple[tuple[str, str], ...]
    ended: str
    bigs: tuple[Big, ...]
    totals: tuple[tuple[str, str], ...]
    findings: tuple[FindingView, ...]
    explanations: tuple[tuple[str, str], ...]
    origins: tuple[Tally, ...]
    lines: tuple[Tally, ...]
    has_memory: bool
    processes: tuple[ProcessView, ...]
    blind_spots: tuple[str, ...]
    notes: tuple[str, ...]
    lint: LintView | None


def build(profile: Profile, *, folder: Path) -> ProfileView:
    """All strings of ``profile``; paths below ``folder`` are relative to it."""
    writer = _Writer(folder, has_times=not profile.memory)
    state = _state(profile)
    return ProfileView(
        state=state,
        is_incomplete=profile.is_incomplete,
        headline=_headline(profile, state),
        lead=_lead(profile, state),
        limits_told=_limits_told(profile.limits),
        limits=tuple(
            LimitView(state=each.state, word=_LIMIT_WORDS[each.state], sentence=words.plain(each.sentence))
            for each in sorted(profile.limits, key=lambda each: _WORST_FIRST.index(each.state))
        ),
        facts=_facts(profile),
        ended=_ended(profile),
        bigs=writer.bigs(profile),
        totals=writer.totals(profile),
        findings=tuple(writer.finding(number, each) for number, each in enumerate(profile.findings, 1)),
        explanations=tuple(
            (f"{code.code} {code.title}", explained(code.explanation, width=_UNFILLED))
            for code in CODES
            if code.explanation and any(each.code == code.code for each in profile.findings)
        ),
        origins=tuple(map(writer.origin, profile.origins)),
        lines=tuple(map(writer.line, filter(_pays, merge_lines(profile.sites)))),
        has_memory=any(site.ssl_bytes is not None for site in profile.sites),
        processes=tuple(map(_process, profile.processes)),
        blind_spots=_sentences(
            [*profile.blind_spots, *(each for process in profile.processes for each in process.blind_spots)]
        ),
        notes=_notes(profile),
        lint=None if profile.lint is None else _lint(profile.lint),
    )


def _pays(tally: SiteTally) -> bool:
    """Whether a line's row would have anything but zeros."""
    paid = any(msgspec.structs.astuple(tally.counts)) or any(msgspec.structs.astuple(tally.costs))
    return paid or (tally.ssl_bytes or 0) >= _SHOWN_BYTES


_SHOWN_BYTES = 50_000
"""From how many SSL bytes on a line that pays nothing else is listed: 0.1 MB, as it is written."""


def code_title(code: str) -> str:
    """What is wrong, in a few words; nothing for a code that only a newer connprof knows."""
    return BY_CODE[code].title if code in BY_CODE else ""


def path_below(file: str, folder: Path) -> str | None:
    """``file`` relative to ``folder`` with forward slashes, or ``None`` where it is not below it."""
    path = Path(file)
    return path.relative_to(folder).as_posix() if path.is_absolute() and path.is_relative_to(folder) else None


# --- sentences on the whole run -------------------------------------------------------------------------------------


def _state(profile: Profile) -> State:
    if profile.findings:
        return "found"
    if not profile.processes:
        return "silent" if profile.quiet_processes_count else "unobserved"
    counts = profile.counts
    seen = (
        counts.contexts_count,
        counts.handshakes_count,
        counts.handshakes_failed_count,
        counts.requests_count or 0,
    )
    if not any(seen):
        return "silent"
    return "partial" if profile.is_incomplete else "clean"


_IN_PART = "in what was recorded, which is not all"


def _headline(profile: Profile, state: State) -> str:
    if state == "unobserved":
        return "Nothing was recorded." if profile.is_incomplete else "Nothing was observed: no Python process reported."
    if state == "silent":
        plain, failed = profile.counts.connections_count, profile.counts.connections_failed_count
        parts = [
            *([words.plural(plain, "other connection")] if plain else []),
            *([words.plural(failed, "failed connection")] if failed else []),
        ]
        others = " and ".join(parts)
        if profile.is_incomplete:
            return f"No TLS and no HTTP{f', but at least {others},' if others else ''} is {_IN_PART}."
        return f"No TLS and no HTTP was seen{', but ' if others else ''}{others}."
    paid = _paid(profile.counts, is_incomplete=profile.is_incomplete)
    if state == "clean":
        return f"Nothing found. {paid}."
    if state == "partial":
        return f"Nothing found {_IN_PART}. At least {paid}."
    number = words.plural(len(profile.findings), "finding")
    return f"{number} {_IN_PART}: at least {paid}." if profile.is_incomplete else f"{number}: {paid}."


def _paid(counts: Counts, *, is_incomplete: bool = False) -> str:
    parts = [
        words.plural(counts.contexts_count, "SSL context"),
        words.plural(counts.handshakes_count, "TLS handshake"),
        *([words.plural(failed, "failed handshake")] if (failed := counts.handshakes_failed_count) else []),
        words.plural(counts.connections_count, "connection"),
        *([words.plural(failed, "failed connection")] if (failed := counts.connections_failed_count) else []),
    ]
    requests = counts.told_requests_count
    if requests is None:
        return f"{', '.join(parts)}; requests could not be counted"
    each = _per_connection(counts)
    recorded = " recorded" if is_incomplete else ""
    share = f" ({each} per connection{recorded}{_left_out(counts)})" if each != UNKNOWN else ""
    return f"{', '.join(parts)}, {words.plural(requests, 'request')}{share}"


def _lead(profile: Profile, state: State) -> str:
    if state != "found":
        return ""
    lines = len({(each.place.file, each.place.line, each.place.function) for each in profile.findings})
    return f"Findings at {words.plural(lines, 'line')}; costliest first, with what the fix would leave over."


_WORST_FIRST: tuple[LimitState, ...] = ("broken", "unchecked", "kept")
_LIMIT_WORDS: dict[LimitState, str] = {"kept": "kept", "broken": "broken", "unchecked": "not checked"}


def _limits_told(limits: tuple[HeldLimit, ...]) -> str:
    """How many there are, and of those how many do not hold."""
    if not limits:
        return ""
    broken, unchecked = (sum(each.state == state for each in limits) for state in _WORST_FIRST[:2])
    if not broken and not unchecked:
        return f"{words.plural(len(limits), 'limit')}, none broken."
    parts = [
        *([f"{words.count(broken)} broken"] if broken else []),
        *([f"{words.count(unchecked)} not checked"] if unchecked else []),
    ]
    return f"{words.plural(len(limits), 'limit')}, {' and '.join(parts)}."


def _facts(profile: Profile) -> tuple[tuple[str, str], ...]:
    return (
        ("command", _command(profile.command)),
        ("started", words.moment(profile.started_at)),
        ("run", _ended(profile)),
    )


def _command(arguments: tuple[str, ...]) -> str:
    """On one line. A whole program can stand in it, behind ``-c``: it is told by its beginning."""
    command = words.plain(" ".join(arguments)[: 2 * _LONGEST_COMMAND])
    return f"{command[:_LONGEST_COMMAND]}..." if len(command) > _LONGEST_COMMAND else command or "unknown"


_LONGEST_COMMAND = 300


def _ended(profile: Profile) -> str:
    code = profile.exit_code
    if code is None:
        how = "exit code not known"
    else:
        how = f"exit code {code}" if code >= 0 else f"killed by {_signal_name(-code)}"
    number = words.plural(len(profile.processes) or profile.quiet_processes_count, "process", "processes")
    told = "recorded" if profile.is_incomplete else "observed"
    return f"{words.duration(profile.duration_ns / 1e9)}, {number} {told}, {how}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _notes(profile: Profile) -> tuple[str, ...]:
    found = list(profile.notes)
    if profile.memory:
        found.append("Memory was recorded, which slows a program down: no times are shown.")
    found.append(_about_connections(profile.counts))
    found += [
        f"The observer itself failed in process {process.pid}, so that counts may lack something: {error}"
        for process in profile.processes
        for error in process.errors
    ]
    return _sentences(found)


def _about_connections(counts: Counts) -> str:
    unknown, opened = counts.connections_unknown_count, counts.connections_count
    if not unknown or counts.requests_count is None or not (counts.requests_count or counts.handshakes_count):
        return ""
    return (
        f"On {unknown:,} of {words.plural(opened, 'connection')} nothing was sent by a library that is known: requests"
        " there, if any, are not counted, and are in no figure per connection."
    )


def _sentences(found: Iterable[str]) -> tuple[str, ...]:
    """Each one once."""
    return tuple(dict.fromkeys(filter(None, map(words.plain, found))))


def _process(process: ProcessProfile) -> ProcessView:
    ended = {
        "exit": "exit",
        "os._exit": "os._exit",
        "signal": "a signal" if process.signal is None else _signal_name(process.signal),
        "exec": "became another program",
        "running": _unsaid_end(process),
    }[process.ended]
    return ProcessView(
        pid=str(process.pid),
        parent=str(process.parent_pid),
        command=("fork of " if process.is_fork else "") + _command(process.argv),
        python=words.plain(process.python),
        ended=ended,
        counts=_counts(process.counts),
        brief=_paid(process.counts) if any(msgspec.structs.astuple(process.counts)) else "nothing",
    )


def _unsaid_end(process: ProcessProfile) -> str:
    if process.is_alive:
        return "still running"
    # A pool and a server end their workers so as a matter of course: nothing is missing then.
    return "by a signal, seen up to then" if process.is_told else "without a last word"


def _lint(lint: Linted) -> LintView:
    return LintView(
        headline=hot.headline(lint),
        marks=tuple(
            MarkView(
                where=f"{words.plain(each.file)}:{each.line}",
                code=words.plain(each.code),
                sureness=words.plain(each.sureness),
                ran=each.ran,
                counts=tuple(
                    map(
                        words.count,
                        (each.clients_count, each.contexts_count, each.handshakes_count, each.connections_count),
                    )
                ),
            )
            for each in lint.marks
        ),
        notes=_sentences(lint.notes),
        sentences=hot.sentences(lint),
    )


# --- figures --------------------------------------------------------------------------------------------------------


def _counts(counts: Counts) -> tuple[str, ...]:
    return (
        words.count(counts.contexts_count),
        words.count(counts.ca_loads_count),
        words.count(counts.handshakes_full_count),
        words.count(counts.handshakes_resumed_count),
        words.count(counts.handshakes_failed_count),
        _connections(counts),
        UNKNOWN if (requests := counts.told_requests_count) is None else words.count(requests),
        _per_connection(counts),
    )


def _connections(counts: Counts) -> str:
    """``3``; ``3, 1 failed`` where others failed, and ``1 failed`` where no other was opened."""
    opened = words.count(counts.connections_count)
    if not counts.connections_failed_count:
        return opened
    failed = f"{words.count(counts.connections_failed_count)} failed"
    return f"{opened}, {failed}" if counts.connections_count else failed


def _per_connection(counts: Counts) -> str:
    """``8.0``; unknown where no connection was opened of which it is known what it carried."""
    each = counts.requests_per_connection
    return UNKNOWN if each is None else f"{each:,.1f}"


def _left_out(counts: Counts) -> str:
    """``, 4 connections left out``: the ratio before it is not of these."""
    unknown = counts.connections_unknown_count
    return f", {words.plural(unknown, 'connection')} left out" if unknown else ""


def _megabytes(value_bytes: int | None) -> str:
    return UNKNOWN if value_bytes is None else words.megabytes(value_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Amount:
    """One part of a price: ``handshakes``, ``40``, ``40 handshakes``."""

    name: str
    value: int
    figure: str
    text: str


def _amounts(price: Price, *, has_times: bool) -> list[_Amount]:
    """Everything that is known of a price."""
    found = [
        _Amount(name=f"{name}s", value=value, figure=words.count(value), text=words.plural(value, name))
        for name, value in (
            ("SSL context", price.contexts_count),
            ("handshake", price.handshakes_count),
            ("connection", price.connections_count),
        )
        if value is not None
    ]
    if has_times:
        for name, spent in (("CPU", price.cpu_ns), ("wall", price.wall_ns)):
            if spent is not None:
                figure = f"{words.milliseconds(spent)} ms"
                found.append(_Amount(name=f"{name} time", value=spent, figure=figure, text=f"{figure} {name}"))
    if price.ssl_bytes is not None:
        figure = words.bytes_text(price.ssl_bytes)
        found.append(_Amount(name="SSL bytes", value=price.ssl_bytes, figure=figure, text=f"{figure} of SSL bytes"))
    return found


def _said(amounts: list[_Amount]) -> str:
    return words.joined([amount.text for amount in amounts]) or "no figure is known"


def _is_all_left(cost: list[_Amount], left: list[_Amount]) -> bool:
    return bool(cost) and [(each.name, each.value) for each in cost] == [(each.name, each.value) for each in left]


def _said_left(cost: list[_Amount], left: list[_Amount]) -> str:
    if _is_all_left(cost, left):
        return "all of it: it is a matter of safety, not of cost"
    if left and not any(each.value for each in left):
        return "nothing of it"
    return _said(left)


class _Writer:
    """Writes what depends on the folder, and on whether times mean anything."""

    def __init__(self, folder: Path, *, has_times: bool) -> None:
        self._folder = folder
        self._has_times = has_times

    # places

    def place(self, place: Place) -> PlaceView:
        """``unknown`` where it is."""
        if place.certainty == "unknown" or not place.file:
            return PlaceView(where="unknown")
        sureness = {
            "context": "(by way of its task or thread)",
            "creation": "(where its SSL context was made)",
        }.get(place.certainty, "")
        return PlaceView(
            where=f"{self._path(place.file)}:{place.line}", function=_function(place.function), sureness=sureness
        )

    def _path(self, file: str) -> str:
        return words.plain(path_below(file, self._folder) or file)

    def _frame(self, frame: Frame) -> str:
        if not frame.file:
            return "unknown"
        # A way is read beside its place, whose path is whole.
        path = self._path(frame.file)
        parts = path.split("/")
        short = "/".join(parts[-_WAY_PARTS:]) if len(parts) > _WAY_PARTS + 1 else path
        return f"{short}:{frame.line} {_function(frame.function)}"

    def _ways(self, chains: tuple[Chain, ...], *, are_counted: bool = True) -> tuple[str, ...]:
        if not any(chain.frames or (chain.started_at and chain.started_at.file) for chain in chains):
            return ()
        ways = []
        for chain in chains[:MOST_WAYS]:
            frames = [self._frame(frame) for frame in chain.frames[:MOST_FRAMES]]
            if chain.started_at is not None:
                is_known = bool(chain.started_at.file)
                frames.append(
                    f"its task or thread, started at {self._frame(chain.started_at)}"
                    if is_known
                    else "a task or thread"
                )
            more = len(chain.frames) - MOST_FRAMES
            beyond = f", and {words.plural(more, 'line')} above" if more > 0 else ""
            times = f" ({words.count(chain.count)}x)" if are_counted else ""
            ways.append(f"{', from '.join(frames)}{beyond}{times}")
        more = len(chains) - MOST_WAYS
        return (*ways, f"{words.plural(more, 'more way')}") if more > 0 else tuple(ways)

    # findings

    def finding(self, number: int, finding: Finding) -> FindingView:
        # What a finding is not about (contexts, where connections are opened again) is 0 in its cost.
        cost = [each for each in _amounts(finding.cost, has_times=self._has_times) if each.value]
        paid = {amount.name for amount in cost}
        left = [each for each in _amounts(finding.leaves, has_times=self._has_times) if each.value or each.name in paid]
        remaining = {amount.name: amount.figure for amount in left}
        return FindingView(
            number=str(number),
            code=words.plain(finding.code),
            title=code_title(finding.code),
            place=self.place(finding.place),
            what=words.plain(finding.what),
            evidence=tuple((words.plain(name), words.plain(value)) for name, value in finding.evidence),
            cost=_said(cost),
            leaves=_said_left(cost, left),
            saves_nothing=_is_all_left(cost, left),
            savings=tuple(
                Saving(name=amount.name, here=amount.figure, left=remaining.get(amount.name, UNKNOWN))
                for amount in cost
            ),
            fix=words.plain(finding.fix),
            ways=self._ways(finding.chains),
            related=tuple(self.place(each).text for each in finding.related),
            processes=words.plural(finding.processes_count, "process", "processes")
            if finding.processes_count > 1
            else "",
            explained=BY_CODE[finding.code].command if finding.code in BY_CODE else "",
        )

    # tables

    def origin(self, tally: OriginTally) -> Tally:
        spoken = ", ".join(f"{words.plain(name)} {words.count(number)}" for name, number in tally.alpn.items())
        return Tally(
            name=words.plain(tally.origin) or "unknown",
            place=None,
            counts=_counts(tally.counts),
            times=self._times(tally.costs),
            megabytes="",
            remarks=(f"ALPN: {spoken}",) if spoken else (),
        )

    def line(self, tally: SiteTally) -> Tally:
        place = self.place(tally.site)
        return Tally(
            name=place.text,
            place=place,
            counts=_counts(tally.counts),
            times=self._times(tally.costs),
            megabytes=_megabytes(tally.ssl_bytes),
            # A way's count is of clients, contexts and connections together, which would not fit the row's.
            remarks=(
                *(
                    f"{words.plural(number, 'context')} made by importing {words.plain(package)}"
                    for package, number in tally.imported.items()
                ),
                *(f"from {way}" for way in self._ways(tally.chains, are_counted=False)),
            ),
        )

    def _times(self, costs: Costs) -> tuple[str, ...]:
        if not self._has_times:
            return ()
        return tuple(
            map(
                words.milliseconds,
                (
                    costs.context_cpu_ns + costs.handshake_cpu_ns,
                    costs.context_wall_ns,
                    costs.connect_wall_ns,
                    costs.handshake_wall_ns,
                    costs.request_wall_ns,
                ),
            )
        )

    # the whole

    def totals(self, profile: Profile) -> tuple[tuple[str, str], ...]:
        counts = profile.counts
        each = _per_connection(counts)
        told = counts.told_requests_count
        requests = "could not be counted" if told is None else words.count(told)
        if each != UNKNOWN:
            recorded = " recorded" if profile.is_incomplete else ""
            requests += f", {each} per connection{recorded}{_left_out(counts)}"
        failed = counts.connections_failed_count
        full, resumed, broken = map(
            words.count,
            (counts.handshakes_full_count, counts.handshakes_resumed_count, counts.handshakes_failed_count),
        )
        rows = [
            *([("recorded", "not all: what follows is the least that happened")] if profile.is_incomplete else []),
            (
                "contexts",
                f"{words.count(counts.contexts_count)} made, {words.plural(counts.ca_loads_count, 'CA load')}",
            ),
            ("handshakes", f"{full} full, {resumed} resumed, {broken} failed"),
            (
                "connections",
                f"{words.count(counts.connections_count)} opened"
                + (f", {words.count(failed)} failed" if failed else ""),
            ),
            ("requests", requests),
        ]
        if self._has_times:
            rows += _times_said(profile.costs)
        measured = [site.ssl_bytes for site in profile.sites if site.ssl_bytes is not None]
        if measured:
            rows.append(("SSL bytes", f"{words.bytes_text(sum(measured))} allocated, freed or not"))
        return tuple(rows)

    def bigs(self, profile: Profile) -> tuple[Big, ...]:
        counts, costs = profile.counts, profile.costs

        def spent(cpu_ns: int) -> str:
            return f", {words.milliseconds(cpu_ns)} ms CPU" if self._has_times else ""

        least = "≥ " if profile.is_incomplete else ""
        measured = [site.ssl_bytes for site in profile.sites if site.ssl_bytes is not None]
        requests = counts.told_requests_count
        third = Big(
            label="Connections",
            value=least + words.count(counts.connections_count),
            note=f"{words.count(counts.connections_failed_count)} failed",
        )
        if measured:
            third = Big(
                label="SSL bytes", value=least + words.bytes_text(sum(measured)), note="allocated, freed or not"
            )
        return (
            Big(
                label="SSL contexts",
                value=least + words.count(counts.contexts_count),
                note=words.plural(counts.ca_loads_count, "CA load") + spent(costs.context_cpu_ns),
            ),
            Big(
                label="TLS handshakes",
                value=least + words.count(counts.handshakes_count),
                note=f"{words.count(counts.handshakes_resumed_count)} resumed, "
                f"{words.count(counts.handshakes_failed_count)} failed" + spent(costs.handshake_cpu_ns),
            ),
            third,
            Big(
                label="Requests per connection",
                value=_per_connection(counts),
                note="requests could not be counted"
                if requests is None
                else f"{'in what was recorded: ' if least else ''}{words.plural(requests, 'request')}, "
                f"{words.plural(counts.connections_count, 'connection')}{_left_out(counts)}",
            ),
        )


def _function(name: str) -> str:
    known = words.plain(name)
    if known == "<module>":
        return "at module level"
    return f"in {known}()" if known and not known.endswith(">") else f"in {known or 'an unknown function'}"


def _times_said(costs: Costs) -> list[tuple[str, str]]:
    cpu = (("contexts", costs.context_cpu_ns), ("handshakes", costs.handshake_cpu_ns))
    wall = (
        ("contexts", costs.context_wall_ns),
        ("connects", costs.connect_wall_ns),
        ("handshakes", costs.handshake_wall_ns),
        ("requests", costs.request_wall_ns),
    )
    return [
        (f"{name} time", ", ".join(f"{words.milliseconds(spent)} ms in {what}" for what, spent in parts))
        for name, parts in (("CPU", cpu), ("wall", wall))
    ]
