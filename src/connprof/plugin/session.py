"""The hooks that do the work, registered only when something is asked for."""

from __future__ import annotations

import os
from contextlib import ExitStack, nullcontext
from typing import TYPE_CHECKING, Any, Final, cast

import pytest

from connprof.observe import observe
from connprof.observe.own import OWN, whole_names
from connprof.observe.sites import take_for_user_code
from connprof.plugin import ConnprofWarning
from connprof.plugin.cost import Cost, handshakes_count
from connprof.plugin.judging import exceeded, uncounted, untested
from connprof.plugin.markers import MARKERS, BadLimitError, Limit, ini_name, limit_from_ini, limits_of
from connprof.plugin.mocks import MockCalls
from connprof.plugin.ssl_bytes import MISSING, MemrayError, SslBytes, check_memray, has_memray
from connprof.plugin.summary import Summary
from connprof.plugin.windows import TestWindows, minus, plus, sites_minus, sites_plus

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from connprof.observe import Counts, Observation, SiteCounts
    from connprof.plugin.windows import Seen

__all__ = ["Session"]

_TOP_COUNT = 10
_DIGITS_MAX = 18
_SOURCES = frozenset({".cfg", ".ini", ".ipynb", ".py", ".pyi", ".toml"})
"""Of files that are never what a test run is summed up in."""
_TEST: Final = pytest.StashKey["_Test"]()


class _Test:
    """One test while it runs."""

    def __init__(self) -> None:
        self.limits: tuple[Limit, ...] = ()
        self.ssl_bytes: SslBytes | None = None
        self.windows = TestWindows()
        self.problem = ""
        """Why it cannot be held to its limits, so that it is not run."""
        self.cost: Cost | None = None
        """Known when the test's own part has ended."""

    def ask(self, limits: tuple[Limit, ...], item: pytest.Item) -> None:
        """Hold it to these limits.

        Raises:
            MemrayError: memray would be needed, and cannot be had.
        """
        self.limits = limits
        if any(limit.name == "max_ssl_bytes" for limit in limits):
            check_memray(item)
            self.ssl_bytes = SslBytes()
            self.windows = TestWindows(self.ssl_bytes)


class Session:
    """One pytest session: watches tests where they run, and sums up where reports arrive."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._defaults = _defaults(config)
        options = _Options(config)
        self._all_tests = options.table or options.json_file is not None or bool(self._defaults)
        self._summary = Summary(
            config.rootpath, json_file=options.json_file, top_count=options.top_count if options.table else None
        )
        self._current: _Test | None = None
        self._mocks = MockCalls()
        self._whole: Observation | None = None
        self._open = ExitStack()
        self._tests_counts: Counts | None = None
        self._tests_sites: tuple[SiteCounts, ...] = ()
        if not _is_controller(config):
            before = OWN.names  # of `connprof run`, or of a session around this one
            take_for_user_code((*before, *options.user_code))
            self._open.callback(take_for_user_code, before)
            # Open for the whole session, as what a fixture has replaced must be put back before ours is.
            self._whole = self._open.enter_context(observe())
            self._mocks.install()
            self._open.callback(self._mocks.uninstall)
            config.add_cleanup(self._open.close)
            config.pluginmanager.register(_Gate())

    # --- which tests, and what for --------------------------------------------------------------------------------

    def collected(self, items: Sequence[pytest.Item]) -> None:
        """Look at the limits of all tests before one of them runs.

        Raises:
            pytest.UsageError: some make no sense.
        """
        mistakes = []
        for item in items:
            try:
                limits_of(item, self._defaults)
            except BadLimitError as error:
                mistakes.append(str(error))
        # In pytest-xdist's workers nobody would see it: there the test itself says so.
        if mistakes and not hasattr(self._config, "workerinput"):
            raise pytest.UsageError("\n".join(mistakes))

    def seen(self, item: pytest.Item) -> Seen:
        """What a test has cost so far; from now on if nobody knew that it would be asked."""
        test = item.stash.get(_TEST, None)
        if test is None:
            test = self._begun(item)
        return test.windows.seen

    def _is_wanted(self, item: pytest.Item) -> bool:
        return (
            self._all_tests
            or "connprof" in getattr(item, "fixturenames", ())
            or any(item.get_closest_marker(name) is not None for name in MARKERS)
        )

    def _begun(self, item: pytest.Item) -> _Test:
        test = item.stash[_TEST] = self._current = _Test()
        self._mocks.reset()
        try:
            test.ask(limits_of(item, self._defaults), item)
            test.windows.open()
        except (BadLimitError, MemrayError) as error:
            test.problem = str(error)
            test.windows.close()
        return test

    # --- one test ---------------------------------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, object, object]:
        """Count from here on; a run again of the same test begins at zero."""
        if _TEST in item.stash:
            del item.stash[_TEST]
        self._current = None
        if self._is_wanted(item):
            self._begun(item)
        try:
            return (yield)
        except BaseException:
            self._end(item, failed=True)
            raise

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Generator[None, object, object]:
        """What lives longer than a test is nobody's in particular."""
        test = self._current
        is_own = test is None or fixturedef.scope == "function"
        pause: AbstractContextManager[None] = nullcontext() if is_own else cast("_Test", test).windows.paused()
        with pause:
            return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """Judge the test when it has ended well."""
        try:
            result = yield
        except BaseException:
            self._end(item, failed=True)
            raise
        # What unittest's cases raise is kept by pytest until it makes the report.
        self._end(item, failed=bool(getattr(item, "_excinfo", None)))
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Hand the costs over with the report, through which they reach pytest-xdist's controller."""
        report = yield
        test = item.stash.get(_TEST, None)
        ends_here = call.when == "call" or (call.when == "setup" and call.excinfo is not None)
        if ends_here and test is not None and test.cost is not None:
            report.connprof = test.cost.to_dict()  # type: ignore[attr-defined]  # reports carry what they are given
        return report

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, object, object]:
        """Leave nothing open, whatever happened."""
        self._current = None
        try:
            return (yield)
        finally:
            if (test := item.stash.get(_TEST, None)) is not None:
                test.windows.close()

    def _end(self, item: pytest.Item, *, failed: bool) -> None:
        """End the test's own part: sum up, and unless it failed itself, fail it where a limit was not kept."""
        test = item.stash.get(_TEST, None)
        self._current = None
        if test is None or test.cost is not None:
            return
        test.windows.close()
        seen = test.windows.seen
        counts, sites, ssl_bytes = seen.counts, seen.sites, None
        if test.ssl_bytes is not None:
            try:
                ssl_bytes = test.ssl_bytes.read()
            finally:
                test.ssl_bytes.discard()
        self._tests_counts = counts if self._tests_counts is None else plus(self._tests_counts, counts)
        self._tests_sites = sites_plus((*self._tests_sites, *sites))
        found = exceeded(test.limits, counts, sites, ssl_bytes, self._summary.shown)
        unseen = self._unseen(test, counts)
        test.cost = Cost(
            counts=counts,
            sites=sites,
            ssl_bytes=sum(ssl_bytes.values()) if ssl_bytes is not None else None,
            limits=tuple(limit.written for limit in test.limits),
            exceeded=tuple(each.sentence for each in found),
            unseen=unseen,
            blind_spots=seen.blind_spots if test.limits else (),
        )
        # A test that is run again has those of its last run.
        others = [each for each in item.user_properties if not each[0].startswith("connprof_")]
        item.user_properties[:] = [*others, *_properties(test.cost)]
        text = "\n".join(each.text for each in found)
        if failed:
            if text:
                item.add_report_section("call", "connprof", text)
            return
        if text:
            pytest.fail(text, pytrace=False)
        if unseen and not all(limit.from_ini for limit in test.limits):
            _warn(item, unseen)

    def _unseen(self, test: _Test, counts: Counts) -> str:
        """Why limits were kept by nothing, and which."""
        limits = uncounted(test.limits, counts)
        reason: str | None = "requests could not be counted"
        if not limits and (limits := untested(test.limits, counts)):
            story = self._mocks.story()
            reason = story and f"nothing could be seen because {story}"
        if not limits or not reason:
            return ""
        return f"{reason}: not put to the test: {', '.join(limit.written for limit in limits)}"

    # --- the end ----------------------------------------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take in what a test cost."""
        values = getattr(report, "connprof", None)
        if values is not None:
            self._summary.add(report, Cost.from_dict(values))
        elif report.when == "teardown":
            self._summary.add_teardown(report)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take in what a worker of pytest-xdist did outside of its tests."""
        values = getattr(node, "workeroutput", {}).get("connprof")
        if values is not None:
            self._summary.add_outside(Cost.from_dict(values))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Put everything back, and write the file."""
        self._open.close()
        if self._whole is not None:
            outside = self._outside(self._whole)
            if hasattr(self._config, "workeroutput"):
                self._config.workeroutput["connprof"] = outside.to_dict()
                return
            self._summary.add_outside(outside)
        if not self._summary.save() and session.exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
            session.exitstatus = pytest.ExitCode.USAGE_ERROR

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Show what was asked for, and what could not be seen."""
        if not self._config.option.collectonly:
            self._summary.show(terminalreporter)

    def _outside(self, whole: Observation) -> Cost:
        counts, sites = whole.counts, whole.sites
        if self._tests_counts is not None:
            counts, sites = minus(counts, self._tests_counts), sites_minus(sites, self._tests_sites)
        return Cost(counts=counts, sites=sites)


class _Gate:
    """Stops a test that cannot be held to its limits: inside of pytest's own hooks, and after its skip marks."""

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Fail before any fixture is set up."""
        test = item.stash.get(_TEST, None)
        if test is not None and test.problem:
            pytest.fail(test.problem, pytrace=False)


class _Options:
    """What the command line says, and where it is silent the ini file.

    Raises:
        pytest.UsageError: it makes no sense.
    """

    def __init__(self, config: pytest.Config) -> None:
        given_top, given_file = config.getoption("connprof_top"), config.getoption("connprof_json")
        self.table: bool = config.getoption("connprof") or given_top is not None or config.getini("connprof")
        top = config.getini("connprof_top") if given_top is None else given_top
        self.top_count = _TOP_COUNT if top is None else _whole_number(
            top, "--connprof-top" if given_top is not None else "connprof_top"
        )  # fmt: skip
        self.json_file: Path | None = None
        if given_file:
            self.json_file = config.invocation_params.dir / given_file
        elif in_file := config.getini("connprof_json"):
            self.json_file = (config.inipath.parent if config.inipath else config.invocation_params.dir) / in_file
        if self.json_file is not None and self.json_file.is_dir():
            raise pytest.UsageError(f"--connprof-json: {self.json_file} is a folder")
        if self.json_file is not None:
            _check_overwritten(self.json_file, config)
        here = config.invocation_params.dir
        self.user_code = (
            *_named(config.getoption("connprof_user_code"), "--connprof-user-code", here),
            *_named(
                config.getini("connprof_user_code"),
                "connprof_user_code",
                config.inipath.parent if config.inipath else here,
            ),
        )


def _named(names: Sequence[str], option: str, folder: Path) -> tuple[str, ...]:
    try:
        return whole_names(names, str(folder))
    except ValueError as error:
        raise pytest.UsageError(f"{option}: {error}") from None


def _check_overwritten(file: Path, config: pytest.Config) -> None:
    """Refuse to write over tests and settings, and over what pytest itself writes."""
    junit = config.getoption("xmlpath", None)
    if file.suffix in _SOURCES and file.exists():
        raise pytest.UsageError(f"--connprof-json: {file} would be overwritten: name another file")
    if junit and os.path.realpath(config.invocation_params.dir / junit) == os.path.realpath(file):
        raise pytest.UsageError(f"--connprof-json: {file} is where --junitxml writes: name another file")


def _whole_number(value: object, name: str) -> int:
    text = str(value).strip()
    if not (text.isascii() and text.isdigit()):
        raise pytest.UsageError(f"{name} must be a whole number from 0, not {value!r}")
    if len(text) > _DIGITS_MAX:
        raise pytest.UsageError(f"{name} is a number of {len(text):,} digits, which is too large")
    return int(text)


def _defaults(config: pytest.Config) -> tuple[Limit, ...]:
    """The limits that the ini file sets for all tests."""
    file = config.inipath.name if config.inipath else ""
    limits = []
    for name in MARKERS:
        try:
            limit = limit_from_ini(name, config.getini(ini_name(name)), file=file)
        except BadLimitError as error:
            raise pytest.UsageError(str(error)) from None
        if limit is not None:
            limits.append(limit)
            if name == "max_ssl_bytes" and not has_memray():
                raise pytest.UsageError(f"{file}: {limit.written}: {MISSING}")
    return tuple(limits)


def _is_controller(config: pytest.Config) -> bool:
    """Whether tests run in the workers of pytest-xdist, and none in this process."""
    return config.getoption("dist", "no") != "no" and not hasattr(config, "workerinput")


def _properties(cost: Cost) -> list[tuple[str, object]]:
    """What JUnit XML shows as properties of the test."""
    counts = cost.counts
    made: list[tuple[str, object]] = [
        ("connprof_ssl_contexts", counts.contexts_count),
        ("connprof_ca_loads", counts.ca_loads_count),
        ("connprof_handshakes", handshakes_count(counts)),
        ("connprof_connections", counts.connections_count),
    ]
    if counts.requests_count is not None:
        made.append(("connprof_requests", counts.requests_count))
    if cost.ssl_bytes is not None:
        made.append(("connprof_ssl_bytes", cost.ssl_bytes))
    if cost.unseen:
        made.append(("connprof_unseen", cost.unseen))
    return made


def _warn(item: pytest.Item, sentence: str) -> None:
    """Warn at the test; where warnings are errors, the test fails as briefly as for a limit."""
    try:
        item.warn(ConnprofWarning(sentence))
    except ConnprofWarning as error:
        raise pytest.fail.Exception(f"connprof: {error}", pytrace=False) from None
