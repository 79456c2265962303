"""Sample programs under ``connprof run``: each finding at its very line, and none in the mended twin.

A line that must be flagged ends in ``# finding: CODE`` or two codes. What a program costs is in its docstring, held
against the server's ledger; ``environment: others`` says that it needs the client libraries which the suite itself has
not.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pytest

from bench.oracle.plan import interpreter_of
from connprof.errors import RunError
from connprof.profile import Profile
from connprof_server import serve
from tests.observe.conftest import CLIENT_VARIABLES

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ROOT / "tests" / "programs"
ENVIRONMENTS = ROOT / "reports" / ".cache" / "environments"
OTHERS = (
    "aiohttp==3.14.5",
    "botocore",
    "h2",
    "httpx",
    "requests==2.34.2",
    "trio",
    "uvloop",
    "urllib3==2.8.0",
)
ORIGINS = tuple(f"host{number}" for number in range(8))
_FINDING = re.compile(r"# finding: (CP\d{3})(?:, (CP\d{3}))?$")
_PAYS = re.compile(r"# pays: (\d+) handshakes$")
_KEY = re.compile(r"^(\w+): (.+)$", re.MULTILINE)
_LIMIT_S = 60


@dataclass(frozen=True)
class Program:
    """A file, or a folder with an ``app.py``."""

    path: Path

    @property
    def main(self):
        return self.path / "app.py" if self.path.is_dir() else self.path

    @property
    def head(self):
        return dict(_KEY.findall(ast.get_docstring(ast.parse(self.main.read_text(encoding="utf-8")))))

    @property
    def mended(self):
        twin = self.path.with_name(f"{self.path.stem}_mended{self.path.suffix}")
        return Program(twin) if twin.exists() else None

    def marked(self, pattern):
        """File, line and what the mark says, of each marked line."""
        files = sorted(self.path.rglob("*.py")) if self.path.is_dir() else [self.path]
        return [
            (str(file), number, said)
            for file in files
            for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1)
            if (match := pattern.search(line))
            for said in filter(None, match.groups())
        ]


def programs(prefixes, *, mended=None):
    found = [
        Program(path)
        for path in sorted(PROGRAMS.iterdir())
        if path.name.startswith(prefixes)
        and path.name != "__pycache__"
        and (mended is None or path.stem.endswith("_mended") == mended)
    ]
    assert found
    return pytest.mark.parametrize("program", found, ids=lambda program: program.path.stem)


class _Plain(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("content-length", "4")
        self.end_headers()
        self.wfile.write(b"well")

    def log_message(self, *_):
        pass


class Places:
    """A pair of servers of one kind: one for the program as it is, one for it under ``connprof run``."""

    def __init__(self, stack):
        self._stack = stack
        self._servers = {}
        self._plain = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), _Plain))
        threading.Thread(target=self._plain.serve_forever, args=(0.02,), daemon=True).start()
        stack.callback(self._plain.shutdown)

    def servers(self, kind):
        if kind not in self._servers:
            settings = {"http_version": "2"} if kind == "h2" else {"origins": ORIGINS}
            self._servers[kind] = [self._stack.enter_context(serve(**settings)) for _ in range(2)]
        return self._servers[kind]

    def environment(self, server):
        environ = {name: value for name, value in os.environ.items() if name not in CLIENT_VARIABLES}
        urls = list(server.target.origins.values())
        return {
            **environ,
            "API_URL": urls[0],
            "API_URLS": " ".join(urls),
            "PLAIN_URL": f"http://127.0.0.1:{self._plain.server_address[1]}",
            "SSL_CERT_FILE": server.target.bundle,
            # requests and botocore each know a variable of their own alone
            "REQUESTS_CA_BUNDLE": server.target.bundle,
            "AWS_CA_BUNDLE": server.target.bundle,
            "PYTHONDONTWRITEBYTECODE": "1",
        }


@pytest.fixture(scope="module")
def places():
    from contextlib import ExitStack

    with ExitStack() as stack:
        yield Places(stack)


@pytest.fixture(scope="module")
def others():
    try:
        return interpreter_of(OTHERS, ENVIRONMENTS)
    except RunError as error:
        pytest.skip(f"the environment of other client libraries cannot be made: {error}")


@dataclass(frozen=True)
class Ran:
    """How a program ended, and what its server saw meanwhile."""

    code: int
    output: str
    errors: str
    seen: object


def run(command, server, environ):
    before = server.ledger()
    done = subprocess.run(
        command,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=_LIMIT_S,
        stdin=subprocess.DEVNULL,
    )
    return Ran(done.returncode, done.stdout, done.stderr, server.settled_ledger().minus(before).total)


@pytest.fixture
def observed(places, request, tmp_path):
    """Runs a program twice at once, alone and under ``connprof run``, and compares all that must be the same."""

    def observe(program):
        python = sys.executable
        if program.head.get("environment") == "others":
            python = str(request.getfixturevalue("others"))
        servers = places.servers(program.head.get("server", ""))
        written = tmp_path / f"{program.path.stem}.json"
        command = [python, str(program.main)]
        watched = [sys.executable, "-m", "connprof", "run", "--json", str(written), "--", *command]
        with ThreadPoolExecutor(2) as pool:
            alone, ran = pool.map(
                lambda each: run(each[0], each[1], places.environment(each[1])),
                zip((command, watched), servers, strict=True),
            )
        assert alone.code == 0, alone.errors
        assert ran.code == 0, ran.errors
        assert ran.output == alone.output
        assert int(program.head.get("handshakes")) == alone.seen.handshakes_count, "the program itself"
        assert alone.seen.handshakes_count == ran.seen.handshakes_count
        profile = msgspec.json.decode(written.read_bytes(), type=Profile)
        assert not [error for process in profile.processes for error in process.errors]
        counts = profile.counts
        assert counts.handshakes_count == ran.seen.handshakes_count
        assert counts.requests_count in (ran.seen.requests_count, None) or "PLAIN_URL" in program.main.read_text()
        if "contexts" in program.head:
            assert counts.contexts_count == int(program.head["contexts"])
        return profile

    return observe


def found(profile):
    return sorted((each.place.file, each.place.line, each.code) for each in profile.findings)


def said(profile):
    """For a failure: what was found, in words."""
    return [(each.code, Path(each.place.file).name, each.place.line, each.what) for each in profile.findings]


def left_over(profile):
    """What the mended program pays, by the findings: what was paid, less what they cost, and what they leave.

    ``None`` where they make no claim: what is a matter of safety leaves all that it cost.
    """
    expected = []
    for name, paid in zip(("contexts_count", "handshakes_count"), price(profile), strict=True):
        claims = [(getattr(each.cost, name), getattr(each.leaves, name)) for each in profile.findings]
        is_claimed = not any(None in claim for claim in claims) and any(
            each.cost != each.leaves for each in profile.findings
        )
        expected.append(paid - sum(cost - left for cost, left in claims) if is_claimed else None)
    return expected


def price(profile):
    return profile.counts.contexts_count, profile.counts.handshakes_count


@programs(("cp", "incident"), mended=False)
def test_flagged_at_the_very_line_and_mended_not_at_all(program, observed):
    profile = observed(program)
    assert found(profile) == program.marked(_FINDING), said(profile)
    after = observed(program.mended)
    assert found(after) == [], said(after)
    for expected, measured in zip(left_over(profile), price(after), strict=True):
        assert expected in (measured, None)


@programs("ok_")
def test_sound_programs_are_not_flagged(program, observed):
    profile = observed(program)
    assert found(profile) == [], said(profile)


@programs("where_")
def test_the_line_that_pays_is_never_the_event_loops(program, observed):
    profile = observed(program)
    paid = sorted(
        (site.site.file, site.site.line, str(site.counts.handshakes_count))
        for site in profile.sites
        if site.counts.handshakes_count and site.site.certainty != "unknown"
    )
    assert paid == program.marked(_PAYS)
    unknown = sum(site.counts.handshakes_count for site in profile.sites if site.site.certainty == "unknown")
    assert unknown == int(program.head["unknown"])
