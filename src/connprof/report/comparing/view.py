"""A judged comparison as finished strings. Everything that comes from a file is on one line and free of controls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from connprof.compare import BASELINE, CANDIDATE, OUTCOMES, PEAK_PACKAGES, MetricClass
from connprof.gate import PPM_PER_PERCENT, Answer, Status
from connprof.report import words
from connprof.report.comparing.payers import Payers, Place

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from connprof.abridged import AbridgedReport
    from connprof.compare import Comparison, Difference, Metric, Pair
    from connprof.gate import Judgement, Row

__all__ = ["COLUMNS", "CompareView", "Line", "Payer", "SideView", "build"]

COLUMNS = ("verdict", "case", "metric", "baseline", "candidate", "ratio", "class", "limit")
"""The headings of a comparison's table. Ratio is candidate / baseline."""

_REASON_LETTERS = 300


class Line(msgspec.Struct, frozen=True, gc=False):
    """One row: a field for each of :data:`COLUMNS`, then why, and the line of code that pays if it is known."""

    verdict: str
    case: str
    metric: str
    baseline: str
    candidate: str
    ratio: str
    kind: str
    limit: str
    reason: str
    status: Status
    place: str = ""


class Payer(msgspec.Struct, frozen=True):
    """A line of code with everything that it makes worse, in words; ``file`` is empty where no line is known.

    ``remedy`` is what usually mends it, where that is known.
    """

    file: str
    line: int
    title: str
    text: str
    remedy: str = ""


class SideView(msgspec.Struct, frozen=True):
    """One of the two reports: its role, the file, and when and from what it was made."""

    role: str
    name: str
    made: str


class CompareView(msgspec.Struct, frozen=True):
    """Everything that a renderer places.

    ``lines`` are the rows, worst first; unchanged ones only if asked for. ``calls_to_action`` say what to do now,
    ``warnings`` what to mind, ``tally`` how many rows have which verdict.
    """

    answer: Answer
    headline: str
    tally: str
    sides: tuple[SideView, SideView]
    differences: tuple[str, ...]
    warnings: tuple[str, ...]
    calls_to_action: tuple[str, ...]
    lines: tuple[Line, ...]
    left_out: str
    payers: tuple[Payer, ...]

    @property
    def verdict(self) -> str:
        """The answer as one word for a heading: PASS or FAIL."""
        return "PASS" if self.answer is Answer.PASSED else "FAIL"


def build(
    judgement: Judgement,
    comparison: Comparison,
    baseline: tuple[str, AbridgedReport],
    candidate: tuple[str, AbridgedReport],
    *,
    show_all: bool = False,
) -> CompareView:
    """All strings of a comparison; ``show_all`` also makes the rows of what is unchanged."""
    payers = Payers(baseline[1], candidate[1])
    shown: Sequence[Row]
    shown, left_out = (judgement.rows, "") if show_all else _chosen(judgement)
    writer = _Writer(payers)
    return CompareView(
        answer=judgement.answer,
        headline=_headline(judgement, comparison),
        tally=_tally(judgement),
        sides=(_side("baseline", *baseline), _side("candidate", *candidate)),
        differences=(
            *map(_condition, comparison.conditions),
            *map(_difference, comparison.differences),
            *_packages(comparison.packages),
        ),
        warnings=_warnings(judgement, comparison, baseline[1], candidate[1]),
        calls_to_action=_calls_to_action(judgement),
        lines=tuple(map(writer.line, shown)),
        left_out=left_out,
        payers=_payers(judgement, writer),
    )


MOST_SHOWN = 10
"""So many figures that are only shown are listed, those that moved most; they must not bury the others."""


_UNEVENTFUL = frozenset({Status.UNCHANGED, Status.LEFT_OUT})


def _chosen(judgement: Judgement) -> tuple[list[Row], str]:
    """The rows to list, and a sentence on those that are not: what is unchanged, what the environment explains."""
    chosen: list[Row] = []
    hidden: dict[Status, int] = {}
    shown_count = 0
    for row in judgement.rows:
        status = row.status
        still = status is Status.SHOWN and _looks_alike(row.pair)
        shown_count += status is Status.SHOWN and not still
        explained = status is Status.INCOMPARABLE and row.pair.baseline is not None and row.pair.candidate is not None
        if status in _UNEVENTFUL or still or explained or (status is Status.SHOWN and shown_count > MOST_SHOWN):
            hidden[status] = hidden.get(status, 0) + 1
        else:
            chosen.append(row)
    parts = words.joined([f"{words.count(number)} {status}" for status, number in hidden.items()])
    return chosen, f"Not listed: {parts} (--all lists them)." if hidden else ""


def _looks_alike(pair: Pair) -> bool:
    """Whether both figures would be written in the same way."""
    metric = pair.metric
    return metric is not None and figure(metric, pair.baseline) == figure(metric, pair.candidate)


# --- above the table ----------------------------------------------------------------------------------------------


def _headline(judgement: Judgement, comparison: Comparison) -> str:
    tally = judgement.tally
    compared = words.plural(judgement.judged_count, "figure")
    if judgement.answer is Answer.UNTRUSTED:
        broken = [
            f"{words.plural(tally[status], 'row')} {status}"
            for status in (Status.FAILED, Status.INVALID, Status.UNSTABLE)
            if tally[status]
        ]
        more = f", and {words.plural(tally[Status.REGRESSED], 'figure')} regressed" if tally[Status.REGRESSED] else ""
        return f"The candidate cannot be trusted: {words.joined(broken)}{more}."
    if judgement.answer is Answer.REGRESSED:
        more = f", and {words.count(tally[Status.MISSING])} missing" if tally[Status.MISSING] else ""
        return f"{words.count(tally[Status.REGRESSED])} of {compared} regressed{more}."
    if judgement.answer is Answer.NOTHING:
        return _nothing(judgement, comparison)
    improved = tally[Status.IMPROVED]
    text = f"{compared} compared, none regressed" + (f", {words.count(improved)} improved." if improved else ".")
    return text + _not_judged(judgement)


def _nothing(judgement: Judgement, comparison: Comparison) -> str:
    if not judgement.judged_count:
        if comparison.conditions:
            axes = words.joined([_AXES.get(one.key, one.key) for one in comparison.conditions])
            return f"Nothing was compared: no case is on both sides, as they were measured under another {axes}."
        return "Nothing was compared: not one figure has a counterpart that it can be held against."
    missing = [row.pair.subject.key for row in judgement.rows if row.status is Status.MISSING and not row.is_allowed]
    if missing in ([BASELINE], [CANDIDATE]):
        compared = words.plural(judgement.judged_count, "figure")
        return f"The {missing[0]} is incomplete: its run did not come to its end. Of {compared}, none regressed."
    return f"{words.plural(len(missing), 'row')} of the baseline missing in the candidate."


def _not_judged(judgement: Judgement) -> str:
    """How many figures both sides have that could not be held against each other, and for want of what."""
    rows = [
        row
        for row in judgement.rows
        if row.status is Status.INCOMPARABLE and row.pair.baseline is not None and row.pair.candidate is not None
    ]
    if not rows:
        return ""
    reasons = list(dict.fromkeys(words.plain(row.pair.reason).rstrip(".") for row in rows))
    more = f"; and {words.count(len(reasons) - 1)} other reasons" if len(reasons) > 1 else ""
    return f" {words.count(len(rows))} could not be judged: {reasons[0]}{more}."


def _tally(judgement: Judgement) -> str:
    parts = [f"{words.count(number)} {status}" for status, number in judgement.tally.items() if number]
    if judgement.allowed_count:
        parts.append(f"{words.count(judgement.allowed_count)} allowed by name")
    return ", ".join(parts) or "no rows"


def _side(role: str, name: str, report: AbridgedReport) -> SideView:
    run = report.run
    commit = f"commit {words.plain(run.commit)[:12]}" if run.commit else "commit not known"
    return SideView(
        role,
        words.plain(name),
        ", ".join((words.moment(run.started_at), commit + (" with uncommitted changes" if run.dirty else ""))),
    )


_HIDDEN = {
    MetricClass.EXACT: "counts",
    MetricClass.BANDED: "bytes",
    MetricClass.NOISY: "time ratios",
}


_AXES = {
    "calls_count": "number of calls",
    "client_library": "client library",
    "http_version": "HTTP version",
    "trust_store": "trust store",
    "rtt_ms": "round trip",
    "concurrency_count": "number of calls at once",
    "limits": "pool size",
    "python": "Python",
}
"""The axes of a case in words; ``workload`` is one already."""


def _condition(one: Difference) -> str:
    name = _AXES.get(one.key, one.key) + (", ms" if one.key.endswith("_ms") else "")
    then, now = (_value(value or "the suite's own") for value in (one.baseline, one.candidate))
    return f"{name}: {then} -> {now} (cases that only one side has)"


def _difference(one: Difference) -> str:
    then, now = (_value(value) for value in (one.baseline, one.candidate))
    key = words.plain(one.key)
    what = f"{key} is not recorded" if one.baseline == one.candidate else f"{key}: {then} -> {now}"
    if not one.hidden:
        return f"{what} (compared all the same)"
    return f"{what} ({words.joined([_HIDDEN[kind] for kind in one.hidden])} are incomparable)"


_MOST_PACKAGES = 12


def _packages(found: Sequence[Difference]) -> list[str]:
    """All packages in one sentence; most of them matter little."""
    if not found:
        return []
    parts = [
        f"{words.plain(one.key)[:40]} {_value(one.baseline or 'absent')} -> {_value(one.candidate or 'absent')}"
        for one in found[:_MOST_PACKAGES]
    ]
    more = len(found) - _MOST_PACKAGES
    peaks = any(one.key in PEAK_PACKAGES and None in {one.baseline, one.candidate} for one in found)
    return [
        f"packages: {', '.join(parts)}{f' and {words.count(more)} more' if more > 0 else ''} (compared all the same"
        + (", but for peak bytes)" if peaks else ")")
    ]


def _value(value: str | None) -> str:
    if value is None:
        return "not recorded"
    text = words.plain(value)
    return text if len(text) <= 40 else f"{text[:16]}…"  # noqa: PLR2004  a hash is told by its beginning


def _warnings(
    judgement: Judgement, comparison: Comparison, baseline: AbridgedReport, candidate: AbridgedReport
) -> tuple[str, ...]:
    found = []
    if comparison.is_same_run:
        found.append("Both sides are the same run (same start, same seed), so nothing can differ.")
    if baseline.run.interrupted:
        found.append(f"The baseline's run was interrupted: {words.plain(baseline.run.interrupted)}")
    if candidate.run.interrupted:
        found.append(f"The candidate's run was interrupted: {words.plain(candidate.run.interrupted)}")
    if judgement.tally[Status.LEFT_OUT]:
        found.append(_left_out(judgement))
    if judgement.unknown_names:
        names = ", ".join(words.plain(name) for name in judgement.unknown_names)
        found.append(f"The policy names what is in neither report: {names}.")
    return tuple(found)


def _left_out(judgement: Judgement) -> str:
    rows = [row.pair for row in judgement.rows if row.status is Status.LEFT_OUT]
    names = dict.fromkeys(words.plain(pair.subject.strategy) for pair in rows if pair.metric is None)
    metrics = dict.fromkeys(pair.metric.title for pair in rows if pair.metric is not None)
    parts = [words.joined(list(some)) for some in (names, metrics) if some]
    return (
        f"The candidate is a quick run, which does not measure {', nor '.join(parts)}: what the baseline holds of them "
        "was compared with nothing."
    )


def _calls_to_action(judgement: Judgement) -> tuple[str, ...]:
    tally, found = judgement.tally, []
    remedy = _remedy(judgement.rows) if tally[Status.REGRESSED] else ""
    if remedy:
        found.append(remedy)
    if tally[Status.IMPROVED]:
        number = words.plural(tally[Status.IMPROVED], "figure")
        found.append(f"{number} improved: refresh the baseline, or the gain can be lost again unseen.")
    if tally[Status.NEW]:
        found.append(f"{words.plural(tally[Status.NEW], 'row')} new: not judged before the baseline is refreshed.")
    if tally[Status.MISSING]:
        found.append("What is missing on purpose can be allowed by name: allow_missing in [tool.connprof.gate].")
    shown = (row.pair for row in judgement.rows if row.status is Status.SHOWN) if tally[Status.SHOWN] else ()
    moved_count = sum(not _looks_alike(pair) for pair in shown)
    if moved_count:
        still_count = tally[Status.SHOWN] - moved_count
        found.append(
            f"{words.plural(tally[Status.SHOWN], 'figure')} only shown"
            + (f", {words.count(moved_count)} of them with a change" if still_count else "")
            + ": without a limit in [tool.connprof.gate], they vary too much from run to run to be judged."
        )
    return tuple(found)


# --- rows ---------------------------------------------------------------------------------------------------------


class _Writer:
    """Writes rows; what many rows share is made once."""

    def __init__(self, payers: Payers) -> None:
        self._payers = payers
        self._names: dict[str, str] = {}
        self._limits: dict[int, str] = {}

    def line(self, row: Row) -> Line:
        pair, status = row.pair, row.status
        subject, metric = pair.subject, pair.metric
        case = self._names.get(subject.key)
        if case is None:
            case = self._names[subject.key] = words.plain(subject.key)
        # An enumeration's member is a string already; asking for its value 100,000 times takes its time.
        verdict = f"{status}, allowed" if row.is_allowed else status
        if metric is None:
            reason = _reason(pair)
            return Line(verdict, case, "the whole case", "", "", "", "", "", reason, status)
        before = figure(metric, pair.baseline)
        return Line(
            verdict,
            case,
            metric.title,
            before,
            before if pair.candidate == pair.baseline else figure(metric, pair.candidate),
            ratio(pair),
            # Without a limit there is no band, and nothing has to be equal.
            "" if status is Status.SHOWN and metric.kind is not MetricClass.NOISY else metric.kind,
            self._limit(metric, row.limit_ppm),
            _reason(pair) if pair.reason else "",
            status,
            self._place(row) if status is Status.REGRESSED else "",
        )

    def _limit(self, metric: Metric, limit_ppm: int | None) -> str:
        """Nothing can be set for what is exact. What has a band is said in figures, 0 % too."""
        if limit_ppm is None:
            return ""
        if metric.kind is MetricClass.EXACT:
            return "equal"
        limit = self._limits.get(limit_ppm)
        if limit is None:
            limit = self._limits[limit_ppm] = f"{limit_ppm / PPM_PER_PERCENT:,g} %"
        return limit

    def place(self, row: Row) -> Place | None:
        """The line of code that pays for what ``row`` shows."""
        metric = row.pair.metric
        return None if metric is None else self._payers.place(row.pair.subject.key, metric.name)

    def _place(self, row: Row) -> str:
        place = self.place(row)
        return "" if place is None else f"{words.plain(place.file)}:{place.line} ({words.plain(place.function)})"


def _reason(pair: Pair) -> str:
    text = words.plain(pair.reason[: 4 * _REASON_LETTERS])
    return text if len(text) <= _REASON_LETTERS else f"{text[:_REASON_LETTERS]}…"


def figure(metric: Metric, value: float | None) -> str:
    """Whole counts and bytes, so that one byte of difference can be seen; ratios as factors; outcomes in words."""
    if value is None:
        return words.ABSENT
    if metric.unit == "outcome":
        return OUTCOMES[int(value)].value
    return words.times(value) if metric.kind is MetricClass.NOISY else f"{value:,}"


def ratio(pair: Pair) -> str:
    """With as many places as it takes to tell it from 1."""
    value = pair.ratio
    if value is None:
        return words.ABSENT
    if value == 1:
        return "1"
    off = abs(value - 1)
    places = 4
    while places < 9 and off < 0.5 * 10**-places:  # noqa: PLR2004  nine places tell a byte in a gigabyte
        places += 1
    return f"{value:,.{places}f}"


# --- who pays -----------------------------------------------------------------------------------------------------

_MOST_WORDS = 8


def _payers(judgement: Judgement, writer: _Writer) -> tuple[Payer, ...]:
    """What is wrong, once for each line of code, worst first; what has no line, once for each case."""
    wrong: dict[tuple[str, int, str], list[Row]] = {}
    rest: dict[str, list[Row]] = {}
    for row in judgement.rows:
        if row.is_allowed or row.status not in _WRONG:
            continue
        place = writer.place(row) if row.status is Status.REGRESSED else None
        if place is None:
            rest.setdefault(row.pair.subject.key, []).append(row)
        else:
            wrong.setdefault((place.file, place.line, place.function), []).append(row)
    found = [
        Payer(
            words.plain(file),
            line,
            f"{words.plain(function)} pays more than in the baseline",
            _said(rows),
            _remedy(rows),
        )
        for (file, line, function), rows in wrong.items()
    ]
    found += [
        Payer("", 0, f"{words.plain(key)} {rows[0].status}", _said(rows, with_case=False)) for key, rows in rest.items()
    ]
    return tuple(found)


_WRONG = frozenset({Status.FAILED, Status.INVALID, Status.UNSTABLE, Status.REGRESSED, Status.MISSING})


_REMEDIES = (
    (("contexts", "ca_loads"), "Make the client, or its SSL context, once and share it between calls."),
    (
        ("handshakes", "handshakes_full", "connections"),
        "Connections are kept only by a client that outlives the call: keep it, and read each response to its end.",
    ),
)
"""What usually mends a count that went up, by metric; the first that fits is said."""


def _remedy(rows: Iterable[Row]) -> str:
    names = {row.pair.metric.name for row in rows if row.status is Status.REGRESSED and row.pair.metric is not None}
    return next((sentence for metrics, sentence in _REMEDIES if names.intersection(metrics)), "")


def _said(rows: Sequence[Row], *, with_case: bool = True) -> str:
    cases: dict[str, list[str]] = {}
    for row in rows[:_MOST_WORDS]:
        pair, metric = row.pair, row.pair.metric
        if metric is None:
            said = _reason(pair)
        elif row.status is Status.REGRESSED:
            said = f"{metric.title} {figure(metric, pair.baseline)} -> {figure(metric, pair.candidate)}"
        else:
            said = f"{metric.title} {row.status}"
        cases.setdefault(words.plain(pair.subject.key), []).append(said)
    text = "; ".join(f"{case}: {', '.join(said)}" if with_case else ", ".join(said) for case, said in cases.items())
    more = len(rows) - _MOST_WORDS
    return f"{text}; and {words.count(more)} more" if more > 0 else text
