"""Whole runs of pytest with the plugin, against the real server. Many tests share one run, as each is a process."""

import json
import xml.etree.ElementTree as ET

import pytest

from connprof.observe.originals import HOOK_FILE

HEAD = """
import asyncio, ssl, sys, threading, unittest
import httpx, pytest

def get(server, count=1):
    for _ in range(count):
        with httpx.Client() as client:
            assert client.get(server.url()).status_code == 200

"""
ASYNCIO = "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"


@pytest.fixture
def file(pytester):
    """Writes a file of tests, with a function that makes a client for each call."""

    def file(text):
        return pytester.makepyfile(HEAD + text)

    return file


def line_of(path, text):
    """The number of the one line that holds this text."""
    (number,) = [n for n, line in enumerate(path.read_text().splitlines(), 1) if text in line]
    return number


def figures(tests, *names):
    """Contexts, handshakes and requests of each test."""
    fields = ("contexts_count", "handshakes_full_count", "requests_count")
    return {name: tuple(tests[name]["counts"][field] for field in fields) for name in names}


def outcomes(tests):
    """How each test ended."""
    return {name: test["outcome"] for name, test in tests.items() if name}


# --- what counts for a test -----------------------------------------------------------------------------------------


def test_what_counts_for_a_test_and_what_does_not(costs, file):
    file("""
@pytest.fixture
def own(tls_server):
    get(tls_server)
    yield
    get(tls_server, 4)

@pytest.fixture(scope="module")
def wider():
    return ssl.create_default_context()

@pytest.mark.max_ssl_contexts(1)
def test_setup(own): ...

@pytest.mark.max_ssl_contexts(0)
def test_setup_over(own): ...

@pytest.mark.max_ssl_contexts(0)
def test_wider(wider): ...

@pytest.mark.max_ssl_contexts(1)
@pytest.mark.max_handshakes(0)
def test_later(request, wider):
    ssl.create_default_context()
    request.getfixturevalue("other_wider")

@pytest.fixture(scope="session")
def other_wider():
    return [ssl.create_default_context() for _ in range(5)]

@pytest.mark.max_handshakes(2)
def test_threads(tls_server):
    threads = [threading.Thread(target=get, args=(tls_server,)) for _ in range(3)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()

@pytest.mark.max_handshakes(1)
@pytest.mark.min_requests_per_connection(1)
def test_observes_itself(tls_server, connprof):
    import connprof as package
    with package.observe() as seen:
        get(tls_server)
    get(tls_server)
    assert (seen.counts.handshakes_full_count, connprof.counts.handshakes_full_count) == (1, 2)

ssl.create_default_context()
""")
    result, tests = costs("--connprof")
    result.assert_outcomes(passed=3, failed=3)
    names = ("test_setup", "test_wider", "test_later", "test_threads", "test_observes_itself")
    assert figures(tests, *names) == {
        "test_setup": (1, 1, 1),
        "test_wider": (0, 0, None),
        "test_later": (1, 0, None),
        "test_threads": (3, 3, 3),
        "test_observes_itself": (2, 2, 2),
    }
    assert {name for name, how in outcomes(tests).items() if how == "failed"} == {
        "test_setup_over",
        "test_threads",
        "test_observes_itself",
    }
    # Outside: one by the import, two teardowns with four each, one and five by wider fixtures.
    assert figures(tests, "") == {"": (15, 8, 8)}
    result.stdout.fnmatch_lines(["*15*15*8*8*8  (outside of tests: *"])


def test_ways_to_end(costs, file, pytester):
    path = file("""
pytestmark = pytest.mark.max_handshakes(1)

def test_fails_itself(tls_server):
    get(tls_server, 2)
    raise ValueError("its own")

@pytest.fixture
def breaks(tls_server):
    get(tls_server, 2)
    raise ValueError("in setup")

def test_error(breaks): ...

@pytest.fixture
def breaks_late():
    yield
    raise ValueError("in teardown")

def test_late(breaks_late): ...

@pytest.mark.xfail
def test_expected(tls_server): get(tls_server, 2)

@pytest.mark.xfail
def test_unexpected(tls_server): get(tls_server)

def test_skips(tls_server):
    get(tls_server)
    pytest.skip("no")

@pytest.mark.skip
def test_skipped(): ...

class TestMarked:
    @pytest.mark.parametrize("count", [1, 2, pytest.param(3, marks=pytest.mark.max_handshakes(3))])
    @pytest.mark.max_handshakes(1)
    def test_parameter(self, tls_server, count): get(tls_server, count)

    @pytest.mark.max_handshakes(2)
    def test_closest(self, tls_server): get(tls_server, 2)

    @pytest.mark.max_handshakes(None)
    def test_lifted(self, tls_server): get(tls_server, 2)

class Case(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def take(self, tls_server): self.server = tls_server
    def setUp(self): get(self.server)
    def test_one(self): ...
    def test_two(self): get(self.server)
    def test_own_failure(self):
        get(self.server)
        self.fail("its own")

class AsyncCase(unittest.IsolatedAsyncioTestCase):
    @pytest.fixture(autouse=True)
    def take(self, tls_server): self.server = tls_server
    async def test_two_async(self):
        for _ in range(2):
            async with httpx.AsyncClient() as client:
                await client.get(self.server.url())  # here
""")
    result, tests = costs("--junitxml=junit.xml", "--tb=short", "-rN")
    assert outcomes(tests) == {
        "test_fails_itself": "failed",
        "test_error": "error",
        "test_late": "error",
        "test_expected": "xfailed",
        "test_unexpected": "xpassed",
        "test_skips": "skipped",
        "test_skipped": "skipped",
        "test_parameter[1]": "passed",
        "test_parameter[2]": "failed",
        "test_parameter[3]": "passed",
        "test_closest": "passed",
        "test_lifted": "passed",
        "test_one": "passed",
        "test_two": "failed",
        "test_own_failure": "failed",
        "test_two_async": "failed",
    }
    get_line = line_of(path, "assert client.get")
    sentence = "2 TLS handshakes, at most 1 allowed by max_handshakes(1)"
    over = {name for name, test in tests.items() if test["exceeded"] == [sentence]}
    assert over == {
        *("test_fails_itself", "test_error", "test_expected", "test_parameter[2]"),
        *("test_two", "test_own_failure", "test_two_async"),
    }
    sections = result.stdout.str().split("____ ")
    (own,) = [section for section in sections if section.startswith("test_fails_itself")]
    assert "ValueError: its own" in own
    assert "Captured connprof call ---" in own
    assert f"    2 TLS handshakes: {path.name}:{get_line} in get" in own
    (own,) = [section for section in sections if section.startswith("Case.test_own_failure")]
    assert f"    2 TLS handshakes: {path.name}:{get_line} in get" in own
    (failure,) = [section for section in sections if section.startswith("TestMarked.test_parameter[2]")]
    assert [line for line in failure.splitlines()[1:] if not line.startswith("_")] == [
        f"connprof: {sentence}",
        f"    2 TLS handshakes: {path.name}:{get_line} in get",
    ]
    (failure,) = [section for section in sections if section.startswith("AsyncCase.test_two_async")]
    assert f"{path.name}:{line_of(path, '# here')} in AsyncCase.test_two_async" in failure

    cases = {case.get("name"): case for case in ET.parse(pytester.path / "junit.xml").iter("testcase")}
    properties = {each.get("name"): each.get("value") for each in cases["test_two"].iter("property")}
    assert properties == {
        "connprof_ssl_contexts": "2",
        "connprof_ca_loads": "2",
        "connprof_handshakes": "2",
        "connprof_connections": "2",
        "connprof_requests": "2",
    }


def test_a_test_that_is_run_again_begins_at_zero(run, file, pytester):
    pytester.makeconftest("""
from _pytest.runner import runtestprotocol

def pytest_runtest_protocol(item, nextitem):
    for log in (False, True):
        reports = runtestprotocol(item, nextitem=nextitem, log=log)
    return True
""")
    file("""
runs = []
@pytest.mark.max_handshakes(1)
def test_again(tls_server):
    runs.append(1)
    get(tls_server, 3 - len(runs))

asked = []
def test_asks_late(request):
    seen = request.getfixturevalue("connprof")
    asked.append(1)
    for _ in asked: ssl.create_default_context()
    assert seen.counts.contexts_count == len(asked)
""")
    result = run("--junitxml=junit.xml")
    result.assert_outcomes(passed=2)
    cases = {case.get("name"): case for case in ET.parse(pytester.path / "junit.xml").iter("testcase")}
    for name, case in cases.items():
        found = [(each.get("name"), each.get("value")) for each in case.iter("property")]
        assert len(found) == len(dict(found))
        assert dict(found)["connprof_handshakes"] == str(int(name == "test_again"))


def test_coroutines_of_pytest_asyncio_and_anyio(costs, file, pytester):
    pytester.makeini(ASYNCIO.replace("auto", "strict"))
    path = file("""
pytestmark = pytest.mark.max_handshakes(1)

async def fetch(server):
    async with httpx.AsyncClient() as client:
        return await client.get(server.url())  # fetched

@pytest.fixture
def anyio_backend(): return "asyncio"

@pytest.mark.asyncio
async def test_asyncio(tls_server): await asyncio.gather(fetch(tls_server), fetch(tls_server))

@pytest.mark.anyio
async def test_anyio(tls_server): await asyncio.gather(fetch(tls_server), fetch(tls_server))

import pytest_asyncio
@pytest_asyncio.fixture
async def client(tls_server):
    async with httpx.AsyncClient() as client: yield client

@pytest.mark.asyncio
async def test_pooled(tls_server, client):
    for _ in range(3): await client.get(tls_server.url())
""")
    result, tests = costs(plugins=("asyncio", "anyio"))
    result.assert_outcomes(passed=1, failed=2)
    assert figures(tests, "test_asyncio", "test_anyio", "test_pooled") == {
        "test_asyncio": (2, 2, 2),
        "test_anyio": (2, 2, 2),
        "test_pooled": (1, 1, 3),
    }
    where = f"    2 TLS handshakes: {path.name}:{line_of(path, '# fetched')} in fetch"
    assert result.stdout.lines.count(where) == 2


# --- mocks ----------------------------------------------------------------------------------------------------------

MOCKED = {
    "httpx.MockTransport": """
def test_mocked():
    httpx.Client(transport=httpx.MockTransport(lambda request: httpx.Response(200))).get("https://nowhere.test")
""",
    "httpx.ASGITransport": """
async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})

def test_mocked():
    async def main():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
            await client.get("https://nowhere.test")
    asyncio.run(main())
""",
    "respx": """
def test_mocked():
    import respx
    with respx.mock:
        respx.get("https://nowhere.test").mock(return_value=httpx.Response(204))
        httpx.get("https://nowhere.test")
""",
    "pytest-httpx": """
def test_mocked(httpx_mock):
    httpx_mock.add_response()
    httpx.get("https://nowhere.test")
""",
    "responses": """
def test_mocked():
    import requests, responses
    with responses.RequestsMock() as mock:
        mock.get("https://nowhere.test", json={})
        requests.get("https://nowhere.test")
""",
    "test_of_a_mock_that_nobody_knows.Own": """
class Own(httpx.BaseTransport):
    def handle_request(self, request): return httpx.Response(200)

def test_mocked(): httpx.Client(transport=Own()).get("https://nowhere.test")
""",
}
MODULES = {"respx": "respx", "pytest-httpx": "pytest_httpx", "responses": "responses"}


def test_it_says_when_a_mock_answers(costs, pytester):
    available = {}
    for name, text in MOCKED.items():
        try:
            __import__(MODULES.get(name, "httpx"))
        except ImportError:
            continue
        known = not name.startswith("test_")
        stem = f"test_{len(available)}" if known else name.partition(".")[0]
        available[stem] = f"answered by {name}" if known else f"made through {name} and reached no network"
        (pytester.path / f"{stem}.py").write_text(f"{HEAD}pytestmark = pytest.mark.max_handshakes(1)\n{text}")
    (pytester.path / "test_seen.py").write_text(
        HEAD
        + """
@pytest.mark.max_handshakes(1)
def test_seen(tls_server):
    httpx.Client(transport=httpx.MockTransport(lambda request: httpx.Response(200))).get("https://nowhere.test")
    get(tls_server)

@pytest.mark.max_handshakes(1)
def test_idle(): ...
"""
    )
    result, _ = costs("-rN", plugins=("pytest_httpx",))
    result.assert_outcomes(passed=len(available) + 2, warnings=len(available))
    output = result.stdout.str()
    for stem, how in available.items():
        sentence = f"nothing could be seen because its one request was {how}: not put to the test: max_handshakes(1)"
        assert f"{stem}.py::test_mocked: {sentence}" in output
        assert f"ConnprofWarning: {sentence}" in output
    assert "test_seen.py" not in output.partition("= connprof =")[2]


def test_where_warnings_are_errors_such_a_test_fails_and_a_default_only_tells(costs, file, pytester):
    pytester.makeini("[pytest]\nconnprof_max_handshakes = 1\nfilterwarnings = error\n")
    file("""
def mocked():
    httpx.Client(transport=httpx.MockTransport(lambda request: httpx.Response(200))).get("https://nowhere.test")

def test_default(): mocked()

@pytest.mark.max_connections(1)
def test_marked(): mocked()
""")
    result, tests = costs()
    assert outcomes(tests) == {"test_default": "passed", "test_marked": "failed"}
    assert "not put to the test: connprof_max_handshakes = 1" in tests["test_default"]["unseen"]
    result.stdout.fnmatch_lines(
        ["connprof: nothing could be seen because *", "*::test_default: nothing could be seen *"]
    )
    assert "During handling" not in result.stdout.str()


# --- under other runners --------------------------------------------------------------------------------------------


def test_xdist(costs, file, pytester):
    file("""
@pytest.mark.parametrize("number", range(4))
@pytest.mark.max_ssl_contexts(1)
def test_many(tls_server, number): get(tls_server, 1 + (number == 3))

@pytest.mark.max_handshakes("few")
def test_mistake(): ...

def test_mocked(connprof): get_mocked()

@pytest.mark.max_connections(1)
def test_unseen(): get_mocked()

def get_mocked():
    httpx.Client(transport=httpx.MockTransport(lambda request: httpx.Response(200))).get("https://nowhere.test")

ssl.create_default_context()
""")
    result, tests = costs("-n2", "--connprof-top=2", "--junitxml=junit.xml", plugins=("xdist",))
    assert result.ret == 1
    assert outcomes(tests) == {
        **{f"test_many[{number}]": "passed" for number in range(3)},
        "test_many[3]": "failed",
        "test_mocked": "passed",
        "test_unseen": "passed",
        "test_mistake": "error",
    }
    assert figures(tests, "test_many[2]", "test_many[3]", "") == {
        "test_many[2]": (1, 1, 1),
        "test_many[3]": (2, 2, 2),
        "": (2, 0, 0),  # imported once by each worker
    }
    result.stdout.fnmatch_lines_random(
        [
            "connprof: 2 SSL contexts, at most 1 allowed by max_ssl_contexts(1)",
            "*::test_mistake: max_handshakes('few'): it must be a whole number, not 'few'",
            "contexts  CA loads  handshakes  connections  requests  test",
            "2 more cost less",
            "*::test_unseen: nothing could be seen because *",
        ]
    )
    found = ET.parse(pytester.path / "junit.xml").iter("property")
    assert [each.get("value") for each in found if each.get("name") == "connprof_handshakes"].count("2") == 1


@pytest.mark.once
def test_xdist_without_an_option(run, file):
    file("""
@pytest.mark.max_connections(1)
def test_unseen():
    httpx.Client(transport=httpx.MockTransport(lambda request: httpx.Response(200))).get("https://nowhere.test")
""")
    result = run("-n1", plugins=("xdist",))
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*= connprof =*", "*::test_unseen: nothing could be seen because *"])


@pytest.mark.once
def test_connprof_run_counts_beside_it(run, file, pytester):
    file("""
@pytest.mark.max_handshakes(2)
def test_three(tls_server): get(tls_server, 3)
""")
    result = run("-W", "error", by=("-m", "connprof", "run", "--json", "run.json"))
    assert result.ret == 1
    result.stdout.fnmatch_lines(["connprof: 3 TLS handshakes, at most 2 allowed by max_handshakes(2)"])
    profile = json.loads((pytester.path / "run.json").read_bytes())
    assert profile["counts"]["handshakes_full_count"] == 3


def test_a_warning_of_a_module_is_about_whoever_imports_it(run, pytester):
    """Also of one whose import the observer follows."""
    pytester.makepyfile(
        responses="import warnings\nwarnings.warn('this is old', DeprecationWarning, stacklevel=2)\n",
        test_it="def test_it(connprof):\n    import responses\n",
    )
    result = run("-W", "error::DeprecationWarning:test_it")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E   *DeprecationWarning: this is old"])


def test_a_warning_of_what_the_observer_replaces_is_about_its_caller(run, pytester):
    pytester.makepyfile(test_it="import ssl\ndef test_it(connprof):\n    ssl.SSLContext()\n")
    run("-W", "error", "-W", "ignore::DeprecationWarning:test_it").assert_outcomes(passed=1)


def test_frames_of_ours_are_no_part_of_a_failure(run, pytester):
    pytester.makepyfile(
        test_it="""
        import httpx, ssl

        def test_it(connprof):
            def answer(request):
                raise RuntimeError("of the user")
            httpx.Client(transport=httpx.MockTransport(answer)).get("https://nowhere.test")

        def test_context(connprof):
            ssl.create_default_context(cafile="/nowhere")
    """
    )
    result = run()
    result.assert_outcomes(failed=2)
    said = result.stdout.str()
    assert "of the user" in said
    assert HOOK_FILE not in said
    assert "mocks.py" not in said
    assert "standard.py" not in said
