import json
from dataclasses import replace

import pytest

from connprof_server import LedgerSnapshot, OriginLedger

EARLIER = OriginLedger(
    tcp_accepts_count=2,
    handshakes_full_count=2,
    connections_opened_count=2,
    connections_open_count=1,
    requests_count=5,
    requests_per_connection=(4, 1),
    tls_versions={"TLSv1.3": 2},
    ciphers={"A": 2},
    alpn={"none": 2},
)
LATER = OriginLedger(
    tcp_accepts_count=6,
    tcp_accepts_without_bytes_count=1,
    handshakes_full_count=3,
    handshakes_resumed_count=1,
    handshakes_failed_count=1,
    connections_opened_count=4,
    connections_open_count=2,
    requests_count=10,
    requests_per_connection=(4, 3, 2, 1),
    tls_versions={"TLSv1.3": 3, "TLSv1.2": 1},
    ciphers={"A": 2, "B": 2},
    alpn={"none": 4},
)


def test_minus_is_the_difference_of_counts_and_the_later_state():
    assert LATER.minus(EARLIER) == OriginLedger(
        tcp_accepts_count=4,
        tcp_accepts_without_bytes_count=1,
        handshakes_full_count=1,
        handshakes_resumed_count=1,
        handshakes_failed_count=1,
        connections_opened_count=2,
        connections_open_count=2,
        requests_count=5,
        requests_per_connection=(2, 1),
        tls_versions={"TLSv1.3": 1, "TLSv1.2": 1},
        ciphers={"B": 2},
        alpn={"none": 2},
    )


def test_minus_itself_leaves_only_the_state_of_now():
    assert LATER.minus(LATER) == OriginLedger(connections_open_count=2)


def test_minus_a_later_one_is_refused():
    with pytest.raises(ValueError, match="tcp_accepts_count was 6 in the earlier ledger and is 2"):
        EARLIER.minus(LATER)


def test_total_sums_all_origins():
    total = LedgerSnapshot({"a": EARLIER, "b": LATER}).total
    assert total.requests_count == 15
    assert total.requests_per_connection == (4, 1, 4, 3, 2, 1)
    assert total.tls_versions == {"TLSv1.3": 5, "TLSv1.2": 1}
    assert total.handshakes_count == 6


def test_total_of_one_is_that_one():
    assert LedgerSnapshot({"a": LATER}).total == LATER


def test_snapshot_minus_keeps_disagreements_and_notes():
    later = LedgerSnapshot({"a": LATER}, disagreements=("d",), notes=("n",))
    since = later.minus(LedgerSnapshot({"a": EARLIER}))
    assert since == LedgerSnapshot({"a": LATER.minus(EARLIER)}, disagreements=("d",), notes=("n",))


def test_snapshots_of_other_origins_cannot_be_subtracted():
    with pytest.raises(ValueError, match="origins differ: a and b"):
        LedgerSnapshot({"a": LATER}).minus(LedgerSnapshot({"b": EARLIER}))


def test_a_snapshot_survives_json():
    snapshot = LedgerSnapshot({"a": LATER, "b": EARLIER}, disagreements=("d",), notes=("n",))
    assert LedgerSnapshot.from_dict(json.loads(json.dumps(snapshot.to_dict()))) == snapshot


@pytest.mark.parametrize("name", ["connections_open_count", "handshakes_in_progress_count"])
def test_settled_means_nothing_open_and_nothing_in_progress(name):
    assert LedgerSnapshot({"a": OriginLedger(tcp_accepts_count=3)}).is_settled
    assert not LedgerSnapshot({"a": OriginLedger(), "b": replace(OriginLedger(), **{name: 1})}).is_settled
