"""Every strategy makes its calls and is found to do what it claims; and each pass follows child processes."""

import json
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import msgspec
import pytest

from bench.children import JobFailed, Workers
from bench.gathered import ledger_sums, note_of
from bench.registry import load, names
from bench.surroundings import child_variables
from bench.workloads import ORIGINS
from connprof.checks import problems_of
from connprof.model import CountsPass, Measured, MemoryPass, RetainedPass
from connprof_server import serve
from tests.bench.conftest import ROOT, processes_of

CALLS_COUNT = 13
"""Two steps and most of a third: four origins, and two calls in the background."""
NAMED = {
    "floor", "per-call-async", "per-call-client", "per-call-get", "per-call-shared-context", "client-per-helper",
    "one-client", "base-url-loop", "gather", "task-group", "module-client", "sync-client", "shared-transport",
    "client-on-loop", "loop-registry", "loop-weak-registry", "thread-local", "shared-sync-client", "loops-in-threads",
    "context-variable", "asgi-lifespan", "celery-client-per-task", "celery-global-client", "celery-worker-init",
    "celery-persistent-loop", "process-pool", "lazy-service", "lazy-service-mended",
}  # fmt: skip
# contexts, full handshakes
EXPECTED = {
    "base-url-loop": (4, 4),
    "gather": (5, 13),
    "task-group": (5, 13),
    "thread-local": (3, 5),
    "context-variable": (2, 5),
    "loops-in-threads": (2, 4),
    "process-pool": (2, 4),
    "per-call-async": (13, 13),
    "per-call-client": (13, 13),
    "per-call-get": (13, 13),
    "per-call-shared-context": (1, 13),
    "tuned-per-call": (13, 13),
    "client-per-helper": (4, 4),
}
ONE_AFTER_ANOTHER = textwrap.dedent("""
    import gc, json, os, sys

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    from bench.passes import PASSES
    from connprof_server.target import Target

    for line in sys.stdin:
        job = json.loads(line)
        try:
            answer = PASSES["counts"](job["case"], Target(**job["target"]), {})
        except Exception as error:
            answer = {"failed": f"{type(error).__name__}: {error}"}
        gc.collect()
        print(json.dumps(answer), file=answers, flush=True)
""")


@pytest.fixture(scope="module")
def server():
    with serve(origins=ORIGINS) as running:
        yield running


@pytest.fixture(scope="module")
def counted(server):
    """Runs the counts pass of one strategy after another, in one process for all of them."""
    variables, _done = child_variables(server.target)
    process = subprocess.Popen(
        [sys.executable, "-c", ONE_AFTER_ANOTHER],
        cwd=ROOT, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip

    def count(name):
        before = server.settled_ledger()
        case = {"strategy": name, "workload": "llm-session", "calls_count": CALLS_COUNT}
        process.stdin.write(json.dumps({"case": case, "target": server.target.to_dict()}) + "\n")
        process.stdin.flush()
        outcome = json.loads(process.stdout.readline())
        assert "failed" not in outcome, outcome
        return outcome | {"ledger": ledger_sums(server.settled_ledger().minus(before))}

    yield count
    process.stdin.close()
    process.stdout.close()
    assert process.wait(timeout=20) == 0


def run(server, name, kind, folder, calls_count=6):
    """One pass of one strategy in a worker, as the suite runs it."""
    variables, _done = child_variables(server.target)
    case = {"strategy": name, "workload": "llm-session", "calls_count": calls_count}
    job = {
        "pass": kind, "case": case, "target": server.target.to_dict(),
        "options": {"capture": str(folder / "capture"), "keep_capture": False},
    }  # fmt: skip
    before = server.settled_ledger()
    marked = variables | {"TEST_RUN": f"strategies-{os.getpid()}"}
    outcome = Workers(ROOT, 90).run([sys.executable, "-m", "bench.worker"], job, marked)
    return outcome | {"ledger": ledger_sums(server.settled_ledger().minus(before))}


def test_all_strategies_are_there():
    assert set(names()) >= NAMED


@pytest.mark.parametrize("name", sorted(name for name in names() if load(name).world != "celery"))
def test_a_strategy_does_what_it_claims(counted, name):
    measured = Measured(counts=msgspec.convert(counted(name), CountsPass))
    note, failure = note_of(name)
    assert failure is None
    assert [problem.sentence for problem in problems_of(note, measured)] == []
    client = measured.counts.client
    assert (client.contexts_count, client.handshakes_full_count) == EXPECTED.get(name, (1, 4))
    assert client.contexts_count == client.ca_loads_count


def test_a_claim_that_is_one_off_is_found(counted):
    outcome = counted("loops-in-threads")
    measured = Measured(counts=msgspec.convert(outcome, CountsPass))
    note, _failure = note_of("loops-in-threads")
    for number, codes in ((1, ["claim"]), (2, []), (3, ["claim"])):
        claimed = msgspec.structs.replace(note, contexts=number)
        assert [problem.code for problem in problems_of(claimed, measured)] == codes


@pytest.mark.parametrize("name", ["gather", "task-group"])
def test_a_strategy_that_makes_calls_at_once_is_given_them_at_once(counted, name):
    events = counted(name)["events"]
    calls = [(event["start_ns"], event["end_ns"]) for event in events if event["kind"] == "call"]
    assert max(map(calls.count, calls)) == 4


@pytest.mark.once
def test_a_pools_processes_are_measured_in_every_pass(server, tmp_path):
    outcome = run(server, "process-pool", "memory", tmp_path, CALLS_COUNT)
    memory = msgspec.convert(outcome, MemoryPass)
    functions = {row.function: row for row in memory.functions}
    assert (
        sum(row.cumulative_bytes for row in memory.functions if row.category == "context") == memory.ssl.context_bytes
    )
    assert functions["do_handshake"].cumulative_bytes > 10_000
    assert memory.ssl.context_bytes > 10_000_000  # two contexts of a whole bundle
    assert memory.ledger.handshakes_full_count == 4
    kept = msgspec.convert(run(server, "process-pool", "retained", tmp_path), RetainedPass)
    assert kept.peak_bytes > kept.retained_bytes > 1_000_000
    assert list(tmp_path.iterdir()) == []


@pytest.mark.once
@pytest.mark.parametrize("name", ["celery-worker-init", "celery-persistent-loop"])
def test_a_celery_workers_process_makes_one_client(server, tmp_path, name):
    measured = Measured(counts=msgspec.convert(run(server, name, "counts", tmp_path), CountsPass))
    note, _failure = note_of(name)
    assert problems_of(note, measured) == ()
    client, amounts = measured.counts.client, measured.counts.amounts
    assert (client.contexts_count, client.handshakes_full_count, client.requests_count) == (1, 2, 6)
    assert amounts.contexts["processes"] == 1
    assert f"bench/strategies/{name.replace('-', '_')}.py" in {site.site.file for site in measured.counts.sites}
    assert_nothing_is_left()


@pytest.mark.once
def test_a_global_client_in_celery_fails_as_its_note_foresees_and_leaves_nothing(server, tmp_path):
    with pytest.raises(JobFailed) as raised:
        run(server, "celery-global-client", "counts", tmp_path)
    note, _failure = note_of("celery-global-client")
    assert note.fails in str(raised.value)
    assert_nothing_is_left()


def assert_nothing_is_left():
    if sys.platform.startswith("linux"):
        limit = time.monotonic() + 5
        while left := processes_of(f"TEST_RUN=strategies-{os.getpid()}"):
            assert time.monotonic() < limit, left
            time.sleep(0.05)
    assert not list(Path(os.environ.get("TMPDIR", "/tmp")).glob("connprof-celery-*"))
