"""The main job, run as its users run it: a real server, real captures, real timings."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.matrix import DEFAULT
from connprof.model import Failed, Measured, VerdictStatus
from connprof.store import load_report
from tests.bench.conftest import processes_of

pytest.importorskip("memray", reason="memray is not installed here")

QUICK = ("floor", "per-call-async", "per-call-shared-context", "client-per-helper", "one-client")
# contexts, full handshakes, connections of 40 calls to 5 origins
EXPECTED = {
    "floor": (1, 5, 5),
    "per-call-async": (40, 40, 40),
    "per-call-shared-context": (1, 40, 40),
    "client-per-helper": (5, 5, 5),
    "one-client": (1, 5, 5),
}
QUICK_RUN = f"quick-run-{os.getpid()}"
on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks for left-over processes in /proc")


@pytest.fixture(scope="module")
def quick(suite, tmp_path_factory):
    """One quick run for all tests that only look at it: exit code, output, complaints, folder."""
    out = tmp_path_factory.mktemp("quick") / "latest"
    temporary = tmp_path_factory.mktemp("temporary")
    code, printed, complaints = suite.run(
        "--quick", "--processes", "1", "--seed", "7", "--out", out, TEST_RUN=QUICK_RUN, TMPDIR=str(temporary)
    )
    assert list(temporary.iterdir()) == []
    return code, printed, complaints, out


def measured(out, name):
    outcome = next(record.outcome for record in load_report(out).records if record.case.strategy == name)
    assert isinstance(outcome, Measured)
    return outcome


def test_the_regression_is_reproduced_and_the_fix_confirmed(quick):
    code, printed, complaints, out = quick
    verdict = load_report(out).verdict
    assert (code, complaints) == (0, "")
    assert verdict.regression.status is VerdictStatus.REPRODUCED, verdict.regression.reason
    assert verdict.fix.status is VerdictStatus.CONFIRMED, verdict.fix.reason
    assert "reproduced" in printed.lower()


def test_the_summary_names_the_page_last_and_has_no_colour_when_piped(quick):
    _code, printed, _complaints, out = quick
    assert str(out / "index.html") in printed.replace("\n", "")
    assert "\x1b" not in printed


@pytest.mark.parametrize("name", QUICK)
def test_counts_are_exact_and_no_pass_disagrees(quick, name):
    outcome = measured(quick[3], name)
    contexts, handshakes, connections = EXPECTED[name]
    client, ledger = outcome.counts.client, outcome.counts.ledger
    assert outcome.problems == ()
    assert (client.contexts_count, client.ca_loads_count) == (contexts, contexts)
    assert client.handshakes_full_count == ledger.handshakes_full_count == handshakes
    assert client.connections_count == ledger.tcp_accepted_count == connections
    assert ledger.requests_count == sum(ledger.requests_per_connection) == 40
    assert outcome.memory.ledger.handshakes_full_count == handshakes
    assert len(outcome.timing) == 1
    for each in outcome.timing:
        warmup = 5 if handshakes == 40 else each.warmup_origins_count
        assert (each.warmup_calls_count, each.warmup_origins_count) == (5, 2)
        assert each.ledger.handshakes_full_count == handshakes + warmup


def test_the_line_that_pays_is_named(quick):
    sites = measured(quick[3], "per-call-async").counts.sites
    payer = max(sites, key=lambda each: each.counts.contexts_count)
    lines = (
        (Path(__file__).resolve().parents[2] / "bench" / "strategies" / "per_call_async.py").read_text().splitlines()
    )
    assert payer.site.file == "bench/strategies/per_call_async.py"
    assert "async with httpx.AsyncClient() as client:" in lines[payer.site.line - 1]
    assert payer.counts.contexts_count == 40


def test_bytes_are_those_of_contexts_handshakes_and_io(quick):
    before, after = measured(quick[3], "per-call-async"), measured(quick[3], "client-per-helper")
    each = before.memory.ssl.context_bytes / 40
    assert each == pytest.approx(after.memory.ssl.context_bytes / 5, rel=0.02)
    assert before.memory.ssl.handshake_bytes == pytest.approx(8 * after.memory.ssl.handshake_bytes, rel=0.05)
    assert before.memory.ssl.total_bytes > 4 * after.memory.ssl.total_bytes
    assert sum(row.cumulative_bytes for row in before.memory.functions) == before.memory.ssl.total_bytes


def test_growth_points_are_runs_of_their_own_that_climb(quick):
    outcome = measured(quick[3], "per-call-async")
    assert [each.calls_count for each in outcome.growth] == [10]
    assert outcome.growth[0].ledger.handshakes_full_count == 10
    assert outcome.growth[0].ssl.context_bytes == pytest.approx(outcome.memory.ssl.context_bytes / 4, rel=0.02)


def test_the_environment_is_recorded_without_values(quick):
    environment = load_report(quick[3]).environment
    assert int(environment.identity["ca_bundle_certificates_count"]) > 50
    assert environment.identity["client_library_version"]
    assert environment.variables["SSL_CERT_FILE"] == "set to the trust bundle"
    assert not any("/" in what for what in environment.variables.values())


def test_the_run_can_be_made_again(quick):
    run = load_report(quick[3]).run
    assert run.seed == 7
    assert run.command.startswith("nox -s bench -- --quick")
    assert run.interrupted is None
    assert len(run.order) == len(set(run.order)) == 4 * len(QUICK)


def test_the_benchmark_file_is_one_that_pytest_benchmark_reads(quick):
    file = quick[3] / "pytest-benchmark.json"
    content = json.loads(file.read_text())
    assert sorted(each["param"] for each in content["benchmarks"]) == sorted(QUICK)
    done = subprocess.run(
        [sys.executable, "-m", "pytest_benchmark", "compare", file], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "per-call-async" in done.stdout


def test_nothing_but_the_report_is_left(quick):
    names = {path.name for path in quick[3].iterdir()}
    assert {"index.html", "report.json", "pytest-benchmark.json"} <= names
    assert not {name for name in names if name.startswith(".") or name == "partial.json"}
    assert all(name.endswith((".html", ".json", ".png")) for name in names)


@on_linux
def test_no_process_is_left(quick):
    assert quick[0] == 0
    assert processes_of(f"TEST_RUN={QUICK_RUN}") == []


@pytest.mark.once
def test_the_rest_of_the_strategies_and_the_other_workload(suite, tmp_path):
    out = tmp_path / "latest"
    names = ("lazy-service", "per-call-client", "per-call-get")
    code, printed, _complaints = suite.run(
        "--quick", "--processes", "1", "--workload", "single-origin", "--calls", "6", "--out", out, "--only", names[0],
        "--only", ",".join(names[1:]),
    )  # fmt: skip
    assert code == 4, printed
    assert load_report(out).verdict.regression.status is VerdictStatus.NOT_MEASURED
    for name, (contexts, handshakes) in zip(names, [(1, 1), (6, 6), (6, 6)], strict=True):
        outcome = measured(out, name)
        assert outcome.problems == ()
        assert outcome.counts.client.contexts_count == contexts
        assert outcome.counts.ledger.handshakes_full_count == handshakes


@pytest.mark.once
def test_a_modelled_round_trip_shows_in_each_call(suite, tmp_path):
    out = tmp_path / "latest"
    code, _printed, _complaints = suite.run(
        "--quick", "--processes", "1", "--calls", "4", "--rtt", "20ms", "--only", "floor", "--out", out
    )
    timing = measured(out, "floor").timing[0]
    assert code == 4
    assert all(latency >= 20_000_000 for latency in timing.latency_ns[0])
    assert load_report(out).records[0].case.rtt_ms == 20


@pytest.mark.once
def test_runs_with_other_seeds_give_the_same_counts_and_the_same_context_bytes(suite, tmp_path):
    def figures(seed):
        out = tmp_path / str(seed)
        suite.run(
            "--quick", "--processes", "1", "--calls", "10", "--seed", seed, "--out", out,
            "--only", "per-call-async,client-per-helper,floor",
        )  # fmt: skip
        found = {}
        for name in ("per-call-async", "client-per-helper", "floor"):
            outcome = measured(out, name)
            found[name] = (
                outcome.counts.client, outcome.counts.ledger, outcome.counts.sites, outcome.memory.ssl.context_bytes,
                [each.ssl.context_bytes for each in outcome.growth],
            )  # fmt: skip
        return load_report(out).run.order, found

    (one_order, one), (other_order, other) = figures(1), figures(2)
    assert one_order != other_order
    assert one == other


# --- when things go wrong -------------------------------------------------------------------------------------

BROKEN = {
    "raises": (
        "def send(call):\n    raise ValueError('<b>no</b>')\nyield send",
        r"ValueError at raises\.py:\d+: <b>no</b>",
    ),
    "hangs": ("time.sleep(600)\nyield None", "had not ended after 12 s"),
    "exits": ("sys.exit(0)\nyield None", "ended with exit code 0 without an answer"),
    "dies": ("os.abort()\nyield None", "was killed by SIGABRT"),
    "wrong-answer": (
        "def send(call):\n    return httpx.get(target.url('/status/503', call.origin))\nyield send",
        "AnswerError: .* with status 503",
    ),
    "prints": ("print('{\"outcome\": {}}')\nraise KeyError(1)\nyield None", "KeyError"),
}


@pytest.mark.once
def test_strategies_that_break_stay_in_the_report_as_failed(copied_suite, tmp_path):
    for name, (body, _message) in BROKEN.items():
        copied_suite.add_strategy(name, body)
    copied_suite.add_strategy(
        "wanders",
        "import contextlib, socket\nwith contextlib.suppress(OSError):\n"
        "    socket.create_connection(('127.0.0.1', 9))\n"
        "with httpx.Client() as client:\n"
        "    yield lambda call: client.get(target.url(call.path, call.origin))",
    )
    copied_suite.add_strategy("lies", "yield lambda call: httpx.get(target.url(call.path, call.origin))")
    out = tmp_path / "latest"
    code, printed, complaints = copied_suite.run(
        "--quick", "--processes", "1", "--calls", "3", "--limit", "12", "--out", out,
        "--only", ",".join([*BROKEN, "lies", "wanders", "floor"]),
    )  # fmt: skip
    assert (code, complaints) == (3, ""), printed
    outcomes = {record.case.strategy: record.outcome for record in load_report(out).records}
    for name, (_body, message) in BROKEN.items():
        assert isinstance(outcomes[name], Failed), name
        assert re.search(message, outcomes[name].message), outcomes[name].message
    assert isinstance(outcomes["lies"], Measured), outcomes["lies"].message
    assert "claim" in {problem.code for problem in outcomes["lies"].problems}
    assert isinstance(outcomes["wanders"], Measured), outcomes["wanders"].message
    assert any("none of the origins under test" in problem.sentence for problem in outcomes["wanders"].problems)
    assert isinstance(outcomes["floor"], Measured)
    assert outcomes["floor"].problems == ()
    assert "<b>no</b>" not in (out / "index.html").read_text()
    assert "&lt;b&gt;no" in (out / "index.html").read_text()


@pytest.mark.once
def test_an_observer_that_is_switched_off_makes_cases_invalid(copied_suite, tmp_path):
    passes = copied_suite.root / "bench" / "passes.py"
    text = passes.read_text()
    broken = text.replace(
        "observations.append(observation)\n            yield", "observations.append(observation)\n        yield"
    )
    assert broken != text
    passes.write_text(broken)
    out = tmp_path / "latest"
    code, printed, _complaints = copied_suite.run(
        "--quick", "--processes", "1", "--calls", "10", "--only", "per-call-async,client-per-helper", "--out", out
    )
    assert code == 3, printed
    assert load_report(out).verdict.regression.status is VerdictStatus.INVALID


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.05)
    pytest.fail("what was waited for did not happen")


@pytest.mark.once
@on_linux
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_keeps_what_was_measured_and_leaves_nothing(suite, tmp_path, number):
    out = tmp_path / "latest"
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    process = suite.start(
        "--quick", "--seed", "1", "--out", out, TEST_RUN=f"interrupted-{number}", TMPDIR=str(temporary)
    )
    wait_for((out / "partial.json").exists)
    time.sleep(1)
    process.send_signal(number)
    printed, complaints = process.communicate(timeout=30)
    assert process.returncode == (129 if number == signal.SIGHUP else 130), printed + complaints
    assert "Traceback" not in complaints
    report = load_report(out)
    assert report.run.interrupted.startswith("Interrupted after ")
    assert any(
        isinstance(record.outcome, Failed) and record.outcome.stage == "interrupted" for record in report.records
    )
    assert report.run.order
    assert {path.name for path in out.iterdir()} >= {"report.json", "index.html"}
    assert not {path.name for path in out.iterdir()} & {".lock", ".work", "partial.json"}
    wait_for(lambda: processes_of(f"TEST_RUN=interrupted-{number}") == [], 5)
    assert list(temporary.iterdir()) == []


@pytest.mark.once
@on_linux
def test_ctrl_c_before_anything_was_measured_is_one_word(suite, tmp_path):
    out = tmp_path / "latest"
    process = suite.start("--quick", "--out", out, TEST_RUN="early")
    wait_for((out / ".lock").exists)
    process.send_signal(signal.SIGINT)
    _printed, complaints = process.communicate(timeout=30)
    assert process.returncode in {130, -signal.SIGINT}
    assert "Traceback" not in complaints
    wait_for(lambda: processes_of("TEST_RUN=early") == [], 5)


@on_linux
def test_a_killed_run_leaves_its_partial_report_and_no_process(suite, tmp_path):
    out = tmp_path / "latest"
    process = suite.start("--quick", "--out", out, TEST_RUN="killed")
    wait_for((out / "partial.json").exists)
    process.kill()
    process.communicate(timeout=30)
    wait_for(lambda: processes_of("TEST_RUN=killed") == [], 15)
    assert load_report(out / "partial.json").run.interrupted == "The run has not come to its end, or was killed."


def pids_of(marker, word):
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environ, command = (folder / "environ").read_bytes(), (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if marker.encode() in environ and word.encode() in command:
            found.append(int(folder.name))
    return found


@on_linux
def test_a_killed_server_ends_the_run_in_words(suite, tmp_path):
    out = tmp_path / "latest"
    process = suite.start("--quick", "--seed", "1", "--out", out, TEST_RUN="server-killed")
    wait_for((out / "partial.json").exists)
    for pid in pids_of("TEST_RUN=server-killed", "connprof_server"):
        os.kill(pid, signal.SIGKILL)
    printed, complaints = process.communicate(timeout=60)
    assert process.returncode == 3, printed + complaints
    assert "Traceback" not in complaints
    report = load_report(out)
    assert "The server was lost" in report.run.interrupted
    assert any(isinstance(record.outcome, Failed) for record in report.records)
    wait_for(lambda: processes_of("TEST_RUN=server-killed") == [], 15)


@pytest.mark.once
def test_two_runs_in_one_folder_are_refused(suite, tmp_path):
    out = tmp_path / "latest"
    first = suite.start("--quick", "--only", "floor", "--calls", "2", "--out", out)
    try:
        wait_for((out / ".work").exists)
        code, _printed, complaints = suite.run("--quick", "--only", "floor", "--out", out)
        assert code == 2
        assert "another run is at work in" in complaints
        assert "Traceback" not in complaints
    finally:
        first.communicate(timeout=60)
    assert first.returncode == 4


def test_a_folder_that_cannot_be_written_is_said_before_anything_runs(suite, tmp_path):
    (tmp_path / "file").write_text("")
    code, _printed, complaints = suite.run("--quick", "--out", tmp_path / "file" / "latest")
    assert code == 2
    assert re.fullmatch(r"Error: .*/file/latest cannot be written: .*\n", complaints)


def test_a_disk_that_is_full_fails_cases_but_says_so(suite, tmp_path):
    """A limit on the size of files stands for the full disk: the same error where it bites."""
    import resource

    out = tmp_path / "latest"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        process = suite.start("--quick", "--calls", "10", "--processes", "1", "--only", "per-call-async", "--out", out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    printed, complaints = process.communicate(timeout=100)
    assert process.returncode in {2, 3}, printed + complaints
    assert "Traceback" not in complaints + printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "nothing"], "there is no strategy 'nothing'; there are: asgi-lifespan, base-url-loop"),
        (["--workload", "nothing"], "'nothing' is not one of 'llm-session', 'single-origin'"),
        (["--calls", "0"], "0 is not in the range"),
        (["--rtt", "soon"], "'soon' is not a time such as 20ms or 0.1s"),
        (["--rtt", "11s"], "is not between 0 and 10s"),
        (["--seed", "-1"], "-1 is not in the range"),
        (["--seed", str(2**63)], "is not in the range"),
        (["--surprise"], "No such option"),
        (["extra"], "Got unexpected extra argument"),
    ],
)
def test_wrong_use_is_one_sentence_and_exit_code_two(suite, arguments, message):
    code, _printed, complaints = suite.run(*arguments)
    assert code == 2
    assert message in complaints
    assert "Traceback" not in complaints


def test_list_tells_what_there_is(suite):
    code, printed, complaints = suite.run("--list")
    assert (code, complaints) == (0, "")
    for word in (*QUICK, "lazy-service", "llm-session", "single-origin"):
        assert word in printed
    marks = {line.split()[0]: line[26:42].strip() for line in printed.splitlines() if line.startswith("  ")}
    assert {name for name, said in marks.items() if "default" in said} == {*DEFAULT}
    assert {name for name, said in marks.items() if "quick" in said} == {*QUICK}
    assert marks["lazy-service"] == "default"
    assert marks["gather"] == marks["llm-session"] == ""


def test_help_teaches(suite):
    code, printed, _complaints = suite.run("--help")
    assert code == 0
    for word in ("--quick", "--only", "--seed", "--flamegraph", "Exit codes", "Examples"):
        assert word in printed
    assert "[default: reports/latest]" in " ".join(printed.split())


@pytest.mark.once
def test_captures_and_flame_graphs_on_request(suite, tmp_path):
    out = tmp_path / "latest"
    code, printed, _complaints = suite.run(
        "--quick",
        "--processes",
        "1",
        "--calls",
        "2",
        "--only",
        "floor",
        "--keep-captures",
        "--flamegraph",
        "--out",
        out,
    )
    assert code == 4, printed
    page = (out / "flamegraphs" / "floor.html").read_text()
    assert "<html" in page
    assert not re.search(r"<(script|link)[^>]+(src|href)=[\"']?https?://", page)
    assert (out / "captures" / "floor.bin").stat().st_size > 0


@pytest.mark.once
def test_what_stands_in_the_way_beside_the_report_costs_nothing_but_itself(suite, tmp_path):
    (tmp_path / "captures").write_text("mine")
    (tmp_path / "pytest-benchmark.json").mkdir()
    code, printed, complaints = suite.run(
        "--quick", "--processes", "1", "--calls", "2", "--only", "floor", "--keep-captures", "--out", tmp_path
    )
    assert (code, complaints) == (4, ""), printed
    assert "captures" in printed
    assert "pytest-benchmark.json cannot be written" in printed
    assert (tmp_path / "captures").read_text() == "mine"
    assert load_report(tmp_path).run.interrupted is None


@on_linux
def test_ctrl_c_at_the_very_start_leaves_no_lock(suite, tmp_path):
    for number in range(3):
        out = tmp_path / str(number)
        process = suite.start("--quick", "--out", out)
        while not (out / ".lock").exists() and process.poll() is None:
            pass
        process.send_signal(signal.SIGINT)
        _printed, complaints = process.communicate(timeout=30)
        # Where it came amid an exec of some text, as namedtuples are made, Python ends by the signal, handled or not.
        assert process.returncode in {130, -signal.SIGINT}, complaints
        assert not {path.name for path in out.iterdir()} & {".lock", ".work"}
