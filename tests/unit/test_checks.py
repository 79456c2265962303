import pytest
from msgspec.structs import replace

from connprof.checks import problems_of
from connprof.model import ClientCounts, Measured
from tests import samples

NAME = "client-per-helper"


def note(name=NAME):
    return next(each for each in samples.report().strategies if each.name == name)


def good(name=NAME) -> Measured:
    outcome = next(record.outcome for record in samples.report().records if record.case.strategy == name)
    return replace(outcome, problems=())


def codes(measured, name=NAME):
    return [problem.code for problem in problems_of(note(name), measured)]


@pytest.mark.parametrize("name", [each.name for each in samples.report().strategies])
def test_passes_that_agree_have_no_problem(name):
    assert problems_of(note(name), good(name)) == ()


def client(measured, **counts):
    return replace(measured, counts=replace(measured.counts, client=replace(measured.counts.client, **counts)))


def ledger_of(measured, which, **counts):
    """The same with another ledger in one pass."""
    if which in {"counts", "memory", "retained"}:
        each = getattr(measured, which)
        return replace(measured, **{which: replace(each, ledger=replace(each.ledger, **counts))})
    first, *rest = getattr(measured, which)
    return replace(measured, **{which: (replace(first, ledger=replace(first.ledger, **counts)), *rest)})


@pytest.mark.parametrize(
    "field", ["handshakes_full_count", "handshakes_resumed_count", "handshakes_failed_count", "connections_count",
              "requests_count"]
)  # fmt: skip
@pytest.mark.parametrize("difference", [-1, 1])
def test_a_client_that_is_off_by_one_is_found(field, difference):
    value = getattr(good().counts.client, field) or 0
    if value + difference < 0:
        return
    assert "client-ledger" in codes(client(good(), **{field: value + difference}))


def test_an_observer_that_is_switched_off_is_found():
    nothing = replace(good(), counts=replace(good().counts, client=ClientCounts()))
    assert {"client-ledger", "claim"} <= set(codes(nothing))


def test_requests_that_no_library_shows_are_not_held_against_the_client():
    assert codes(client(good(), requests_count=None)) == []


@pytest.mark.parametrize("which", ["counts", "memory", "retained", "growth", "timing"])
def test_a_request_that_is_lost_in_any_pass_is_found(which):
    part = getattr(good(), which)
    part = part[0] if isinstance(part, tuple) else part
    assert "requests" in codes(ledger_of(good(), which, requests_count=part.ledger.requests_count - 1))


@pytest.mark.parametrize("which", ["memory", "retained", "timing"])
@pytest.mark.parametrize("difference", [-1, 1])
def test_a_handshake_that_only_one_pass_made_is_found(which, difference):
    part = getattr(good(), which)
    part = part[0] if isinstance(part, tuple) else part
    changed = part.ledger.handshakes_full_count + difference
    assert "passes" in codes(ledger_of(good(), which, handshakes_full_count=changed, connections_count=changed))


def test_a_server_whose_two_counters_disagree_is_found():
    assert "ledger" in codes(ledger_of(good(), "memory", connections_count=99))
    assert "ledger" in codes(ledger_of(good(), "memory", disagreements=("OpenSSL says 5, the protocol 4.",)))


def test_a_connection_left_open_is_found():
    assert "left-open" in codes(ledger_of(good(), "counts", connections_open_count=1))


def test_a_strategy_that_does_not_do_what_it_claims_is_found():
    measured = good("per-call-async")
    assert "claim" in codes(measured, "one-client")


def test_a_blind_spot_is_a_problem():
    assert "blind-spot" in codes(replace(good(), counts=replace(good().counts, blind_spots=("pycurl is in use.",))))
