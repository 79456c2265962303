"""Hazard probes in a comparison, in a merge and over time: outcomes and counts are exact, rates are shown."""

import pytest
from msgspec.structs import replace

from connprof.cli import cli, guarded
from connprof.errors import FileError
from connprof.gate import Answer, Policy, Status
from connprof.history import history
from connprof.merge import merge
from connprof.model import HazardNote, HazardOutcome, SafetyCell
from connprof.report import past
from connprof.store import abridge, load_abridged, save_report
from tests import samples
from tests.gate.sides import POOLED, candidate, judged

pytestmark = pytest.mark.once

HELD, BROKE, HUNG, HARM = HazardOutcome.HELD, HazardOutcome.BROKE, HazardOutcome.HUNG, HazardOutcome.HARM
NOT_APPLYING, UNPROBED = HazardOutcome.DOES_NOT_APPLY, HazardOutcome.NOT_PROBED


def cell(outcome=HELD, hazard="H1", strategy=POOLED, **changes):
    return SafetyCell(
        strategy=strategy,
        hazard=hazard,
        outcome=outcome,
        **({"attempts_count": 5, "symptom": "What was seen.", "command": "repeat it"} | changes),
    )


def note(hazard="H1", *, statistical=False):
    return HazardNote(id=hazard, title="A hazard", raised_by="It is raised.", statistical=statistical, source="h.py")


def probed(*cells, report=None, notes=None):
    notes = (note(), note("H6", statistical=True)) if notes is None else notes
    return replace(report or candidate(), safety=cells, hazards=notes)


def rows(base, head, policy=None):
    """metric -> status of the rows of hazard probes."""
    return {
        row.pair.metric.name if row.pair.metric else None: row.status.value
        for row in judged(base, head, policy).rows
        if "/H" in row.pair.subject.key
    }


ORDER = (HELD, BROKE, HUNG, HARM)


@pytest.mark.parametrize("before", range(4))
@pytest.mark.parametrize("now", range(4))
def test_an_outcome_is_equal_or_it_has_moved_towards_silent_harm_or_away_from_it(before, now):
    found = rows(probed(cell(ORDER[before])), probed(cell(ORDER[now])))
    expected = "unchanged" if before == now else "regressed" if now > before else "improved"
    assert found["hazard_outcome"] == expected
    assert ("hazard_attempts" in found) == (before == now)


def test_a_regressed_outcome_fails_the_gate_and_is_said_with_both_signatures():
    base, head = probed(cell()), probed(cell(BROKE, failed_count=2, errors={"RuntimeError: Event loop is closed": 2}))
    judgement = judged(base, head)
    assert judgement.answer is Answer.REGRESSED
    assert judgement.rows[0].pair.reason == "held -> broke 2 of 5: RuntimeError"
    assert judged(head, base).answer is Answer.PASSED


def test_the_gravest_outcome_comes_first():
    base = probed(*(cell(hazard=f"H{k}") for k in range(1, 4)), notes=())
    head = probed(*(cell(kind, f"H{k}") for k, kind in enumerate((BROKE, HARM, HUNG), start=1)), notes=())
    assert [row.pair.subject.key[-2:] for row in judged(base, head).rows[:3]] == ["H2", "H3", "H1"]


@pytest.mark.parametrize(("now", "status"), [(1, "improved"), (2, "unchanged"), (3, "regressed")])
@pytest.mark.parametrize(("kind", "field"), [(BROKE, "failed"), (HARM, "harmed")])
def test_counts_of_the_same_outcome_are_exact(kind, field, now, status):
    base, head = (probed(cell(kind, **{f"{field}_count": count})) for count in (2, now))
    assert rows(base, head)[f"hazard_{field}"] == status


@pytest.mark.parametrize(("now", "status"), [(4, "regressed"), (5, "unchanged"), (6, "regressed")])
def test_another_number_of_attempts_is_another_probe(now, status):
    assert rows(probed(cell()), probed(cell(attempts_count=now)))["hazard_attempts"] == status


def test_another_exception_with_the_same_outcome_is_a_row_of_its_own():
    base, head = (
        probed(cell(BROKE, failed_count=2, errors={f"{name}: it says": 2})) for name in ("RuntimeError", "ReadTimeout")
    )
    assert rows(base, head)["hazard_errors"] == "regressed"
    judgement = judged(base, head)
    assert judgement.answer is Answer.REGRESSED
    assert judgement.rows[0].pair.reason == "broke 2 of 5: RuntimeError -> broke 2 of 5: ReadTimeout"
    other_words = probed(cell(BROKE, failed_count=2, errors={"RuntimeError: else": 2}))
    assert "hazard_errors" not in rows(base, other_words)


def test_what_else_a_probe_observes_is_shown():
    base, head = (probed(cell(observed={"executed": count, "same": 1})) for count in (2, 3))
    assert rows(base, head)["hazard_observed"] == "shown"
    judgement = judged(base, head)
    assert judgement.answer is Answer.PASSED
    assert [row.pair.reason for row in judgement.rows if row.pair.reason] == ["executed 2 -> 3"]


def test_what_a_probe_took_and_where_it_came_from_is_not_compared():
    head = cell(duration_ns=9, cached_from="2026-11-20T00:00:00+00:00", symptom="Else.")
    assert set(rows(probed(cell()), probed(head)).values()) == {"unchanged"}


def test_a_vanished_probe_is_red_unless_allowed_by_name():
    base = probed(cell(), cell(hazard="H2"))
    judgement = judged(base, probed(cell()))
    assert rows(base, probed(cell()))[None] == "missing"
    assert judgement.answer is Answer.NOTHING
    for name, answer in ((f"{POOLED}/H2", Answer.PASSED), (f"{POOLED}/H1", Answer.NOTHING)):
        assert judged(base, probed(cell()), Policy(allow_missing=frozenset({name}))).answer is answer


def test_a_new_probe_is_a_row_and_no_failure():
    assert rows(probed(), probed(cell())) == {None: "new"}
    assert judged(probed(), probed(cell())).answer is Answer.PASSED


@pytest.mark.parametrize("kind", [BROKE, HUNG, HARM])
def test_a_new_probe_that_does_what_its_strategy_does_not_declare_is_no_pass(kind):
    bad = cell(kind, harmed_count=1, failed_count=1)
    judgement = judged(probed(), probed(bad))
    assert rows(probed(), probed(bad)) == {None: "invalid"}
    assert judgement.answer is Answer.UNTRUSTED
    assert judgement.rows[0].pair.reason.endswith(f"{bad.signature}, which its strategy does not declare.")
    assert judged(probed(), probed(bad), Policy(allow_failed=frozenset({f"{POOLED}/H1"}))).answer is Answer.PASSED
    assert rows(probed(), probed(replace(bad, expected=bad.signature))) == {None: "new"}
    assert rows(probed(), probed(replace(bad, expected="broke 5 of 5"))) == {None: "invalid"}
    assert rows(probed(), probed(replace(bad, hazard="H6"))) == {None: "new"}


def test_a_probe_that_did_not_work_says_nothing_and_fails_the_gate_unless_allowed():
    base, head = probed(cell()), probed(cell(UNPROBED))
    assert rows(base, head) == {None: "failed"}
    assert rows(probed(), head) == {None: "failed"}
    assert judged(base, head).answer is Answer.UNTRUSTED
    assert judged(base, head, Policy(allow_failed=frozenset({f"{POOLED}/H1"}))).answer is Answer.PASSED
    assert rows(head, base) == {None: "incomparable"}


def test_what_does_not_apply_any_more_is_missing_and_what_applies_anew_must_hold():
    nothing = probed(cell(NOT_APPLYING, attempts_count=0))
    assert rows(probed(cell()), nothing) == {"hazard_outcome": "missing"}
    assert judged(probed(cell(BROKE)), nothing).answer is Answer.NOTHING
    assert rows(nothing, probed(cell())) == {"hazard_outcome": "new"}
    assert rows(nothing, probed(cell(BROKE))) == {"hazard_outcome": "regressed"}
    assert rows(nothing, nothing) == {"hazard_outcome": "incomparable"}


def test_only_probes_that_do_not_apply_is_nothing_compared():
    base, head = (probed(cell(NOT_APPLYING), report=replace(each, records=())) for each in (candidate(), candidate()))
    assert judged(base, head).answer is Answer.NOTHING


def test_a_rate_is_shown_and_never_judged_but_its_probe_must_be_there():
    base, head = probed(cell(hazard="H6")), probed(cell(HARM, "H6", harmed_count=5))
    assert rows(base, head) == {"hazard_outcome_statistical": "shown"}
    for limits in ({}, {"hazard_outcome_statistical": 0}, {"hazard_outcome": 0}):
        assert judged(base, head, Policy(limits_ppm=limits)).answer is Answer.PASSED
    assert rows(base, probed(cell(UNPROBED, "H6"))) == {None: "incomparable"}
    assert judged(base, probed()).answer is Answer.NOTHING


def test_the_candidate_cannot_call_a_hazard_statistical():
    base, head = probed(cell()), probed(cell(HARM), notes=(note(statistical=True),))
    assert rows(base, head)["hazard_outcome"] == "regressed"
    assert rows(head, base)["hazard_outcome_statistical"] == "shown"


def test_outcomes_are_compared_across_unlike_machines():
    head = probed(cell(BROKE))
    head = replace(head, environment=replace(head.environment, identity={"os": "Else"}))
    assert rows(probed(cell()), head)["hazard_outcome"] == "regressed"


def test_another_library_is_another_probe():
    base, head = (probed(cell(), cell(kind, client_library="aiohttp")) for kind in (HELD, HARM))
    regressed = [row for row in judged(base, head).rows if row.status is Status.REGRESSED]
    assert [row.pair.subject.key for row in regressed] == [f"{POOLED}/H1/client_library=aiohttp"]


def test_the_command_says_it_in_words_in_every_format(tmp_path, capsys):
    save_report(probed(cell(), report=samples.report()), tmp_path / "base.json")
    save_report(probed(cell(HARM, harmed_count=1)), tmp_path / "head.json")
    sides = [str(tmp_path / "base.json"), str(tmp_path / "head.json")]
    for kind in ("text", "markdown", "html", "junit", "github"):
        assert guarded(cli, ["compare", *sides, "--format", kind]) == 1
        said = capsys.readouterr().out
        assert "held" in said, kind
        assert "silent harm" in said, kind
    assert guarded(cli, ["compare", *sides, "--format", "json"]) == 1
    assert '"unit": "outcome"' in capsys.readouterr().out


@pytest.mark.parametrize("field", ["attempts_count", "failed_count", "harmed_count", "errors", "outcome"])
def test_a_count_that_is_not_in_the_file_is_an_error_and_not_a_zero(tmp_path, field):
    save_report(probed(cell()), tmp_path / "r.json")
    text = (tmp_path / "r.json").read_text(encoding="utf-8")
    at = text.rindex(f'"{field}"')
    (tmp_path / "r.json").write_text(text[:at] + text[text.index("\n", at) :], encoding="utf-8")
    with pytest.raises(FileError):
        load_abridged(tmp_path / "r.json")


def test_a_probe_that_is_there_twice_is_refused(tmp_path, capsys):
    save_report(probed(cell(), cell(BROKE)), tmp_path / "r.json")
    assert guarded(cli, ["compare", str(tmp_path / "r.json"), str(tmp_path / "r.json")]) == 2
    assert "holds the hazard probe 'client-per-helper/H1' twice." in capsys.readouterr().err


# --- merged ---------------------------------------------------------------------------------------------------------


def test_probes_are_joined_and_an_equal_one_is_kept_once():
    one = probed(cell(), cell(BROKE, "H2"), notes=(note(), note("H2")))
    other = probed(cell(duration_ns=7, cached_from="x"), cell(hazard="H3"), notes=(note(), note("H3")))
    joined = merge([("a", one), ("b", other)])
    assert [each.hazard for each in joined.safety] == ["H1", "H2", "H3"]
    assert [each.id for each in joined.hazards] == ["H1", "H2", "H3"]


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (
            probed(cell(BROKE, failed_count=2)),
            "both probed 'client-per-helper/H1', and it came out as 'held' and 'broke",
        ),
        (probed(cell(observed={"executed": 1})), "both probed"),
        (probed(cell(), notes=(note(statistical=True),)), "describe the hazard 'H1' differently"),
    ],
)
def test_probes_that_clash_are_refused_in_words(other, words):
    with pytest.raises(FileError) as caught:
        merge([("a.json", probed(cell())), ("b.json", other)])
    assert str(caught.value).startswith("a.json and b.json cannot be merged, because they ".removesuffix("they "))
    assert words in str(caught.value)


# --- over time ------------------------------------------------------------------------------------------------------


def over(*reports):
    return history(
        [
            (f"{k}", abridge(replace(each, run=samples.run(started_at=f"2026-11-0{k}T00:00:00"))))
            for k, each in enumerate(reports, start=1)
        ],
        Policy(),
    )


def test_a_history_counts_probes_by_outcome():
    found = over(
        probed(cell(), cell(hazard="H2"), cell(HARM, "H6")),
        probed(cell(BROKE), cell(hazard="H2")),
        probed(cell(), cell(hazard="H2"), cell(hazard="H3")),
    )
    courses = {course.metric.name: course for course in found.courses if course.metric.name.startswith("cells_")}
    assert [value for _, value in courses["cells_held"].points] == [2, 1, 3]
    assert [value for _, value in courses["cells_broke"].points] == [0, 1, 0]
    assert [value for _, value in courses["cells_harm"].points] == [0, 0, 0]
    assert [step.row.status for step in courses["cells_broke"].steps] == [Status.REGRESSED, Status.IMPROVED]
    assert courses["cells_held"].steps == ()
    assert any("hazard probes: broke: 0 -> 1" in line for line in past.lines(found))
    assert "hazard probes: held 2 -> 3, broke 0 +" in past.lines(found)


def test_a_history_draws_them(tmp_path):
    page = past.write(over(probed(cell()), probed(cell(BROKE))), tmp_path).read_text(encoding="utf-8")
    assert "Hazard probes: broke" in page
    assert (tmp_path / "cells-held.png").exists()
