"""The pytest plugin: thin, so that it costs next to nothing while nobody asks for anything.

It imports neither the observer nor the server. What does the work is imported when an option, an ini setting, a marker
or a fixture asks for it; see docs/pytest.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from connprof.plugin.markers import MARKERS, ini_name, is_asked, marker_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connprof.plugin.server import TlsServer
    from connprof.plugin.session import Session
    from connprof.plugin.windows import Seen

__all__ = ["ConnprofWarning"]

_NAME = "connprof-session"
# From pytest 9.2 on an option may take several types, so that native TOML may say `= 3` as well as `= "3"`.
_NUMBER: Any = int | float | str if pytest.version_tuple >= (9, 2) else "string"


class ConnprofWarning(pytest.PytestWarning):
    """A limit that could not be put to the test; the message says why."""


# --- options, settings and markers ----------------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare options and ini settings."""
    group = parser.getgroup("connprof", "connprof: SSL contexts, TLS handshakes and connections")
    group.addoption(
        "--connprof", action="store_true", help="show the tests that cost most in contexts, handshakes and connections"
    )
    group.addoption("--connprof-json", metavar="FILE", help="write what each test cost to a JSON file")
    group.addoption(
        "--connprof-top", metavar="N", help="how many tests --connprof shows (by default 10); implies --connprof"
    )
    group.addoption(
        "--connprof-user-code",
        metavar="NAME",
        action="append",
        default=[],
        help="an installed package that is yours, as it is imported, or a folder: its lines are told; may be repeated",
    )
    parser.addini("connprof", "as --connprof", type="bool", default=False)
    parser.addini("connprof_json", "as --connprof-json, relative to the ini file", default=None)
    parser.addini("connprof_top", "as --connprof-top, but does not imply --connprof", type=_NUMBER, default=None)
    parser.addini("connprof_user_code", "as --connprof-user-code, several names", type="args", default=[])
    for name in MARKERS:
        parser.addini(
            ini_name(name), f"the limit of the marker {name}, for all tests without it", type=_NUMBER, default=None
        )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers, and begin if an option or an ini setting says so."""
    for line in marker_lines():
        config.addinivalue_line("markers", line)
    wanted = (
        config.getoption("connprof")
        or config.getoption("connprof_top") is not None
        or config.getoption("connprof_json")
        or config.getini("connprof")
        or config.getini("connprof_json")
        or any(config.getini(ini_name(name)) is not None for name in MARKERS)
    )
    if wanted:
        _session(config)
    elif config.getoption("dist", "no") != "no" and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Relay(config), "connprof-relay")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Begin if a test asks for it, by a marker or by a fixture."""
    wanted = session.config.pluginmanager.has_plugin(_NAME) or any(
        "connprof" in getattr(item, "fixturenames", ()) or is_asked(item) for item in session.items
    )
    if wanted:
        _session(session.config).collected(session.items)


def _session(config: pytest.Config) -> Session:
    """What does the work, imported and registered when it is first needed."""
    existing: Session | None = config.pluginmanager.get_plugin(_NAME)
    if existing is not None:
        return existing
    if pytest.version_tuple < (8,):
        raise pytest.UsageError(f"connprof needs pytest 8 or later, and this is {pytest.__version__}")
    from connprof.plugin.session import Session

    session = Session(config)
    config.pluginmanager.register(session, _NAME)
    return session


class _Relay:
    """Stands in the controller of pytest-xdist, which has no tests itself, until a worker sends something of ours."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Begin, and leave."""
        if hasattr(report, "connprof"):
            self._config.pluginmanager.unregister(self)
            _session(self._config).pytest_runtest_logreport(report)


# --- fixtures -------------------------------------------------------------------------------------------------------


@pytest.fixture
def connprof(request: pytest.FixtureRequest) -> Seen:
    """What this test has cost so far: .counts, .sites, .origins, .handshakes, .blind_spots."""
    return _session(request.config).seen(request.node)


@pytest.fixture(scope="session")
def _connprof_server() -> Iterator[Any]:
    from connprof.plugin.server import running

    yield from running()


@pytest.fixture
def tls_server(_connprof_server: Any) -> Iterator[TlsServer]:
    """A real TLS server, in a process of its own, that clients trust through SSL_CERT_FILE while the test runs.

    .url("/path"), .ssl_context(), .seen(), .settled(): each test sees its own share.
    """
    from connprof.plugin.server import share

    yield from share(_connprof_server)
