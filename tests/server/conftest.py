import os
import subprocess
import sys
import tempfile
import time

import pytest

from connprof_server import serve


@pytest.fixture(scope="session")
def server():
    """One server for the tests that only add to its counts, and look at differences."""
    with serve(("first", "second")) as running:
        yield running


@pytest.fixture
def seen(server):
    """What the server saw in this test: a function, to be called once all connections are closed."""
    before = server.settled_ledger(timeout_s=10)

    def since():
        taken = server.settled_ledger(timeout_s=10)
        assert taken.notes == ()
        assert taken.disagreements == ()
        return taken.minus(before)

    return since


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """A temporary folder of its own, in which nothing may be left."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def wait_until():
    def wait(condition, timeout_s=15):
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, "it did not come to pass"
            time.sleep(0.02)

    return wait


def is_running(pid):
    """Whether the process runs; one that ended but was not waited for does not, once its last thread has ended."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and (not state.strip().startswith("Z") or "l" in state)


@pytest.fixture
def start_python():
    """Starts a Python process with piped output; all are gone after the test."""
    started = []

    def start(*arguments, **options):
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        process = subprocess.Popen(
            [sys.executable, *arguments],
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            **{"stdout": subprocess.PIPE, **options},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
