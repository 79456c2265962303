"""The verdict in one sentence and the large figures below it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from connprof import stats
from connprof.model import VerdictStatus
from connprof.report import series, words
from connprof.report.cases import State
from connprof.report.marks import GOOD, bad_mark, figure_text, good_mark, part_of, status_mark, warn_mark
from connprof.report.shapes import Change, Figure, HalfView, VerdictView

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connprof.model import Half, Incident, Report
    from connprof.report.cases import Seen

__all__ = ["change_views", "figure_views", "is_asked_for", "measured_view", "verdict_view"]


def _phrase(title: str) -> str:
    """A strategy's title in the middle of a sentence: without a remark in brackets at its end.

    Its first letter is lowered unless it is part of a name.
    """
    first = title.split(" ", 1)[0]
    lowered = first[:1].lower() + first[1:] if first[1:].islower() or len(first) == 1 else first
    return re.sub(r"\s*\([^()]*\)$", "", (lowered + title[len(first) :]).rstrip(". "))


def _spent(one: Seen, published: str = "") -> str:
    """``299.1 MB of cumulative SSL allocations and 40 TLS handshakes``, with what was measured of it.

    ``published`` stands beside the bytes where they are not the published ones.
    """
    parts = []
    if one.ssl_bytes is not None:
        beside = f" (published: {published})" if published else ""
        parts.append(f"{words.bytes_text(one.ssl_bytes)} of cumulative SSL allocations{beside}")
    if one.contexts is not None and one.ssl_bytes is None:
        parts.append(words.plural(one.contexts, "SSL context"))
    if one.handshakes is not None:
        parts.append(words.plural(one.handshakes, "TLS handshake"))
    return words.joined(parts)


def _needs(one: Seen, before: Seen) -> str:
    """``47.0 MB and 5``: the same figures in the same order as :func:`_spent` gives of the regression."""
    if before.ssl_bytes is None:
        known = ((one.contexts, "context"), (one.handshakes, "handshake"))
        parts = [words.plural(number, what) for number, what in known if number is not None]
    else:
        parts = [words.bytes_text(one.ssl_bytes)] if one.ssl_bytes is not None else []
        if one.handshakes is not None and before.handshakes is not None:
            number = words.count(one.handshakes)
            parts.append(number if parts else words.plural(one.handshakes, "handshake"))
    return words.joined(parts)


def _story(before: Seen | None, after: Seen | None, incident: Incident, *, fixed: bool) -> str:
    if before is None or before.calls_count is None or not _spent(before):
        return ""
    published = ""
    if not fixed:
        published = f"about {words.round_bytes(series.published_bytes(incident, before.calls_count))}"
    story = f"{words.plural(before.calls_count, 'call')} with {_phrase(before.title)} cost {_spent(before, published)}"
    needs = _needs(after, before) if after is not None else ""
    if after is not None and needs:
        story += f"; with {_phrase(after.title)}, {needs}"
    return story + "."


_LEADS = {
    VerdictStatus.CONFIRMED: "Reproduced and fixed",
    VerdictStatus.NOT_CONFIRMED: "Reproduced, but the fix is not confirmed",
    VerdictStatus.NOT_MEASURED: "Reproduced, but the fix was not measured",
    VerdictStatus.INVALID: "Reproduced, but the fix was not measured validly",
}


def _failures(all_seen: tuple[Seen, ...]) -> str:
    """``1 of 8 cases failed``, or nothing where none did."""
    cases = [one for one in all_seen if one.case is not None]
    failed = sum(one.state is State.FAILED for one in cases)
    return f"{part_of(failed, len(cases), 'cases')} failed" if failed else ""


def verdict_view(report: Report, all_seen: tuple[Seen, ...], before: Seen | None, after: Seen | None) -> VerdictView:
    """The verdict in one sentence, with both halves of it."""
    verdict = report.verdict
    failures = _failures(all_seen)
    regression, fix = verdict.regression, verdict.fix
    reason = words.plain(regression.reason)
    fixed = regression.status in GOOD and fix.status in GOOD
    if regression.status in GOOD:
        lead = _LEADS.get(fix.status, "Reproduced and fixed")
        rest = _story(before, after, verdict.incident, fixed=True) or reason
        if not fixed:
            rest += f" {words.plain(fix.reason)}" if words.plain(fix.reason) not in rest else ""
    elif regression.status is VerdictStatus.INVALID:
        lead = "No verdict, the measurement is invalid"
        if before is not None and before.state is State.FAILED:
            lead, failures = f"No verdict, {failures}", ""
        rest = reason
    elif before is not None and before.state is State.INTERRUPTED:
        lead, rest = "No verdict", reason[:1].lower() + reason[1:]
    elif regression.status is VerdictStatus.NOT_MEASURED:
        lead = f"No verdict, {failures or 'not everything was measured'}"
        failures = ""
        rest = " ".join(part for part in (reason, _story(before, after, verdict.incident, fixed=True)) if part)
    else:
        lead = "Not reproduced"
        rest = _story(before, after, verdict.incident, fixed=False) or reason
    if failures:
        rest += f" {failures}."
    marks = {"good": good_mark(lead), "warn": warn_mark(lead)}
    undecided = VerdictStatus.NOT_MEASURED in {regression.status, fix.status}
    tone = "good" if fixed else "warn" if undecided else ""
    return VerdictView(
        lead=lead,
        rest=rest,
        mark=marks.get(tone, bad_mark(lead)),
        regression=_half("Regression", regression, said=rest),
        fix=_half("Fix", fix, said=rest),
    )


def is_asked_for(report: Report) -> bool:
    """Whether the run had anything to do with the incident: a strategy that it is about, or no case at all."""
    incident, verdict = report.verdict.incident, report.verdict
    if {verdict.regression.status, verdict.fix.status} != {VerdictStatus.NOT_MEASURED} or not report.records:
        return True
    about = {incident.before, incident.after}
    return any(record.case.strategy in about for record in report.records)


_MOST_TOLD = 3


def measured_view(report: Report, every: tuple[Seen, ...], answers: Sequence[str]) -> VerdictView:
    """What was measured, in the place of a verdict that nobody asked for.

    A few cases are told with their figures; of more, ``answers`` say what they show.
    """
    cases = [one for one in every if one.case is not None]
    whole = [one for one in cases if one.state is State.MEASURED]
    lead = f"{words.plural(len(cases), 'case')} measured" if len(whole) == len(cases) else (
        f"{part_of(len(whole), len(cases), 'cases')} measured"
    )  # fmt: skip
    if len(whole) <= _MOST_TOLD or not answers:
        more = len(whole) - _MOST_TOLD
        told = [f"{one.place}: {_figures(one)}" for one in whole[:_MOST_TOLD]]
        rest = "; ".join(told) + (f"; and {words.count(more)} more." if more > 0 else "." if told else "")
    else:
        rest = " ".join(answers[:_MOST_TOLD])
    failures = _failures(every)
    rest = " ".join(part for part in (rest, f"{failures}." if failures else "") if part) or "see the problems below."
    verdict = report.verdict
    return VerdictView(
        lead=lead,
        rest=rest,
        mark=good_mark(lead) if len(whole) == len(cases) else warn_mark(lead),
        regression=_half("Regression", verdict.regression),
        fix=_half("Fix", verdict.fix),
    )


def _figures(one: Seen) -> str:
    """``1 context, 5 handshakes, 16.7 MB of SSL bytes, p50 1.61 ms``."""
    parts = [
        words.plural(number, what)
        for number, what in ((one.contexts, "context"), (one.handshakes, "handshake"))
        if number is not None
    ]
    if one.ssl_bytes is not None:
        parts.append(f"{words.bytes_text(one.ssl_bytes)} of SSL bytes")
    if one.latency_ns:
        parts.append(f"p50 {words.milliseconds(stats.percentile(one.latency_ns, 50))} ms")
    return ", ".join(parts) or "no figures"


def _half(title: str, half: Half, *, said: str = "") -> HalfView:
    """A half verdict; a long reason that is part of what was ``said`` above is not said again."""
    reason = words.plain(half.reason)
    if half.status is VerdictStatus.INVALID and reason in said:
        reason = "The reason is above."
    return HalfView(title=title, mark=status_mark(half.status), reason=reason)


def figure_views(report: Report, before: Seen | None, after: Seen | None) -> tuple[Figure, ...]:
    """The three large figures: published, before and after."""
    incident = report.verdict.incident
    calls = incident.calls_count
    for one in (before, after):
        if one is not None and one.calls_count is not None:
            calls = one.calls_count
            break
    published = series.published_bytes(incident, calls)
    if calls == incident.calls_count:
        note = f"cumulative, for ~{words.plural(calls, 'call')}"
    else:
        original = words.round_bytes(incident.ssl_bytes)
        was = f"~{original} for ~{words.plural(incident.calls_count, 'call')}"
        note = f"cumulative; {was}, scaled to {words.count(calls)}"
    sizes: list[float | None] = [
        published,
        before.ssl_bytes if before else None,
        after.ssl_bytes if after else None,
    ]
    most = max(size for size in sizes if size is not None) or 1.0
    ours = less = "cumulative SSL allocations, freed or not"
    if sizes[1] and sizes[2]:
        less = f"{words.change(sizes[1], sizes[2], less='less', more='more')}, also cumulative"
    labels = ("Published", "Ours, before the fix", "Ours, after the fix")
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


_ENDS = {
    State.FAILED: "failed",
    State.FORESEEN: "failed",
    State.INTERRUPTED: "was interrupted",
    State.MISSING: "was not measured",
}


def _after_tone(report: Report) -> series.Tone:
    """The fix has its colour only where it is confirmed."""
    return "after" if report.verdict.fix.status in GOOD else "other"


def _headline(size: float, *, exact: bool) -> str:
    return words.megabytes(size) if exact else f"~{words.round_bytes(size).removesuffix(' MB')}"


def change_views(report: Report, before: Seen | None, after: Seen | None) -> tuple[Change, ...]:
    """The counts before and after."""
    distrust = _distrust(before) or _distrust(after)

    def pair(label: str, old: int | None, new: int | None) -> Change:
        note = "" if old is None or new is None else words.change(old, new, less="fewer", more="more")
        return Change(
            label=label,
            before=figure_text(old),
            after=figure_text(new),
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
