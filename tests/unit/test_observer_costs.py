"""Figures of ``nox -s overhead``: from CPU times of blocks, in one process or several, to ratios."""

from __future__ import annotations

import gc
import weakref
from contextlib import asynccontextmanager, contextmanager

import pytest

from bench.observer_costs import _shares, cost_of
from bench.observer_work import Work, _blocks


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


@pytest.mark.parametrize("is_async", [False, True])
def test_a_block_pays_for_all_of_its_own_garbage_and_for_no_other(is_async):
    dropped = []

    def ask(count):
        for _ in range(count):
            weakref.finalize(Cycle(), dropped.append, 1)

    async def async_ask(count):
        ask(count)

    @contextmanager
    def enter(_url, _size_bytes):
        yield ask

    @asynccontextmanager
    async def async_enter(_url, _size_bytes):
        yield async_ask

    work = Work(async_enter if is_async else enter, 5, 3, 1.01, is_async=is_async)
    gc.disable()
    try:
        with _blocks(work, "", 0, lambda: len(dropped)) as block:
            assert [block(), block()] == [5, 5]
    finally:
        gc.enable()
