import pytest
from msgspec.structs import replace

from connprof.cli import ExitCode, cli, exit_code, guarded
from connprof.model import Failed, Problem
from connprof.store import save_report
from connprof.verdict import contradiction
from tests import samples


@pytest.fixture
def saved(tmp_path):
    def save(report):
        save_report(report, tmp_path / "report.json")
        return str(tmp_path)

    return save


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (samples.report, 0),
        (samples.not_reproduced, 1),
        (samples.not_confirmed, 1),
        (samples.invalid, 3),
        (samples.failed_cases, 3),
        (samples.not_measured, 4),
        (samples.interrupted, 130),
    ],
)
def test_a_reports_exit_code_is_its_runs(saved, make, code, capsys):
    assert exit_code(make()) == code
    if contradiction(make()) is None:
        assert guarded(cli, ["report", saved(make())]) == code
    assert "Traceback" not in capsys.readouterr().err


def test_a_report_that_contradicts_itself_is_refused(saved, capsys):
    report = samples.report()
    assert guarded(cli, ["report", saved(replace(report, records=()))]) == 2
    assert "contradicts itself: it says that the regression is reproduced, but" in capsys.readouterr().err


def test_a_lost_server_is_no_interruption_by_hand():
    report = samples.interrupted()
    assert exit_code(replace(report, run=replace(report.run, ended="interrupted"))) == ExitCode.INTERRUPTED
    assert exit_code(replace(report, run=replace(report.run, ended="server-lost"))) == ExitCode.INVALID


def test_a_case_that_no_verdict_needs_still_fails_the_run():
    report = samples.report()
    problem = Problem(code="passes", sentence="They disagree.")
    records = tuple(
        replace(record, outcome=replace(record.outcome, problems=(problem,)))
        if record.case.strategy == "lazy-service"
        else record
        for record in report.records
    )
    assert exit_code(replace(report, records=records)) == ExitCode.INVALID


def test_a_truncated_report_is_one_sentence_and_exit_code_two(saved, tmp_path, capsys):
    folder = saved(samples.report())
    file = tmp_path / "report.json"
    file.write_bytes(file.read_bytes()[:-100])
    assert guarded(cli, ["report", folder]) == 2
    complaints = capsys.readouterr().err
    assert complaints.startswith("Error: ")
    assert complaints.count("\n") == 1


def test_an_unknown_command_is_exit_code_two(capsys):
    assert guarded(cli, ["surprise"]) == 2
    assert "No such command" in capsys.readouterr().err


def test_the_page_can_be_drawn_anew(saved, tmp_path, capsys):
    out = tmp_path / "again"
    assert guarded(cli, ["report", saved(samples.report()), "--html", str(out)]) == 0
    assert (out / "index.html").exists()
    assert "index.html" in capsys.readouterr().out


def test_help_and_version(capsys):
    assert guarded(cli, ["--help"]) == 0
    assert guarded(cli, ["--version"]) == 0
    assert "report" in capsys.readouterr().out


def test_where_no_command_is_named_the_help_keeps_its_lines(capsys):
    guarded(cli, ["--help"])
    wanted = capsys.readouterr().out
    guarded(cli, [])
    shown = capsys.readouterr()
    assert "\nCommands:\n" in wanted
    assert shown.out + shown.err == wanted


@pytest.mark.parametrize(
    ("fails", "library", "code"),
    [
        ("RuntimeError: Event loop is closed", "httpx", ExitCode.PASS),
        ("RuntimeError: something else", "httpx", ExitCode.INVALID),
        ("RuntimeError: Event loop is closed", "aiohttp", ExitCode.INVALID),
        ("", "httpx", ExitCode.INVALID),
    ],
)
def test_only_the_failure_that_a_strategy_foresees_of_itself_is_forgiven(fails, library, code):
    report = samples.report()
    failed = Failed(stage="counts", message="RuntimeError: Event loop is closed")
    records = tuple(
        replace(record, outcome=failed) if record.case.strategy == "lazy-service" else record
        for record in report.records
    )
    notes = tuple(
        replace(note, fails=fails, client_library=library) if note.name == "lazy-service" else note
        for note in report.strategies
    )
    assert exit_code(replace(report, records=records, strategies=notes)) == code
