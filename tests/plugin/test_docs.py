"""The text of docs/pytest.md, taken out of it and run."""

import re
from pathlib import Path
from textwrap import dedent

DOCS = (Path(__file__).parents[2] / "docs" / "pytest.md").read_text(encoding="utf-8")
BLOCKS = [dedent(block) for block in re.findall(r"(?:^(?: {4}.*)?\n)*^ {4}.*\n", DOCS, flags=re.MULTILINE)]
TEST, PER_CALL, FAILURE, MENDED = BLOCKS[:4]


def test_the_page_starts_with_a_test_that_fails_on_per_call_code_and_says_where(run, pytester):
    assert DOCS.partition("\n\n")[2].startswith("    # test_weather.py\n")
    pytester.makepyfile(test_weather=TEST, weather=PER_CALL)
    result = run("--connprof", "--tb=short", "--connprof-json=costs.json")
    result.assert_outcomes(failed=1)
    assert FAILURE.strip() in result.stdout.str()
    assert block_that_starts("contexts  CA loads") in result.stdout.str()
    written = (pytester.path / "costs.json").read_text(encoding="utf-8")
    documented = set(re.findall(r'"\w+":', block_that_starts('{"schema"')))
    assert documented
    assert [key for key in documented if key not in written] == []


def test_and_passes_on_the_fix(run, pytester):
    pytester.makepyfile(test_weather=TEST, weather=MENDED)
    result = run("-q", "-W", "error")
    result.assert_outcomes(passed=1)
    assert "connprof" not in result.stdout.str()


def block_that_starts(text):
    """A block of the page."""
    return next(block for block in BLOCKS if block.strip().startswith(text)).strip()


def test_a_client_for_several_tests_is_paid_for_by_the_first(run, pytester):
    use = """
@pytest.mark.parametrize("contexts", [1, 0])
def test_call(client, tls_server, connprof, contexts):
    assert client.get(tls_server.url()).status_code == 200
    assert (connprof.counts.contexts_count, connprof.counts.handshakes_full_count) == (contexts, contexts)
"""
    wider = """
@pytest.fixture(scope="module")
def shared(tls_server):
    return tls_server

def test_shared(shared):
    pass
"""
    head = "import functools\nimport ssl\n\nimport httpx\nimport pytest\n\n"
    pytester.makepyfile(f"{head}{block_that_starts('@functools.cache')}{use}{wider}")
    result = run()
    result.assert_outcomes(passed=2, errors=1)
    assert "ScopeMismatch" in result.stdout.str()


def test_examples_of_fixtures_run(run, pytester):
    examples = [block for block in BLOCKS if block.strip().startswith("def test_")]
    order = "def order(key, url):\n    with httpx.Client() as client:\n        client.post(url)\n"
    pytester.makepyfile("import httpx\n\n" + order + "".join(examples))
    run().assert_outcomes(passed=2)
