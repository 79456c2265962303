"""The wide run, as its users run it: stopped half way, started again, and never measured twice for nothing."""

import os
import signal
import sys
import time

import pytest

from bench.wide.cache import Cache, KeptCase
from bench.wide.command import matrix
from connprof.cli.exits import guarded
from connprof.model import Failed, Measured
from connprof.store import load_report
from tests.bench.conftest import ROOT, Suite, processes_of

pytest.importorskip("memray", reason="memray is not installed here")
pytestmark = pytest.mark.once

on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks for left-over processes in /proc")
SMALL = ("--axis", "library=http.client", "--axis", "calls=2,3", "--seed", "5")
JOBS_COUNT = 2 * 2 * 4  # strategies, numbers of calls, passes (timing twice)


@pytest.fixture
def wide():
    suite = Suite(ROOT, "bench.wide")
    yield suite
    suite.end()


def kept_jobs_count(folder):
    """How many passes the cache holds, as a run that starts now would find them."""
    cache, found = Cache(folder, pytest.fail), 0
    for file in folder.glob("*.json"):
        kept = cache.load(file.stem, KeptCase)
        found += (kept.counts is not None) + (kept.memory is not None) + len(kept.timing)
    return found


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.02)
    pytest.fail("what was waited for did not happen")


@on_linux
def test_a_run_that_was_killed_and_then_interrupted_goes_on_where_it_was(wide, tmp_path):
    out, cache, temporary = tmp_path / "out", tmp_path / "cache", tmp_path / "temporary"
    temporary.mkdir()
    places = ("--out", out, "--cache", cache)

    def stopped(number, jobs_count):
        """Start a run, send it a signal once so many passes are kept, and wait until nothing of it is left."""
        marker = f"TEST_RUN=wide-{number}"
        process = wide.start(*SMALL, *places, TEST_RUN=f"wide-{number}", TMPDIR=str(temporary))
        wait_for(lambda: cache.exists() and kept_jobs_count(cache) >= jobs_count)
        process.send_signal(number)
        printed, complaints = process.communicate(timeout=60)
        assert "Traceback" not in complaints
        wait_for(lambda: processes_of(marker) == [], 15)
        return process.returncode, printed

    stopped(signal.SIGKILL, 2)
    killed = kept_jobs_count(cache)
    code, printed = stopped(signal.SIGINT, killed + 3)
    assert code == 130, printed
    interrupted = load_report(out)
    assert interrupted.run.interrupted.startswith("Interrupted after ")
    assert len(interrupted.records) == 4
    assert any(isinstance(record.outcome, Failed) for record in interrupted.records)
    known = kept_jobs_count(cache)
    assert len(interrupted.run.order) == known - killed
    assert killed + 3 <= known < JOBS_COUNT

    code, printed, complaints = wide.run(*SMALL, *places)
    assert (code, complaints) == (0, ""), printed
    finished = load_report(out)
    assert len(finished.run.order) == JOBS_COUNT - known
    assert not set(finished.run.order) & set(interrupted.run.order)
    assert sum(len(record.cached_passes) if record.cached_from is None else 4 for record in finished.records) == known
    assert all(isinstance(record.outcome, Measured) and not record.outcome.problems for record in finished.records)
    assert all(len(record.outcome.timing) == 2 for record in finished.records)


def test_only_what_has_changed_or_is_damaged_is_measured_again(copied_suite, tmp_path):
    copied_suite.module = "bench.wide"
    cache, out = tmp_path / "cache", tmp_path / "out"
    only = ("--only", "floor,per-call-client,per-call-get")

    def strategies_run():
        code, printed, complaints = copied_suite.run("--axis", "calls=2", *only, "--out", out, "--cache", cache)
        assert (code, complaints) == (0, ""), printed
        report = load_report(out)
        assert len(report.records) == 3
        ran = {label.rpartition(" of ")[2].partition("/")[0] for label in report.run.order}
        assert {record.case.strategy for record in report.records if record.cached_from is None} == ran
        return ran, printed

    assert strategies_run()[0] == {"floor", "per-call-client", "per-call-get"}
    with (copied_suite.root / "bench" / "strategies" / "per_call_get.py").open("a") as file:
        file.write("\n# changed\n")
    damaged = next(file for file in cache.glob("*.json") if b"/floor.py" in file.read_bytes())
    damaged.write_bytes(damaged.read_bytes()[:-1])
    again, printed = strategies_run()
    assert again == {"floor", "per-call-get"}
    assert f"{damaged.name} in the cache is damaged or another's copy; it is measured again." in printed
    assert "From the cache [in part]: 1 of 3 cases" in printed


FAILS = """from bench.registry import strategy

@strategy("fails", contexts="one", handshakes="calls", fails="as always")
def fails(target):
    \"\"\"Known bad.\"\"\"

    def send(call):
        raise OSError("{}")

    yield send
"""


@pytest.mark.parametrize(("said", "jobs_again_count"), [("as always", 0), ("this once", 4)])
def test_a_case_that_failed_is_tried_again_unless_it_failed_as_it_says_of_itself(
    copied_suite, tmp_path, said, jobs_again_count
):
    copied_suite.module = "bench.wide"
    (copied_suite.root / "bench" / "strategies" / "fails.py").write_text(FAILS.format(said))
    asked = ("--axis", "calls=2", "--only", "fails", "--out", tmp_path / "out", "--cache", tmp_path / "cache")

    def run_once():
        code, printed, complaints = copied_suite.run(*asked)
        assert complaints == "", printed
        (record,) = load_report(tmp_path / "out").records
        assert said in record.outcome.message
        return code, record, len(load_report(tmp_path / "out").run.order)

    code, record, jobs_count = run_once()
    assert (record.cached_from, jobs_count) == (None, 4)
    again, record, jobs_count = run_once()
    assert (again, jobs_count) == (code, jobs_again_count)
    assert (record.cached_from is None) == bool(jobs_again_count)


def test_a_library_that_cannot_be_installed_fails_its_cases_in_words_and_no_others(wide, tmp_path):
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path), "PIP_CONFIG_FILE": os.devnull}
    code, printed, complaints = wide.run(
        "--axis", "library=urllib3,http.client", "--axis", "calls=2", "--only", "per-call", "--out", tmp_path / "out",
        "--cache", tmp_path / "cache", **offline,
    )  # fmt: skip
    assert (code, complaints) == (3, ""), printed
    failed, measured = sorted(
        load_report(tmp_path / "out").records, key=lambda each: isinstance(each.outcome, Measured)
    )
    assert isinstance(measured.outcome, Measured)
    assert failed.outcome.stage == "environment"
    assert failed.outcome.message.startswith("memray==")
    assert "could not be installed: " in failed.outcome.message
    assert "\n" not in failed.outcome.message
    assert not any((tmp_path / "cache" / "environments").glob("*/complete"))
    assert measured.identity["client_library"] == "http.client"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--axis", "colour=red"], "Error: there is no axis 'colour'; there are: http_version, "),
        (["--axis", "http=3"], "Error: http_version is one of 1.1, 2, not '3'.\n"),
        (["--only", "nothing"], "Error: there is no strategy 'nothing'; there are: "),
        (["--only", ","], "Error: --only was given no strategy"),
        (["--probe", "nothing/H1"], "Error: there is no strategy 'nothing'; there are: "),
        (["--probe", "floor"], "is not of the form STRATEGY/HAZARD"),
        (["--limit", "nan"], "nan is no number of seconds"),
    ],
)
def test_wrong_use_is_one_sentence_and_exit_code_two(capsys, arguments, message):
    assert guarded(matrix, arguments) == 2
    complaints = capsys.readouterr().err
    assert message in complaints


def test_help_names_folders_without_brackets(capsys):
    assert guarded(matrix, ["--help"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "[default: reports/matrix]" in printed
    assert "[default: reports/.cache]" in printed


def test_list_tells_what_would_run_and_runs_nothing(capsys, tmp_path):
    assert guarded(matrix, ["--list", "--cache", str(tmp_path / "cache"), "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    for word in ("default case", "client_library", "0 of them known", "minutes", "requests==2.31.0", "H16"):
        assert word in printed
    assert list(tmp_path.iterdir()) == []


def test_one_probe_is_run_and_said_in_words(wide):
    code, printed, complaints = wide.run("--probe", "one-client/H16")
    assert (code, complaints) == (0, "")
    assert printed.startswith("one-client/H16: ")
    assert "nox -s matrix -- --probe one-client/H16" in printed
