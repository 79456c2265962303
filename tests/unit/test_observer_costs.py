"""Figures of ``nox -s overhead``: from CPU times of blocks, in one process or several, to ratios."""

from __future__ import annotations

import gc
import random
import sys
import weakref
from contextlib import asynccontextmanager, contextmanager

import pytest

from bench import observer_costs
from bench.observer_costs import _shares, cost_of
from bench.observer_instructions import counted, instructions_of
from bench.observer_work import Work, _blocks
from connprof.errors import RunError


def outcome(*rounds):
    off, on, again = zip(*rounds, strict=True)
    return {"off_ns": off, "on_ns": on, "again_ns": again, "requests_count": 10}


def test_ratios_are_over_the_geometric_mean_and_each_process_has_its_median():
    slow = outcome(*[(1_000_000, 1_030_000, 1_000_000)] * 6)
    fast = outcome(*[(4_000_000, 2_020_000, 1_000_000)] * 7)
    cost = cost_of("httpx-sync-pooled", "observer", [slow, fast])
    assert cost.by_process == pytest.approx((1.01, 1.03))
    assert cost.ratio.median == pytest.approx(1.01)
    assert cost.rounds_count == 13
    assert cost.identical.median == pytest.approx(0.25)
    assert cost.request_us == pytest.approx(100)
    assert cost.kept


def test_the_limit_is_for_the_observer_and_by_the_median():
    rounds = outcome(*[(1_000_000, 1_030_000, 1_000_000)] * 6)
    assert not cost_of("httpx-sync-pooled", "observer", [rounds]).kept
    assert cost_of("httpx-sync-pooled", "cProfile", [rounds]).kept


@pytest.mark.parametrize(
    ("rounds_count", "processes_count", "shares"),
    [(80, 5, [16] * 5), (8, 5, [8]), (20, 5, [6, 7, 7]), (6, 1, [6])],
)
def test_rounds_are_shared_out_and_no_process_has_too_few(rounds_count, processes_count, shares):
    assert _shares(rounds_count, processes_count) == shares


class Cycle:
    """What only a garbage collection drops, as it does a client's SSL context."""

    def __init__(self):
        self.itself = self


def work_of(ask, *, is_async):
    """Five timed requests after three others, each made by ``ask``."""

    async def async_ask(count):
        ask(count)

    @contextmanager
    def enter(_url, _size_bytes):
        yield ask

    @asynccontextmanager
    async def async_enter(_url, _size_bytes):
        yield async_ask

    return Work(async_enter if is_async else enter, 5, 3, 1.01, is_async=is_async)


@pytest.mark.parametrize("is_async", [False, True])
def test_a_block_pays_for_all_of_its_own_garbage_and_for_no_other(is_async):
    dropped = []

    def ask(count):
        for _ in range(count):
            weakref.finalize(Cycle(), dropped.append, 1)

    gc.disable()
    try:
        with _blocks(work_of(ask, is_async=is_async), "", 0, lambda: len(dropped), random.Random(1)) as block:
            assert [block(), block()] == [5, 5]
    finally:
        gc.enable()


@pytest.mark.parametrize("is_async", [False, True])
def test_when_the_first_collection_comes_in_a_block_is_drawn(is_async):
    made_counts = []

    def ask(_count):
        made_counts.append(gc.get_count()[0])

    gc.disable()
    try:
        with _blocks(work_of(ask, is_async=is_async), "", 0, lambda: 0, random.Random(1)) as block:
            for _ in range(20):
                block()
    finally:
        gc.enable()
    timed = made_counts[1::2]
    threshold = gc.get_threshold()[0]
    assert min(timed) < threshold / 4
    assert max(timed) > threshold * 3 / 4


def test_what_few_and_more_requests_have_alike_is_no_request_s():
    found = instructions_of("work", "observer", [(1_000, 2_000, 5_000, 6_010), (0, 1_000, 0, 1_030)], 10)
    assert found.off == 100
    assert found.added == pytest.approx((1, 3))
    assert found.ratio == pytest.approx(1.02)


VALGRIND = """
import json, os, sys
job = json.loads(sys.stdin.readline())
out = next(each.partition("=")[2] for each in sys.argv if each.startswith("--callgrind-out-file="))
added = 7 * int(os.environ["PYTHONHASHSEED"]) if job["is_on"] else 0
open(out, "w").write(f"events: Ir\\nsummary: 1\\ntotals: {1_000_000 + (100 + added) * job['requests_count']}\\n")
print(json.dumps({"outcome": {"requests_count": job["requests_count"]}}))
"""


def valgrind(tmp_path, monkeypatch, source):
    file = tmp_path / "valgrind"
    file.write_text(f"#!{sys.executable}\n{source}", "utf-8")
    file.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    said = []
    job = {"work": "http.client-pooled", "tool": "observer"}
    return counted("http.client-pooled", "observer", job, {}, folder=tmp_path, say=said.append), said


def test_instructions_are_counted_with_and_without_for_each_hash_seed(tmp_path, monkeypatch):
    found, said = valgrind(tmp_path, monkeypatch, VALGRIND)
    assert (found.off, found.added, found.ratio) == (100, (0, 7, 14), 1.07)
    assert said == [f"http.client-pooled, observer, hash seed {seed}" for seed in range(3)]


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("raise SystemExit(3)", "was not counted: its process ended with exit code 3"),
        ("""print('{"outcome": {}}')""", "was not counted: .*No such file"),
        (VALGRIND.replace("totals", "less"), "was not counted: valgrind wrote no total"),
    ],
)
def test_what_cannot_be_counted_is_said(tmp_path, monkeypatch, source, says):
    with pytest.raises(RunError, match=f"http.client-pooled under observer {says}"):
        valgrind(tmp_path, monkeypatch, source)


def test_few_rounds_decide_nothing(monkeypatch):
    cost = cost_of("httpx-sync-pooled", "observer", [outcome(*[(1_000_000, 1_500_000, 1_000_000)] * 6)])
    monkeypatch.setattr(observer_costs, "_measured", lambda *_arguments: cost)
    options = ["--work", "httpx-sync-pooled", "--tool", "observer"]
    assert observer_costs.overhead.main(options, standalone_mode=False) == 1
    assert observer_costs.overhead.main([*options, "--quick"], standalone_mode=False) == 0


def test_without_valgrind_nothing_is_counted(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RunError, match="Instructions are counted by valgrind, which is not installed"):
        counted("http.client-pooled", "observer", {}, {}, folder=tmp_path, say=print)
