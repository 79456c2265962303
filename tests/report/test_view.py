import io
from dataclasses import fields, is_dataclass

import pytest
from msgspec.structs import replace
from rich.console import Console

from connprof.model import (
    CallSite,
    Case,
    ClientCounts,
    Event,
    EventKind,
    Failed,
    Half,
    Measured,
    Problem,
    Record,
    SiteCounts,
    TimingPass,
    VerdictStatus,
)
from connprof.report import first_screen, print_summary, series, view, words
from connprof.verdict import judge
from tests import samples


def figures(made):
    return [(each.label, each.value, each.unit, each.note) for each in made.figures]


def row_of(made, name):
    return next(row for row in made.strategies.rows if row.cells[0].note.split(" · ")[0] == name)


def texts(row):
    return [cell.mark.word if cell.mark else cell.text for cell in row.cells]


# --- the first screen -----------------------------------------------------------------------------------------------


def test_the_verdict_in_one_sentence():
    made = view.build(samples.report())
    assert made.verdict.sentence == (
        "Reproduced and fixed: 40 calls with a new AsyncClient for every call cost 299.1 MB of cumulative SSL "
        "allocations and 40 TLS handshakes; with one client for each helper module, 47.0 MB and 5."
    )
    assert made.verdict.mark.tone == "good"
    assert (made.verdict.regression.mark.word, made.verdict.fix.mark.word) == ("reproduced", "confirmed")


def test_published_before_and_after():
    # 269.9 + 12.9 + 16.3 and 33.75 + 1.61 + 11.64 MB; 299.1 / 47.0 is 6.36.
    made = view.build(samples.report())
    assert figures(made) == [
        ("Published", "~295", "MB", "cumulative, for ~40 calls"),
        ("Ours, before the fix", "299.1", "MB", "cumulative SSL allocations, freed or not"),
        ("Ours, after the fix", "47.0", "MB", "6.4x less, also cumulative"),
    ]
    assert [each.bar_percent for each in made.figures] == [98.63, 100.0, 15.71]
    assert [(each.label, each.before, each.after, each.note) for each in made.changes] == [
        ("TLS handshakes", "40", "5", "8x fewer"),
        ("SSL contexts", "40", "5", "8x fewer"),
    ]


def test_published_bytes_are_scaled_to_the_calls():
    made = view.build(samples.quick())
    assert figures(made)[0] == ("Published", "~147.5", "MB", "cumulative; ~295 MB for ~40 calls, scaled to 20")
    assert made.plots[0].series.reference == series.Reference(value=147.5, text="published: about 147.5 MB")


@pytest.mark.parametrize(
    ("state", "lead", "tone"),
    [
        ("good", "Reproduced and fixed", "good"),
        ("not_reproduced", "Not reproduced", "bad"),
        ("not_confirmed", "Reproduced, but the fix is not confirmed", "bad"),
        ("invalid", "No verdict, the measurement is invalid", "bad"),
        ("failed", "Reproduced and fixed", "good"),
        ("interrupted", "Reproduced and fixed", "good"),
        ("not_measured", "Reproduced, but the fix was not measured", "warn"),
        ("nothing_measured", "No verdict, not everything was measured", "warn"),
        ("no_memory", "No verdict, not everything was measured", "warn"),
        ("only_one", "Reproduced, but the fix was not measured", "warn"),
        ("quick", "Reproduced and fixed", "good"),
        ("hostile", "Reproduced and fixed", "good"),
    ],
)
def test_each_state_has_its_lead(state, lead, tone):
    made = view.build(samples.STATES[state]())
    assert (made.verdict.lead, made.verdict.mark.tone) == (lead, tone)


def test_every_pair_of_states_builds_and_only_two_are_green():
    base = samples.report()
    for regression in VerdictStatus:
        for fix in VerdictStatus:
            report = samples.with_halves(
                base, Half(status=regression, reason="Because."), Half(status=fix, reason="Therefore.")
            )
            made = view.build(report)
            good = {VerdictStatus.REPRODUCED, VerdictStatus.CONFIRMED}
            assert (made.verdict.mark.tone == "good") == ({regression, fix} <= good)
            assert made.verdict.rest


def test_the_reason_is_said_where_something_is_wrong():
    assert "instead" not in view.build(samples.report()).verdict.rest
    made = view.build(samples.not_confirmed())
    assert made.verdict.rest.endswith("The fix still makes a handshake for every call.")
    made = view.build(samples.not_reproduced())
    assert "cost 56.2 MB of cumulative SSL allocations (published: about 295 MB) and 40" in made.verdict.rest
    made = view.build(samples.invalid())
    assert made.verdict.rest == "The client counted 40 handshakes in the counts pass, the server 41."


def test_figures_of_an_invalid_case_say_so():
    made = view.build(samples.invalid())
    assert [each.note for each in made.figures][1:] == ["invalid, do not use", ""]
    assert {each.note for each in made.changes} == {"invalid, do not use"}
    assert {each.tone for each in made.changes} == {"other"}


def test_without_a_memory_pass_no_bytes_are_made_up():
    made = view.build(samples.no_memory())
    assert figures(made)[1:] == [
        ("Ours, before the fix", words.ABSENT, "", "not measured"),
        ("Ours, after the fix", words.ABSENT, "", "not measured"),
    ]
    assert "cost 40 SSL contexts and 40 TLS handshakes" in made.verdict.rest
    assert made.verdict.rest.endswith("with one client for each helper module, 5 contexts and 5 handshakes.")
    assert made.plots[0].series is None
    assert "No memory pass" in made.plots[0].takeaway
    assert made.answers == ()
    assert made.answers_table.rows == ()


def test_titles_go_into_the_sentence():
    phrase = first_screen._phrase
    assert phrase("One client for each helper module.") == "one client for each helper module"
    assert phrase("A client.") == "a client"
    assert phrase("AsyncClient per call (the regression)") == "AsyncClient per call"
    assert phrase("TLS by hand") == "TLS by hand"
    assert phrase("httpx.get in a function") == "httpx.get in a function"


# --- how sure -------------------------------------------------------------------------------------------------------


def sure(made):
    return {each.label: (each.mark.tone, each.text) for each in made.assurances}


def test_how_sure():
    found = sure(view.build(samples.report()))
    assert found["Checks"] == ("good", "8 of 8 passed")
    assert found["Passes agree"] == ("good", "in 8 of 8 cases, each pass in processes of its own")
    assert found["Server agrees"][0] == "good"
    assert found["Server headroom"] == (
        "good",
        "4.5x the rate of the fastest strategy (floor) while it calls, making its client left out",
    )
    assert found["Full run"] == ("good", "8 of 8 cases measured in 6 min 12 s, seed 67")
    assert found["Noise of times"][0] == "good"


def test_how_unsure():
    found = sure(view.build(samples.invalid()))
    assert found["Checks"] == ("none", "no check could be made")
    assert found["Passes agree"] == ("bad", "in 7 of 8 cases; not per-call-async")
    broken = replace(
        samples.report().records[0].outcome, problems=(Problem(code="claim", sentence="It made 2 contexts, not 1."),)
    )
    made = view.build(samples.with_outcome(samples.report(), "floor", broken))
    assert sure(made)["Passes agree"] == (
        "good",
        "in 8 of 8 cases; 1 case invalid for another reason: not what the strategy declares",
    )
    assert [row.cells[1].mark.word for row in made.problems.rows] == ["not what the strategy declares"]
    assert found["Full run"][0] == "warn"
    found = sure(view.build(samples.not_reproduced()))
    assert found["Checks"] == ("bad", "7 of 8 passed")
    found = sure(view.build(samples.nothing_measured()))
    assert {tone for tone, _ in found.values()} == {"none", "warn"}
    assert found["Server headroom"] == ("none", "not measured")
    assert sure(view.build(samples.quick()))["Quick run"][0] == "warn"
    assert sure(view.build(samples.interrupted()))["Interrupted run"][0] == "warn"


def test_a_run_of_some_strategies_is_not_a_full_one():
    base = samples.report([samples.sketch_of("floor")])
    names = tuple(sketch.name for sketch in samples.SKETCHES[1:])
    made = view.build(replace(base, run=samples.run(left_out=names)))
    assert sure(made)["Partial run"] == (
        "warn",
        "1 of 8 strategies; 1 of 1 cases measured in 6 min 12 s, seed 67",
    )
    made = view.build(replace(base, run=samples.run(left_out=names[:2], quick=True)))
    assert sure(made)["Quick run"][1].startswith("1 of 3 strategies; 1 of 1 cases measured")
    assert "Full run" in sure(view.build(base))


def test_failed_cases_are_in_the_headline():
    assert view.build(samples.failed_cases()).verdict.rest.endswith(" 2 of 8 cases failed.")
    base = samples.with_outcome(samples.only_one(), "per-call-async", Failed(stage="counts", message="It died."))
    for status in (VerdictStatus.NOT_MEASURED, VerdictStatus.INVALID):
        made = view.build(samples.with_halves(base, Half(status=status, reason="It died."), answers=None))
        assert made.verdict.lead == "No verdict, 1 of 1 cases failed"


def judged_anew(report):
    verdict = judge(
        report.verdict.incident, report.records, certificates_count=samples.INCIDENT.reference_certificates_count
    )
    return samples.with_halves(report, verdict.regression, verdict.fix, answers=verdict.answers)


def test_an_interrupted_run_has_no_verdict_and_nothing_of_it_failed():
    stopped = Failed(stage="interrupted", message="the run was interrupted before this case was complete")
    base = samples.with_outcome(samples.report(), "per-call-async", stopped)
    report = judged_anew(replace(base, run=samples.run(interrupted="Interrupted after 3 of 12 jobs.")))
    assert report.verdict.regression.status is report.verdict.fix.status is VerdictStatus.NOT_MEASURED
    made = view.build(report).verdict
    assert made.sentence == "No verdict: the run was interrupted before per-call-async was complete."
    assert made.mark.tone == "warn"
    said = f"{made.regression.reason} {made.fix.reason}"
    assert "failed" not in said
    assert "invalid" not in said


def test_checks_that_were_not_made_are_not_green():
    base = samples.with_outcome(samples.report(), "client-per-helper", Failed(stage="counts", message="It died."))
    found = sure(view.build(judged_anew(base)))["Checks"]
    assert found == ("warn", "4 of 4 passed; none of the fix's could be made")
    assert sure(view.build(samples.report()))["Checks"][0] == "good"


def test_what_the_page_and_its_pictures_are_of():
    made = view.build(samples.report())
    assert made.stamp == (
        "connprof 0.1.0 · incident datagouv-67 · workload llm-session · 40 calls · 20 November 2026, 09:41 UTC"
    )
    assert made.reference == (
        "pull request 67 of datagouv/datagouv-mcp (github.com/datagouv/datagouv-mcp/pull/67), 5 March 2026"
    )
    elsewhere = replace(samples.INCIDENT, reference="A talk")
    assert view.build(samples.with_halves(samples.report(), incident=elsewhere)).reference == "A talk, 5 March 2026"
    assert made.order_count == "24 jobs, and the server's headroom"
    assert made.checks.rows[1].cells[0].text == "Full TLS handshakes"


def test_one_session_in_a_process_has_no_fastest_round():
    assert "each process's fastest round" in view.build(samples.report()).strategies.note
    base = samples.report([samples.sketch_of("floor")])
    single = with_timing(base, "floor", [one_timing((100,)), one_timing((110,))])
    assert "each process's session" in view.build(single).strategies.note


@pytest.mark.parametrize(("server", "tone"), [(2_999.0, "warn"), (3_000.0, "good"), (3_001.0, "good")])
def test_headroom_limit(server, tone):
    base = samples.report()
    headroom = replace(base.headroom, server_requests_per_s=server, fastest_requests_per_s=1_000.0)
    assert sure(view.build(replace(base, headroom=headroom)))["Server headroom"][0] == tone


def test_noise_is_the_spread_of_the_process_minima():
    base = samples.report([samples.sketch_of("floor")])
    passes = [one_timing(wall) for wall in ((100, 130), (200, 110), (120, 300))]
    report = samples.with_outcome(base, "floor", replace(base.records[0].outcome, timing=tuple(passes)))
    # minima 100, 110 and 120: standard deviation 10, mean 110.
    assert sure(view.build(report))["Noise of times"][1] == (
        "coefficient of variation over 3 processes: at worst 9.1 % (calm: up to 15.0 %), 9.1 % (median over the "
        "strategies); counts and bytes do not depend on it"
    )


def test_a_disagreeing_server_is_seen():
    base = samples.report()
    outcome = base.records[0].outcome
    client = replace(outcome.counts.client, handshakes_full_count=6)
    broken = replace(outcome, counts=replace(outcome.counts, client=client))
    found = sure(view.build(samples.with_outcome(base, "floor", broken)))
    assert found["Server agrees"] == ("bad", "client and server counted the same handshakes in 7 of 8 cases")


# --- tables ---------------------------------------------------------------------------------------------------------


def one_timing(wall, cpu=None, latency=None, calls=1):
    return TimingPass(
        calls_count=calls,
        warmup_calls_count=0,
        warmup_origins_count=0,
        wall_ns=tuple(wall),
        thread_time_ns=tuple(cpu or wall),
        latency_ns=latency or (tuple(wall),),
        ledger=samples.ledger(1, 1),
    )


def test_strategies_costliest_first():
    made = view.build(samples.report())
    names = [row.cells[0].note.split(" · ")[0] for row in made.strategies.rows]
    assert names == [
        "per-call-async",
        "per-call-client",
        "per-call-get",
        "client-per-helper",
        "per-call-shared-context",
        "lazy-service",
        "one-client",
        "floor",
    ]


def test_a_strategys_row():
    base = samples.report([samples.sketch_of("floor"), samples.sketch_of("client-per-helper")])
    base = with_timing(base, "floor", [one_timing((100, 90)), one_timing((70,)), one_timing((80,))])
    base = with_timing(
        base,
        "client-per-helper",
        [
            one_timing((200, 240), cpu=(160, 160), latency=((1_000_000, 2_000_000), (3_000_000, 5_000_000))),
            one_timing((220,), cpu=(400,), latency=((4_000_000,),)),
        ],
    )
    made = view.build(base)
    # wall: (200 + 220) / 2 over 80; CPU: (160 + 400) / 2 over 80; latencies 1, 2, 3, 4, 5 ms
    assert texts(row_of(made, "client-per-helper")) == [
        "One client for each helper module",
        *("5", "5", "5", "5", "8"),
        *("47.0", "7.0", "0.41"),
        *("3.00", "4.80", "4.96"),
        *("2.6x", "3.5x"),
        "measured",
    ]
    assert row_of(made, "client-per-helper").tone == "after"


def with_timing(base, name, passes):
    record = next(record for record in base.records if record.case.strategy == name)
    return samples.with_outcome(base, name, replace(record.outcome, timing=tuple(passes)))


def test_no_floor_no_ratio():
    made = view.build(samples.only_one())
    row = next(row for row in made.strategies.rows if row.cells[0].note.startswith("per-call-async"))
    assert texts(row)[-3:] == [words.ABSENT, words.ABSENT, "measured"]


def test_failed_invalid_and_missing_rows_stay():
    made = view.build(samples.failed_cases())
    assert texts(row_of(made, "lazy-service"))[-1] == "failed"
    assert texts(row_of(made, "lazy-service"))[1] == words.ABSENT
    assert row_of(made, "lazy-service").details == (
        "Failed in the memory pass: The worker was killed by signal 9 after 41 s.",
    )
    assert texts(row_of(made, "one-client"))[1:4] == ["1", "1", "5"]  # what was measured before it failed
    assert [row.cells[0].text for row in made.problems.rows] == ["one-client", "lazy-service"]
    made = view.build(samples.not_measured())
    assert [texts(row)[-1] for row in made.strategies.rows] == ["measured"] * 3 + ["not measured"] * 5
    made = view.build(samples.invalid())
    assert len(row_of(made, "per-call-async").details) == 2


def test_axes_that_differ_name_the_case():
    base = samples.report([samples.sketch_of("per-call-async")])
    other = Case(strategy="per-call-async", workload="llm-session", calls_count=40, rtt_ms=20.0, http_version="2")
    report = replace(base, records=(Record(case=other, outcome=base.records[0].outcome), *base.records))
    made = view.build(report)
    labels = [bar.label for bar in made.plots[0].series.bars]
    assert sorted(labels) == ["per-call-async", "per-call-async (HTTP/2, 20 ms modelled round trip)"]
    assert made.timeline.series.panels[0].title == "Regression: per-call-async"
    assert "round trips that stand beside the names" in made.plots[3].takeaway
    assert made.meta[3:-1] == ("40 calls",)


def test_axes_that_all_cases_share_are_said_once():
    base = samples.report()
    records = tuple(replace(record, case=replace(record.case, rtt_ms=20.0)) for record in base.records)
    made = view.build(replace(base, records=records))
    assert made.meta[3:-1] == ("40 calls", "20 ms modelled round trip")
    assert [row.cells[0].text for row in made.brief.rows] == [row.cells[0].text for row in view.build(base).brief.rows]
    assert "with a modelled round trip of 20 ms" in made.plots[3].takeaway
    assert "costs next to nothing" in view.build(base).plots[3].takeaway
    assert texts(row_of(made, "floor"))[-2] == "1.00x"
    one = replace(records[0], case=replace(records[0].case, concurrency_count=8, trust_store="system"))
    made = view.build(replace(base, records=(one, *records[1:])))
    assert [row.cells[0].text for row in made.brief.rows if "(" in row.cells[0].text] == [
        "floor (trust store system, 8 calls at once)"
    ]


def test_two_workloads_are_told_apart():
    base = samples.report([samples.sketch_of("one-client")])
    more = Record(case=Case(strategy="one-client", workload="burst", calls_count=5), outcome=base.records[0].outcome)
    made = view.build(replace(base, records=(*base.records, more)))
    labels = {bar.label for bar in made.plots[2].series.bars}
    assert labels == {"one-client (llm-session, 40 calls)", "one-client (burst, 5 calls)"}


def test_checks_say_what_is_allowed():
    made = view.build(samples.report())
    assert [texts(row)[2:] for row in made.checks.rows] == [
        ["40", "exactly 40", "passed"],
        ["40", "exactly 40", "passed"],
        ["1.014", "0.850 to 1.150", "passed"],
        ["0.902", "0.800 to 1.000", "passed"],
        ["5", "exactly 5", "passed"],
        ["5", "exactly 5", "passed"],
        ["6.364", "at least 4.000", "passed"],
        ["2.9 MB", "at most 6.0 MB", "passed"],
    ]


def test_answers():
    made = view.build(samples.report())
    whole, live, shared, left, less, io = made.answers
    assert whole == (
        "Of the regression's 299.1 MB of SSL bytes, 90.2 % (269.9 MB) were spent on creating SSL contexts and loading "
        "the CA bundle into them, 4.3 % (12.9 MB) on handshakes and 5.4 % (16.3 MB) on reading and writing."
    )
    assert shared == (
        "Sharing only the SSL context, with a client for every call as before, would have saved 260.4 MB (87.1 %) and "
        "left 38.7 MB, without saving a single handshake."
    )
    assert live == (
        "Of all that the process allocated, never more than 4.1 MB with the regression and 7.0 MB with the fix was "
        "live at once: the regression is churn, memory allocated and freed over and over, not a leak."
    )
    assert less == (
        "That sharing only the context needs fewer SSL bytes than the fix (38.7 MB against 47.0 MB) is because it "
        "creates 1 context, the fix 5. But every call still opens a connection, so it keeps all 40 handshakes, where "
        "the fix makes 5."
    )
    assert io == (
        "Reading and writing takes 16.3 MB with the regression and 11.6 MB with the fix, for the same calls: a new "
        "connection reads and writes more than one that is kept open, and there are 40 against 5."
    )
    assert left == (
        "After the fix 47.0 MB are left: 33.8 MB for 5 contexts (6.8 MB each), 1.6 MB for 5 handshakes and 11.6 MB "
        "for reading and writing."
    )
    assert [column.title for column in made.answers_table.columns] == [
        "SSL bytes",
        "Regression",
        "Only the context shared",
        "Fix",
    ]
    assert texts(made.answers_table.rows[-1]) == ["Together", "299.1", "38.7", "47.0"]
    assert len(view.build(samples.not_measured()).answers) == 2


def test_an_answer_is_given_only_where_its_figures_are():
    base = samples.report()
    whole = len(view.build(base).answers)
    # The peak without the fix; nothing on what sharing the context alone would do; nothing on reading and writing.
    answers = view.build(samples.with_halves(base, answers=replace(base.verdict.answers, shared_context=None))).answers
    assert len(answers) == whole - 2
    assert not [sentence for sentence in answers if "haring" in sentence]
    answers = view.build(samples.with_halves(base, answers=replace(base.verdict.answers, after=None))).answers
    assert len(answers) == whole - 3
    assert "with the regression was live at once" in answers[1]
    before = base.records[3].outcome
    leaky = replace(before, memory=replace(before.memory, peak_bytes=290_000_000))
    answers = view.build(samples.with_outcome(base, "per-call-async", leaky)).answers
    assert "not a leak" not in "".join(answers)
    # Answers of another case than the one that is shown: nothing of it may stand beside them.
    other = replace(base.verdict.answers, before=replace(base.verdict.answers.before, io_bytes=1))
    answers = view.build(samples.with_halves(base, answers=other)).answers
    assert not [sentence for sentence in answers if "live at once" in sentence or "handshake;" in sentence]


def test_call_sites():
    made = view.build(samples.report())
    first = made.sites.rows[0]
    assert texts(first) == ["bench/helpers/crawler_api.py:39", "per-call-async", "8", "8", "8", "8", "made the request"]
    assert first.cells[0].note == "fetch_json"


def test_a_line_that_was_found_in_two_ways_is_one_row():
    base = samples.report([samples.sketch_of("one-client")])
    outcome = base.records[0].outcome
    site = outcome.counts.sites[0].site
    sites = (
        SiteCounts(site=replace(site, certainty="stack"), counts=ClientCounts(contexts_count=1, requests_count=4)),
        SiteCounts(site=replace(site, certainty="context"), counts=ClientCounts(handshakes_full_count=3)),
        SiteCounts(site=replace(site, line=1), counts=ClientCounts(contexts_count=2)),
        SiteCounts(
            site=CallSite(file="", line=0, function="", certainty="unknown"), counts=ClientCounts(connections_count=5)
        ),
    )
    report = samples.with_outcome(base, "one-client", replace(outcome, counts=replace(outcome.counts, sites=sites)))
    assert [texts(row) for row in view.build(report).sites.rows] == [
        ["bench/strategies/session.py:1", "one-client", "2", "0", "0", words.ABSENT, "made the request"],
        [
            *("bench/strategies/session.py:31", "one-client", "1", "3", "0", "4"),
            "on the call stack, made the request",
        ],
        ["no line known", "one-client", "0", "0", "5", words.ABSENT, "unknown"],
    ]


def test_environment_variables_are_listed_by_what_was_done_with_them():
    facts = view.build(samples.report()).environment
    assert facts[3].pairs == (
        ("not set", "NO_PROXY"),
        ("removed", "ALL_PROXY, HTTPS_PROXY, SSLKEYLOGFILE, SSL_CERT_DIR"),
        ("set to the bundle with our CA", "SSL_CERT_FILE"),
    )
    assert facts[0].pairs[5:7] == (("client library version", "0.28.1"), ("CA bundle certificates", "119"))


def test_tls_and_origins():
    made = view.build(samples.report())
    assert texts(made.tls.rows[0]) == [
        "per-call-async",
        "40",
        "0",
        "0",
        "TLSv1.3 (40)",
        "TLS_AES_256_GCM_SHA384 (40)",
        "http/1.1 (40)",
    ]
    assert sum(int(texts(row)[1]) for row in made.origins.rows) == 40
    assert [texts(row)[5:] for row in made.origins.rows] == [["1", "1"]] * 5


# --- plot series ----------------------------------------------------------------------------------------------------


def test_bytes_series():
    made = view.build(samples.report()).plots[0]
    bar = made.series.bars[0]
    assert [(part.key, part.value) for part in bar.segments] == [("context", 269.9), ("handshake", 12.9), ("io", 16.3)]
    assert (bar.tone, bar.text, made.series.reference.value) == ("before", "299.1 MB", 295.0)
    assert made.series.axis.high == pytest.approx(299.1)
    assert "per-call-async 299.1 MB (contexts 269.9" in made.alt
    assert made.file_name == "ssl-bytes.png"


def test_growth_series_ends_with_the_full_pass():
    lines = {line.label: line.points for line in view.build(samples.report()).plots[1].series.lines}
    assert [x for x, _ in lines["per-call-async"]] == [1, 5, 10, 20, 30, 40]
    assert lines["per-call-async"][-1][1] == pytest.approx(299.1)
    assert lines["client-per-helper"][-1][1] == pytest.approx(47.0)


def test_growth_leaves_out_what_is_paid_once():
    # 299.1 / 40, and 11.64 / 40 of reading and writing: the contexts and handshakes of the fix are paid once.
    said = view.build(samples.report()).plots[1].takeaway
    assert said.endswith(
        "Between 30 and 40 calls the regression climbs by 7.48 MB a call. The fix climbs by 0.29 MB a call, plus the "
        "context and the handshake of each origin that is called for the first time."
    )
    # The five origins are first called within the last stretch, which changes nothing.
    base = samples.report()
    fix = base.records[5].outcome
    cut = samples.with_outcome(base, "client-per-helper", replace(fix, growth=fix.growth[:1]))
    said = view.build(cut).plots[1].takeaway
    assert "Between 1 and 40 calls the fix climbs by 0.29 MB a call, plus" in said
    alone = samples.with_outcome(base, "client-per-helper", replace(fix, growth=()))
    said = view.build(alone).plots[1].takeaway
    assert "the regression climbs by 7.48 MB a call." in said
    assert "the fix" not in said


def test_what_is_not_drawn_is_named():
    made = view.build(samples.failed_cases())
    assert made.plots[0].left_out == ("Not drawn, for want of measurement: one-client (failed), lazy-service (failed).")
    assert view.build(samples.report()).plots[0].left_out == ""


def test_timeline_has_one_scale_and_says_the_numbers():
    drawn = view.build(samples.report()).timeline.series
    assert [panel.tally for panel in drawn.panels] == [
        "40 calls, 40 connections and 40 handshakes",
        "40 calls, 5 connections and 5 handshakes",
    ]
    assert [track.origin for track in drawn.panels[0].tracks] == list(samples.ORIGINS)
    spans = [span for panel in drawn.panels for track in panel.tracks for span in track.calls]
    assert max(span.end for span in spans) <= drawn.axis.high
    assert sum(len(track.handshakes) for track in drawn.panels[0].tracks) == 40


def test_spans_that_overlap_get_lanes_of_their_own():
    def connection(start, end):
        return Event(kind=EventKind.CONNECTION, origin="a", start_ns=start, end_ns=end)

    spans, lanes = series._spans([connection(0, 10), connection(5, 15), connection(10, 20)], 1.0)
    assert [span.lane for span in spans] == [0, 1, 0]
    assert lanes == 2
    shakes = [Event(kind=EventKind.HANDSHAKE, origin="a", start_ns=6, end_ns=7)]
    ordered = [connection(0, 10), connection(5, 15), connection(10, 20)]
    assert series._handshakes(shakes, ordered, spans, 1.0)[0].lane == 1


def test_a_long_session_is_drawn_in_part_and_says_so():
    base = samples.report()
    outcome = base.records[3].outcome
    many = tuple(
        Event(kind=EventKind.CALL, origin="a", start_ns=k * 20_000_000, end_ns=k * 20_000_000 + 9) for k in range(2000)
    )
    report = samples.with_outcome(base, "per-call-async", replace(outcome, counts=replace(outcome.counts, events=many)))
    drawn = view.build(report).timeline.series
    assert "drawn: the first 900 of 2,000 events" in drawn.panels[0].tally
    assert drawn.axis.label.endswith(", s")


@pytest.mark.parametrize(
    ("high", "about", "whole", "expected"),
    [
        (299.1, 5, False, ["0", "50", "100", "150", "200", "250"]),
        (40, 5, True, ["0", "10", "20", "30", "40"]),
        (1, 5, True, ["0", "1"]),
        (0.9, 5, False, ["0.0", "0.2", "0.4", "0.6", "0.8"]),
        (0, 5, False, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
    ],
)
def test_ticks_are_round(high, about, whole, expected):
    axis = series.linear(high, "x", about=about, whole=whole)
    assert [text for _, text in axis.ticks] == expected


def test_log_ticks():
    assert [text for _, text in series.logarithmic([0.5, 40], "x").ticks] == ["0.5", "1", "2", "5", "10", "20", "50"]
    assert [text for _, text in series.logarithmic([0.05, 400], "x").ticks] == ["0.1", "1", "10", "100"]


# --- the whole ------------------------------------------------------------------------------------------------------


def strings(value):
    if isinstance(value, str):
        yield value
    elif is_dataclass(value):
        for field in fields(value):
            yield from strings(getattr(value, field.name))
    elif isinstance(value, tuple):
        for each in value:
            yield from strings(each)


@pytest.mark.parametrize("state", samples.STATES)
def test_every_state_is_whole_and_plain(state):
    made = view.build(samples.STATES[state]())
    for text in strings(made):
        assert not any(ord(character) < 32 or 0x202A <= ord(character) <= 0x202E for character in text)
        assert "MiB" not in text
        assert "None" not in text
        assert "nan" not in text.split()
    for table in (made.strategies, made.checks, made.sites, made.tls, made.origins, made.problems, made.brief):
        assert all(len(row.cells) == len(table.columns) for row in table.rows)
        assert not table.groups or sum(span for _, span in table.groups) == len(table.columns)


def test_a_report_of_empty_passes_builds():
    base = samples.report([samples.sketch_of("per-call-async")])
    made = view.build(samples.with_outcome(base, "per-call-async", Measured()))
    assert texts(made.strategies.rows[0])[1:-1] == [words.ABSENT] * 13
    assert view.build(samples.with_outcome(base, "per-call-async", Failed(stage="server", message="It died.")))


def test_a_long_reason_is_said_once_on_the_first_screen():
    sentence = "The case is invalid: per-call-async is declared to make 40 SSL contexts here, but made 1."
    half = Half(status=VerdictStatus.INVALID, reason=sentence)
    made = view.build(samples.with_halves(samples.report(), regression=half, fix=half))
    assert made.verdict.rest.count(sentence) == 1
    assert {made.verdict.regression.reason, made.verdict.fix.reason} == {"The reason is above."}
    other = Half(status=VerdictStatus.INVALID, reason="Something else.")
    assert (
        view.build(samples.with_halves(samples.report(), regression=half, fix=other)).verdict.fix.reason == other.reason
    )


def test_the_terminal_says_once_that_bytes_are_cumulative():
    out = io.StringIO()
    print_summary(samples.not_measured(), Console(file=out, width=100))
    assert "-> \u2013 (cumulative, freed or not)" in out.getvalue()
