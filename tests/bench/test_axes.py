"""What the axes mean, on the wire: each case is run here against a server that counts."""

import asyncio
import os
import ssl
import threading
import time
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import asdict
from itertools import pairwise
from types import SimpleNamespace

import msgspec
import pytest

from bench import axes, passes
from bench.axes import AXES, Axes, AxisError, axes_of, server_options, trust_variables
from bench.driver import run_session
from bench.gathered import Gathered, ledger_sums, note_of
from bench.places import CallTime, Place
from bench.registry import AsyncStrategy, InParallel, SyncStrategy
from bench.surroundings import child_variables
from bench.workloads import GAP_LONG_S, GAP_SHORT_S, ORIGINS, WORKLOADS, Call, Step
from connprof.model import Case, Measured
from connprof_server import serve
from connprof_server.target import Target, json_size_bytes

# --- values ---------------------------------------------------------------------------------------------------


def test_defaults_are_the_models():
    case = Case(strategy="floor", workload="llm-session", calls_count=40)
    assert axes_of(case) == Axes()
    assert axes_of(msgspec.to_builtins(case)) == axes_of({"strategy": "floor"}) == Axes()
    for name, values in AXES.items():
        default = getattr(case, name)
        assert default in values
        assert getattr(Axes(), name) == default


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"http_version": "3"}, "http_version is one of 1.1, 2, not '3'"),
        ({"trust_store": "system"}, "trust_store is one of bundle, system-file, .* not 'system'"),
        ({"limits": "beyond"}, "limits is one of default, below, at, above, not 'beyond'"),
        ({"workload": "nothing"}, "there is no workload 'nothing'; there are: llm-session, "),
        ({"rtt_ms": -0.1}, "rtt_ms is from 0 to 60000, not -0.1"),
        ({"rtt_ms": 60_000.1}, "rtt_ms is from 0 to 60000, not 60000.1"),
        ({"concurrency_count": 0}, "concurrency_count is from 1 to 1000, not 0"),
        ({"concurrency_count": 1_001}, "concurrency_count is from 1 to 1000, not 1001"),
        ({"calls_count": 0}, "calls_count is from 1 to 10000, not 0"),
        ({"calls_count": 10_001}, "calls_count is from 1 to 10000, not 10001"),
        ({"limits": "below"}, "limits=below needs a concurrency of at least 2"),
        ({"workload": "gaps-long", "concurrency_count": 2}, "gaps-long is about single calls"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(wrong, sentence):
    with pytest.raises(AxisError, match=f"^{sentence}"):
        axes_of(wrong)
    with pytest.raises(AxisError):
        server_options(wrong)


@pytest.mark.parametrize(
    "right",
    [
        {"rtt_ms": 0.0}, {"rtt_ms": 60_000.0}, {"concurrency_count": 1_000}, {"calls_count": 1},
        {"limits": "below", "concurrency_count": 2}, {"limits": "at"}, {"workload": "gaps-long"},
    ],
)  # fmt: skip
def test_what_is_just_allowed(right):
    assert asdict(axes_of(right)) == asdict(Axes()) | right


@pytest.mark.parametrize(
    ("limits", "concurrency_count", "connections_count"),
    [("default", 10, None), ("below", 2, 1), ("below", 10, 5), ("below", 11, 5), ("at", 10, 10), ("above", 10, 20)],
)
def test_limits_stand_against_the_concurrency(limits, concurrency_count, connections_count):
    found = Axes(limits=limits, concurrency_count=concurrency_count)
    assert found.connections_limit_count == connections_count
    options = found.client_options(SimpleNamespace(Limits=dict))
    if connections_count is None:
        assert options == {}
    else:
        both = {"max_connections": connections_count, "max_keepalive_connections": connections_count}
        assert options == {"limits": both}


def test_a_default_case_changes_no_option_of_a_client():
    assert Axes().client_options() == {}
    assert not Axes().needs_client


def test_client_options_are_what_the_axes_ask_for():
    import truststore

    assert Axes(http_version="2").client_options() == {"http2": True}
    assert Axes(trust_store="none").client_options() == {"verify": False}
    contexts = [Axes(trust_store="truststore").client_options()["verify"] for _ in range(2)]
    assert all(isinstance(context, truststore.SSLContext) for context in contexts)
    assert contexts[0] is not contexts[1]
    limits = Axes(workload="gaps-long").client_options()["limits"]
    assert 0 < limits.keepalive_expiry < GAP_LONG_S
    assert (limits.max_connections, limits.max_keepalive_connections) == (100, 20)
    assert Axes(workload="gaps-short").client_options() == {}


def test_the_default_limits_that_are_spelled_out_are_httpxs_own():
    from httpx._config import DEFAULT_LIMITS

    spelled_out = Axes(workload="gaps-long").client_options()["limits"]
    assert spelled_out.max_connections == DEFAULT_LIMITS.max_connections
    assert spelled_out.max_keepalive_connections == DEFAULT_LIMITS.max_keepalive_connections


# --- the server and the variables -----------------------------------------------------------------------------

TARGET = Target({"main": "https://x"}, "/b.pem", "/ca.pem", 1, "", system_file="/s.pem", system_directory="/s")


def test_server_options_say_what_the_server_needs():
    assert server_options({}) == {"rtt_ms": 0.0, "http_version": "1.1", "system_store": False, "keep_alive_s": 5.0}
    asked = {"rtt_ms": 20, "http_version": "2", "trust_store": "system-directory", "workload": "gaps-long"}
    found = server_options(asked)
    assert found == {"rtt_ms": 20.0, "http_version": "2", "system_store": True, "keep_alive_s": 0.25}
    assert found["keep_alive_s"] < GAP_LONG_S
    assert server_options({"workload": "gaps-short"})["keep_alive_s"] > GAP_SHORT_S


@pytest.mark.parametrize(
    ("trust_store", "file", "directory"),
    [
        (None, "/b.pem", None),
        ("bundle", "/b.pem", None),
        ("system-file", "/s.pem", None),
        ("system-directory", None, "/s"),
        ("our-ca", "/ca.pem", None),
        ("truststore", "/b.pem", None),
        ("none", "/b.pem", None),
    ],
)
def test_each_trust_store_sets_or_clears_both_variables_and_says_so(monkeypatch, trust_store, file, directory):
    case = None if trust_store is None else {"trust_store": trust_store}
    for inherited in (True, False):
        for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
            if inherited:
                monkeypatch.setenv(name, "/somewhere")
            else:
                monkeypatch.delenv(name, raising=False)
        variables, done = child_variables(TARGET, case)
        for name, value in (("SSL_CERT_FILE", file), ("SSL_CERT_DIR", directory)):
            assert variables.get(name) == value
            gone = "cleared" if inherited else "was not set"
            assert done[name].startswith("set to ") if value else done[name] == gone


@pytest.mark.parametrize("trust_store", ["system-file", "system-directory"])
def test_a_system_store_that_the_server_was_not_asked_for_is_one_sentence(trust_store):
    bare = Target({"main": "https://x"}, "/b.pem", "/ca.pem", 1, "")
    with pytest.raises(AxisError, match=f"^trust_store={trust_store} needs a server .*system_store=True$"):
        trust_variables(bare, {"trust_store": trust_store})


@pytest.mark.parametrize(
    ("trust_store", "count", "sha256"),
    [
        ("bundle", "118", "b"), ("truststore", "118", "b"), ("none", "0", ""), ("our-ca", "1", ""),
        ("system-file", "145", "s"), ("system-directory", "145", "s"),
    ],
)  # fmt: skip
def test_a_trust_store_says_what_is_in_it(trust_store, count, sha256):
    target = Target({}, "", "", 118, "b", system_certificates_count=145, system_sha256="s")
    found = axes.trust_identity(target, {"trust_store": trust_store})
    assert found == {"ca_bundle_certificates_count": count, "ca_bundle_sha256": sha256}


# --- workloads ------------------------------------------------------------------------------------------------


def sizes(steps):
    return [len(list(step.all_calls())) for step in steps]


def test_with_a_concurrency_a_steady_workload_is_one_list_of_the_same_calls():
    workload = WORKLOADS["llm-session"]
    apart = [call for step in workload.steps(13) for call in step.all_calls()]
    (together,) = workload.steps(13, 2)
    assert list(together.calls) == apart
    assert together.background is None


@pytest.mark.parametrize(
    ("calls_count", "size_count", "expected"),
    [(9, 10, [9]), (10, 10, [10]), (11, 10, [10, 1]), (40, 10, [10] * 4), (3, 1, [1, 1, 1])],
)
def test_bursts(calls_count, size_count, expected):
    steps = WORKLOADS["burst"].steps(calls_count, size_count)
    assert sizes(steps) == expected
    assert [bool(step.pause_s) for step in steps] == [False] + [True] * (len(steps) - 1)
    for step in steps:
        assert {int(call.path.split("/")[2]) for call in step.calls} == {len(step.calls)}
        assert {call.size_bytes for call in step.calls} == {json_size_bytes(step.calls[0].path)}
    names = [step.calls[0].path for step in steps]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(("connections_count", "gate"), [(5, 5), (9, 1), (10, 10), (20, 10), (4, 2)])
def test_a_gate_is_filled_by_as_many_as_can_come_through(connections_count, gate):
    (step,) = WORKLOADS["burst"].steps(10, 10, connections_count)
    assert step.calls[0].path.startswith(f"/gate/{gate}/")


@pytest.mark.parametrize(("name", "pause_s"), [("gaps-short", GAP_SHORT_S), ("gaps-long", GAP_LONG_S)])
def test_gaps_are_between_calls(name, pause_s):
    assert [step.pause_s for step in WORKLOADS[name].steps(3)] == [0.0, pause_s, pause_s]


# --- the driver -----------------------------------------------------------------------------------------------


class Answer:
    status_code, content = 200, b""


def call_of(number):
    return Call("main", f"/{number}", "request", (), 200, 0)


def steps_of(*counts, pause_s=0.0):
    numbers = iter(range(1_000))
    return tuple(Step(tuple(call_of(next(numbers)) for _ in range(count)), pause_s=pause_s) for count in counts)


class Busy:
    """Sends nothing, and knows how many calls were in flight."""

    def __init__(self, fail_at=None, hold_s=0.005):
        self.now = self.most = 0
        self.paths, self.threads = [], set()
        self.fail_at, self.hold_s = fail_at, hold_s
        self._lock = threading.Lock()

    @contextmanager
    def flight(self, call):
        with self._lock:
            self.paths.append(call.path)
            self.threads.add(threading.current_thread())
            self.now += 1
            self.most = max(self.most, self.now)
        try:
            yield
        finally:
            with self._lock:
                self.now -= 1
        if call.path == self.fail_at:
            raise ConnectionError("no")

    def strategy(self, kind):
        common = ("busy", "busy", "", None, "one", "origins", "batch", "script", {}, "")
        if kind is AsyncStrategy:

            @asynccontextmanager
            async def enter(_target):
                async def send(call):
                    with self.flight(call):
                        await asyncio.sleep(self.hold_s)
                    return Answer()

                yield send

        else:

            @contextmanager
            def enter(_target):
                def send(call):
                    with self.flight(call):
                        time.sleep(self.hold_s)
                    return Answer()

                yield send

        return kind(*common, enter)


@contextmanager
def no_window():
    yield


KINDS = pytest.mark.parametrize("kind", [AsyncStrategy, SyncStrategy])


@KINDS
@pytest.mark.parametrize(
    ("concurrency_count", "most", "hold_s"), [(1, 1, 0.001), (2, 2, 0.02), (7, 7, 0.1), (30, 20, 0.3)]
)
def test_as_many_calls_are_in_flight_as_asked_for_and_come_back_in_order(kind, concurrency_count, most, hold_s):
    busy = Busy(hold_s=hold_s)
    session = run_session(busy.strategy(kind), steps_of(20, 3), TARGET, no_window, concurrency_count=concurrency_count)
    assert busy.most == most
    assert sorted(busy.paths[:20]) == sorted(f"/{number}" for number in range(20))
    assert sorted(busy.paths[20:]) == ["/20", "/21", "/22"]
    assert len(session.calls) == 23
    assert max(call.end_ns for call in session.calls[:20]) <= min(call.start_ns for call in session.calls[20:])
    assert session.thread_time_ns > 0
    if concurrency_count == 1:
        assert all(earlier.end_ns <= later.start_ns for earlier, later in pairwise(session.calls))


def test_threads_live_as_long_as_the_session():
    busy = Busy()
    run_session(busy.strategy(SyncStrategy), steps_of(5, 5, 5), TARGET, no_window, concurrency_count=5)
    assert len(busy.threads) <= 5
    assert not any(thread.is_alive() for thread in busy.threads)


@KINDS
def test_the_first_failure_ends_a_session_and_leaves_nothing_behind(kind):
    busy = Busy(fail_at="/3")
    with pytest.raises(ConnectionError, match="no"):
        run_session(busy.strategy(kind), steps_of(100, 5), TARGET, no_window, concurrency_count=2)
    assert busy.now == 0
    assert len(busy.paths) < 50
    assert not any(thread.is_alive() for thread in busy.threads - {threading.main_thread()})


@pytest.mark.parametrize(("concurrency_count", "sizes"), [(1, [5, 2]), (2, [2, 2, 1, 2]), (5, [5, 2]), (9, [5, 2])])
def test_who_sends_together_itself_is_handed_so_many_at_a_time(concurrency_count, sizes):
    handed = []

    @asynccontextmanager
    async def enter(_target):
        async def send_all(calls):
            handed.append(len(calls))
            return [Answer() for _ in calls]

        yield InParallel(None, send_all)

    strategy = AsyncStrategy("all", "", "", None, "one", "origins", "batch", "script", {}, "", enter)
    run_session(strategy, steps_of(5, 2), TARGET, no_window, concurrency_count=concurrency_count)
    assert handed == sizes


@KINDS
def test_pauses_are_made_before_their_steps(kind):
    session = run_session(Busy().strategy(kind), steps_of(1, 1, pause_s=0.05), TARGET, no_window)
    first, second = session.calls
    assert first.start_ns - session.start_ns >= 50e6
    assert second.start_ns - first.end_ns >= 50e6


# --- claims ---------------------------------------------------------------------------------------------------


def in_flight(*counts):
    """Calls of which so many overlap, origin by origin."""
    return [
        CallTime(f"origin-{origin}", 0, 10, Place(number, 1, 1))
        for origin, count in enumerate(counts)
        for number in range(count)
    ]


LATER = CallTime("origin-0", 11, 12, Place(99, 1, 1))


def amounts_of(calls, *, on_loop=True, read=True, **case):
    axes.enter(case)
    if read:
        axes.current()
    found = Axes(**case).amounts(calls, on_loop=on_loop)
    return found["handshakes"]["origins"], found.get("at_most", {}).get("origins")


@pytest.mark.parametrize(
    ("case", "calls", "on_loop", "expected"),
    [
        ({}, in_flight(1, 1), True, (2, None)),
        ({"concurrency_count": 20}, [*in_flight(20), LATER], True, (20, None)),
        ({"concurrency_count": 21}, [*in_flight(21), LATER], True, (21, 22)),
        ({"concurrency_count": 10}, in_flight(10), False, (1, 10)),
        ({"concurrency_count": 10, "workload": "burst"}, in_flight(10), False, (10, None)),
        ({"concurrency_count": 10}, in_flight(4, 6), True, (2, 10)),
        ({"concurrency_count": 10, "limits": "below", "workload": "burst"}, in_flight(10), True, (5, None)),
        ({"concurrency_count": 10, "limits": "below"}, in_flight(4, 6), True, (2, 10)),
        ({"concurrency_count": 40, "limits": "below", "workload": "burst"}, in_flight(40), True, (20, None)),
        ({"concurrency_count": 42, "limits": "below", "workload": "burst"}, in_flight(42), True, (21, 42)),
        ({"concurrency_count": 10, "http_version": "2"}, in_flight(10), True, (1, None)),
        ({"concurrency_count": 10, "client_library": "aiohttp==3.14.5"}, in_flight(10), True, (1, 10)),
        ({"workload": "gaps-long"}, in_flight(1), True, (1, None)),
        ({"workload": "gaps-long"}, [*in_flight(1), *in_flight(1)], True, (2, None)),
    ],
)
def test_what_a_pool_is_held_to(case, calls, on_loop, expected):
    assert amounts_of(calls, on_loop=on_loop, **case) == expected


def test_pools_of_threads_are_bounded_where_it_is_not_known_which_thread_calls_what():
    calls = [CallTime(f"origin-{number % 2}", 0, 10, Place(1, number, 0)) for number in range(10)]
    axes.enter({})
    bounded = Axes(concurrency_count=10).amounts(calls, on_loop=False)
    assert (bounded["handshakes"]["threads"], bounded["at_most"]["threads"]) == (2, 10)
    together = Axes(concurrency_count=10, workload="burst").amounts(calls, on_loop=False)
    assert (together["handshakes"]["threads"], together.get("at_most")) == (10, None)


def test_the_loops_pool_is_held_to_the_same_as_one_for_all():
    axes.enter({})
    found = Axes(concurrency_count=10).amounts(in_flight(4, 6), on_loop=True)
    assert found["handshakes"]["loops"] == found["handshakes"]["origins"] == 2
    assert found["at_most"] == {"origins": 10, "loops": 10}


def test_http2_counts_for_those_alone_that_were_made_with_it():
    case = {"concurrency_count": 10, "http_version": "2"}
    assert amounts_of(in_flight(10), read=False, **case) == (10, None)
    assert amounts_of(in_flight(10), **case) == (1, None)


def test_truststore_makes_two_contexts_for_each():
    axes.enter({"trust_store": "truststore"})
    calls = in_flight(3, 2)
    plain = Axes().amounts(calls, on_loop=True)["contexts"]
    axes.current()
    doubled = Axes(trust_store="truststore").amounts(calls, on_loop=True)["contexts"]
    assert doubled == {word: 2 * count for word, count in plain.items()} | {"calls": 10, "origins": 4, "one": 2}


# --- on the wire ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def servers():
    running = {}
    with ExitStack() as stack:

        def server_for(case):
            options = server_options(case)
            key = tuple(options.items())
            if key not in running:
                running[key] = stack.enter_context(serve(ORIGINS, **options))
            return running[key]

        yield server_for


@pytest.fixture
def measure(servers, monkeypatch):
    """Runs the counts pass of a case, here."""

    def run(strategy, workload, calls_count, kind="counts", **values):
        case = msgspec.to_builtins(Case(strategy=strategy, workload=workload, calls_count=calls_count, **values))
        server = servers(case)
        variables, _done = child_variables(server.target, case)
        for name in os.environ.keys() - variables.keys():
            monkeypatch.delenv(name)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        before = server.settled_ledger(timeout_s=10)
        outcome = passes.PASSES[kind](case, server.target, {"rounds_count": 2})
        outcome["ledger"] = ledger_sums(server.settled_ledger(timeout_s=10).minus(before))
        gathered = Gathered(note_of(strategy)[0])
        gathered.fold(kind, outcome)
        return gathered.measured()

    return run


def told(measured: Measured):
    assert [problem.sentence for problem in measured.problems] == []
    counts = measured.counts
    return counts.client.contexts_count, counts.client.ca_loads_count, counts.client.handshakes_full_count


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (("tuned-client", "llm-session", 10), (1, 1, 2)),
        (("tuned-per-call", "llm-session", 5), (5, 5, 5)),
    ],
)
def test_without_axes_the_tuned_strategies_are_like_the_plain_ones(measure, case, expected):
    assert told(measure(*case)) == expected


@pytest.mark.parametrize(
    ("trust_store", "contexts", "loads"),
    [("system-file", 3, 3), ("system-directory", 3, 3), ("our-ca", 3, 3), ("none", 3, 0), ("truststore", 6, 3)],
)
def test_trust_stores(measure, trust_store, contexts, loads):
    assert told(measure("tuned-per-call", "single-origin", 3, trust_store=trust_store)) == (contexts, loads, 3)


@pytest.mark.parametrize("trust_store", ["system-directory", "our-ca"])
def test_plain_code_takes_its_trust_store_from_the_surroundings(measure, trust_store):
    assert told(measure("per-call-async", "single-origin", 2, trust_store=trust_store)) == (2, 2, 2)


def test_the_directory_is_what_the_client_was_given(measure, monkeypatch):
    seen = []
    original = ssl.SSLContext.load_verify_locations

    def load(context, cafile=None, capath=None, cadata=None):
        seen.append((cafile, capath))
        return original(context, cafile, capath, cadata)

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", load)
    measure("one-client", "single-origin", 1, trust_store="system-directory")
    assert seen == [(None, os.environ["SSL_CERT_DIR"])]


@pytest.mark.parametrize(("axis", "value"), [("limits", "at"), ("trust_store", "none"), ("trust_store", "truststore")])
def test_who_does_not_heed_an_axis_is_told_of(measure, axis, value):
    measured = measure("one-client", "single-origin", 1, **{axis: value})
    (problem,) = [problem for problem in measured.problems if problem.code == "blind-spot"]
    assert problem.sentence.startswith("one-client does not heed limits=")
    assert f"{axis}={value}" in problem.sentence


def test_http2_is_spoken_and_read_from_the_wire(measure):
    measured = measure("tuned-client", "llm-session", 10, http_version="2")
    assert told(measured) == (1, 1, 2)
    assert measured.counts.ledger.alpn == {"h2": 2}


def test_http2_that_was_asked_for_and_not_spoken_is_said(measure):
    measured = measure("one-client", "llm-session", 10, http_version="2")
    assert [(problem.code, problem.sentence) for problem in measured.problems] == [
        ("http-version", "HTTP/2 was asked for and not spoken: 2 of 2 connections spoke HTTP/1.1.")
    ]


@pytest.mark.once
@pytest.mark.parametrize(
    ("strategy", "limits", "http_version", "handshakes"),
    [
        ("tuned-client", "default", "1.1", 8),
        ("tuned-client", "below", "1.1", 4),
        ("tuned-client", "at", "1.1", 8),
        ("tuned-client", "above", "1.1", 8),
        ("tuned-client", "default", "2", 1),
        ("tuned-per-call", "default", "1.1", 24),
        ("sync-client", "default", "1.1", 8),
    ],
)
def test_bursts_cost_a_connection_for_each_call_in_flight(measure, strategy, limits, http_version, handshakes):
    measured = measure(strategy, "burst", 24, concurrency_count=8, limits=limits, http_version=http_version)
    assert told(measured)[2] == handshakes
    assert measured.counts.amounts.at_most == {}


@pytest.mark.once
def test_more_than_the_pool_keeps_makes_new_connections_in_each_burst(measure):
    measured = measure("tuned-client", "burst", 60, concurrency_count=30)
    assert 30 < told(measured)[2] <= 60
    assert measured.counts.amounts.at_most == {"origins": 60, "loops": 60}


@pytest.mark.once
@pytest.mark.parametrize(("strategy", "gap", "handshakes"), [
    ("one-client", "gaps-short", 1), ("tuned-client", "gaps-short", 1),
    ("one-client", "gaps-long", 3), ("tuned-client", "gaps-long", 3),
])  # fmt: skip
def test_gaps(measure, strategy, gap, handshakes):
    assert told(measure(strategy, gap, 3)) == (1, 1, handshakes)


def test_the_timing_pass_needs_no_pytest(measure):
    measured = measure("tuned-client", "single-origin", 7, "timing", concurrency_count=3)
    assert measured.problems == ()
    (timing,) = measured.timing
    assert (timing.calls_count, timing.warmup_calls_count, timing.warmup_origins_count) == (7, 5, 1)
    assert [len(latencies) for latencies in timing.latency_ns] == [7, 7]
    assert all(max(latencies) <= wall for latencies, wall in zip(timing.latency_ns, timing.wall_ns, strict=True))
    assert timing.ledger.requests_count == 2 * 7 + 5


def test_gaps_are_warmed_up_by_a_single_call():
    assert [Axes(calls_count=count).warmup_calls_count for count in (1, 4, 5, 6, 40)] == [1, 4, 5, 5, 5]
    assert Axes(workload="gaps-long").warmup_calls_count == 1
