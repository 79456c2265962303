"""The examples of docs/recipes, run against the real server; its ledger says whether they do what they promise."""

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from connprof.advice import SITUATIONS
from connprof_server import serve

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parents[2]
RECIPES = ROOT / "docs" / "recipes"
LIMIT_S = 60

# Runs a script as `python script.py argument...` would, and prints what the observer counted in its process.
OBSERVED = """
import json, runpy, sys
from connprof.observe import observe
sys.argv = sys.argv[1:]
with observe() as seen:
    runpy.run_path(sys.argv[0], run_name="__main__")
print(json.dumps({"contexts": seen.counts.contexts_count, "handshakes": seen.counts.handshakes_full_count}))
"""


@pytest.fixture(scope="module")
def server():
    with serve(("api",)) as running:
        yield running


@pytest.fixture
def since(server):
    """What the server saw in this test, once all connections are closed."""
    before = server.settled_ledger(timeout_s=10)

    def seen():
        taken = server.settled_ledger(timeout_s=10).minus(before)
        assert taken.disagreements == ()
        return taken.origins["api"]

    return seen


def environment(server, **more):
    """That of a user, without what would lead a client astray, and with the server's CA as a company's would be."""
    clean = {key: value for key, value in os.environ.items() if "PROXY" not in key.upper() and key != "SSLKEYLOGFILE"}
    clean.pop("SSL_CERT_DIR", None)
    return clean | {"SSL_CERT_FILE": server.target.bundle, "UPSTREAM": server.target.origins["api"]} | more


def run(server, name, *arguments):
    """Run a recipe in a process of its own: what it printed, and what it cost there."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", OBSERVED, str(RECIPES / name), server.target.origins["api"], *arguments],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        env=environment(server),
        cwd=ROOT,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    *printed, counted = done.stdout.splitlines()
    return printed, json.loads(counted)


# --- scripts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "handshakes"), [("script.py", 1), ("script_async.py", 4)])
def test_script(server, since, name, handshakes):
    printed, cost = run(server, name)
    seen = since()
    assert cost["contexts"] == 1
    assert cost["handshakes"] == seen.handshakes_full_count <= handshakes
    # One call fails, and its 19 siblings are answered all the same.
    assert seen.requests_count == 20
    assert [line for line in printed if "failed" in line] == ["/status/503 failed: HTTPStatusError"]
    assert len(printed) == 20


@pytest.mark.parametrize(("name", "loops"), [("many_loops.py", 7), ("client_service.py", 8)])
def test_many_loops(server, since, name, loops):
    printed, cost = run(server, name)
    seen = since()
    assert printed == [f"{5 * loops} calls answered in {loops} loops"]
    assert cost == {"contexts": loops, "handshakes": loops}
    assert (seen.handshakes_full_count, seen.requests_per_connection) == (loops, (5,) * loops)


@pytest.mark.parametrize("name", ["many_threads.py", "shared_client.py"])
def test_many_threads(server, since, name):
    printed, cost = run(server, name)
    seen = since()
    assert printed == ["40 calls answered"]
    assert cost["contexts"] == 1
    assert cost["handshakes"] == seen.handshakes_full_count <= 4
    assert seen.requests_count == 40


def test_sparse(server, since):
    printed, cost = run(server, "sparse.py", "0.02")
    seen = since()
    assert len(printed) == 6
    assert cost == {"contexts": 1, "handshakes": 6}
    assert seen.requests_per_connection == (1,) * 6  # none stayed open that could have been dropped


def test_cancellations(server, since):
    printed, cost = run(server, "cancellations.py")
    seen = since()
    assert printed == ["10 given up, 10 of 10 answered afterwards"]
    assert cost["contexts"] == 1
    # A slow machine may cancel a call before its connection is there.
    assert 10 <= seen.connections_opened_count <= 20


def test_tenants(server, since):
    printed, cost = run(server, "tenants.py")
    seen = since()
    assert printed == ["20 of 20 tenants were taken for themselves"]
    assert cost["contexts"] == 1
    assert seen.requests_count == 40
    assert seen.handshakes_full_count <= 20


# --- a web app ------------------------------------------------------------------------------------------------------


@contextmanager
def started(command, **options):
    """A process that is asked to end, and is gone afterwards."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True, **options
    )
    try:
        yield process
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=LIMIT_S)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def line_with(process, pattern):
    """Wait for a line of its output."""
    deadline, lines = time.monotonic() + LIMIT_S, []
    while time.monotonic() < deadline:
        line = process.stdout.readline()
        lines.append(line)
        if found := re.search(pattern, line):
            return found
        if not line:
            break
    raise AssertionError("".join(lines))


def get(url):
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=20) as answer:
        return answer.read()


def test_web_app(server, since):
    command = [sys.executable, "-m", "uvicorn", "--app-dir", str(RECIPES), "--port", "0", "web_app:app"]
    with started(command, env=environment(server, PYTHONUNBUFFERED="1")) as process:
        base = line_with(process, r"running on (http://127\.0\.0\.1:\d+)")[1]
        for user in range(5):
            get(f"{base}/cookies/set?session=user-{user}")
            assert json.loads(get(f"{base}/cookies")) == {}  # nobody is taken for another
        with ThreadPoolExecutor(8) as pool:
            sizes = list(pool.map(lambda number: len(get(f"{base}/api/datasets/{number}")), range(40)))
    assert min(sizes) > 0
    seen = since()  # all closed: the lifespan has ended
    assert seen.requests_count == 50
    assert seen.handshakes_full_count <= 9


# --- Celery ---------------------------------------------------------------------------------------------------------

SENT_AND_COLLECTED = """
import sys
sys.path.insert(0, sys.argv[1])
import celery_prefork
results = [celery_prefork.fetch.delay(f"/api/datasets/{number}") for number in range(20)]
print(sum(result.get(timeout=40, interval=0.02) > 0 for result in results))
"""


@pytest.mark.skipif(importlib.util.find_spec("celery") is None, reason="celery is not installed")
def test_celery_prefork(server, since, tmp_path):
    for folder in ("queue", "results"):
        (tmp_path / folder).mkdir()
    folders = {"data_folder_in": "queue", "data_folder_out": "queue", "control_folder": "control"}
    options = {name: str(tmp_path / folder) for name, folder in folders.items()} | {"polling_interval": 0.05}
    (tmp_path / "settings.py").write_text(
        "broker_url = 'filesystem://'\n"
        f"broker_transport_options = {options!r}\n"
        f"result_backend = 'file://{tmp_path / 'results'}'\n"
        "broker_connection_retry_on_startup = True\n"
        "worker_enable_remote_control = False\n"
    )
    variables = environment(
        server,
        CELERY_CONFIG_MODULE="settings",
        PYTHONPATH=os.pathsep.join([str(tmp_path), str(RECIPES)]),
        PYTHONUNBUFFERED="1",
    )
    worker = [sys.executable, "-m", "celery", "-A", "celery_prefork", "worker", "--pool", "prefork", "-c", "2"]
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "INFO"]
    with started([*worker, *quiet], env=variables, cwd=tmp_path) as process:
        line_with(process, r"ready\.")
        done = subprocess.run(
            [sys.executable, "-c", SENT_AND_COLLECTED, str(RECIPES)],
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            env=variables,
            check=False,
        )
        assert (done.stdout, done.returncode) == ("20\n", 0), done.stderr
    seen = since()  # all closed: each child has closed its client
    assert seen.requests_count == 20
    assert 1 <= seen.handshakes_full_count <= 2


# --- a test suite ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "told", "handshakes"),
    [
        ("test_failing", {"passed": 3, "failed": 3}, 3),
        ("test_session_loop", {"passed": 6}, 1),
        ("test_client_per_test", {"passed": 6}, 6),
    ],
)
def test_test_suite(server, since, name, told, handshakes):
    """The same six tests: with a loop each and one module-level client every second fails; mended in two ways."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:benchmark", f"{name}.py"],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        env=environment(server),
        cwd=RECIPES / "test_suite",
        check=False,
    )
    seen = since()
    found = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed)", done.stdout.splitlines()[-1])}
    assert found == told, done.stdout
    assert done.returncode == (1 if "failed" in told else 0)
    assert ("RuntimeError: Event loop is closed" in done.stdout) is ("failed" in told)
    assert seen.handshakes_full_count == handshakes


# --- the recommendations and the examples -----------------------------------------------------------------------------


def test_every_example_is_recommended_somewhere_and_told():
    named = {path for situation in SITUATIONS for path in situation.recipes.values()}
    there = {path.relative_to(ROOT).as_posix() for path in RECIPES.glob("*.py")} | {"docs/recipes/test_suite/"}
    assert named == there
    told = (RECIPES / "README.md").read_text(encoding="utf-8")
    for situation in SITUATIONS:
        assert f"## {situation.title}" in told
    for path in there:
        assert f"({path.removeprefix('docs/recipes/')})" in told
