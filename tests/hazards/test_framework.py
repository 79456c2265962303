"""How hazards are found, strategies are held, and findings become cells."""

import asyncio
import sys
import threading
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from types import SimpleNamespace

import pytest

import bench.hazards
from bench.hazards import registry, runner
from bench.hazards.finding import Finding, Reply, Tally, does_not_apply, error_text
from bench.hazards.registry import HazardError, hazard, load, names
from bench.hazards.runner import as_expected, expected_signature, notes
from bench.hazards.subject import Subject, call_of, reply_to
from bench.libraries import PER_CALL, SHARED
from bench.registry import load as load_strategy
from bench.registry import names as strategy_names
from connprof.model import HazardOutcome, SafetyCell

CALL = call_of("one")


# --- the registry ---------------------------------------------------------------------------------------------


def test_every_hazard_says_what_it_is_and_its_signatures_are_of_strategies_and_outcomes_that_exist():
    assert {"H1", "H1b", "H1c", "H2", "H2s", "H3", "H4", "H4b", "H8", "H11", "H13", "H15", "H16"} <= set(names())
    outcomes = tuple(outcome.value for outcome in HazardOutcome)
    for note in notes():
        loaded = load(note.id)
        assert loaded.title
        assert loaded.raised_by
        assert note.source.startswith("bench/hazards/h")
        assert {name.partition(" on ")[0] for name in loaded.signatures} <= {*strategy_names(), PER_CALL, SHARED}
        assert all(signature.startswith(outcomes) for signature in loaded.signatures.values())
        assert not (loaded.statistical and loaded.signatures), "a rate has no signature"


def test_hazards_come_in_the_order_of_their_numbers():
    order = names()
    assert order.index("H1") < order.index("H1b") < order.index("H1c") < order.index("H2") < order.index("H11")


def test_a_file_that_registers_another_hazard_is_refused_in_words():
    with pytest.raises(HazardError, match=r"test_framework\.py registers the hazard 'H1'; its file's name must begin"):

        @hazard("H1", title="x", raised_by="x")
        def probe(_subject, _stage):
            """Another one."""


@pytest.fixture
def hazards_of_a_test(tmp_path, monkeypatch):
    """Writes hazard files that take the place of all others."""
    monkeypatch.setattr(bench.hazards, "__path__", [str(tmp_path)])
    monkeypatch.setattr(registry, "_registry", {})
    yield lambda name, text: (tmp_path / f"{name}.py").write_text(text)
    for name in [name for name in sys.modules if name.startswith("bench.hazards.h9")]:
        del sys.modules[name]


PROBE = """
from bench.hazards.registry import hazard

@hazard("{}", title="x", raised_by="x")
def probe(subject, stage):
    {}
"""


def test_swapped_files_missing_probes_and_broken_ones_are_refused_in_words(hazards_of_a_test):
    hazards_of_a_test("h90b_swapped", PROBE.format("H91", '"""One."""'))
    hazards_of_a_test("h91_empty", "")
    hazards_of_a_test("h92_broken", "1 / 0")
    hazards_of_a_test("h93_untold", PROBE.format("H93", "return None"))
    hazards_of_a_test("h94_one", "")
    hazards_of_a_test("h94_other", "")
    hazards_of_a_test("stage_of_mine", "")
    assert names() == ["H90b", "H91", "H92", "H93", "H94"]
    for name, sentence in {
        "H90b": "h90b_swapped.py registers the hazard 'H91'",
        "H91": "h91_empty.py registers no hazard H91",
        "H92": "cannot be imported: ZeroDivisionError",
        "H93": "needs a docstring",
        "H94": "more than one file: h94_one.py, h94_other.py",
        "H95": "there is no hazard 'H95'; there are: H90b",
    }.items():
        with pytest.raises(HazardError, match=sentence.replace(".", r"\.")):
            load(name)


# --- findings -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (RuntimeError("Event loop is closed"), "RuntimeError: Event loop is closed"),
        (ValueError(), "ValueError"),
        (
            RuntimeError("<asyncio.locks.Event object at 0x7f00 [unset]> is bound to a different event loop"),
            "RuntimeError: asyncio.locks.Event is bound to a different event loop",
        ),
        (
            RuntimeError("Task <Task pending coro=<f() running at /x.py:3> cb=[<g at 0x1>()]> got a Future"),
            "RuntimeError: Task Task got a Future",
        ),
        (OSError("no answer from localhost:40123 at 0xdeadbeef"), "OSError: no answer from localhost:PORT at ADDRESS"),
        (OSError("[::1]:40123 in\n2 lines"), "OSError: [::1]:PORT in 2 lines"),
    ],
)
def test_an_error_is_told_exactly_but_for_what_differs_from_run_to_run(error, text):
    assert error_text(error) == text


def test_the_gravest_reply_decides_the_outcome():
    right, wrong = Reply(CALL), Reply(CALL, wrong="status 500")
    failed, hung = Reply(CALL, error="ReadError"), Reply(CALL, hung=True)
    assert Tally([right]).finding("x").outcome == "held"
    assert Tally([right, failed]).finding("x").outcome == "broke"
    assert Tally([failed, hung]).finding("x").outcome == "hung"
    found = Tally([failed, hung, wrong, right]).finding("x")
    assert (found.outcome, found.attempts_count, found.failed_count, found.harmed_count) == ("silent harm", 4, 1, 1)
    assert found.errors == {"ReadError": 1}
    assert found.observed == {"hung": 1}
    assert Tally([failed]).finding("x", harmed_count=1).outcome == "silent harm"
    assert does_not_apply("why") == Finding("does not apply", "why")


@pytest.mark.parametrize(
    ("status", "content", "wrong"),
    [
        (200, b'{"path": "/api/2/datasets/resources/one/"}', None),
        (200, b'{"path": "/api/2/datasets/resources/two/"}', "the answer to /api/2/datasets/resources/two/"),
        (200, b"{}", "an answer that cannot be read"),
        (200, b"", "an answer that cannot be read"),
        (500, b"", "status 500"),
    ],
)
def test_an_answer_that_is_not_the_callers_is_wrong(status, content, wrong):
    assert reply_to(CALL, SimpleNamespace(status_code=status, content=content)).wrong == wrong


# --- subjects -------------------------------------------------------------------------------------------------


def answered(call):
    return SimpleNamespace(status_code=200, content=b'{"path": "%s"}' % call.path.encode())


class Log:
    """A strategy that writes down where it is entered, used and left."""

    def __init__(self, scope, *, send=None, enter=None, leave=None):
        self.events = []
        self.scope = scope
        self._send = send or answered
        self._enter, self._leave = enter, leave

    def _happened(self, what, error=None):
        self.events.append(what)
        if error:
            raise error

    def plain(self):
        @contextmanager
        def enter(_target):
            self._happened("enter", self._enter)
            yield self._plain_send
            self._happened("leave", self._leave)

        return Subject(self._strategy("per-call-get", enter))

    def asynchronous(self):
        @asynccontextmanager
        async def enter(_target):
            self._happened("enter", self._enter)
            yield self._async_send
            self._happened("leave", self._leave)

        return Subject(self._strategy("per-call-async", enter))

    def subjects(self):
        return {"plain": self.plain, "asynchronous": self.asynchronous}

    def _plain_send(self, call):
        self.events.append("call")
        return self._send(call)

    async def _async_send(self, call):
        self.events.append("call")
        await asyncio.sleep(0)
        return self._send(call)

    def _strategy(self, like, enter):
        return replace(load_strategy(like), scope=self.scope, enter=enter)


KINDS = pytest.mark.parametrize("kind", ["plain", "asynchronous"])


@KINDS
@pytest.mark.parametrize(
    ("scope", "events"),
    [
        ("process", ["enter", "call", "call", "call", "leave"]),
        ("call", ["enter", "call", "call", "call", "leave"]),
        ("batch", ["enter", "call", "leave", "enter", "call", "call", "leave"]),
    ],
)
def test_a_strategy_is_entered_as_often_as_its_users_would(kind, scope, events):
    log = Log(scope)
    with log.subjects()[kind]().held(None) as held:
        assert held.call("one").is_right
        assert all(reply.is_right for reply in held.calls([CALL, CALL]))
    assert log.events == events


@KINDS
def test_what_calls_raise_is_what_their_callers_see(kind):
    def send(_call):
        raise RuntimeError("no")

    with Log("process", send=send).subjects()[kind]().held(None) as held:
        assert [reply.error for reply in held.calls([CALL, CALL])] == ["RuntimeError: no"] * 2


@KINDS
def test_a_batch_that_cannot_be_entered_costs_its_calls_and_one_that_cannot_be_left_costs_none(kind):
    with Log("batch", enter=OSError("shut")).subjects()[kind]().held(None) as held:
        assert [reply.error for reply in held.calls([CALL, CALL])] == ["OSError: shut"] * 2
    with Log("batch", leave=OSError("stuck")).subjects()[kind]().held(None) as held:
        assert [reply.error for reply in held.calls([CALL, CALL])] == [None, None]


@KINDS
def test_a_failure_to_leave_a_process_long_strategy_is_no_outcome(kind):
    log = Log("process", leave=OSError("stuck"))
    with log.subjects()[kind]().held(None) as held:
        assert held.call("one").is_right
    assert log.events[-1] == "leave"


@KINDS
@pytest.mark.parametrize("scope", ["process", "batch"])
def test_a_seat_calls_from_one_thread_of_its_own(kind, scope):
    threads = []

    def send(call):
        threads.append(threading.current_thread())
        return answered(call)

    with Log(scope, send=send).subjects()[kind]().held(None) as held, held.seat() as one, held.seat() as other:
        assert one.ask("a").is_right
        assert one.ask("b").is_right
        assert other.ask("c").is_right
    assert threads[0] is threads[1]
    assert len({*threads, threading.current_thread()}) == 3


@KINDS
def test_a_seat_gives_up_on_a_call_that_hangs(kind):
    over = threading.Event()

    def send(_call):
        over.wait(5)
        raise RuntimeError("too late")

    with Log("process", send=send).subjects()[kind]().held(None) as held, held.seat() as seat:
        assert seat.ask("one", limit_s=0.05).hung
        over.set()


@KINDS
def test_a_seat_that_cannot_be_taken_says_why(kind):
    with (
        Log("batch", enter=OSError("shut")).subjects()[kind]().held(None) as held,
        pytest.raises(OSError, match="shut"),
        held.seat(),
    ):
        pass


# --- what is expected -----------------------------------------------------------------------------------------


def cell(outcome, expected=None, *, hazard="H1", failed_count=0):
    return SafetyCell(
        strategy="one-client", hazard=hazard, outcome=outcome, attempts_count=5, failed_count=failed_count,
        symptom="x", command="x", expected=expected,
    )  # fmt: skip


def test_what_is_expected_is_what_is_declared_and_else_that_nothing_happens():
    assert as_expected(cell(HazardOutcome.HELD))
    assert as_expected(cell(HazardOutcome.DOES_NOT_APPLY))
    assert not as_expected(cell(HazardOutcome.BROKE, failed_count=2))
    assert as_expected(cell(HazardOutcome.BROKE, "broke 2 of 5", failed_count=2))
    assert not as_expected(cell(HazardOutcome.BROKE, "broke 2 of 5", failed_count=3))
    assert not as_expected(cell(HazardOutcome.HELD, "broke 2 of 5"))
    assert not as_expected(cell(HazardOutcome.NOT_PROBED))
    assert as_expected(cell(HazardOutcome.HUNG, hazard="H2s"))
    assert not as_expected(cell(HazardOutcome.NOT_PROBED, hazard="H2s"))


def test_a_strategys_own_declaration_comes_before_the_hazards(monkeypatch):
    loaded = SimpleNamespace(id="H1", signatures={"lazy-service": "broke 1 of 5", "one-client": "hung"})
    monkeypatch.setattr("bench.hazards.runner.load_strategy", lambda name: own[name])
    own = {"lazy-service": SimpleNamespace(signatures={"H1": "held"}), "one-client": SimpleNamespace(signatures={})}
    assert expected_signature(loaded, "lazy-service") == "held"
    assert expected_signature(loaded, "one-client") == "hung"


def test_another_library_has_signatures_of_its_own():
    loaded = SimpleNamespace(id="H1", signatures={"one-client": "hung", "a on x": "broke 1 of 5", "a on x==2": "held"})
    assert [expected_signature(loaded, "a", library) for library in ("x", "x==2", "x==3", "y")] == [
        "broke 1 of 5", "held", "broke 1 of 5", None,
    ]  # fmt: skip
    assert expected_signature(loaded, "one-client", "y") is None


def test_where_pythons_differ_either_signature_is_expected(monkeypatch):
    monkeypatch.setattr(
        "bench.hazards.runner.load", lambda _id: SimpleNamespace(statistical=False, signatures={}, id="H1")
    )
    monkeypatch.setattr(
        "bench.hazards.runner.load_strategy", lambda _name: SimpleNamespace(signatures={"H1": "broke 2 of 5 or hung"})
    )
    found = [
        runner._declared(cell(outcome, failed_count=count))
        for outcome, count in [(HazardOutcome.BROKE, 2), (HazardOutcome.HUNG, 0), (HazardOutcome.BROKE, 3)]
    ]
    assert [each.expected for each in found] == ["broke 2 of 5", "hung", "broke 2 of 5 or hung"]
    assert [as_expected(each) for each in found] == [True, True, False]
