"""Figures of ``nox -s overhead``: from CPU times of blocks, in one process or several, to ratios."""

from __future__ import annotations

import pytest

from bench.observer_costs import _shares, cost_of


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
