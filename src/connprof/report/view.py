"""From a report to finished sentences, rows and plot series.

All arithmetic and all formatting is done here and in the modules beside it (:mod:`.words`, :mod:`.cases`,
:mod:`.series`); renderers only place what they find. A figure that was not measured is an en dash, never a nought.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from connprof import stats
from connprof.model import EventKind, VerdictStatus
from connprof.report import series, words
from connprof.report.cases import FLOOR, Seen, State, primary, seen

if TYPE_CHECKING:
    from connprof.model import Answers, Check, CountsPass, Half, Incident, Report, SiteCounts, SslBytes

__all__ = [
    "Assurance",
    "Banner",
    "Cell",
    "Change",
    "Column",
    "Facts",
    "Figure",
    "HalfView",
    "Mark",
    "Plot",
    "Row",
    "Table",
    "VerdictView",
    "View",
    "build",
]

Tone: TypeAlias = Literal["good", "bad", "warn", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A state as symbol, word and tone, so that colour never says it alone."""

    symbol: str
    word: str
    tone: Tone


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfView:
    """The verdict on the regression, or on its fix."""

    title: str
    mark: Mark
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictView:
    """The answer in one sentence, in two parts so that the first can stand out."""

    lead: str
    rest: str
    mark: Mark
    regression: HalfView
    fix: HalfView

    @property
    def sentence(self) -> str:
        """The whole of it."""
        return f"{self.lead}: {self.rest}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One of the three large figures. ``bar_percent`` is its share of the largest of them."""

    label: str
    value: str
    unit: str
    note: str
    tone: series.Tone
    bar_percent: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A count before and after: ``40 → 5``, ``8x fewer``."""

    label: str
    before: str
    after: str
    note: str
    tone: series.Tone


@dataclass(frozen=True, slots=True, kw_only=True)
class Assurance:
    """One reason to trust the figures, or not to."""

    mark: Mark
    label: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Banner:
    """Something that must be read before the verdict."""

    mark: Mark
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column's heading. ``unit`` stands under it."""

    title: str
    unit: str = ""
    is_number: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One finished cell; ``note`` stands small under it, ``mark`` in its place."""

    text: str = ""
    note: str = ""
    mark: Mark | None = None
    is_code: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row; its first cell is its heading. ``details`` are sentences that stand under it."""

    cells: tuple[Cell, ...]
    tone: series.Tone = "other"
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table with its caption; ``groups`` are headings over several columns, ``empty`` is said of no rows."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    groups: tuple[tuple[str, int], ...] = ()
    note: str = ""
    empty: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """A plot with the sentence that says what it shows.

    Attributes:
        key: its name in identifiers and in the file name.
        title: its heading.
        takeaway: what is seen in it.
        alt: the same figures in words, for those who do not see it.
        series: what is drawn; ``None`` where there is nothing, and ``takeaway`` says why.
        left_out: which strategies are not in it.
    """

    key: str
    title: str
    takeaway: str
    alt: str
    series: series.Series | None
    left_out: str = ""

    @property
    def file_name(self) -> str:
        """The PNG file beside the page."""
        return f"{self.key}.png"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """A titled list of names and values."""

    title: str
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The whole page, in reading order."""

    title: str
    meta: tuple[str, ...]
    incident: str
    reference: str
    banners: tuple[Banner, ...]
    verdict: VerdictView
    figures: tuple[Figure, ...]
    changes: tuple[Change, ...]
    assurances: tuple[Assurance, ...]
    problems: Table
    answers: tuple[str, ...]
    answers_table: Table
    checks: Table
    strategies: Table
    brief: Table
    plots: tuple[Plot, ...]
    timeline: Plot
    sites: Table
    origins: Table
    tls: Table
    environment: tuple[Facts, ...]
    definitions: tuple[tuple[str, str], ...]
    command: str
    provenance: Facts
    order: tuple[str, ...]


# --- marks --------------------------------------------------------------------------------------------------------

_GOOD = frozenset({VerdictStatus.REPRODUCED, VerdictStatus.CONFIRMED})
_MOST_SITES = 60
_MOST_ORDER = 400
_ENOUGH_HEADROOM = 3.0
_CALM_SPREAD = 0.15


def _mark(status: VerdictStatus) -> Mark:
    if status in _GOOD:
        return Mark(symbol="✓", word=status.value, tone="good")
    if status is VerdictStatus.NOT_MEASURED:
        return Mark(symbol="○", word=status.value, tone="warn")
    if status is VerdictStatus.INVALID:
        return Mark(symbol="!", word=status.value, tone="bad")
    return Mark(symbol="✕", word=status.value, tone="bad")


_STATE_MARKS = {
    State.MEASURED: Mark(symbol="✓", word="measured", tone="good"),
    State.INVALID: Mark(symbol="!", word="invalid", tone="bad"),
    State.FAILED: Mark(symbol="✕", word="failed", tone="bad"),
    State.INTERRUPTED: Mark(symbol="!", word="interrupted", tone="warn"),
    State.MISSING: Mark(symbol="○", word="not measured", tone="none"),
}


def _yes(word: str) -> Mark:
    return Mark(symbol="✓", word=word, tone="good")


def _warn(word: str) -> Mark:
    return Mark(symbol="!", word=word, tone="warn")


def _no(word: str) -> Mark:
    return Mark(symbol="✕", word=word, tone="bad")


def _unknown(word: str) -> Mark:
    return Mark(symbol="○", word=word, tone="none")


def _text(value: float | None) -> str:
    return words.ABSENT if value is None else words.count(value)


# --- the verdict --------------------------------------------------------------------------------------------------


def _phrase(title: str) -> str:
    """A strategy's title in the middle of a sentence: without a remark in brackets at its end.

    Its first letter is lowered unless it is part of a name.
    """
    first = title.split(" ", 1)[0]
    lowered = first[:1].lower() + first[1:] if first[1:].islower() or len(first) == 1 else first
    return re.sub(r"\s*\([^()]*\)$", "", (lowered + title[len(first) :]).rstrip(". "))


def _spent(one: Seen) -> str:
    """``allocated 299.1 MB of SSL memory and made 40 TLS handshakes``, with what was measured of it."""
    parts = []
    if one.ssl_bytes is not None:
        parts.append(f"allocated {words.bytes_text(one.ssl_bytes)} of SSL memory")
    if one.contexts is not None and one.ssl_bytes is None:
        parts.append(f"created {words.plural(one.contexts, 'SSL context')}")
    if one.handshakes is not None:
        parts.append(f"made {words.plural(one.handshakes, 'TLS handshake')}")
    return words.joined(parts)


def _needs(one: Seen, before: Seen, verb: str) -> str:
    """``needs 47.0 MB and 5``: the same figures in the same order as :func:`_spent` gives of the regression."""
    if before.ssl_bytes is None:
        known = ((one.contexts, "context"), (one.handshakes, "handshake"))
        parts = [words.plural(number, what) for number, what in known if number is not None]
    else:
        parts = [words.bytes_text(one.ssl_bytes)] if one.ssl_bytes is not None else []
        if one.handshakes is not None and before.handshakes is not None:
            number = words.count(one.handshakes)
            parts.append(number if parts else words.plural(one.handshakes, "handshake"))
    return f"{verb} {words.joined(parts)}" if parts else ""


def _story(before: Seen | None, after: Seen | None, incident: Incident, *, fixed: bool) -> str:
    if before is None or before.calls_count is None or not _spent(before):
        return ""
    story = f"{words.plural(before.calls_count, 'call')} with {_phrase(before.title)} {_spent(before)}"
    reproduced_bytes = before.ssl_bytes is not None
    if reproduced_bytes and not fixed:
        published = series.published_bytes(incident, before.calls_count)
        story += f", where {words.round_bytes(published)} were published"
    if after is not None:
        needs = _needs(after, before, "needs" if fixed else "needed")
        story += f"; {_phrase(after.title)} {needs}" if needs else ""
    return story + "."


_LEADS = {
    VerdictStatus.CONFIRMED: "Reproduced and fixed",
    VerdictStatus.NOT_CONFIRMED: "Reproduced, but the fix is not confirmed",
    VerdictStatus.NOT_MEASURED: "Reproduced, but the fix was not measured",
    VerdictStatus.INVALID: "Reproduced, but the fix was not measured validly",
}


def _verdict(report: Report, before: Seen | None, after: Seen | None) -> VerdictView:
    verdict = report.verdict
    regression, fix = verdict.regression, verdict.fix
    reason = words.plain(regression.reason)
    fixed = regression.status in _GOOD and fix.status in _GOOD
    if regression.status in _GOOD:
        lead = _LEADS.get(fix.status, "Reproduced and fixed")
        rest = _story(before, after, verdict.incident, fixed=True) or reason
        if not fixed:
            rest += f" {words.plain(fix.reason)}" if words.plain(fix.reason) not in rest else ""
    elif regression.status is VerdictStatus.INVALID:
        lead = "No verdict, the measurement is invalid"
        rest = reason
    elif regression.status is VerdictStatus.NOT_MEASURED:
        lead = "No verdict, not everything was measured"
        rest = " ".join(part for part in (reason, _story(before, after, verdict.incident, fixed=True)) if part)
    else:
        lead = "Not reproduced"
        rest = _story(before, after, verdict.incident, fixed=False) or reason
    marks = {"good": _yes(lead), "warn": _warn(lead)}
    undecided = VerdictStatus.NOT_MEASURED in {regression.status, fix.status}
    tone = "good" if fixed else "warn" if undecided else ""
    return VerdictView(
        lead=lead,
        rest=rest,
        mark=marks.get(tone, _no(lead)),
        regression=_half("Regression", regression),
        fix=_half("Fix", fix),
    )


def _half(title: str, half: Half) -> HalfView:
    return HalfView(title=title, mark=_mark(half.status), reason=words.plain(half.reason))


def _figures(report: Report, before: Seen | None, after: Seen | None) -> tuple[Figure, ...]:
    incident = report.verdict.incident
    calls = incident.calls_count
    for one in (before, after):
        if one is not None and one.calls_count is not None:
            calls = one.calls_count
            break
    published = series.published_bytes(incident, calls)
    if calls == incident.calls_count:
        note = f"for {words.plural(calls, 'call')}, {words.day(incident.published_on)}"
    else:
        original = words.round_bytes(incident.ssl_bytes)
        note = f"{original} for {words.plural(incident.calls_count, 'call')}, scaled to {words.count(calls)}"
    sizes: list[float | None] = [
        published,
        before.ssl_bytes if before else None,
        after.ssl_bytes if after else None,
    ]
    most = max(size for size in sizes if size is not None) or 1.0
    certificates = report.environment.identity.get("ca_bundle_certificates_count")
    ours = f"{words.plain(certificates)} certificates in the CA bundle" if certificates else "this run"
    less = ""
    if sizes[1] and sizes[2]:
        less = words.change(sizes[1], sizes[2], less="less", more="more")
    labels = ("Published SSL memory", "Ours, before the fix", "Ours, after the fix")
    notes = (note, _distrust(before) or ours, _distrust(after) or ("" if _distrust(before) else less))
    tones: tuple[series.Tone, ...] = ("other", "before", _after_tone(report))
    return tuple(
        Figure(
            label=label,
            value=words.ABSENT if size is None else _headline(size, exact=label is not labels[0]),
            unit="" if size is None else "MB",
            note="not measured" if size is None else text,
            tone=tone,
            bar_percent=0.0 if size is None else round(100 * size / most, 2),
        )
        for label, size, text, tone in zip(labels, sizes, notes, tones, strict=True)
    )


def _distrust(one: Seen | None) -> str:
    """What must stand beside a figure that is not to be trusted."""
    if one is None or one.state is State.MEASURED:
        return ""
    return "invalid, do not use" if one.state is State.INVALID else f"the case {_ENDS[one.state]}"


_ENDS = {State.FAILED: "failed", State.INTERRUPTED: "was interrupted", State.MISSING: "was not measured"}


def _after_tone(report: Report) -> series.Tone:
    """The fix has its colour only where it is confirmed."""
    return "after" if report.verdict.fix.status in _GOOD else "other"


def _headline(size: float, *, exact: bool) -> str:
    return words.megabytes(size) if exact else words.round_bytes(size).removesuffix(" MB")


def _changes(report: Report, before: Seen | None, after: Seen | None) -> tuple[Change, ...]:
    distrust = _distrust(before) or _distrust(after)

    def pair(label: str, old: int | None, new: int | None) -> Change:
        note = "" if old is None or new is None else words.change(old, new, less="fewer", more="more")
        return Change(
            label=label,
            before=_text(old),
            after=_text(new),
            note=distrust or note,
            tone=_after_tone(report),
        )

    return (
        pair(
            "TLS handshakes",
            before.handshakes if before else None,
            after.handshakes if after else None,
        ),
        pair("SSL contexts", before.contexts if before else None, after.contexts if after else None),
    )


# --- how sure -----------------------------------------------------------------------------------------------------


def _assurances(report: Report, all_seen: tuple[Seen, ...]) -> tuple[Assurance, ...]:
    return (
        _checks_assurance(report),
        _passes_assurance(all_seen),
        _ledger_assurance(all_seen),
        _headroom_assurance(report),
        _noise_assurance(all_seen),
        _mode_assurance(report, all_seen),
    )


def _checks_assurance(report: Report) -> Assurance:
    checks = (*report.verdict.regression.checks, *report.verdict.fix.checks)
    passed = sum(check.passed for check in checks)
    label = "Checks"
    if not checks:
        return Assurance(mark=_unknown("none"), label=label, text="no check could be made")
    mark = _yes("passed") if passed == len(checks) else _no("failed")
    return Assurance(mark=mark, label=label, text=f"{passed} of {len(checks)} passed")


def _passes_assurance(all_seen: tuple[Seen, ...]) -> Assurance:
    label = "Passes agree"
    ran = [one for one in all_seen if one.state in {State.MEASURED, State.INVALID}]
    if not ran:
        return Assurance(mark=_unknown("unknown"), label=label, text="no case ran to its end")
    agree = [one for one in ran if not one.measured.problems]
    kinds = sum(bool(part) for part in (ran[0].counts, ran[0].memory, ran[0].timing))
    if kinds <= 1 and len(agree) == len(ran):
        return Assurance(mark=_unknown("one pass"), label=label, text="a single pass has nothing to agree with")
    text = f"in {len(agree)} of {words.plural(len(ran), 'case')}"
    if len(agree) < len(ran):
        others = words.joined([one.name for one in ran if one.measured.problems])
        return Assurance(mark=_no("disagree"), label=label, text=f"{text}; not {others}")
    return Assurance(mark=_yes("agree"), label=label, text=f"{text}, each pass in processes of its own")


def _ledger_assurance(all_seen: tuple[Seen, ...]) -> Assurance:
    label = "Server agrees"
    both = [one.counts for one in all_seen if one.counts]
    if not both:
        return Assurance(mark=_unknown("unknown"), label=label, text="no counts pass was made")
    same = [
        one
        for one in both
        if one.client.handshakes_full_count == one.ledger.handshakes_full_count and not one.ledger.disagreements
    ]
    text = f"client and server counted the same handshakes in {len(same)} of {words.plural(len(both), 'case')}"
    return Assurance(mark=_yes("agree") if len(same) == len(both) else _no("differ"), label=label, text=text)


def _headroom_assurance(report: Report) -> Assurance:
    label = "Server headroom"
    headroom = report.headroom
    if headroom is None or headroom.fastest_requests_per_s <= 0:
        return Assurance(mark=_unknown("unknown"), label=label, text="not measured")
    text = f"{words.times(headroom.ratio)} the rate of the fastest strategy ({words.plain(headroom.fastest_strategy)})"
    enough = headroom.ratio >= _ENOUGH_HEADROOM
    if not enough:
        text += f", at least {words.times(_ENOUGH_HEADROOM)} is wanted: its times may be the server's"
    return Assurance(mark=_yes("enough") if enough else _warn("little"), label=label, text=text)


def _noise_assurance(all_seen: tuple[Seen, ...]) -> Assurance:
    label = "Noise of times"
    spreads = [stats.spread(one.wall_minima_ns) for one in all_seen if len(one.wall_minima_ns) > 1]
    if not spreads:
        return Assurance(
            mark=_unknown("unknown"), label=label, text="not known: fewer than two timing processes per case"
        )
    processes = max(len(one.wall_minima_ns) for one in all_seen)
    worst = max(spreads)
    text = (
        f"{words.share(stats.median(spreads))} between processes, at worst {words.share(worst)} "
        f"(CV, {words.plural(processes, 'process', 'processes')}); counts and bytes do not depend on it"
    )
    calm = worst <= _CALM_SPREAD
    return Assurance(mark=_yes("calm") if calm else _warn("noisy"), label=label, text=text)


def _mode_assurance(report: Report, all_seen: tuple[Seen, ...]) -> Assurance:
    run = report.run
    ran = sum(one.state is State.MEASURED for one in all_seen)
    text = (
        f"{ran} of {words.plural(len(all_seen), 'case')} measured in {words.duration(run.duration_s)}, seed {run.seed}"
    )
    if run.interrupted is not None:
        return Assurance(mark=_warn("interrupted"), label="Interrupted run", text=text)
    if run.quick:
        text += "; shortened, so look at its times but do not quote them"
        return Assurance(mark=_warn("quick"), label="Quick run", text=text)
    failed = sum(one.state in {State.FAILED, State.INVALID, State.INTERRUPTED} for one in all_seen)
    if failed:
        text += f"; {words.plural(failed, 'case')} failed or invalid, see the problems"
    mark = _warn("with problems") if failed or not ran else _yes("full")
    return Assurance(mark=mark, label="Full run", text=text)


def _banners(report: Report) -> tuple[Banner, ...]:
    if report.run.interrupted is None:
        return ()
    text = words.plain(report.run.interrupted) or "The run was stopped."
    return (Banner(mark=_warn("Interrupted"), text=text),)


# --- problems -----------------------------------------------------------------------------------------------------


def _problems(all_seen: tuple[Seen, ...]) -> Table:
    rows: list[Row] = []
    for one in all_seen:
        if one.state in {State.FAILED, State.INTERRUPTED}:
            rows.extend(_problem(one.place, _STATE_MARKS[one.state], sentence) for sentence in one.sentences)
        else:
            rows.extend(
                _problem(
                    one.place,
                    Mark(symbol="!", word=words.plain(problem.code), tone="bad"),
                    words.plain(problem.sentence),
                )
                for problem in one.measured.problems
            )
        if one.counts:
            rows.extend(
                _problem(one.place, _warn("server disagrees"), words.plain(text))
                for text in one.counts.ledger.disagreements
            )
            rows.extend(
                _problem(one.place, _warn("not seen by the client's counts"), words.plain(text))
                for text in one.counts.blind_spots
            )
    return Table(
        caption="Cases that failed or whose figures must not be trusted",
        columns=(
            Column(title="Case", is_number=False),
            Column(title="Kind", is_number=False),
            Column(title="What happened", is_number=False),
        ),
        rows=tuple(rows),
    )


def _problem(label: str, mark: Mark, sentence: str) -> Row:
    return Row(cells=(Cell(text=label), Cell(mark=mark), Cell(text=sentence)))


# --- what the incident did not say --------------------------------------------------------------------------------


def _answers(answers: Answers | None, after: Seen | None) -> tuple[str, ...]:
    if answers is None:
        return ()
    sentences = []
    old = answers.before
    if old.total_bytes > 0:
        parts = [
            (old.context_bytes, "creating SSL contexts and loading the CA bundle into them"),
            (old.handshake_bytes, "handshakes"),
            (old.io_bytes, "reading and writing"),
        ]
        shares = [f"{words.share(size / old.total_bytes)} ({words.bytes_text(size)}) on {what}" for size, what in parts]
        sentences.append(
            f"Of the regression's {words.bytes_text(old.total_bytes)} of SSL bytes, "
            f"{words.joined([shares[0].replace(' on ', ' were spent on ', 1), *shares[1:]])}."
        )
    shared = answers.shared_context
    if shared is not None and old.total_bytes > 0:
        saved = old.total_bytes - shared.total_bytes
        sentences.append(
            f"Sharing only the SSL context, with a client for every call as before, would have saved "
            f"{words.bytes_text(saved)} ({words.share(saved / old.total_bytes)}) and left "
            f"{words.bytes_text(shared.total_bytes)}, but no handshake less."
        )
    if answers.after is not None:
        sentences.append(_what_is_left(answers.after, after))
    return tuple(sentences)


def _what_is_left(left: SslBytes, after: Seen | None) -> str:
    parts = []
    contexts, handshakes = (after.contexts, after.handshakes) if after else (None, None)
    if contexts:
        each = words.bytes_text(left.context_bytes / contexts)
        parts.append(f"{words.bytes_text(left.context_bytes)} for {words.plural(contexts, 'context')} ({each} each)")
    else:
        parts.append(f"{words.bytes_text(left.context_bytes)} for contexts")
    number = words.plural(handshakes, "handshake") if handshakes else "handshakes"
    parts.append(f"{words.bytes_text(left.handshake_bytes)} for {number}")
    parts.append(
        f"{words.bytes_text(left.io_bytes)} for reading and writing, which grows with the calls whatever is shared"
    )
    return f"After the fix {words.bytes_text(left.total_bytes)} are left: {words.joined(parts)}."


def _answers_table(answers: Answers | None, titles: tuple[str, str, str]) -> Table:
    columns = [Column(title="SSL bytes", is_number=False)]
    found: list[SslBytes] = []
    if answers is not None:
        for title, part in zip(titles, (answers.before, answers.shared_context, answers.after), strict=True):
            if part is not None:
                columns.append(Column(title=title, unit="MB"))
                found.append(part)
    rows = []
    for label, attribute in (
        ("Creating contexts", "context_bytes"),
        ("Handshakes", "handshake_bytes"),
        ("Reading and writing", "io_bytes"),
        ("Together", "total_bytes"),
    ):
        cells = [Cell(text=label)]
        for part in found:
            size: int = getattr(part, attribute)
            note = words.share(size / part.total_bytes) if part.total_bytes else ""
            cells.append(Cell(text=words.megabytes(size), note=note))
        rows.append(Row(cells=tuple(cells)))
    return Table(
        caption="Where the SSL bytes went",
        columns=tuple(columns),
        rows=tuple(rows) if found else (),
        empty="This needs a valid measurement of the regression with its memory pass; this run has none.",
    )


# --- checks -------------------------------------------------------------------------------------------------------


def _amount(value: float, unit: str) -> str:
    if unit == "bytes":
        return words.bytes_text(value)
    if unit == "ratio":
        return f"{value:,.3f}" if abs(value) < 10 else words.ratio(value)  # noqa: PLR2004  from ten on, three places are noise
    return words.count(value) if value == round(value) else f"{value:,.2f}"


def _allowed(check: Check) -> str:
    low = _amount(check.low, check.unit)
    if check.high is None:
        return f"at least {low}"
    high = _amount(check.high, check.unit)
    if check.low == check.high:
        return f"exactly {low}"
    return f"at most {high}" if check.low == 0 else f"{low} to {high}"


def _checks(report: Report) -> Table:
    rows: list[Row] = []
    for title, half in (("Regression", report.verdict.regression), ("Fix", report.verdict.fix)):
        rows.extend(
            Row(
                cells=(
                    Cell(text=words.plain(check.name)),
                    Cell(text=title),
                    Cell(text=_amount(check.measured, check.unit)),
                    Cell(text=_allowed(check)),
                    Cell(mark=_yes("passed") if check.passed else _no("failed")),
                )
            )
            for check in half.checks
        )
    incident = report.verdict.incident
    return Table(
        caption="Every comparison behind the verdict",
        columns=(
            Column(title="Check", is_number=False),
            Column(title="Of", is_number=False),
            Column(title="Measured"),
            Column(title="Allowed"),
            Column(title="Result", is_number=False),
        ),
        rows=tuple(rows),
        note=(
            f"The published figure is {words.round_bytes(incident.ssl_bytes)} for "
            f"{words.plural(incident.calls_count, 'call')}; it counts as reproduced from "
            f"{words.times(incident.band_low_ratio)} to {words.times(incident.band_high_ratio)} of that. What a "
            f"context costs depends on the number of CA certificates, so our bytes are first rescaled to a bundle of "
            f"{words.plural(incident.reference_certificates_count, 'certificate')}."
        ),
        empty="No check could be made in this run.",
    )


# --- strategies ---------------------------------------------------------------------------------------------------


def _floor_for(one: Seen, all_seen: tuple[Seen, ...]) -> Seen | None:
    """The floor measured under the same axes."""
    return next((each for each in all_seen if each.name == FLOOR and each.axes == one.axes and each.timing), None)


def _over_floor(one: Seen, all_seen: tuple[Seen, ...]) -> tuple[str, str]:
    floor = _floor_for(one, all_seen)
    if floor is None or not one.timing:
        return words.ABSENT, words.ABSENT
    found = []
    for ours, base in (
        (one.wall_minima_ns, floor.wall_minima_ns),
        (one.cpu_minima_ns, floor.cpu_minima_ns),
    ):
        below = stats.median(base)
        found.append(words.times(stats.ratio(stats.median(ours), below)) if below > 0 else words.ABSENT)
    return found[0], found[1]


def _latency_cells(one: Seen) -> tuple[str, str, str]:
    samples = one.latency_ns
    if not samples:
        return words.ABSENT, words.ABSENT, words.ABSENT
    p50, p95, p99 = (words.milliseconds(stats.percentile(samples, percent)) for percent in (50, 95, 99))
    return p50, p95, p99


def _per_connection(one: Seen) -> str:
    value = one.requests_per_connection
    if value is None:
        return words.ABSENT
    return words.count(value) if value == round(value) else f"{value:,.1f}"


def _strategy_row(one: Seen, all_seen: tuple[Seen, ...]) -> Row:
    memory, counts = one.memory, one.counts
    note = one.name if one.title != one.name else ""
    if one.axes:
        note = f"{note} ({one.axes})"
    if one.role:
        note = f"{note} · {one.role}" if note else one.role
    figures = (
        _text(one.contexts),
        _text(counts.client.ca_loads_count if counts else None),
        _text(one.handshakes),
        _text(one.connections),
        _per_connection(one),
        words.megabytes(memory.ssl.total_bytes) if memory else words.ABSENT,
        words.megabytes(memory.peak_bytes) if memory else words.ABSENT,
        f"{one.retained_bytes / 1e6:,.2f}" if one.retained_bytes is not None else words.ABSENT,
        *_latency_cells(one),
        *_over_floor(one, all_seen),
    )
    return Row(
        cells=(
            Cell(text=one.title, note=note),
            *(Cell(text=figure) for figure in figures),
            Cell(mark=_STATE_MARKS[one.state]),
        ),
        tone=series.tone(one),
        details=one.sentences,
    )


def _strategies(all_seen: tuple[Seen, ...]) -> Table:
    return Table(
        caption="All strategies, costliest first",
        groups=(
            ("", 1),
            ("In one session", 5),
            ("Memory", 3),
            ("Latency of a call", 3),
            ("Over the floor", 2),
            ("", 1),
        ),
        columns=(
            Column(title="Strategy", is_number=False),
            Column(title="SSL contexts"),
            Column(title="CA loads"),
            Column(title="TLS hand\u00adshakes"),
            Column(title="Connec\u00adtions"),
            Column(title="Requests per conn."),
            Column(title="SSL", unit="MB"),
            Column(title="Peak", unit="MB"),
            Column(title="Retained", unit="MB"),
            Column(title="p50", unit="ms"),
            Column(title="p95", unit="ms"),
            Column(title="p99", unit="ms"),
            Column(title="Wall"),
            Column(title="CPU"),
            Column(title="State", is_number=False),
        ),
        rows=tuple(_strategy_row(one, all_seen) for one in all_seen),
        note=(
            "Contexts and CA loads are the client's counts; handshakes, connections and requests per connection (the "
            "mean) are the server's. “Over the floor” divides by the strategy named floor: medians over processes of "
            "each process's fastest round. "
            f"{words.ABSENT} means not measured."
        ),
        empty="No strategy is known to this report.",
    )


def _brief(all_seen: tuple[Seen, ...]) -> Table:
    """The strategy table for a terminal of 80 columns."""
    rows = []
    for one in all_seen:
        figures = (
            _text(one.contexts),
            _text(one.handshakes),
            words.megabytes(one.ssl_bytes) if one.ssl_bytes is not None else words.ABSENT,
            _latency_cells(one)[0],
            _over_floor(one, all_seen)[1],
        )
        rows.append(
            Row(
                cells=(
                    Cell(text=f"{one.name} ({one.axes})" if one.axes else one.name, note=one.role),
                    *(Cell(text=figure) for figure in figures),
                    Cell(mark=_STATE_MARKS[one.state]),
                ),
                tone=series.tone(one),
            )
        )
    return Table(
        caption="Strategies",
        columns=(
            Column(title="strategy", is_number=False),
            Column(title="contexts"),
            Column(title="handshakes"),
            Column(title="SSL MB"),
            Column(title="p50 ms"),
            Column(title="CPU"),
            Column(title="state", is_number=False),
        ),
        rows=tuple(rows),
    )


# --- plots --------------------------------------------------------------------------------------------------------


def _plots(report: Report, all_seen: tuple[Seen, ...], before: Seen | None) -> tuple[Plot, ...]:
    return (
        _bytes_plot(report, all_seen, before),
        _growth_plot(all_seen),
        _counts_plot(all_seen, before),
        _latency_plot(all_seen),
    )


def _left_out(all_seen: tuple[Seen, ...], drawn: set[str]) -> str:
    absent = [one.label for one in all_seen if one.label not in drawn]
    return f"Not drawn, for want of measurement: {', '.join(absent)}." if absent and drawn else ""


def _bytes_plot(report: Report, all_seen: tuple[Seen, ...], before: Seen | None) -> Plot:
    key, title = "ssl-bytes", "SSL bytes by what they were spent on"
    drawn = series.bytes_by_category(all_seen, report.verdict.incident)
    if drawn is None:
        return Plot(
            key=key,
            title=title,
            takeaway="No memory pass was made, so there is nothing to draw.",
            alt="",
            series=None,
        )
    described = "; ".join(
        f"{bar.label} {bar.text} (contexts {bar.segments[0].text}, handshakes {bar.segments[1].text}, "
        f"reading and writing {bar.segments[2].text})"
        for bar in drawn.bars
    )
    reference = f" A marked line: {drawn.reference.text}." if drawn.reference else ""
    takeaway = "Cumulative SSL bytes of one session, freed or not."
    if before and before.ssl and before.ssl.total_bytes:
        part = before.ssl.context_bytes / before.ssl.total_bytes
        takeaway += (
            f" The regression spends {words.share(part)} of its bytes on creating contexts: where contexts are "
            "shared, the bar is short."
        )
    return Plot(
        key=key,
        title=title,
        takeaway=takeaway,
        alt=f"Stacked bars of SSL bytes for each strategy: {described}.{reference}",
        series=drawn,
        left_out=_left_out(all_seen, {bar.label for bar in drawn.bars}),
    )


def _growth_plot(all_seen: tuple[Seen, ...]) -> Plot:
    key, title = "growth", "SSL bytes as the session goes on"
    drawn = series.growth(all_seen)
    if drawn is None:
        return Plot(
            key=key,
            title=title,
            takeaway="No strategy was measured after different numbers of calls, so there is no growth to draw.",
            alt="",
            series=None,
        )
    slopes = []
    for line in drawn.lines:
        (x0, y0), (x1, y1) = line.points[-2:]
        slopes.append((line, (y1 - y0) / (x1 - x0)))
    climbing = [slope for line, slope in slopes if line.tone == "before"]
    flat = [slope for line, slope in slopes if line.tone == "after"]
    takeaway = "Each point is a session cut off after that many calls, measured in a process of its own."
    if climbing and flat:
        takeaway += (
            f" The regression still climbs by {climbing[0]:.2f} MB with every further call at the end, the fix by "
            f"{flat[0]:.2f} MB."
        )
    described = "; ".join(
        f"{line.label} from {line.points[0][1]:.1f} MB after {words.plural(int(line.points[0][0]), 'call')} to "
        f"{line.points[-1][1]:.1f} MB after {words.count(line.points[-1][0])}"
        for line in drawn.lines
    )
    return Plot(
        key=key,
        title=title,
        takeaway=takeaway,
        alt=f"Lines of cumulative SSL bytes over the number of calls: {described}.",
        series=drawn,
        left_out=_left_out(all_seen, {line.label for line in drawn.lines}),
    )


def _counts_plot(all_seen: tuple[Seen, ...], before: Seen | None) -> Plot:
    key, title = "counts", "SSL contexts and TLS handshakes"
    drawn = series.counts(all_seen)
    if drawn is None:
        return Plot(
            key=key,
            title=title,
            takeaway="No counts pass was made, so there is nothing to draw.",
            alt="",
            series=None,
        )
    described = "; ".join(
        f"{bar.label} {bar.segments[0].text} contexts, {bar.segments[1].text} handshakes" for bar in drawn.bars
    )
    takeaway = "A shared context removes the contexts; only a connection that is kept open removes the handshakes."
    if before is not None and before.counts is not None:
        origins = before.counts.origins_count
        takeaway += (
            f" This session calls {words.plural(origins, 'origin')}, so no client can do with fewer than "
            f"{words.plural(origins, 'handshake')}."
        )
    return Plot(
        key=key,
        title=title,
        takeaway=takeaway,
        alt=f"Bars of contexts and handshakes for each strategy: {described}.",
        series=drawn,
        left_out=_left_out(all_seen, {bar.label for bar in drawn.bars}),
    )


def _latency_plot(all_seen: tuple[Seen, ...]) -> Plot:
    key, title = "latency", "How long a call takes"
    drawn = series.latency(all_seen)
    if drawn is None:
        return Plot(
            key=key,
            title=title,
            takeaway="No timing pass was made, so there is nothing to draw.",
            alt="",
            series=None,
        )
    described = "; ".join(
        f"{box.label} p50 {box.p50.text}, p95 {box.p95.text}, p99 {box.p99.text} ms" for box in drawn.boxes
    )
    processes = max(len(one.timing) for one in all_seen)
    return Plot(
        key=key,
        title=title,
        takeaway=(
            "The box holds the middle half of the calls, the thin line begins at the 5th percentile and ends at the "
            f"99th. All calls of up to {words.plural(processes, 'process', 'processes')} over loopback, where the "
            "network costs next to nothing: compare the strategies with each other, not with another machine."
        ),
        alt=f"Distributions of call latencies for each strategy: {described}.",
        series=drawn,
        left_out=_left_out(all_seen, {box.label for box in drawn.boxes}),
    )


def _timeline(before: Seen | None, after: Seen | None) -> Plot:
    key, title = "timeline", "One session, call by call"
    drawn = series.timeline(before, after)
    if drawn is None:
        return Plot(
            key=key,
            title=title,
            takeaway="No counts pass of the regression or of its fix was made, so there is nothing to draw.",
            alt="",
            series=None,
        )
    described = "; ".join(f"{panel.title}: {panel.tally}" for panel in drawn.panels)
    takeaway = (
        "Each row is an origin: its calls above, its connections with their handshakes below. Both sessions are drawn "
        "over the same time. The times come from the counts pass, with the observer on, and serve for the picture only."
        if len(drawn.panels) > 1
        else "Each row is an origin: its calls above, its connections with their handshakes below. The other half of "
        "the comparison was not measured."
    )
    return Plot(key=key, title=title, takeaway=takeaway, alt=f"Timeline of connections. {described}.", series=drawn)


# --- who pays -----------------------------------------------------------------------------------------------------

_CERTAINTY = {
    "stack": "was on the call stack",
    "context": "made the request",
    "creation": "created the context",
    "unknown": "not known",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Payer:
    """What one line pays, whatever led to it."""

    place: str
    function: str
    contexts: int
    handshakes: int
    connections: int
    requests: int | None
    found: str


def _payers(counts: CountsPass) -> list[_Payer]:
    """The call sites of one case, one for each line, costliest first."""
    by_line: dict[tuple[str, int, str], list[SiteCounts]] = {}
    for each in counts.sites:
        by_line.setdefault((each.site.file, each.site.line, each.site.function), []).append(each)
    found = []
    for (file, line, function), parts in by_line.items():
        requests = [part.counts.requests_count for part in parts if part.counts.requests_count is not None]
        certainties = dict.fromkeys(_CERTAINTY[part.site.certainty] for part in parts)
        found.append(
            _Payer(
                place=f"{words.plain(file)}:{line}",
                function=words.plain(function),
                contexts=sum(part.counts.contexts_count for part in parts),
                handshakes=sum(part.counts.handshakes_full_count for part in parts),
                connections=sum(part.counts.connections_count for part in parts),
                requests=sum(requests) if requests else None,
                found=words.joined(list(certainties)),
            )
        )
    return sorted(found, key=lambda one: (-one.contexts, -one.handshakes, -one.connections, one.place))


def _sites(all_seen: tuple[Seen, ...]) -> Table:
    found = [(one, payer) for one in all_seen if one.counts for payer in _payers(one.counts)]
    rows = tuple(
        Row(
            cells=(
                Cell(text=payer.place, note=payer.function, is_code=True),
                Cell(text=one.label),
                Cell(text=words.count(payer.contexts)),
                Cell(text=words.count(payer.handshakes)),
                Cell(text=words.count(payer.connections)),
                Cell(text=_text(payer.requests)),
                Cell(text=payer.found),
            ),
            tone=series.tone(one),
        )
        for one, payer in found[:_MOST_SITES]
    )
    more = len(found) - len(rows)
    return Table(
        caption="Who pays: the lines that cause contexts and handshakes",
        columns=(
            Column(title="Line", is_number=False),
            Column(title="Strategy", is_number=False),
            Column(title="SSL contexts"),
            Column(title="TLS handshakes"),
            Column(title="Connections"),
            Column(title="Requests"),
            Column(title="The line", is_number=False),
        ),
        rows=rows,
        note=f"{words.plural(more, 'more line')} in report.json." if more else "",
        empty="No counts pass was made, so no line is known.",
    )


def _origins(before: Seen | None, after: Seen | None) -> Table:
    sides = [(title, one) for title, one in (("Regression", before), ("Fix", after)) if one and one.counts]
    kinds = (
        (EventKind.CALL, "calls"),
        (EventKind.CONNECTION, "connections"),
        (EventKind.HANDSHAKE, "handshakes"),
    )
    tallies = [
        Counter((event.origin, event.kind) for event in one.counts.events) if one.counts else Counter()
        for _, one in sides
    ]
    names = list(dict.fromkeys(origin for tally in tallies for origin, _ in tally))
    return Table(
        caption="By origin",
        columns=(
            Column(title="Origin", is_number=False),
            *(Column(title=word.capitalize()) for _ in sides for _, word in kinds),
        ),
        groups=(("", 1), *((title, len(kinds)) for title, _ in sides)),
        rows=tuple(
            Row(
                cells=(
                    Cell(text=words.plain(name)),
                    *(Cell(text=words.count(tally[name, kind])) for tally in tallies for kind, _ in kinds),
                )
            )
            for name in names
        ),
        empty="No session of the regression or of its fix was recorded.",
    )


def _shares(counted: dict[str, int]) -> str:
    return ", ".join(
        f"{words.plain(name) or 'none'} ({words.count(number)})"
        for name, number in sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    )


def _tls(all_seen: tuple[Seen, ...]) -> Table:
    rows = tuple(
        Row(
            cells=(
                Cell(text=one.label),
                Cell(text=words.count(one.ledger.handshakes_full_count)),
                Cell(text=words.count(one.ledger.handshakes_resumed_count)),
                Cell(text=words.count(one.ledger.handshakes_failed_count)),
                Cell(text=_shares(one.ledger.tls_versions) or words.ABSENT),
                Cell(text=_shares(one.ledger.ciphers) or words.ABSENT),
                Cell(text=_shares(one.ledger.alpn) or words.ABSENT),
            )
        )
        for one in all_seen
        if one.ledger
    )
    return Table(
        caption="TLS as the server saw it",
        columns=(
            Column(title="Strategy", is_number=False),
            Column(title="Full"),
            Column(title="Resumed"),
            Column(title="Failed"),
            Column(title="Version", is_number=False),
            Column(title="Cipher", is_number=False),
            Column(title="ALPN", is_number=False),
        ),
        groups=(("", 1), ("Handshakes", 3), ("Negotiated (connections)", 3)),
        rows=rows,
        empty="No pass was made that the server could count.",
    )


# --- surroundings -------------------------------------------------------------------------------------------------


def _environment(report: Report) -> tuple[Facts, ...]:
    environment = report.environment

    def listed(title: str, values: dict[str, str], *, spaced: bool = False) -> Facts:
        names = {name: words.plain(name.replace("_", " ") if spaced else name) for name in values}
        return Facts(title=title, pairs=tuple((names[name], words.plain(value)) for name, value in values.items()))

    # Most variables are treated alike, so they are listed by what was done with them.
    done: dict[str, list[str]] = {}
    for name, value in environment.variables.items():
        done.setdefault(words.plain(value), []).append(words.plain(name))
    return (
        listed("Identity: must match for bytes to be compared", environment.identity, spaced=True),
        listed("Context: shown, never compared", environment.context, spaced=True),
        listed("Packages", environment.packages),
        Facts(
            title="Environment variables that switch code paths",
            pairs=tuple((value, ", ".join(sorted(names))) for value, names in sorted(done.items())),
        ),
    )


_DEFINITIONS = (
    (
        "SSL bytes",
        (
            "Cumulative bytes whose innermost Python frame is in the standard library's ssl module. By category: "
            "creating contexts (with the CA bundle that is loaded into each), handshakes, and reading and writing."
        ),
    ),
    (
        "Cumulative bytes",
        (
            "All bytes ever allocated while the session ran, freed or not: work that was done, which is not the same "
            "as memory in use."
        ),
    ),
    ("Peak bytes", "The most that was in use at any moment of the session."),
    ("Retained bytes", "What was still in use when the session had ended. A pool that stays open retains on purpose."),
    (
        "SSL context, CA load",
        "A context is made once and can serve every client. Loading the CA bundle into it parses every certificate.",
    ),
    (
        "Full handshake",
        (
            "A TLS connection set up from nothing, with a round trip and public-key arithmetic. A resumed one builds "
            "on an earlier session; the client libraries do not do that by themselves."
        ),
    ),
    ("Floor", "The strategy with no client library at all: what the same calls cost when done with bare TLS sockets."),
    (
        "p50, p95, p99",
        (
            "Half, 95 and 99 in 100 of the calls took at most so long (linear between ranks), over all rounds and "
            "processes."
        ),
    ),
    (
        "The band",
        (
            "The range in which a figure counts as reproduced, fixed before measuring. Counts must match exactly; "
            "bytes may differ, because the size of the CA bundle and of the buffers does."
        ),
    ),
    (
        "Why no time is compared with another machine",
        (
            "A time says as much about the machine, its load and its neighbours as about the code. Counts, context "
            "bytes and ratios within one run do not."
        ),
    ),
    (
        "Three passes",
        (
            "Counts, memory and times are measured in separate processes, because each instrument would change the "
            "others' figures. The server counts in every pass, and all must agree."
        ),
    ),
    ("MB, kB", "1,000,000 and 1,000 bytes."),
)


def _provenance(report: Report) -> Facts:
    run = report.run
    commit = words.plain(run.commit) if run.commit else "not known"
    if run.dirty:
        commit += ", with uncommitted changes"
    return Facts(
        title="This run",
        pairs=(
            ("Started", words.moment(run.started_at)),
            ("Duration", words.duration(run.duration_s)),
            ("Seed", str(run.seed)),
            ("Mode", "quick" if run.quick else "full"),
            ("Commit", commit),
            ("connprof", words.plain(run.connprof_version)),
            ("Format", words.plain(report.schema)),
        ),
    )


def _order(report: Report) -> tuple[str, ...]:
    order = tuple(words.plain(step) for step in report.run.order[:_MOST_ORDER])
    more = len(report.run.order) - len(order)
    return (*order, f"and {words.count(more)} more, in report.json") if more else order


# --- the whole ----------------------------------------------------------------------------------------------------


def build(report: Report) -> View:
    """Everything that is on the page and in the terminal summary, finished."""
    incident = report.verdict.incident
    all_seen = seen(report)
    before = primary(all_seen, incident.before, incident.calls_count)
    after = primary(all_seen, incident.after, incident.calls_count)
    workloads = dict.fromkeys(words.plain(record.case.workload) for record in report.records)
    return View(
        title=f"connprof: {words.plain(incident.id)}",
        meta=tuple(
            part
            for part in (
                words.plain(incident.id),
                f"workload {', '.join(workloads)}" if workloads else "",
                words.moment(report.run.started_at),
                f"connprof {words.plain(report.run.connprof_version)}",
            )
            if part
        ),
        incident=words.plain(incident.title),
        reference=f"{words.plain(incident.reference)}, {words.day(incident.published_on)}",
        banners=_banners(report),
        verdict=_verdict(report, before, after),
        figures=_figures(report, before, after),
        changes=_changes(report, before, after),
        assurances=_assurances(report, all_seen),
        problems=_problems(all_seen),
        answers=_answers(report.verdict.answers, after),
        answers_table=_answers_table(report.verdict.answers, ("Regression", "Only the context shared", "Fix")),
        checks=_checks(report),
        strategies=_strategies(all_seen),
        brief=_brief(all_seen),
        plots=_plots(report, all_seen, before),
        timeline=_timeline(before, after),
        sites=_sites(all_seen),
        origins=_origins(before, after),
        tls=_tls(all_seen),
        environment=_environment(report),
        definitions=_DEFINITIONS,
        command=words.plain(report.run.command),
        provenance=_provenance(report),
        order=_order(report),
    )
