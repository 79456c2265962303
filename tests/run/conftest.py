from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from connprof.store import load_profile
from connprof_server import serve

CLIENT_VARIABLES = (
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSLKEYLOGFILE",
    *(variable for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy") for variable in (name, name.upper())),
)  # fmt: skip

GET = """\
import http.client, os, ssl, sys, urllib.parse
URL = urllib.parse.urlsplit(os.environ["URL"])
def get():
    connection = http.client.HTTPSConnection(URL.netloc)
    connection.request("GET", URL.path)
    status = connection.getresponse().read() and 200
    connection.close()
    return status
"""
"""The beginning of a program: ``get()`` costs a context, a CA load, a handshake, a connection and a request."""


@pytest.fixture(scope="session")
def target():
    with serve(("main",)) as running:
        yield running.target


@dataclass
class Done:
    code: int
    out: bytes
    err: str
    file: Path

    @property
    def profile(self):
        return load_profile(self.file)

    @property
    def counts(self):
        """Contexts, full handshakes, connections, requests."""
        counts = self.profile.counts
        return (
            counts.contexts_count, counts.handshakes_full_count, counts.connections_count, counts.requests_count,
        )  # fmt: skip

    @property
    def notes(self):
        return " ".join(self.profile.notes)


class Runs:
    """``connprof run`` as a process of its own, in a folder of its own, with its own temporary folder."""

    def __init__(self, folder, target):
        self.folder = folder
        # Short, as the path of a socket below it may have a hundred letters.
        self.temporary = Path(tempfile.mkdtemp(prefix="runs-"))
        self.file = folder / "profile.json"
        self.variables = {name: value for name, value in os.environ.items() if name not in CLIENT_VARIABLES}
        self.variables |= {"URL": target.url("/api/x"), "SSL_CERT_FILE": target.bundle, "TMPDIR": str(self.temporary)}
        self.started = []

    def write(self, text, name="app.py"):
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text))
        return name

    def program(self, text, name="app.py"):
        """A file that begins with ``get()``."""
        return self.write(GET + textwrap.dedent(text), name)

    def start(self, *words, **options):
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        process = subprocess.Popen(
            [sys.executable, "-m", "connprof", "run", "--json", str(self.file), *words],
            cwd=self.folder, env=self.variables, start_new_session=True, **options,
        )  # fmt: skip
        self.started.append(process)
        return process

    def end(self, process, stdin=None):
        out, err = process.communicate(stdin, timeout=60)
        return Done(process.returncode, out, err.decode(), self.file)

    def __call__(self, *words, stdin=None, **options):
        if stdin is not None:
            options["stdin"] = subprocess.PIPE
        return self.end(self.start(*words, **options), stdin)

    def until(self, name, timeout_s=30):
        """Wait for a file that the program writes, and give back what is in it."""
        deadline = time.monotonic() + timeout_s
        while not ((self.folder / name).exists() and (self.folder / name).read_text()):
            assert time.monotonic() < deadline, f"{name} was not written"
            time.sleep(0.02)
        return (self.folder / name).read_text()


@pytest.fixture
def runs(tmp_path, target):
    made = Runs(tmp_path, target)
    # What started the tests (nohup, a shell in the background) may have had these ignored: programs would inherit that.
    known = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)
    ignored = [each for each in known if signal.getsignal(each) is signal.SIG_IGN]
    for each in ignored:
        signal.signal(each, signal.SIG_DFL)
    yield made
    for each in ignored:
        signal.signal(each, signal.SIG_IGN)
    for process in made.started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    left = sorted(each.name for each in made.temporary.iterdir() if each.name.startswith("connprof-run"))
    shutil.rmtree(made.temporary)
    assert left == [], "something is left in the temporary folder"
