"""Each client-side probe on a strategy that must break, how exactly, and on one that must hold."""

import pytest

from bench.hazards.registry import load
from bench.hazards.runner import as_expected

CLOSED = "RuntimeError: Event loop is closed"
ELSEWHERE = "RuntimeError: asyncio.locks.Event is bound to a different event loop"
GONE = "RemoteProtocolError: Server disconnected without sending a response."

# hazard -> what must break, its signature, its exact errors; what must hold
BREAKS_AND_HOLDS = {
    "H1": ("module-client", "broke 2 of 5: RuntimeError", {CLOSED: 2}, "per-call-async"),
    "H1b": ("lazy-service", "silent harm 5 of 10: RuntimeError", {CLOSED: 5}, "client-on-loop"),
    "H1c": ("module-client", "broke 12 of 16: PoolTimeout, RuntimeError", {CLOSED: 4}, "loop-registry"),
    "H2": ("module-client", "broke 6 of 12: RuntimeError", {ELSEWHERE: 6}, "shared-sync-client"),
    "H3": ("lazy-service", "hung", {}, "lazy-service-mended"),
    "H4": ("shared-sync-client", "broke 2 of 3: RemoteProtocolError", {GONE: 2}, "per-call-get"),
    "H4b": ("thread-local", "silent harm 2 of 2", {}, "per-call-client"),
    "H8": ("one-client", "silent harm 10 of 20: ReadError", {"ReadError": 10}, "lazy-service-mended"),
    "H11": ("one-client", "broke 3 of 3: PoolTimeout", {"PoolTimeout": 3}, "per-call-shared-context"),
    "H13": ("thread-local", "broke 3 of 3: ResourceWarning", {}, "sync-client"),
    "H15": ("loop-weak-registry", "silent harm 40 of 40", {}, "loop-registry"),
    "H16": ("gather", "silent harm 9 of 10: ReadError", {"ReadError": 9}, "task-group"),
}  # fmt: skip
ASKED = [(strategy, hazard) for hazard, row in BREAKS_AND_HOLDS.items() for strategy in (row[0], row[3])]
SPARED = {
    "H1": "per-call-get", "H1b": "floor", "H1c": "shared-sync-client", "H3": "one-client", "H8": "module-client",
    "H11": "thread-local", "H15": "gather", "H16": "sync-client",
}  # fmt: skip


@pytest.fixture(scope="module")
def cells(prober):
    """All cells, probed two at a time."""
    found = prober.probe_all((), (), pairs=ASKED + [(strategy, hazard) for hazard, strategy in SPARED.items()])
    return {(cell.strategy, cell.hazard): cell for cell in found}


@pytest.mark.once
@pytest.mark.parametrize("hazard", BREAKS_AND_HOLDS)
def test_a_probe_breaks_what_must_break_exactly_so_and_spares_what_must_hold(cells, hazard):
    breaks, signature, errors, holds = BREAKS_AND_HOLDS[hazard]
    broken, held = cells[breaks, hazard], cells[holds, hazard]
    assert broken.signature == signature, broken.symptom
    assert errors.items() <= broken.errors.items()
    assert held.signature == "held", held.symptom
    assert as_expected(broken)
    assert as_expected(held)


@pytest.mark.once
@pytest.mark.parametrize("hazard", SPARED)
def test_a_strategy_that_cannot_meet_a_hazard_is_told_why(cells, hazard):
    cell = cells[SPARED[hazard], hazard]
    assert cell.outcome.value == "does not apply"
    assert cell.symptom.endswith(".")


@pytest.mark.once
def test_what_the_server_saw_stands_beside_what_the_client_saw(cells):
    assert cells["lazy-service", "H1b"].observed["executed"] == 10
    assert cells["shared-sync-client", "H4"].observed["server saw DECRYPTION_FAILED_OR_BAD_RECORD_MAC"] == 1
    assert cells["one-client", "H8"].observed["open after the close"] == 10
    assert cells["one-client", "H8"].observed["open after the garbage collector"] == 0
    assert cells["lazy-service", "H3"].observed["contexts made by 50 tasks"] == 1
    assert cells["thread-local", "H13"].observed["exit code"] == 0
    assert cells["loop-weak-registry", "H15"].observed == {"open half-way": 20, "open in the end": 40}
    assert cells["task-group", "H16"].observed["executed"] == 10


def test_two_threads_at_will_are_a_rate(prober):
    cell = prober.probe("H2s", "thread-local")
    assert (cell.outcome.value, cell.attempts_count, cell.expected) == ("held", 100, None)
    assert load("H2s").statistical
    assert load("H2s").timed


UNCLOSED = """
a.py:1: ResourceWarning: unclosed event loop <_UnixSelectorEventLoop running=False>
sys:1: ResourceWarning: unclosed <socket.socket fd=11, family=2, type=1>
b.py:864: ResourceWarning: unclosed transport <_SelectorSocketTransport fd=11>
sys:1: ResourceWarning: unclosed <ssl.SSLSocket fd=11, family=2, type=1>
b.py:864: ResourceWarning: unclosed transport <_SelectorSocketTransport fd=9>
sys:1: ResourceWarning: unclosed file <_io.FileIO name=3>
"""


def test_a_connection_is_counted_once_however_often_it_is_warned_of():
    from bench.hazards.h13_never_closed import unclosed

    assert unclosed(UNCLOSED) == 3
    assert unclosed("") == 0
