"""The suite's parts one by one, where a whole run would not show what went wrong inside."""

import errno
import gc
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import asdict
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from pytest_benchmark.stats import Stats

from bench import (
    children,
    command,
    gathered,
    headroom,
    matrix,
    measuring,
    options,
    passes,
    provenance,
    reserve,
    runner,
)
from bench.benchmark_file import merge_benchmark_files
from bench.driver import AnswerError, Session, run_session
from bench.duel import Sampler
from bench.hazards.runner import Prober
from bench.matrix import Job, Settings, growth_points, plan
from bench.reason import reason
from bench.registry import AsyncStrategy, SyncStrategy
from bench.surroundings import child_variables, describe
from bench.worker import SCRATCH
from bench.workloads import ORIGINS, WORKLOADS, Call, Step
from connprof.cli.exits import guarded
from connprof.errors import FileError, UsageError
from connprof.model import Case, Failed, Measured, Record
from connprof.store import load_report
from connprof_server import serve
from connprof_server.target import Target
from tests import samples
from tests.bench.conftest import ROOT
from tests.server.conftest import is_running

TARGET = Target({"main": "https://localhost:1"}, "/there/bundle.pem", "/there/ca.pem", 100, "abc")


def wait_until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def server():
    with serve(ORIGINS) as running:
        yield running


# --- surroundings ---------------------------------------------------------------------------------------------

UNWANTED = (
    "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSLKEYLOGFILE", "OPENSSL_CONF",
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
    "PYTHONASYNCIODEBUG", "PYTHONDEVMODE", "PYTHONMALLOC", "PYTHONTRACEMALLOC", "PYTHONPROFILEIMPORTTIME",
    "PYTHONWARNINGS", "PYTHONOPTIMIZE", "PYTHONINSPECT", "PYTHONSTARTUP", "PYTHONVERBOSE",
    "PYTEST_ADDOPTS", "PYTEST_PLUGINS", "COVERAGE_PROCESS_START",
)  # fmt: skip


@pytest.mark.parametrize("name", [*UNWANTED, "Https_Proxy", "FTP_PROXY", "wss_proxy"])
def test_a_variable_that_switches_code_paths_is_taken_from_workers_and_recorded(monkeypatch, name):
    monkeypatch.setenv(name, "secret")
    variables, done = child_variables(TARGET)
    assert name not in variables
    assert done[name] == "cleared"
    assert "secret" not in done.values()


@pytest.mark.parametrize("name", UNWANTED)
def test_a_variable_that_was_not_there_is_recorded_as_such(monkeypatch, name):
    monkeypatch.delenv(name, raising=False)
    variables, done = child_variables(TARGET)
    assert name not in variables
    assert done[name] == "was not set"


def test_workers_get_the_trust_bundle_a_fixed_hash_seed_and_this_project(monkeypatch):
    for name in ("SSL_CERT_FILE", "PYTHONHASHSEED", "PYTHONPATH", "PYTEST_DISABLE_PLUGIN_AUTOLOAD"):
        monkeypatch.setenv(name, "secret")
    variables, done = child_variables(TARGET)
    assert variables["SSL_CERT_FILE"] == TARGET.bundle
    assert variables["PYTHONHASHSEED"] == "0"
    assert [Path(part) for part in variables["PYTHONPATH"].split(os.pathsep)] == [ROOT, ROOT / "src", ROOT / "server"]
    assert variables["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] == "1"
    assert {name: done[name] for name in variables if name in done} == {
        "SSL_CERT_FILE": "set to the trust bundle",
        "PYTHONHASHSEED": "set to 0",
        "PYTHONPATH": "set to the project",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "set to 1",
    }


def test_workers_keep_every_other_variable_and_ours_are_untouched(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://there")
    monkeypatch.setenv("OF_THE_USER", "kept")
    before = dict(os.environ)
    variables, done = child_variables(TARGET)
    assert variables["OF_THE_USER"] == "kept"
    assert "OF_THE_USER" not in done
    assert dict(os.environ) == before


def test_the_environment_tells_the_bundle_and_what_was_done():
    environment = describe(TARGET, {"HTTP_PROXY": "cleared"})
    assert environment.identity["ca_bundle_certificates_count"] == "100"
    assert environment.identity["ca_bundle_sha256"] == "abc"
    assert environment.variables == {"HTTP_PROXY": "cleared"}


# --- driver ---------------------------------------------------------------------------------------------------


def call_of(path, *, status=200, size_bytes=3):
    return Call("main", path, "operation", (), status=status, size_bytes=size_bytes)


class Answer:
    """An answer that knows when it was first looked at."""

    def __init__(self, status_code=200, content=b"abc"):
        self._status_code, self._content = status_code, content
        self.read_ns = None

    def _read(self):
        if self.read_ns is None:
            self.read_ns = time.perf_counter_ns()

    @property
    def status_code(self):
        self._read()
        return self._status_code

    @property
    def content(self):
        self._read()
        return self._content


def sync_strategy(send, log=None):
    @contextmanager
    def enter(_target):
        yield from recorded(log, send)

    return SyncStrategy("fake", "Fake", "fake.py", None, "one", "origins", "batch", "script", {}, "", enter)


def async_strategy(send, log=None):
    @asynccontextmanager
    async def enter(_target):
        async def send_async(call):
            return send(call)

        for each in recorded(log, send_async):
            yield each

    return AsyncStrategy("fake", "Fake", "fake.py", None, "one", "origins", "batch", "script", {}, "", enter)


def recorded(log, send):
    log = [] if log is None else log
    log.append(("enter", time.perf_counter_ns()))
    yield send
    log.append(("leave", time.perf_counter_ns()))


BOTH = pytest.mark.parametrize("kind", [sync_strategy, async_strategy])


@BOTH
@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Answer(503), call_of("/a")),
        (Answer(200), call_of("/a", status=204)),
        (Answer(200, b"abcd"), call_of("/a")),
        (Answer(200, b""), call_of("/a")),
    ],
)
def test_an_answer_of_the_wrong_status_or_size_ends_the_session(kind, answer, expected):
    with pytest.raises(AnswerError, match=rf"main answered /a with status {answer.status_code} "):
        run_session(kind(lambda _call: answer), (Step((expected,)),), TARGET, nullcontext)


@BOTH
def test_a_wrong_answer_in_the_background_ends_the_session_too(kind):
    steps = (Step((call_of("/a"),), call_of("/ping", status=204)),)
    with pytest.raises(AnswerError, match="main answered /ping with status 200"):
        run_session(kind(lambda _call: Answer()), steps, TARGET, nullcontext)


@BOTH
def test_all_calls_are_made_once_and_told_in_the_workloads_order(kind):
    sent = []

    def send(call):
        sent.append(call.path)
        return Answer()

    steps = (
        Step((call_of("/a"), call_of("/b")), call_of("/ping1")),
        Step((call_of("/c"),)),
        Step((call_of("/d"),), call_of("/ping2")),
    )
    session = run_session(kind(send), steps, TARGET, nullcontext)
    assert sorted(sent) == ["/a", "/b", "/c", "/d", "/ping1", "/ping2"]
    assert [path for path in sent if "ping" not in path] == ["/a", "/b", "/c", "/d"]
    assert sent.index("/ping1") < sent.index("/c")  # waited for before the next step
    assert len(session.calls) == 6
    if kind is sync_strategy:
        assert sent == ["/a", "/b", "/ping1", "/c", "/d", "/ping2"]
        assert [call.start_ns for call in session.calls] == sorted(call.start_ns for call in session.calls)


def test_the_calls_of_a_session_name_their_origins_in_the_workloads_order():
    steps = WORKLOADS["llm-session"].steps(12)
    calls = [call for step in steps for call in (*step.calls, *filter(None, [step.background]))]
    strategy = sync_strategy(lambda call: Answer(call.status, bytes(call.size_bytes)))
    session = run_session(strategy, steps, TARGET, nullcontext)
    assert [call.origin for call in session.calls] == [call.origin for call in calls]


def test_on_an_event_loop_the_background_call_runs_beside_the_others():
    import asyncio

    @asynccontextmanager
    async def enter(_target):
        has_begun = asyncio.Event()

        async def send(call):
            if call.path == "/ping":
                has_begun.set()
            else:
                await asyncio.wait_for(has_begun.wait(), 20)
            return Answer()

        yield send

    strategy = AsyncStrategy("fake", "Fake", "fake.py", None, "one", "origins", "batch", "script", {}, "", enter)
    session = run_session(strategy, (Step((call_of("/a"),), call_of("/ping")),), TARGET, nullcontext)
    assert len(session.calls) == 2


@BOTH
def test_a_call_has_ended_before_its_answer_is_checked(kind):
    answers, began = [], []

    def send(_call):
        began.append(time.perf_counter_ns())
        answers.append(Answer())
        return answers[-1]

    session = run_session(kind(send), (Step((call_of("/a"), call_of("/b"))),), TARGET, nullcontext)
    for call, answer, began_ns in zip(session.calls, answers, began, strict=True):
        assert call.start_ns <= began_ns <= call.end_ns <= answer.read_ns


@BOTH
def test_the_window_opens_before_the_strategy_is_entered_and_closes_after_it_is_left(kind):
    log = []

    @contextmanager
    def window():
        log.append(("open", time.perf_counter_ns()))
        yield
        log.append(("close", time.perf_counter_ns()))

    def send(_call):
        log.append(("call", time.perf_counter_ns()))
        return Answer()

    session = run_session(kind(send, log), (Step((call_of("/a"),)),), TARGET, window)
    assert [what for what, _ns in log] == ["open", "enter", "call", "leave", "close"]
    at = dict(log)
    assert at["open"] <= session.start_ns <= at["enter"]
    assert at["leave"] <= session.end_ns <= at["close"]
    assert session.wall_ns == session.end_ns - session.start_ns


def burn(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def test_the_cpu_time_of_a_session_includes_its_background_thread_and_its_ends():
    def send(call):
        if call.path == "/ping":
            burn(0.06)
        return Answer()

    @contextmanager
    def enter(_target):
        burn(0.03)
        yield send
        burn(0.03)

    strategy = SyncStrategy("fake", "Fake", "fake.py", None, "one", "origins", "batch", "script", {}, "", enter)
    session = run_session(strategy, (Step((call_of("/a"),), call_of("/ping")),), TARGET, nullcontext)
    assert session.thread_time_ns >= 120_000_000


# --- matrix ---------------------------------------------------------------------------------------------------

NAMES = ("floor", "per-call-async", "per-call-get", "client-per-helper", "one-client", "lazy-service")


def settings_of(out=Path("/nowhere"), **changes):
    values = {
        "strategies": NAMES, "workload": "llm-session", "calls_count": 40, "seed": 1, "quick": False,
        "timing_processes_count": 5, "rounds_count": 1, "rtt_ms": 0.0, "limit_s": 60.0, "out": out,
    }  # fmt: skip
    return Settings(**(values | changes))


def timing_orders(settings):
    jobs = [job for job in plan(settings) if job.kind == "timing"]
    return [
        tuple(job.strategy for job in jobs if job.repetition == repetition)
        for repetition in range(settings.timing_processes_count)
    ]


def test_the_same_seed_gives_the_same_order_and_another_seed_another():
    assert plan(settings_of()) == plan(settings_of())
    assert plan(settings_of()) != plan(settings_of(seed=2))
    assert set(plan(settings_of())) == set(plan(settings_of(seed=2)))


def test_planning_leaves_the_shared_random_numbers_alone():
    state = random.getstate()
    plan(settings_of())
    assert random.getstate() == state


def test_timing_comes_last_in_repetitions_that_are_each_shuffled_anew():
    jobs = plan(settings_of())
    kinds = [job.kind for job in jobs]
    assert "timing" not in kinds[: kinds.index("timing")]
    assert set(kinds[kinds.index("timing") :]) == {"timing"}
    assert [job.repetition for job in jobs if job.kind == "timing"] == [each for each in range(5) for _name in NAMES]
    orders = timing_orders(settings_of())
    assert all(sorted(order) == sorted(NAMES) for order in orders)
    assert len(set(orders)) > 1
    assert any(order != NAMES for order in orders)


def test_the_first_jobs_are_shuffled_over_strategies_and_passes():
    jobs = [job for job in plan(settings_of()) if job.kind != "timing"]
    strategies = [job.strategy for job in jobs]
    changes = sum(one != other for one, other in pairwise(strategies))
    assert changes > len(NAMES) - 1
    assert len(set(jobs)) == len(jobs)


@pytest.mark.parametrize(
    ("calls", "quick", "points"),
    [
        (40, False, (4, 10, 20)),
        (40, True, (10,)),
        (3, False, (1,)),
        (2, False, (1,)),
        (1, False, ()),
        (1, True, ()),
        (1000, False, (100, 250, 500)),
    ],
)
def test_growth_is_looked_at_on_the_way(calls, quick, points):
    assert growth_points(calls, quick=quick) == points


@pytest.mark.parametrize("quick", [False, True])
def test_every_strategy_has_each_pass_and_a_quick_run_leaves_out_what_is_retained(quick):
    jobs = plan(settings_of(quick=quick, timing_processes_count=2))
    for name in NAMES:
        mine = sorted((job.kind, job.calls_count) for job in jobs if job.strategy == name)
        expected = [("counts", 40), ("memory", 40), ("timing", 40), ("timing", 40)]
        expected += [("growth", 10)] if quick else [("growth", 4), ("growth", 10), ("growth", 20), ("retained", 40)]
        assert mine == sorted(expected)


def test_jobs_are_called_by_what_tells_them_apart():
    assert Job("floor", "timing", 40, 1).label == "timing 2 of floor"
    assert Job("floor", "growth", 10).label == "growth 10 of floor"
    assert Job("floor", "counts", 40).label == "counts of floor"
    assert len({job.label for job in matrix.plan(settings_of())}) == len(plan(settings_of()))


# --- children -------------------------------------------------------------------------------------------------


def python(code):
    return [sys.executable, "-c", f"import json, os, subprocess, sys, time\n{code}"]


def run_worker(tmp_path, code, *, job=None, limit_s=60.0):
    return children.Workers(tmp_path, limit_s).run(python(code), {} if job is None else job, os.environ)


def test_a_worker_gets_its_job_and_its_variables_and_gives_its_outcome(tmp_path):
    code = "print('noise')\njob = json.loads(sys.stdin.readline())\n"
    code += "print(json.dumps({'outcome': {'job': job, 'env': dict(os.environ), 'cwd': os.getcwd()}}))"
    workers = children.Workers(tmp_path, 60)
    outcome = workers.run(python(code), {"calls": 3}, {"ONLY": "this"})
    assert outcome["job"] == {"calls": 3}
    assert outcome["env"]["ONLY"] == "this"
    assert "PATH" not in outcome["env"]
    assert outcome["cwd"] == str(tmp_path)


LEAVES_A_CHILD = "child = subprocess.Popen(['sleep', '300'])\nopen('pid', 'w').write(f'{child.pid} ')\n"


@pytest.mark.parametrize(
    ("end", "limit_s"),
    [
        ("print(json.dumps({'outcome': {}}), flush=True); os._exit(0)", 60),
        ("os._exit(3)", 60),
        ("os.abort()", 60),
        ("time.sleep(300)", 3),
    ],
)
def test_what_a_worker_started_ends_with_it(tmp_path, end, limit_s):
    try:
        run_worker(tmp_path, LEAVES_A_CHILD + end, limit_s=limit_s)
    except children.JobFailed as failure:
        ending = str(failure)
    else:
        ending = "well"
    assert ("well" in ending) == ("outcome" in end)
    pid = int((tmp_path / "pid").read_text())
    try:
        wait_until(lambda: not is_running(pid), 10)
    finally:
        if is_running(pid):
            os.kill(pid, signal.SIGKILL)


def test_without_room_for_temporary_files_a_worker_has_failed_in_words(monkeypatch, tmp_path):
    def refuse(*_arguments, **_options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    with pytest.raises(children.JobFailed, match=rf" cannot be written: {os.strerror(errno.ENOSPC)}$"):
        run_worker(tmp_path, "")


def test_a_worker_that_hangs_fails_at_the_limit(tmp_path):
    with pytest.raises(children.JobFailed, match=r"^it had not ended after 0\.5 s and was stopped$"):
        run_worker(tmp_path, "time.sleep(8); print(json.dumps({'outcome': {}}))", limit_s=0.5)


@pytest.mark.parametrize("answer", ["hello", "{", "[]", "3", "null", '"failed"', "{}", '{"outcome": 3}', "\x00", "é"])
def test_an_answer_that_is_no_outcome_fails(tmp_path, answer):
    with pytest.raises(children.JobFailed, match=r"^its process answered something that is no outcome$"):
        run_worker(tmp_path, f"sys.stdout.buffer.write({answer!r}.encode('latin-1') + b'\\n')")


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("sys.exit(7)", "its process ended with exit code 7 without an answer"),
        ("print(json.dumps({'outcome': {}}), end='')", "its process ended with exit code 0 without an answer"),
        ("os.kill(os.getpid(), 9)", "its process was killed by SIGKILL without an answer"),
        (
            "sys.exit('one\\n\\x1b[31mlast\\n\\n')",
            "its process ended with exit code 1 without an answer; its last words: [31mlast",
        ),
    ],
)
def test_a_worker_without_an_answer_is_told_by_its_end(tmp_path, code, sentence):
    with pytest.raises(children.JobFailed) as raised:
        run_worker(tmp_path, code)
    assert str(raised.value) == sentence


def test_what_a_worker_says_of_its_failure_is_passed_on_in_plain_words(tmp_path):
    with pytest.raises(children.JobFailed, match=r"^\[31mno luck \? today$"):
        run_worker(tmp_path, r"print(json.dumps({'failed': '\x1b[31mno\nluck \ud800 today'})); sys.exit(1)")


def test_stopping_ends_a_worker_that_another_thread_waits_for(tmp_path):
    workers = children.Workers(tmp_path, 60)
    raised = []

    def run():
        try:
            workers.run(python(LEAVES_A_CHILD + "time.sleep(300)"), {}, os.environ)
        except children.Stopped as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().endswith(" "))
    workers.stop()
    thread.join(30)
    assert [type(error) for error in raised] == [children.Stopped]
    pid = int((tmp_path / "pid").read_text())
    wait_until(lambda: not is_running(pid), 10)


def test_after_stopping_no_worker_is_started(tmp_path):
    workers = children.Workers(tmp_path, 60)
    workers.stop()
    with pytest.raises(children.Stopped):
        workers.run(python("open('started', 'w').close()"), {}, os.environ)
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("all is well: é → 日本", "all is well: é → 日本"),
        ("\x1b[31mred\x1b[0m", "[31mred [0m"),
        ("one\ntwo\r\n\tthree\x00\x7f", "one two three"),
        ("a\u2028b\u202ec\x9bd", "a b c d"),
        ("lone \ud800 surrogate", "lone ? surrogate"),
        ("", ""),
        ("x" * 600, "x" * 600),
        ("x" * 601, "x" * 599 + "…"),
    ],
)
def test_words_from_outside_become_one_plain_bounded_line(text, clean):
    assert children.plain(text) == clean
    children.plain(text).encode()


# --- worker ---------------------------------------------------------------------------------------------------


def test_a_worker_ends_when_its_parent_closes_the_channel():
    code = "from bench.worker import die_with_parent\ndie_with_parent(sys.stdin)\nprint('up', flush=True)\n"
    process = subprocess.Popen(
        python(code + "time.sleep(300)"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True
    )
    try:
        assert process.stdout.readline() == "up\n"
        assert process.poll() is None
        process.stdin.close()
        assert process.wait(30) == 1
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize("module", ["bench.worker", "bench.headroom"])
def test_every_kind_of_worker_ends_with_its_parent(module, tmp_path):
    """A server that accepts and says nothing keeps the worker at work."""
    scratch = tmp_path / f"{SCRATCH}of-a-test"
    scratch.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        target = Target({name: f"https://127.0.0.1:{silent.getsockname()[1]}" for name in ORIGINS}, "", "", 1, "")
        job = {
            "pass": "counts",
            "case": {"strategy": "floor", "workload": "llm-session", "calls_count": 1},
            "target": asdict(target),
            "options": {"seconds": 60, "capture": str(tmp_path / "capture")},
        }
        variables, _done = child_variables(target)
        process = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
            env={name: value for name, value in variables.items() if name != "SSL_CERT_FILE"}
            | {"TMPDIR": str(scratch)},
        )
        try:
            process.stdin.write(json.dumps(job).encode() + b"\n")
            process.stdin.flush()
            silent.settimeout(60)
            accepted, _address = silent.accept()
            process.stdin.close()
            assert process.wait(30) == 1
            assert process.stdout.read() == b""  # it did not come to an answer of its own
            assert not scratch.exists()
            accepted.close()
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


WORKER = """
from bench import passes, worker
def fake(case, target, options):
    {}
passes.PASSES["counts"] = fake
worker.main()
"""


def run_real_worker(body):
    variables, _done = child_variables(TARGET)
    job = {"pass": "counts", "case": {}, "target": TARGET.to_dict(), "options": {}}
    return children.Workers(ROOT, 60).run(python(WORKER.format(body)), job, variables)


def test_what_a_strategy_prints_does_not_reach_the_answer():
    noise = "print('{', end='', flush=True); os.write(1, b'noise'); subprocess.run(['printf', 'noise'], check=True)"
    assert run_real_worker(f"{noise}; return {{'seen': options}}") == {"seen": {}}


def test_what_a_strategy_raises_is_the_answer():
    with pytest.raises(children.JobFailed, match=r"^ValueError: no luck$"):
        run_real_worker("os.write(1, b'noise'); raise ValueError('no\\nluck')")


def test_a_thread_that_a_strategy_leaves_behind_does_not_hold_the_worker():
    body = "import threading; threading.Thread(target=time.sleep, args=(300,)).start(); return {'done': 1}"
    assert run_real_worker(body) == {"done": 1}


def raised_by(file, code):
    file.parent.mkdir(exist_ok=True)
    file.write_text(code)
    space = {}
    exec(compile(code, str(file), "exec"), space)
    return space["run"]


def test_a_reason_names_the_innermost_line_of_a_strategy_or_helper(tmp_path):
    helper = raised_by(tmp_path / "helpers" / "api.py", "\n\ndef run(text):\n    return int(text)\n")
    strategy = raised_by(tmp_path / "strategies" / "mine.py", "\ndef run(inner, text):\n    return inner(text)\n")
    library = raised_by(tmp_path / "library.py", "def run(text):\n    return int(text)\n")
    with pytest.raises(ValueError, match="invalid literal") as raised:
        strategy(helper, "x\ny")
    assert reason(raised.value).startswith("ValueError at api.py:4: invalid literal")
    with pytest.raises(ValueError, match="invalid literal") as raised:
        strategy(library, "x")
    assert reason(raised.value).startswith("ValueError at mine.py:3: invalid literal")
    with pytest.raises(ValueError, match="invalid literal") as raised:
        library("x")
    assert reason(raised.value) == "ValueError: invalid literal for int() with base 10: 'x'"


def test_a_reason_is_one_line_and_says_when_there_is_no_message():
    assert reason(ValueError()) == "ValueError: no message"
    assert reason(ValueError("one\n  two")) == "ValueError: one two"


# --- passes ---------------------------------------------------------------------------------------------------

CASE = {"strategy": "floor", "workload": "single-origin", "calls_count": 1}


def session_that(does, monkeypatch):
    def session(_case, window):
        with window():
            does()
        return Session(0, 1, (), 0)

    monkeypatch.setattr(passes.Case, "session", session)


def test_an_observer_that_failed_is_a_blind_spot(monkeypatch):
    from connprof.observe.recorder import RECORDER

    def fail():
        RECORDER.note_error("somewhere", ValueError("one"))
        RECORDER.note_error("somewhere", ValueError("two"))

    session_that(fail, monkeypatch)
    spots = passes.counts(CASE, TARGET, {})["blind_spots"]
    sentence = "The observer met 2 internal errors and may have missed events; the first was somewhere: ValueError."
    assert spots.count(sentence) == 1


def test_an_observer_that_was_well_has_no_sentence(monkeypatch):
    session_that(lambda: None, monkeypatch)
    assert not [spot for spot in passes.counts(CASE, TARGET, {})["blind_spots"] if "internal errors" in spot]


def test_a_connection_elsewhere_is_a_blind_spot_and_one_to_an_origin_is_not(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as origin, socket.create_server(("127.0.0.1", 0)) as stranger:
        ours, other = origin.getsockname()[1], stranger.getsockname()[1]

        def connect():
            for port in (ours, other):
                socket.create_connection(("127.0.0.1", port), timeout=10).close()

        session_that(connect, monkeypatch)
        target = Target({"main": f"https://localhost:{ours}"}, "", "", 1, "")
        found = passes.counts(CASE, target, {})
    sentence = f"A connection went to 127.0.0.1:{other}, which is none of the origins under test."
    assert [spot for spot in found["blind_spots"] if "connection went" in spot] == [sentence]
    assert {event["origin"] for event in found["events"]} == {"main", f"127.0.0.1:{other}"}


@pytest.mark.parametrize("strategy", ["floor", "per-call-client"])
def test_calls_and_what_they_did_are_told_from_one_moment_on(server, monkeypatch, strategy):
    monkeypatch.setenv("SSL_CERT_FILE", server.target.bundle)
    found = passes.counts({"strategy": strategy, "workload": "single-origin", "calls_count": 3}, server.target, {})
    times = {
        kind: [(each["start_ns"], each["end_ns"]) for each in found["events"] if each["kind"] == kind]
        for kind in ("call", "connect", "handshake")
    }
    assert len(times["call"]) == 3
    assert times["connect"]
    for start_ns, end_ns in times["connect"] + times["handshake"]:
        assert any(begin_ns < start_ns < end_ns < over_ns for begin_ns, over_ns in times["call"])


@pytest.fixture
def no_garbage():
    """What earlier tests left must not be collected in a memory tracker's window."""
    gc.collect()


@pytest.mark.usefixtures("no_garbage")
@pytest.mark.parametrize("keep", [False, True])
def test_a_capture_is_removed_unless_it_is_kept(monkeypatch, tmp_path, keep):
    pytest.importorskip("memray", reason="memray is not installed here")
    session_that(lambda: bytearray(100_000), monkeypatch)
    capture = tmp_path / "capture.bin"
    figures = passes.memory(CASE, TARGET, {"capture": str(capture), "keep_capture": keep})
    assert figures["total_bytes"] >= 100_000
    assert capture.exists() == keep


@pytest.mark.usefixtures("no_garbage")
def test_the_capture_of_what_is_retained_is_removed(monkeypatch, tmp_path):
    pytest.importorskip("memray", reason="memray is not installed here")
    kept = []
    session_that(lambda: kept.append(bytearray(100_000)), monkeypatch)
    figures = passes.retained(CASE, TARGET, {"capture": str(tmp_path / "capture.bin"), "keep_capture": True})
    assert figures["retained_bytes"] >= 100_000
    assert list(tmp_path.iterdir()) == []


# --- the server's headroom ------------------------------------------------------------------------------------


class Clock:
    """Goes on by a fixed step each time that it is looked at."""

    def __init__(self, step):
        self._step, self._now = step, 0

    def __call__(self):
        self._now += self._step
        return self._now


def test_headroom_is_the_servers_own_count_over_the_time_and_closes_its_connections(server, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", server.target.bundle)
    monkeypatch.setattr(headroom, "time", SimpleNamespace(perf_counter_ns=Clock(100_000_000)))
    before = server.settled_ledger()
    rate = headroom.requests_per_s(server.target, 0.25)
    seen = server.settled_ledger(timeout_s=10)
    assert seen.notes == ()
    total = seen.minus(before).total
    # looked at: start, 0.1 s and 0.2 s within the limit, 0.3 s beyond it, 0.4 s at the end
    assert total.requests_count == round(rate * 0.4) == 2 * 16
    assert total.connections_opened_count == total.tcp_accepts_count == 16
    assert total.requests_per_connection == (2,) * 16


def test_headroom_closes_its_connections_after_a_failure_too(server, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", server.target.bundle)

    def fail(_connection):
        raise ConnectionError("no")

    monkeypatch.setattr(headroom, "read_answer", fail)
    with pytest.raises(ConnectionError):
        headroom.requests_per_s(server.target, 0.25)
    assert server.settled_ledger(timeout_s=10).notes == ()


def headroom_of(rate, *records):
    return measuring.headroom_of(rate, records)


def timed(name, *latencies_ms):
    passed = samples.timing_passes(samples.sketch_of(name))[0]
    rounds = tuple(tuple(round(each * 1e6) for each in one) for one in latencies_ms)
    timing = msgspec.structs.replace(passed, calls_count=2, latency_ns=rounds)
    return Record(case=samples.case(name), outcome=Measured(timing=(timing,)))


def test_headroom_is_told_against_the_fastest_round_of_the_fastest_strategy():
    slow, fast = timed("per-call-async", (10, 10)), timed("floor", (2, 2), (1, 1), (4, 4))
    failed = Record(
        case=samples.case("one-client"),
        outcome=Failed(stage="counts", message="no", partial=timed("one-client", (0.1, 0.1)).outcome),
    )
    for records in ((slow, fast, failed), (failed, fast, slow)):
        found = headroom_of(5000.0, *records)
        assert found.server_requests_per_s == 5000.0
        assert found.fastest_strategy == "floor"
        assert found.fastest_requests_per_s == pytest.approx(1000)


def test_headroom_is_not_told_where_one_side_was_not_measured():
    assert headroom_of(None, timed("floor", (1, 1))) is None
    assert headroom_of(5000.0) is None


# --- timing ---------------------------------------------------------------------------------------------------


def test_a_timing_process_times_the_rounds_and_not_the_warm_up(server, tmp_path):
    variables, _done = child_variables(server.target)
    file = tmp_path / "timing.json"
    before = server.settled_ledger()
    outcome = children.Workers(ROOT, 120).run(
        [
            sys.executable, "-m", "pytest", "-c", "bench/pytest.ini", "-p", "pytest_benchmark.plugin", "-s", "-q",
            "--connprof-worker", f"--benchmark-json={file}", "bench/test_strategies.py",
        ],
        {
            "case": {"strategy": "floor", "workload": "single-origin", "calls_count": 7},
            "target": server.target.to_dict(),
            "options": {"rounds_count": 2},
        },
        variables,
    )  # fmt: skip
    seen = server.settled_ledger(timeout_s=10).minus(before).total
    assert [len(latencies) for latencies in outcome["latency_ns"]] == [7, 7]
    assert len(outcome["wall_ns"]) == len(outcome["thread_time_ns"]) == 2
    assert (outcome["calls_count"], outcome["warmup_calls_count"], outcome["warmup_origins_count"]) == (7, 5, 1)
    assert seen.requests_per_connection == (5, 7, 7)
    assert seen.requests_count == 2 * 7 + 5
    for wall_ns, latencies in zip(outcome["wall_ns"], outcome["latency_ns"], strict=True):
        assert wall_ns >= sum(latencies)
        assert min(latencies) > 0
    (written,) = json.loads(file.read_text())["benchmarks"]
    assert written["stats"]["rounds"] == 2
    assert [round(seconds * 1e9) for seconds in written["stats"]["data"]] == outcome["wall_ns"]
    assert written["extra_info"] == outcome | {"workload": "single-origin"}


# --- the file of pytest-benchmark -----------------------------------------------------------------------------


def benchmark_file(path, **rounds):
    benchmarks = [
        {
            "fullname": f"test_session[{name}]",
            "param": name,
            "stats": {"data": data, "rounds": len(data), "iterations": 1, "min": min(data)},
            "extra_info": {"from": path.stem},
        }
        for name, data in rounds.items()
    ]
    path.write_text(json.dumps({"machine_info": {"node": "x"}, "version": "5", "benchmarks": benchmarks}))
    return path


def test_merged_statistics_are_those_of_pytest_benchmark_over_all_rounds(tmp_path):
    one = benchmark_file(tmp_path / "one.json", floor=[0.3, 0.1], client=[2.0])
    two = benchmark_file(tmp_path / "two.json", floor=[0.2, 0.9, 0.05])
    merge_benchmark_files([one, two], tmp_path / "merged.json")
    merged = json.loads((tmp_path / "merged.json").read_text())
    assert (merged["machine_info"], merged["version"]) == ({"node": "x"}, "5")
    client, floor = merged["benchmarks"]
    assert (client["param"], floor["param"]) == ("client", "floor")
    reference = Stats()
    for seconds in (0.3, 0.1, 0.2, 0.9, 0.05):
        reference.update(seconds)
    expected = json.loads(json.dumps(reference.as_dict()))
    assert {name: floor["stats"][name] for name in expected} == expected
    assert floor["stats"]["data"] == [0.3, 0.1, 0.2, 0.9, 0.05]
    assert (floor["stats"]["rounds"], floor["stats"]["min"], floor["stats"]["max"]) == (5, 0.05, 0.9)
    assert client["stats"]["data"] == [2.0]
    assert floor["extra_info"] == {"processes": [{"from": "one"}, {"from": "two"}]}
    assert client["extra_info"] == {"processes": [{"from": "one"}]}


def test_without_files_there_is_no_merged_file_not_even_an_old_one(tmp_path):
    merged = tmp_path / "merged.json"
    merge_benchmark_files([], merged)
    merged.write_text("old")
    merge_benchmark_files([], merged)
    assert list(tmp_path.iterdir()) == []


# --- command --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "recorded_command"),
    [
        ([], "nox -s bench -- --seed 5"),
        (["--quick", "--out", "a b"], "nox -s bench -- --quick --out 'a b' --seed 5"),
        (["--seed", "5"], "nox -s bench -- --seed 5"),
        (["--seed=5", "--quick"], "nox -s bench -- --seed=5 --quick"),
        (["--only", "\udcff"], "nox -s bench -- --only '?' --seed 5"),
    ],
)
def test_the_recorded_command_holds_the_seed_once(monkeypatch, arguments, recorded_command):
    monkeypatch.setattr(sys, "argv", ["bench", *arguments])
    assert command._command(5) == recorded_command


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", ""], "--only was given no strategy"),
        (["--only", " , "], "--only was given no strategy"),
        (["--limit", "nan"], "nan is no number of seconds"),
        (["--limit", "inf"], "inf is not in the range"),
        (["--limit", "0.5"], "0.5 is not in the range"),
        (["--rounds", "0"], "0 is not in the range"),
        (["--rtt", "nan"], "is not between 0 and 10s"),
    ],
)
def test_wrong_use_ends_before_anything_is_written(monkeypatch, capsys, tmp_path, arguments, message):
    def not_reached(*_arguments, **_keywords):
        raise AssertionError("it must not run")

    monkeypatch.setattr(command, "run_suite", not_reached)
    monkeypatch.setattr(command, "interrupt_once", not_reached)
    assert guarded(command.bench, [*arguments, "--out", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_strategies_come_in_the_reports_order_and_once():
    assert command._selected(("one-client, floor", "floor"), quick=True) == ("floor", "one-client")
    quick = ("floor", "per-call-async", "per-call-shared-context", "client-per-helper", "one-client")
    assert command._selected((), quick=True) == quick
    assert set(quick) < set(command._selected((), quick=False))
    with pytest.raises(UsageError, match="there is no strategy 'nothing'"):
        command._selected(("floor,nothing",), quick=False)


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [("20", 20), ("20ms", 20), (" 0.1S ", 100), ("0", 0), ("10s", 10_000)],
)
def test_a_round_trip_is_read_in_its_unit(text, milliseconds):
    assert options.round_trip(None, None, text) == pytest.approx(milliseconds)


# --- runner ---------------------------------------------------------------------------------------------------


class Silent:
    def planned(self, jobs_count):
        pass

    def started(self, label):
        pass

    def finished(self, label, failure):
        pass


def test_what_was_cut_short_takes_the_place_of_no_other_report(monkeypatch, tmp_path):
    reports = iter([samples.report(), samples.interrupted(), samples.interrupted(), samples.quick(), samples.report()])
    monkeypatch.setattr(runner, "_Suite", lambda *_arguments: SimpleNamespace(run=lambda: next(reports)))
    previous = []
    for _ in range(5):
        runner.run_suite(settings_of(tmp_path), command="one", listener=Silent())
        kept = tmp_path / "report.previous.json"
        previous.append(load_report(kept).run if kept.exists() else None)
    assert previous == [None, *[samples.report().run] * 3, samples.quick().run]


def test_an_earlier_report_is_kept_and_its_page_is_not(monkeypatch, tmp_path):
    reports = iter([samples.report(), samples.quick()])
    monkeypatch.setattr(runner, "_Suite", lambda *_arguments: SimpleNamespace(run=lambda: next(reports)))
    settings = settings_of(tmp_path)
    runner.run_suite(settings, command="one", listener=Silent())
    first = (tmp_path / "report.json").read_bytes()
    assert not (tmp_path / "report.previous.json").exists()
    (tmp_path / "index.html").write_text("of the first")
    (tmp_path / "partial.json").write_text("{}")
    (tmp_path / "notes.txt").write_text("of the user")
    runner.run_suite(settings, command="two", listener=Silent())
    assert (tmp_path / "report.previous.json").read_bytes() == first
    assert (tmp_path / "report.json").read_bytes() != first
    assert {path.name for path in tmp_path.iterdir()} == {"report.json", "report.previous.json", "notes.txt"}


def test_an_earlier_report_is_untouched_by_a_run_that_did_not_start(monkeypatch, tmp_path):
    def fail():
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "_Suite", lambda *_arguments: SimpleNamespace(run=fail))
    for name in ("report.json", "index.html"):
        (tmp_path / name).write_text("earlier")
    with pytest.raises(KeyboardInterrupt):
        runner.run_suite(settings_of(tmp_path), command="", listener=Silent())
    assert {path.name for path in tmp_path.iterdir()} == {"report.json", "index.html"}


def git(folder, *arguments):
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.setattr(provenance, "_PROJECT", tmp_path)
    git(tmp_path, "init", "-q")
    (tmp_path / "file").write_text("one")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "-q", "-m", "first")
    return tmp_path


def test_the_commit_is_the_one_that_is_checked_out_and_clean_when_nothing_was_changed(repository):
    assert provenance.commit() == (git(repository, "rev-parse", "HEAD"), False)


@pytest.mark.parametrize("name", ["file", "new"])
def test_a_changed_or_a_new_file_makes_the_commit_dirty(repository, name):
    (repository / name).write_text("two")
    assert provenance.commit() == (git(repository, "rev-parse", "HEAD"), True)


def test_without_a_repository_or_without_git_there_is_no_commit(repository, monkeypatch, tmp_path):
    (tmp_path / ".git").rename(tmp_path / "no-git")
    assert provenance.commit() == (None, None)
    (tmp_path / "no-git").rename(tmp_path / ".git")
    monkeypatch.setenv("PATH", str(repository / "nowhere"))
    assert provenance.commit() == (None, None)


def test_the_report_tells_when_how_long_and_from_what_the_run_was_made(monkeypatch, tmp_path):
    clock = SimpleNamespace(monotonic=lambda: 1000.0)
    monkeypatch.setattr(runner, "time", clock)
    monkeypatch.setattr(runner, "commit", lambda: ("abc", True))
    settings = settings_of(tmp_path, strategies=("floor",), seed=77, quick=True)
    suite = runner._Suite(settings, "the command", Silent())
    suite._environment = samples.ENVIRONMENT
    clock.monotonic = lambda: 1012.34
    run = suite.report(None, "complete").run
    assert run.duration_s == 12.3
    assert (run.commit, run.dirty, run.seed, run.quick, run.command) == ("abc", True, 77, True, "the command")
    assert datetime.fromisoformat(run.started_at).utcoffset().total_seconds() == 0
    assert run.order == ()
    assert "floor" not in run.left_out
    assert "per-call-async" in run.left_out


def test_files_of_the_user_in_the_reports_folders_stay(monkeypatch, tmp_path):
    monkeypatch.setattr(runner, "commit", lambda: (None, None))
    drawn = []
    monkeypatch.setattr(runner, "_draw_flamegraph", lambda capture, page: drawn.append((capture.name, page)))
    settings = settings_of(tmp_path, strategies=("floor",), keep_captures=True, flamegraph=True)
    with reserve.reserved(tmp_path):
        suite = runner._Suite(settings, "", Silent())
        for name in ("memory-40-floor.bin", "growth-10-floor.bin", "retained-40-floor.bin"):
            (tmp_path / ".work" / name).write_text("new")
        for folder in ("captures", "flamegraphs"):
            (tmp_path / folder).mkdir()
            (tmp_path / folder / "mine.bin").write_text("of the user")
        (tmp_path / "captures" / "floor.bin").write_text("of an earlier run")
        suite._finish_files()
    assert {path.name: path.read_text() for path in (tmp_path / "captures").iterdir()} == {
        "mine.bin": "of the user",
        "floor.bin": "new",
    }
    assert (tmp_path / "flamegraphs" / "mine.bin").read_text() == "of the user"
    assert drawn == [("memory-40-floor.bin", tmp_path / "flamegraphs" / "floor.html")]
    assert {path.name for path in tmp_path.iterdir()} == {"captures", "flamegraphs"}


def test_no_capture_is_kept_that_nobody_asked_for(monkeypatch, tmp_path):
    monkeypatch.setattr(runner, "commit", lambda: (None, None))
    with reserve.reserved(tmp_path):
        suite = runner._Suite(settings_of(tmp_path, strategies=("floor",)), "", Silent())
        (tmp_path / ".work" / "memory-40-floor.bin").write_text("new")
        suite._finish_files()
    assert list(tmp_path.iterdir()) == []


def test_a_reserved_folder_has_an_empty_work_folder_that_is_gone_afterwards(tmp_path):
    out = tmp_path / "a" / "b"
    (out / ".work" / "deep").mkdir(parents=True)
    (out / ".work" / "deep" / "stale").write_text("of a killed run")
    (out / ".lock").write_text("")
    with reserve.reserved(out):
        assert list((out / ".work").iterdir()) == []
        (out / ".work" / "file").write_text("")
    assert list(out.iterdir()) == []


def test_what_a_killed_run_had_measured_is_kept_and_said(tmp_path):
    partial, kept = tmp_path / "partial.json", tmp_path / "partial.previous.json"
    for text in ("of the first", "of the second"):
        partial.write_text(text)
        with reserve.reserved(tmp_path) as said:
            assert said == f"What a run that was killed had measured is kept in {kept}."
        assert (kept.read_text(), partial.exists()) == (text, False)
    with reserve.reserved(tmp_path) as said:
        assert said is None
    assert kept.read_text() == "of the second"


def test_a_reserved_folder_is_free_after_an_exception(tmp_path):
    with pytest.raises(KeyboardInterrupt), reserve.reserved(tmp_path):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
    with reserve.reserved(tmp_path):
        pass


def test_a_second_run_in_a_reserved_folder_is_refused_and_does_the_first_no_harm(tmp_path):
    with reserve.reserved(tmp_path):
        (tmp_path / ".work" / "file").write_text("")
        for _attempt in range(2):
            with pytest.raises(FileError, match="another run is at work in"), reserve.reserved(tmp_path):
                pass
        assert (tmp_path / ".work" / "file").exists()
        assert (tmp_path / ".lock").exists()
    with reserve.reserved(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_place_of_the_work_folder_is_said_and_left(tmp_path):
    (tmp_path / ".work").write_text("of the user")
    with (
        pytest.raises(
            FileError, match=rf"\.work cannot be made: {os.strerror(errno.EEXIST)}\. Remove what is there\.$"
        ),
        reserve.reserved(tmp_path),
    ):
        pass
    assert (tmp_path / ".work").read_text() == "of the user"
    (tmp_path / ".work").unlink()
    with reserve.reserved(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_the_servers_ledger_is_recorded_sum_by_sum(server):
    with socket.create_connection(("127.0.0.1", int(server.target.origins["datagouv"].rpartition(":")[2])), timeout=10):
        pass
    taken = server.settled_ledger(timeout_s=10)
    total, written = taken.total, gathered.ledger_sums(taken)
    assert written["tcp_accepted_count"] == total.tcp_accepts_count
    assert written["requests_count"] == total.requests_count == sum(written["requests_per_connection"])
    assert written["handshakes_full_count"] == total.handshakes_full_count
    assert written["connections_count"] == total.connections_opened_count
    assert written["connections_open_count"] == 0
    assert written["disagreements"] == ()


SWALLOWED = """
import os, signal
from concurrent.futures import Future
from contextlib import suppress
from bench import lanes, reserve

done = []
def work(job, _lane):
    done.append(job)
    if job == 2:
        with suppress(KeyboardInterrupt):  # as a finalizer does
            os.kill(os.getpid(), signal.SIGINT)
            for _ in range(1000):
                pass

reserve.interrupt_once()
try:
    {run}
except KeyboardInterrupt:
    print("interrupted after", done)
"""


@pytest.mark.parametrize(
    ("run", "says"),
    [
        ("lanes.run_alone(work, range(1, 9), [None])", "interrupted after [1, 2]\n"),
        ("work(2, None); lanes.wait_for([Future()])", "interrupted after [2]\n"),
    ],
)
def test_an_interruption_that_was_lost_on_its_way_ends_the_run_before_its_next_step(run, says):
    command = [sys.executable, "-c", SWALLOWED.replace("{run}", run)]
    printed = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert printed.stdout == says, printed


@pytest.fixture
def lost(monkeypatch):
    """A signal has come, and what it raised was lost."""
    monkeypatch.setattr(reserve, "_received", {signal.SIGINT})


@pytest.mark.usefixtures("lost")
def test_a_duel_ends_before_its_next_trio_then(monkeypatch):
    sampler, case = object.__new__(Sampler), Case(strategy="floor", workload="llm-session", calls_count=1)
    sampler._draw, sampler._listener, sampler.sampled = random.Random(1), Silent(), {case: None}
    monkeypatch.setattr(Sampler, "_trio", lambda *_arguments: pytest.fail("it went on"))
    with pytest.raises(KeyboardInterrupt):
        sampler._take(range(1), [case])


@pytest.mark.usefixtures("lost")
def test_probes_that_run_alone_end_before_the_next_then(monkeypatch):
    prober = Prober()
    prober._lanes.append(None)
    monkeypatch.setattr(Prober, "_beside", lambda *_arguments: None)
    monkeypatch.setattr(Prober, "_probe", lambda *_arguments: pytest.fail("it went on"))
    with pytest.raises(KeyboardInterrupt):
        prober.probe_all([], [], pairs=[("floor", "H14")])


def test_a_run_that_is_interrupted_before_its_first_result_writes_none_and_keeps_the_one_before(monkeypatch, tmp_path):
    def interrupted(suite):
        suite._environment = samples.report().environment  # it is known as soon as the server runs
        raise KeyboardInterrupt

    monkeypatch.setattr(runner._Suite, "_run_jobs", interrupted)
    (tmp_path / "report.json").write_text("the one before")
    with pytest.raises(KeyboardInterrupt):
        runner.run_suite(settings_of(tmp_path), command="", listener=Silent())
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("report.json", "the one before")]
