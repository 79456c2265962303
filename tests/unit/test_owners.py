"""What is reckoned from when things happened."""

from __future__ import annotations

import pytest

from connprof.observe import owners
from connprof.observe.owners import Pacing, Replay, Use


def uses(*spans, spent=(), together=False):
    return [Use(start, end, number in spent, together) for number, (start, end) in enumerate(spans)]


def opened(played, expiry_ns=None, limit=None):
    replay = Replay()
    replay.play(played, expiry_ns, limit)
    return replay.opened


def test_threads_that_tell_late_make_no_time_negative():
    pacing = Pacing()
    for made_ns in (30, 10, 20, 50, 40):
        pacing.add(made_ns)
    assert (pacing.gap_median_ns, pacing.half_ns) == (10, 30)


@pytest.mark.parametrize(
    ("spans", "count"),
    [
        (((0, 1), (1, 2), (2, 3)), 1),
        (((2, 3), (0, 1), (1, 2)), 1),
        (((0, 2), (1, 3), (3, 4)), 2),
        (((0, 9), (1, 2), (2, 3), (3, 4)), 2),
    ],
)
def test_a_call_gets_the_connection_of_one_that_is_over(spans, count):
    assert opened(uses(*spans)) == count


@pytest.mark.parametrize(("spent", "count"), [((), 1), ((0,), 2), ((2,), 1), ((0, 1, 2), 3)])
@pytest.mark.parametrize("together", [False, True])
def test_a_connection_that_is_spent_is_had_by_no_other_call(spent, count, together):
    assert opened(uses((0, 1), (1, 2), (2, 3), spent=spent, together=together)) == count


def test_one_connection_carries_all_that_can_be_carried_together():
    assert opened(uses((0, 5), (1, 6), (2, 3), together=True)) == 1


@pytest.mark.parametrize(("expiry_ns", "count"), [(9, 2), (10, 1), (None, 1)])
def test_idle_connections_expire(expiry_ns, count):
    assert opened(uses((0, 1), (11, 12)), expiry_ns) == count


def test_the_one_that_was_idle_for_the_shortest_time_decides_whether_any_is_left():
    assert opened(uses((0, 1), (0, 8), (9, 10)), 5) == 2


@pytest.mark.parametrize(("limit", "count"), [(1, 3), (2, 2), (None, 2)])
def test_a_pool_keeps_no_more_than_its_limit(limit, count):
    assert opened(uses((0, 1), (0, 1), (2, 3), (2, 3)), limit=limit) == count


def test_what_was_played_already_is_not_kept(monkeypatch):
    monkeypatch.setattr(owners, "_USES_KEPT_MAX", 3)
    group = owners.ClientGroup(owners.Story(), ("", 0, "", "unknown"), owners.Kind("x", "x.X", False, False), "", 1)
    share = group.share("api:443")
    for use in uses(*((number, number + 1) for number in range(10)), spent=(8,)):
        share.used(use, group)
    assert (share.needed((), group), share.needed(uses((10, 11), (10, 11)), group), share.spent) == (2, 3, 1)


def test_what_was_played_already_counts_without_a_limit_too(monkeypatch):
    monkeypatch.setattr(owners, "_USES_KEPT_MAX", 3)
    group = owners.ClientGroup(owners.Story(), ("", 0, "", "unknown"), owners.Kind("x", "x.X", False, False), "", 1)
    group.keepalive_limit = 1
    share = group.share("api:443")
    for use in uses(*[(number, number + 1) for number in range(0, 8, 2) for _ in range(2)]):
        share.used(use, group)
    assert (share.needed((), group), share.needed((), group, unlimited=True)) == (5, 2)
