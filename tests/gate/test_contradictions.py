"""Reports that are partial, or say what cannot be: neither passes for a measurement."""

import json
import re
from pathlib import Path

import pytest
from msgspec import inspect as kinds
from msgspec.structs import replace

from connprof.abridged import AbridgedReport
from connprof.checks import problems_of
from connprof.cli import cli, guarded
from connprof.gate import Policy
from connprof.model import HazardOutcome, Problem, Report, VerdictStatus
from connprof.store import _is_suspect, encode, load_report, save_report
from connprof.verdict import contradiction
from tests import samples
from tests.gate.sides import (
    PER_CALL,
    POOLED,
    candidate,
    declaring,
    judged,
    outcome_of,
    save_consistent,
    status,
    with_changed,
    with_identity,
    without,
)
from tests.wide_samples import cell, hazards

BASE = samples.report()


# --- a baseline that did not come to its end ------------------------------------------------------------------------


CUT_SHORT = [
    {"ended": "interrupted", "interrupted": "Stopped by Ctrl-C."},
    {"interrupted": "Stopped by Ctrl-C."},
    {"ended": "server-lost"},
]


@pytest.mark.parametrize("run", CUT_SHORT)
def test_a_candidate_whose_run_ended_early_is_no_pass(tmp_path, monkeypatch, capsys, run):
    monkeypatch.chdir(tmp_path)
    save_report(BASE, tmp_path / "base.json")
    save_report(replace(BASE, run=samples.run(**run)), tmp_path / "head.json")
    assert guarded(cli, ["compare", "base.json", "head.json"]) == 4
    assert "FAIL: The candidate is incomplete: its run did not come to its end." in capsys.readouterr().out
    assert guarded(cli, ["compare", "base.json", "head.json", "--allow-missing", "candidate"]) == 0


@pytest.mark.parametrize("run", CUT_SHORT)
def test_an_interrupted_baseline_does_not_pass_unsaid(tmp_path, monkeypatch, capsys, run):
    monkeypatch.chdir(tmp_path)
    partial = replace(without(BASE, POOLED), run=samples.run(**run))
    save_consistent(partial, tmp_path / "base.json")
    save_report(candidate(), tmp_path / "head.json")
    assert guarded(cli, ["compare", "base.json", "head.json"]) == 4
    out = capsys.readouterr().out
    assert "FAIL: The baseline is incomplete" in out
    assert ("The baseline's run was interrupted: Stopped by Ctrl-C." in out) is ("interrupted" in run)
    assert guarded(cli, ["compare", "base.json", "head.json", "--allow-missing", "baseline"]) == 0
    assert status(partial, candidate(), "baseline", None) == "missing"
    worse = with_changed(candidate(), PER_CALL, "counts", client__contexts_count=41)
    assert judged(partial, worse, Policy()).answer.value == "regressed"


def test_how_many_figures_could_not_be_judged_stands_in_the_first_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    save_report(BASE, tmp_path / "base.json")
    save_report(with_identity(candidate(), openssl="OpenSSL 3.5"), tmp_path / "head.json")
    assert guarded(cli, ["compare", "base.json", "head.json"]) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith("PASS: 56 figures compared, none regressed. ")
    assert first.endswith(" could not be judged: openssl differs.")


# --- figures that cannot be -----------------------------------------------------------------------------------------


def fewer_calls(name):
    outcome = outcome_of(candidate(), POOLED)
    part = getattr(outcome, name)
    changed = (replace(part[0], calls_count=4), *part[1:]) if name == "timing" else replace(part, calls_count=4)
    return samples.with_outcome(candidate(), POOLED, replace(outcome, **{name: changed}))


@pytest.mark.parametrize("name", ["counts", "memory", "retained", "timing"])
def test_a_pass_of_another_number_of_calls_is_invalid(name):
    head = fewer_calls(name)
    assert status(BASE, head, POOLED, None) == "invalid"
    assert status(head, BASE, POOLED, None) == "incomparable"
    assert contradiction(head)
    note = next(each for each in head.strategies if each.name == POOLED)
    codes = {problem.code for problem in problems_of(note, outcome_of(head, POOLED))}
    assert "calls" in codes


def unmeasured(report):
    """All SSL bytes and client counts gone, while the server saw five handshakes."""
    client = {f"client__{name}": 0 for name in ("contexts_count", "ca_loads_count", "handshakes_full_count")}
    report = with_changed(report, "one-client", "counts", **client, client__connections_count=0)
    return with_changed(report, "one-client", "memory", ssl__context_bytes=0, ssl__handshake_bytes=0, ssl__io_bytes=0)


AT_ODDS = [
    lambda report: with_changed(
        report, "one-client", "counts", ledger__handshakes_full_count=1, client__handshakes_full_count=5
    ),
    lambda report: with_changed(report, "one-client", "counts", client__handshakes_full_count=40),
    lambda report: with_changed(report, "one-client", "counts", ledger__connections_count=4),
    lambda report: with_changed(report, "one-client", "memory", ssl__context_bytes=99),
    unmeasured,
]


@pytest.mark.parametrize("change", AT_ODDS)
def test_a_comparison_believes_no_figures_that_a_report_is_refused_for(tmp_path, monkeypatch, capsys, change):
    monkeypatch.chdir(tmp_path)
    head = change(candidate())
    assert contradiction(head)
    assert status(BASE, head, "one-client", None) == "invalid"
    assert status(head, BASE, "one-client", None) == "incomparable"
    save_report(BASE, tmp_path / "base.json")
    save_report(head, tmp_path / "head.json")
    assert guarded(cli, ["compare", "base.json", "head.json"]) == 3
    assert "PASS" not in capsys.readouterr().out


def test_fewer_than_a_strategy_declares_is_no_improvement_whatever_the_file_says():
    """Client and server were edited alike: only the claim is left to tell."""
    head = with_changed(candidate(), "one-client", "counts", ledger__handshakes_full_count=1)
    head = with_changed(head, "one-client", "counts", ledger__tcp_accepted_count=1)
    assert contradiction(head)
    assert status(BASE, head, "one-client", None) == "invalid"
    assert status(BASE, head, "one-client", "handshakes_full") == "improved"
    assert judged(BASE, head).answer.value == "untrusted"
    assert judged(BASE, declaring(head, "one-client", handshakes=1)).answer.value == "passed"


UNFOUNDED = [
    (
        lambda report: samples.with_halves(report, fix=replace(report.verdict.fix, status=VerdictStatus.NOT_CONFIRMED)),
        "the fix is",
    ),
    (lambda report: samples.with_halves(report, answers=None), "its answers are not"),
    (lambda report: without(report, PER_CALL), "the regression is"),
    (lambda report: with_identity(report, ca_bundle_certificates_count=None), "how many certificates"),
]


@pytest.mark.parametrize(("change", "words"), UNFOUNDED)
def test_a_verdict_that_its_figures_do_not_give_is_refused_on_either_side(tmp_path, monkeypatch, capsys, change, words):
    monkeypatch.chdir(tmp_path)
    save_report(BASE, tmp_path / "good.json")
    save_report(change(candidate()), tmp_path / "odd.json")
    for command in (["report", "odd.json"], ["compare", "good.json", "odd.json"], ["compare", "odd.json", "good.json"]):
        assert guarded(cli, command) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("Error: odd.json contradicts itself: it")
        assert words in err


@pytest.mark.parametrize(("context_bytes", "found"), [(99, "invalid"), (100, "improved"), (101, "improved")])
def test_the_fewest_bytes_that_a_load_can_cost(context_bytes, found):
    head = with_changed(candidate(), "one-client", "memory", ssl__context_bytes=context_bytes)
    assert status(BASE, head, "one-client", None if found == "invalid" else "context_bytes") == found


def test_nothing_at_all_may_be_negative_where_nothing_happened():
    outcome = outcome_of(BASE, POOLED)
    client = replace(outcome.counts.client, ca_loads_count=0)
    memory = replace(outcome.memory, ssl=replace(outcome.memory.ssl, context_bytes=-1))
    note = next(each for each in BASE.strategies if each.name == POOLED)
    found = problems_of(note, replace(outcome, counts=replace(outcome.counts, client=client), memory=memory))
    assert [problem.code for problem in found] == ["memory"]


def test_a_known_problem_hides_no_other():
    """A problem of one code that the file owns up to says nothing of another."""
    head = with_changed(candidate(), "one-client", "memory", ssl__io_bytes=1)
    outcome = replace(outcome_of(head, "one-client"), problems=(Problem(code="claim", sentence="x"),))
    head = samples.with_outcome(head, "one-client", outcome)
    assert "fewer than there can be" in contradiction(head)


HUGE = 10**30
DAMAGE = [  # where, and the figure there that no run can have measured
    ("$.records[1].case.calls_count", 0),
    ("$.records[1].case.concurrency_count", 0),
    ("$.records[1].case.rtt_ms", -1.0),
    ("$.records[1].outcome.counts.calls_count", 0),
    ("$.records[1].outcome.counts.origins_count", 0),
    ("$.records[1].outcome.counts.client.contexts_count", -1),
    ("$.records[1].outcome.counts.ledger.requests_per_connection[0]", -1),
    ("$.records[1].outcome.counts.ledger.alpn[...]", -1),
    ("$.records[1].outcome.counts.events[0].end_ns", HUGE),
    ("$.records[1].outcome.timing[0].calls_count", 0),
    ("$.records[0].outcome.timing[0].wall_ns[0]", 2**63),
    ("$.records[0].outcome.timing[0].latency_ns[0][0]", -5),
    ("$.records[0].outcome.timing[0].latency_ns[0][0]", 0),
    ("$.records[7].outcome.timing[1].latency_ns[0][39]", 0),
    ("$.records[0].outcome.timing[0].latency_ns[0][0]", 1e300),
    ("$.records[1].outcome.memory.ssl.context_bytes", HUGE),
    ("$.records[5].outcome.memory.ssl.io_bytes", -HUGE),
    ("$.records[5].outcome.memory.functions[0].cumulative_bytes", -1),
    ("$.records[1].outcome.growth[0].peak_bytes", -1),
    ("$.records[1].cached_from", "yesterday"),
    ("$.verdict.incident.calls_count", 0),
    ("$.verdict.incident.ssl_bytes", 0),
    ("$.verdict.incident.ssl_bytes", HUGE),
    ("$.verdict.incident.reference_certificates_count", 0),
    ("$.verdict.incident.band_high_ratio", 1e300),
    ("$.verdict.regression.checks[0].measured", -1.0),
    ("$.run.duration_s", -5),
    ("$.run.duration_s", 1e300),
    ("$.run.duration_s", HUGE),
    ("$.run.started_at", ""),
    ("$.run.started_at", "yesterday"),
    ("$.run.started_at", "9999-12-31T23:59:59-23:00"),
    ("$.run.seed", 2**63),
    ("$.headroom.server_requests_per_s", -3),
    ("$.headroom.server_requests_per_s", 0),
    ("$.headroom.fastest_requests_per_s", 1e-300),
]


@pytest.mark.parametrize(("place", "figure"), DAMAGE)
def test_a_damaged_figure_is_refused_in_one_sentence_that_names_its_place(tmp_path, monkeypatch, capsys, place, figure):
    monkeypatch.chdir(tmp_path)
    tree = json.loads(encode(BASE))
    *path, last = re.findall(r"\w+|\.\.\.", place)
    part = tree
    for step in path:
        part = part[int(step) if step.isdecimal() else step]
    if last == "...":
        last = next(iter(part))
    part[int(last) if last.isdecimal() else last] = figure
    Path("all").mkdir()
    Path("all/odd.json").write_text(json.dumps(tree), encoding="utf-8")
    save_consistent(samples.report(samples.SKETCHES[:1]), Path("all/good.json"))
    for command in (
        ["report", "all/odd.json"],
        ["merge", "new.json", "all/good.json", "all/odd.json"],
        ["compare", "all/good.json", "all/odd.json"],
        ["compare", "all/odd.json", "all/good.json"],
        ["history", "all"],
    ):
        assert guarded(cli, command) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert error.startswith("Error: all/odd.json is ")
        assert f"at `{place}`" in error


@pytest.mark.parametrize("command", [["report", "odd.json"], ["compare", "odd.json", "odd.json"]])
def test_a_probe_that_was_measured_at_no_time_is_refused(tmp_path, monkeypatch, capsys, command):
    monkeypatch.chdir(tmp_path)
    save_report(replace(BASE, safety=(replace(HELD, cached_from="yesterday"),)), Path("odd.json"))
    assert guarded(cli, command) == 2
    assert capsys.readouterr().err.endswith("'yesterday' is no time - at `$.safety[0].cached_from`.\n")


def numbers(kind, place="$", around=frozenset()):
    """Every number that a file of this kind may hold, as msgspec reads it."""
    if isinstance(kind, kinds.IntType | kinds.FloatType):
        yield place, kind
    elif isinstance(kind, kinds.StructType):
        for field in kind.fields if kind.cls not in around else ():
            yield from numbers(field.type, f"{place}.{field.name}", around | {kind.cls})
    else:
        parts = [getattr(kind, name, None) for name in ("item_type", "key_type", "value_type")]
        for part in (*filter(None, parts), *getattr(kind, "item_types", ()), *getattr(kind, "types", ())):
            yield from numbers(part, place, around)


@pytest.mark.parametrize(("read_as", "least_count"), [(Report, 200), (AbridgedReport, 70)])
def test_no_number_of_a_report_is_without_limits(read_as, least_count):
    found = list(numbers(kinds.type_info(read_as)))
    assert len(found) > least_count
    assert [place for place, kind in found if kind.ge is None or kind.le is None] == []


@pytest.mark.parametrize("figure", ["-5", "-0.5", "1e300", "1.5E9", "2E-7", "1e+5", f"{2**63}"])
@pytest.mark.parametrize("layout", ['{"x":%s}', '{"x": %s}', "[0,%s]", "[%s]", "[\n%s\n]", "[1,\r\n\t%s]", "[\t%s]"])
def test_numbers_that_a_comparison_passes_over_are_found_in_any_layout(monkeypatch, figure, layout):
    monkeypatch.setattr("connprof.store._PIECE_BYTES", 64)
    for before_count in range(130):
        assert _is_suspect(b'"' + b"x" * before_count + b'"' + (layout % figure).encode())


def test_dates_names_and_hashes_are_no_suspects():
    text = encode(BASE) + b'"2026-11-20T09:41:05-01:00" "a-1" "00e1" "7e8" 12345678901234567 0 1.5 -x "0e-5a"'
    assert not _is_suspect(text)


@pytest.mark.parametrize("count", ["9" * 5000, "0", "", "-1"])
def test_a_number_of_certificates_that_cannot_be_is_a_contradiction(count):
    assert "how many certificates" in contradiction(with_identity(BASE, ca_bundle_certificates_count=count))


def test_the_largest_number_that_can_be_is_read(tmp_path):
    save_report(with_changed(BASE, POOLED, "memory", peak_bytes=2**63 - 1), tmp_path / "report.json")
    assert outcome_of(load_report(tmp_path), POOLED).memory.peak_bytes == 2**63 - 1


def test_figures_at_the_edge_of_what_can_be_are_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = samples.run(duration_s=0.0, started_at="1969-12-31T23:59:59+00:00")
    events = outcome_of(BASE, POOLED).counts.events
    early = (replace(events[0], start_ns=-5_000, end_ns=-4_000), *events[1:])  # before the window opened
    killed = cell(
        "one-client", "H1", outcome=HazardOutcome.HELD, attempts_count=0, duration_ns=0, observed={"code": -9}
    )
    slow = replace(BASE.headroom, server_requests_per_s=1e-6)
    edge = replace(with_changed(BASE, POOLED, "counts", events=early), run=run, safety=(killed,), headroom=slow)
    save_report(edge, Path("edge.json"))
    save_report(BASE, Path("base.json"))
    assert guarded(cli, ["report", "edge.json"]) == 0
    assert guarded(cli, ["compare", "base.json", "edge.json"]) == 0
    assert guarded(cli, ["history", "."]) == 0


HELD = cell("one-client", "H1", outcome=HazardOutcome.HELD, attempts_count=5, failed_count=0, harmed_count=0, errors={})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"safety": (replace(HELD, failed_count=3),)}, "held, but 3 attempts failed"),
        ({"safety": (replace(HELD, harmed_count=1),)}, "held, but 0 attempts failed and 1 were harmed"),
        ({"safety": (HELD, HELD)}, "holds the hazard probe one-client/H1 2 times"),
        ({"hazards": (*hazards(), hazards()[0])}, "holds the hazard "),
        ({"records": (*BASE.records, BASE.records[0])}, "holds the case "),
    ],
)
def test_contradictions_are_refused_by_report_and_merge(tmp_path, monkeypatch, capsys, changes, words):
    monkeypatch.chdir(tmp_path)
    save_report(replace(BASE, **changes), tmp_path / "odd.json")
    save_report(samples.report(samples.SKETCHES[:1]), tmp_path / "good.json")
    save_report(replace(BASE, safety=(HELD,), hazards=hazards()), tmp_path / "whole.json")
    for command in (["report", "odd.json"], ["merge", "new.json", "good.json", "odd.json"]):
        assert guarded(cli, command) == 2
        assert "odd.json contradicts itself: it " in (err := capsys.readouterr().err)
        assert words in err
    assert guarded(cli, ["report", "whole.json"]) == 0
    assert guarded(cli, ["merge", "new.json", "good.json", "whole.json"]) == 0


@pytest.mark.parametrize(("then", "now", "found"), [(0, 1, "regressed"), (2, 1, "improved"), (1, 1, "unchanged")])
def test_a_failed_connection_is_an_exact_count(then, now, found):
    base, head = (
        with_changed(report, POOLED, "counts", client__connections_failed_count=count)
        for report, count in ((BASE, then), (candidate(), now))
    )
    assert status(base, head, POOLED, "connections_failed") == found
    assert judged(BASE, candidate()).judged_count + 1 == judged(base, head).judged_count
