"""What may become the baseline."""

import pytest
from msgspec.structs import replace

from bench.baseline import baseline, why_partial
from connprof.cli import guarded
from connprof.store import load_report, save_report
from tests import samples

WHOLE = samples.report()


def without_one():
    return replace(WHOLE, records=WHOLE.records[:-1])


def of_fewer_calls():
    records = [replace(each, case=replace(each.case, calls_count=10)) for each in WHOLE.records]
    return replace(WHOLE, records=tuple(records))


@pytest.mark.parametrize(
    ("report", "words"),
    [
        (without_one(), "of the 8 cases of a run without options it lacks 1: "),
        (of_fewer_calls(), "it lacks 8: "),
        (replace(WHOLE, run=samples.run(quick=True)), "it was a quick run"),
        (replace(WHOLE, run=samples.run(ended="server-lost")), "it did not come to its end (server-lost)"),
    ],
)
def test_a_partial_run_is_no_baseline(report, words):
    assert words in why_partial(report)


def test_a_full_run_is_one_and_a_partial_run_by_its_word_alone(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    save_report(WHOLE, tmp_path / "fresh" / "report.json")
    assert guarded(baseline, ["fresh", "kept"]) == 0
    narrow = samples.report(samples.SKETCHES[1:6])
    save_report(narrow, tmp_path / "fresh" / "report.json")
    assert guarded(baseline, ["fresh", "kept"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "--partial replaces it all the same" in error
    assert len(load_report(tmp_path / "kept").records) == len(WHOLE.records)
    assert guarded(baseline, ["fresh", "kept", "--partial"]) == 0
    assert "partial: of the 8 cases of a run without options it lacks 3" in capsys.readouterr().out
    assert len(load_report(tmp_path / "kept").records) == 5
