"""The verdict on a published incident, from this run's figures. Pure functions."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from connprof.abridged import AbridgedReport, FailedFigures, OneRecord
from connprof.checks import problems_of
from connprof.model import (
    Answers,
    Case,
    Check,
    Failed,
    Half,
    HazardOutcome,
    Incident,
    Measured,
    Record,
    Report,
    SslBytes,
    Verdict,
    VerdictStatus,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from connprof.abridged import MeasuredFigures

__all__ = [
    "MOST_DIGITS",
    "comparable_bytes",
    "contradiction",
    "contradictory_figures",
    "contradictory_verdict",
    "judge",
    "required_factor",
]

_WORKLOAD = "llm-session"
"""The workload that stands for the incident's session."""

MOST_DIGITS = len("1000000")
"""Of a number of certificates: no bundle holds as many as one with more digits."""

_IO_MOST_RATIO = 1.25
"""As much reading and writing as before, as far as that varies: a cost which only moved there is not gone."""


def comparable_bytes(ssl: SslBytes, *, certificates_count: int, reference_count: int) -> float:
    """SSL bytes as they would be with a CA bundle of ``reference_count`` certificates.

    A context's bytes grow in proportion to the certificates that it loads; handshakes and io do not depend on them.
    """
    return ssl.context_bytes * reference_count / certificates_count + ssl.handshake_bytes + ssl.io_bytes


def required_factor(calls_count: int, contexts_count: int) -> float:
    """By which factor SSL bytes for contexts and handshakes must fall for a fix to count: half of what contexts do.

    Those bytes fall as contexts and handshakes do, however many calls are made. Reading and writing is paid for each
    call by any client, so that the bytes as a whole could never fall by a factor which grows with the calls.
    """
    return calls_count / contexts_count / 2


def judge(incident: Incident, records: Sequence[Record | OneRecord], *, certificates_count: int) -> Verdict:
    """Is the regression reproduced and the fix confirmed?

    Args:
        incident: the published figures, and which strategies stand for before and after.
        records: the cases of one report, in any order. Where they differ by more than their strategies, those with the
            published number of calls and every axis at its default are meant.
        certificates_count: certificates in the CA bundle that the clients loaded.
    """
    judged = _of_one_setting(records, incident)

    def usable(strategy: str) -> Measured | MeasuredFigures | Half:
        found = _usable(judged, strategy)
        if found is None and any(record.case.strategy == strategy for record in records):
            reason = (
                f"No case of {strategy} has {incident.calls_count} calls of {_WORKLOAD} and the default of every axis."
            )
        else:
            reason = f"{strategy} was not part of this run."
        return found or Half(status=VerdictStatus.NOT_MEASURED, reason=reason)

    before, after, shared = usable(incident.before), usable(incident.after), usable(incident.shared_context)
    regression = before if isinstance(before, Half) else _regression(incident, before, certificates_count)
    if isinstance(after, Half):
        fix = after
    elif isinstance(before, Half):
        fix = Half(status=before.status, reason=f"There is nothing to compare the fix with: {_lower(before.reason)}")
    else:
        fix = _fix(incident, before, after)
    return Verdict(incident=incident, regression=regression, fix=fix, answers=_answers(before, after, shared))


def contradiction(report: Report) -> str | None:
    """Why the verdict in a report is not the one that its own figures give; nothing when it is.

    A report is a file that may have been edited, or joined from others, since it was written.
    """
    return next(_contradictions(report), None)


def contradictory_verdict(report: Report | AbridgedReport) -> str | None:
    """Why the verdict alone is not the one that the figures give; the figures are not held against each other."""
    return next(_contradictory_verdict(report), None)


def _contradictions(report: Report) -> Iterator[str]:
    yield from _contradictory_verdict(report)
    yield from _contradictory_figures(report)


def _contradictory_verdict(report: Report | AbridgedReport) -> Iterator[str]:
    certificates = report.environment.identity.get("ca_bundle_certificates_count", "")
    if not certificates.isdecimal() or len(certificates) > MOST_DIGITS or int(certificates) < 1:
        yield "it does not say how many certificates the CA bundle held."
        return
    given = judge(report.verdict.incident, report.records, certificates_count=int(certificates))
    for name in ("regression", "fix"):
        said, follows = getattr(report.verdict, name), getattr(given, name)
        if said.status is not follows.status:
            yield f"it says that the {name} is {said.status}, but by its figures it is {follows.status}."
    if given.answers != report.verdict.answers:
        yield "its answers are not those that its figures give."


def contradictory_figures(report: Report) -> str | None:
    """Why the figures in a report cannot be those of one run, whatever its verdict; nothing when they can."""
    return next(_contradictory_figures(report), None)


def _contradictory_figures(report: Report) -> Iterator[str]:
    if report.run.ended != "complete" and report.run.interrupted is None:
        yield f"it says that its run ended early ({report.run.ended}), and that nothing interrupted it."
    yield from _contradictory_records(report)
    for what, names in (
        ("hazard", [note.id for note in report.hazards]),
        ("hazard probe", [cell.key for cell in report.safety]),
    ):
        for name, count in Counter(names).items():
            if count > 1:
                yield f"it holds the {what} {name} {count} times."
    for cell in report.safety:
        if cell.outcome is HazardOutcome.HELD and (cell.failed_count or cell.harmed_count):
            yield (
                f"it says that {cell.key} held, but {cell.failed_count} attempts failed and {cell.harmed_count} were "
                "harmed."
            )


def _contradictory_records(report: Report) -> Iterator[str]:
    for key, count in Counter(record.case.key for record in report.records).items():
        if count > 1:
            yield f"it holds the case {key} {count} times."
    notes = {(note.name, note.client_library): note for note in report.strategies}
    for record in report.records:
        name, outcome = record.case.strategy, record.outcome
        note = notes.get((name, record.case.client_library)) or notes.get((name, "httpx"))
        if note is None:
            yield f"it does not say what the strategy {record.case.strategy} is."
        elif isinstance(outcome, Measured):
            if outcome.counts is not None and outcome.counts.calls_count != record.case.calls_count:
                yield f"the case {record.case.key} made {outcome.counts.calls_count} calls."
            known = {problem.code for problem in outcome.problems}
            for problem in problems_of(note, outcome):
                if problem.code not in known:
                    yield f"it calls {record.case.strategy} measured, but: {_lower(problem.sentence)}"


def _of_one_setting(records: Sequence[Record | OneRecord], incident: Incident) -> Sequence[Record | OneRecord]:
    """The records that may be held against each other."""
    if len({msgspec.structs.replace(record.case, strategy="") for record in records}) <= 1:
        return records
    return [
        record
        for record in records
        if record.case == Case(strategy=record.case.strategy, workload=_WORKLOAD, calls_count=incident.calls_count)
    ]


def _usable(records: Sequence[Record | OneRecord], strategy: str) -> Measured | MeasuredFigures | Half | None:
    """The strategy's figures, or the half verdict that their lack makes; nothing where it has no case."""
    outcome = next((record.outcome for record in records if record.case.strategy == strategy), None)
    if outcome is None:
        return None
    if isinstance(outcome, Failed | FailedFigures) and outcome.stage == "interrupted":
        return Half(
            status=VerdictStatus.NOT_MEASURED, reason=f"The run was interrupted before {strategy} was complete."
        )
    if isinstance(outcome, Failed | FailedFigures):
        return Half(
            status=VerdictStatus.INVALID, reason=f"{strategy} failed in the {outcome.stage} pass: {outcome.message}"
        )
    if outcome.problems:
        sentence = outcome.problems[0].sentence
        # What it is declared to do begins with its name.
        subject = "The case" if sentence.startswith(f"{strategy} ") else strategy
        return Half(status=VerdictStatus.INVALID, reason=f"{subject} is invalid: {sentence}")
    if outcome.counts is None or outcome.memory is None:
        return Half(status=VerdictStatus.NOT_MEASURED, reason=f"{strategy} was not measured in both counts and memory.")
    return outcome


def _regression(incident: Incident, before: Measured | MeasuredFigures, certificates_count: int) -> Half:
    assert before.counts is not None
    assert before.memory is not None
    counts, calls = before.counts, before.counts.calls_count
    published_bytes = incident.ssl_bytes * calls / incident.calls_count
    ours_bytes = comparable_bytes(
        before.memory.ssl,
        certificates_count=certificates_count,
        reference_count=incident.reference_certificates_count,
    )
    checks = (
        _check("SSL contexts, one per call", counts.client.contexts_count, calls, calls),
        _check("CA loads, one per call", counts.client.ca_loads_count, calls, calls),
        _check("full TLS handshakes, one per call", counts.ledger.handshakes_full_count, calls, calls),
        _check(
            "SSL bytes, rescaled to the reference bundle, over published bytes for as many calls",
            ours_bytes / published_bytes,
            incident.band_low_ratio,
            incident.band_high_ratio,
            unit="ratio",
        ),
    )
    return _half(checks, VerdictStatus.REPRODUCED, VerdictStatus.NOT_REPRODUCED)


def _fix(incident: Incident, before: Measured | MeasuredFigures, after: Measured | MeasuredFigures) -> Half:
    assert before.counts is not None
    assert before.memory is not None
    assert after.counts is not None
    assert after.memory is not None
    calls, origins = after.counts.calls_count, after.counts.origins_count
    if calls < 2 * origins:
        return Half(
            status=VerdictStatus.NOT_CONFIRMED,
            reason=f"The workload made {calls} of the {2 * origins} calls or more that it takes to save anything: "
            f"it called {'one origin' if origins == 1 else f'{origins} origins'}.",
        )
    if calls != before.counts.calls_count:
        return Half(
            status=VerdictStatus.NOT_CONFIRMED,
            reason=f"{incident.before} made {before.counts.calls_count} calls and {incident.after} {calls}.",
        )
    checks = (
        _check("SSL contexts, one per client", after.counts.client.contexts_count, 1, origins),
        _check(
            "CA loads, one per SSL context",
            after.counts.client.ca_loads_count,
            after.counts.client.contexts_count,
            after.counts.client.contexts_count,
        ),
        _check("full TLS handshakes, one per origin", after.counts.ledger.handshakes_full_count, origins, origins),
        _check(
            "SSL bytes for contexts and handshakes, before over after",
            _setup_bytes(before.memory.ssl) / max(_setup_bytes(after.memory.ssl), 1),
            required_factor(calls, origins),
            None,
            unit="ratio",
        ),
        _check(
            "SSL bytes for reading and writing, after over before",
            after.memory.ssl.io_bytes / max(before.memory.ssl.io_bytes, 1),
            0,
            _IO_MOST_RATIO,
            unit="ratio",
        ),
    )
    return _half(checks, VerdictStatus.CONFIRMED, VerdictStatus.NOT_CONFIRMED)


def _setup_bytes(ssl: SslBytes) -> int:
    """What a connection costs before it carries anything."""
    return ssl.context_bytes + ssl.handshake_bytes


def _check(name: str, measured: float, low: float, high: float | None, *, unit: str = "count") -> Check:
    passed = math.isfinite(measured) and low <= measured and (high is None or measured <= high)
    assert unit in {"count", "ratio"}
    return Check(
        name=name, measured=measured, low=low, high=high, unit="count" if unit == "count" else "ratio", passed=passed
    )


def _half(checks: tuple[Check, ...], good: VerdictStatus, bad: VerdictStatus) -> Half:
    failed = [check for check in checks if not check.passed]
    if not failed:
        return Half(status=good, reason=f"All {len(checks)} checks passed.", checks=checks)
    first = failed[0]
    limits = f"at least {first.low:g}" if first.high is None else (
        f"{first.low:g}" if first.low == first.high else f"{first.low:g} to {first.high:g}"
    )  # fmt: skip
    return Half(
        status=bad,
        reason=f"{len(failed)} of {len(checks)} checks failed, first: {first.name} was {first.measured:.4g} "
        f"instead of {limits}.",
        checks=checks,
    )


def _answers(
    before: Measured | MeasuredFigures | Half,
    after: Measured | MeasuredFigures | Half,
    shared: Measured | MeasuredFigures | Half,
) -> Answers | None:
    if isinstance(before, Half) or before.memory is None:
        return None
    return Answers(before=before.memory.ssl, after=_ssl(after), shared_context=_ssl(shared))


def _ssl(outcome: Measured | MeasuredFigures | Half) -> SslBytes | None:
    return None if isinstance(outcome, Half) or outcome.memory is None else outcome.memory.ssl


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
