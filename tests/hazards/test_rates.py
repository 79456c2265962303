"""Probes of rare rates, on strategies that are made to fail: attempts and hits are counted right."""

import json
import os
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import pytest

from bench.hazards import h04s_fork_over_tls_at_will as h4s
from bench.hazards import h07s_threads_on_few_connections as h7s
from bench.hazards.registry import load
from bench.hazards.subject import Subject
from bench.registry import load as load_strategy

pytestmark = pytest.mark.once

PARENT = os.getpid()


def subject(send):
    """A strategy whose every call is answered by ``send``, which is told the resource's name."""

    @contextmanager
    def enter(_target):
        def answer(call):
            path = send(call.path.rstrip("/").rpartition("/")[2]) or call.path
            return SimpleNamespace(status_code=200, content=json.dumps({"path": path}).encode())

        yield answer

    return Subject(replace(load_strategy("shared-sync-client"), enter=enter))


def stage(**counts):
    server = SimpleNamespace(target=None, ask=lambda _op: counts)
    return SimpleNamespace(start=lambda *_module: server, progress=lambda *_so_far: None)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_wrong_answers_in_forked_children_are_a_rate_and_failures_are_not(monkeypatch):
    def send(name):
        if os.getpid() == PARENT:
            return None
        child = int(name.rpartition("-")[2])
        if child == 1:
            raise OSError("the connection is gone")
        return "/another's/" if child == 2 else None

    monkeypatch.setattr(h4s, "ROUNDS_COUNT", 3)
    found = h4s.probe(subject(send), stage(open=1, failures={"BAD_MAC": 3}))
    assert (found.outcome, found.attempts_count, found.harmed_count, found.failed_count) == ("silent harm", 12, 3, 0)
    assert found.observed == {"failed": 3, "server saw BAD_MAC": 3}

    only_failing = subject(lambda name: send(name.replace("-2", "-1")))
    found = h4s.probe(only_failing, stage(open=1, failures={}))
    assert (found.outcome, found.attempts_count, found.harmed_count) == ("held", 12, 0)
    assert found.observed == {"failed": 6}
    assert "6 failed, as under H4" in found.symptom


def test_children_that_inherit_no_connection_are_not_counted():
    found = h4s.probe(subject(lambda _name: None), stage(open=0))
    assert (found.outcome, found.attempts_count) == ("does not apply", 0)


def test_failures_of_threads_on_few_connections_are_counted(monkeypatch):
    def send(name):
        if name.endswith("7"):
            raise OSError("[Errno 9] Bad file descriptor")

    monkeypatch.setattr(h7s, "Dials", lambda **_options: None)
    found = h7s.probe(subject(send), stage(connections=2))
    assert (found.outcome, found.attempts_count, found.failed_count, found.harmed_count) == ("broke", 400, 40, 0)
    assert found.errors == {"OSError: [Errno 9] Bad file descriptor": 40}
    assert found.observed == {"connections": 2}


@pytest.mark.parametrize(
    ("hazard", "strategy"),
    [
        ("H4s", "one-client"),
        ("H4s", "process-pool"),
        ("H7s", "module-client"),
        ("H7s", "sync-client"),
        ("H7s", "per-call-get"),
    ],
)
def test_a_strategy_that_cannot_meet_a_rare_hazard_is_told_why(hazard, strategy):
    assert load(hazard).statistical
    found = load(hazard).probe(Subject(load_strategy(strategy)), None)
    assert (found.outcome, found.attempts_count) == ("does not apply", 0)
    assert found.symptom.endswith(".")


def test_a_probe_meets_the_real_thing(prober):
    """That is chance; that nothing about the probe itself fails is not."""
    cells = prober.probe_all((), (), pairs=[("thread-local", "H4s"), ("thread-local", "H7s")])
    assert [cell.attempts_count for cell in cells] == [80, 400]
    assert cells[0].outcome.value in {"held", "silent harm"}
    assert cells[0].observed["failed"] > 0
    assert cells[1].signature == "held"
