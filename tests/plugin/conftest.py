"""Each inner run of pytest is a process of its own, as a user's is."""

import json
import sys
from importlib.metadata import entry_points

import pytest

# Where the package is not installed but on the path, nobody registers the plugin.
PLUGIN = [] if entry_points(group="pytest11", name="connprof") else ["-p", "connprof.plugin"]
QUIET = ("-p", "no:cacheprovider", "-p", "no:benchmark", "-p", "no:timeout")


@pytest.fixture
def run(pytester, monkeypatch):
    """Runs pytest in a folder of its own, by default without the plugins that a test does not need."""
    # Under CI pytest writes the whole of every failure into its summary too, and what is counted here is there twice.
    for name in ("BUILD_NUMBER", "CI", "PYTEST_ADDOPTS", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)

    def run(*args, plugins=(), plugin=True, by=()):
        absent = {"anyio", "asyncio", "pytest_httpx", "respx", "xdist"} - set(plugins)
        chosen = [each for name in sorted(absent) for each in ("-p", f"no:{name}")] + (PLUGIN if plugin else [])
        return pytester.run(sys.executable, *by, "-m", "pytest", *QUIET, *chosen, *args, timeout=60)

    return run


@pytest.fixture
def costs(run, pytester):
    """Runs pytest and gives the result, and what the JSON file says of each test."""

    def costs(*args, **options):
        result = run("--connprof-json=costs.json", *args, **options)
        written = json.loads((pytester.path / "costs.json").read_bytes())
        tests = {test["nodeid"].rpartition("::")[2]: test for test in written["tests"]}
        return result, tests | {"": written["outside"]}

    return costs
