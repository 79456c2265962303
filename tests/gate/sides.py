"""Reports to hold against each other: the sample, with one thing changed."""

from __future__ import annotations

from msgspec.structs import replace

from connprof import gate
from connprof.compare import compare
from connprof.store import abridge, save_report
from connprof.verdict import judge
from tests import samples

POOLED = "client-per-helper"
PER_CALL = "per-call-async"
NAMES = [sketch.name for sketch in samples.SKETCHES]


def key(strategy):
    return samples.case(strategy).key


def candidate(**changes):
    """The sample, made a day later."""
    run = samples.run(started_at="2026-11-21T09:41:05+00:00", seed=68)
    return replace(samples.report(), **({"run": run} | changes))


def outcome_of(report, strategy):
    return next(record.outcome for record in report.records if record.case.strategy == strategy)


TWINS = {
    "tcp_accepted_count": "connections_count",
    **{
        name: name
        for name in (
            "handshakes_full_count", "handshakes_resumed_count", "handshakes_failed_count", "requests_count",
        )
    },
}  # fmt: skip
"""What client and server both count, by the server's name for it."""


def with_changed(report, strategy, part, **changes):
    """One pass of one strategy with other fields; two underscores reach inside (``client__contexts_count``).

    What the ledger counts, the client has counted too, unless it is told otherwise.
    """
    outcome = outcome_of(report, strategy)
    changed = getattr(outcome, part)
    twins = {
        f"client__{TWINS[field]}": value
        for name, value in changes.items()
        if (field := name.removeprefix("ledger__")) != name
        and field in TWINS
        and getattr(changed.client, TWINS[field]) is not None
    }
    changes = twins | changes
    if part == "counts" and "ledger__connections_count" not in changes:
        handshakes = [
            changes.get(f"ledger__handshakes_{kind}_count", getattr(changed.ledger, f"handshakes_{kind}_count"))
            for kind in ("full", "resumed")
        ]
        changes["ledger__connections_count"] = sum(handshakes)
    for name, value in changes.items():
        inner, _, field = name.rpartition("__")
        one = {field: value}
        if inner:
            one = {inner: replace(getattr(changed, inner), **one)}
        changed = replace(changed, **one)
    return samples.with_outcome(report, strategy, replace(outcome, **{part: changed}))


def declaring(report, strategy, **claims):
    """The report of a suite in which one strategy's file declares something else."""
    notes = (replace(note, **claims) if note.name == strategy else note for note in report.strategies)
    return replace(report, strategies=tuple(notes))


def without(report, strategy):
    return replace(report, records=tuple(r for r in report.records if r.case.strategy != strategy))


def with_identity(report, **changes):
    identity = {name: value for name, value in (report.environment.identity | changes).items() if value is not None}
    return replace(report, environment=replace(report.environment, identity=identity))


def consistent(report):
    """The same figures with the verdict that they give, as a run would have written it."""
    count = report.environment.identity.get("ca_bundle_certificates_count", "119")
    verdict = judge(report.verdict.incident, report.records, certificates_count=int(count))
    return replace(with_identity(report, ca_bundle_certificates_count=count), verdict=verdict)


def save_consistent(report, path):
    save_report(consistent(report), path)


def judged(base, head, policy=None):
    return gate.judge(compare(abridge(base), abridge(head)), policy or gate.Policy())


def row(judgement, strategy, metric):
    """The row of one metric of one case; ``None`` asks for the case as a whole."""
    found = [
        each
        for each in judgement.rows
        if each.pair.subject.strategy == strategy and (each.pair.metric and each.pair.metric.name) == metric
    ]
    assert len(found) == 1, found
    return found[0]


def status(base, head, strategy, metric, policy=None):
    return row(judged(base, head, policy), strategy, metric).status.value
