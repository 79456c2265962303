import pytest
from msgspec.structs import replace

from connprof.checks import problems_of
from connprof.model import Amounts, ClientCounts, Measured
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


def test_a_claim_that_is_wrong_is_not_blamed_on_the_passes():
    measured = good()
    wrong = replace(note(), handshakes="calls")
    assert {problem.code for problem in problems_of(wrong, measured)} == {"claim"}


@pytest.mark.parametrize("field", ["context_bytes", "handshake_bytes", "io_bytes"])
def test_bytes_that_are_missing_where_there_were_events_are_found(field):
    measured = good()
    ssl = replace(measured.memory.ssl, **{field: 0})
    assert codes(replace(measured, memory=replace(measured.memory, ssl=ssl))) == ["memory"]


@pytest.mark.parametrize("field", ["context_bytes", "handshake_bytes", "io_bytes"])
@pytest.mark.parametrize(("each", "found"), [(99, ["memory"]), (100, [])])
def test_the_least_bytes_are_those_of_every_event(field, each, found):
    """Forty of each kind happened, so that the bytes of one are far too few."""
    measured = good("per-call-async")
    ssl = replace(measured.memory.ssl, **{field: 40 * each})
    assert codes(replace(measured, memory=replace(measured.memory, ssl=ssl)), "per-call-async") == found


@pytest.mark.parametrize(("more", "found"), [(0, set()), (1, {"passes"})])
def test_a_bound_allows_a_warm_up_one_connection_for_each_of_its_calls(more, found):
    measured = good()
    counts = replace(measured.counts, amounts=Amounts(handshakes={"origins": 5}, at_most={"origins": 9}))
    first, *rest = measured.timing
    most = 9 * len(first.wall_ns) + first.warmup_calls_count + more
    ledger = replace(first.ledger, handshakes_full_count=most, tcp_accepted_count=most, connections_count=most)
    changed = replace(measured, counts=counts, timing=(replace(first, ledger=ledger), *rest))
    assert set(codes(changed)) == found


@pytest.mark.parametrize(
    "change",
    [
        lambda timing: {"latency_ns": tuple(each[:-1] for each in timing.latency_ns)},
        lambda timing: {"latency_ns": timing.latency_ns[:-1]},
        lambda timing: {"latency_ns": (*timing.latency_ns, timing.latency_ns[0])},
        lambda timing: {"thread_time_ns": timing.thread_time_ns[:-1]},
        lambda timing: {"wall_ns": tuple(max(each) - 1 for each in timing.latency_ns)},
    ],
)
def test_latencies_that_are_not_one_per_call_are_found(change):
    measured = good()
    first, *rest = measured.timing
    assert "samples" in codes(replace(measured, timing=(replace(first, **change(first)), *rest)))


@pytest.mark.parametrize(
    ("latency_ns", "said"),
    [
        (0, "A timing process yielded a latency of 0 ns, and no call takes no time."),
        (10**15, "A timing process yielded a latency that is longer than the session it is part of."),
    ],
)
def test_latencies_that_cannot_be_are_said_to_be_so(latency_ns, said):
    measured = good()
    first, *rest = measured.timing
    (_, *others), *more = first.latency_ns
    changed = replace(measured, timing=(replace(first, latency_ns=((latency_ns, *others), *more)), *rest))
    assert said in {problem.sentence for problem in problems_of(note(NAME), changed)}


@pytest.mark.parametrize("field", ["handshakes_failed_count", "tcp_accepted_count", "handshakes_resumed_count"])
def test_each_count_that_only_one_pass_made_is_found(field):
    measured = good()
    value = getattr(measured.memory.ledger, field) + 1
    assert "passes" in codes(ledger_of(measured, "memory", **{field: value}))


def test_a_blind_spot_is_a_problem():
    assert "blind-spot" in codes(replace(good(), counts=replace(good().counts, blind_spots=("pycurl is in use.",))))


def bounded(handshakes_count, least, most):
    """A counts pass of a claim that is a bound, and a memory pass of as many handshakes."""
    measured = client(good(), handshakes_full_count=handshakes_count, connections_count=handshakes_count)
    for which in ("counts", "memory"):
        measured = ledger_of(
            measured, which, handshakes_full_count=handshakes_count, connections_count=handshakes_count,
            tcp_accepted_count=handshakes_count,
        )  # fmt: skip
    amounts = Amounts(handshakes={"origins": least}, at_most={"origins": most})
    return replace(measured, counts=replace(measured.counts, amounts=amounts), retained=None, timing=(), growth=())


@pytest.mark.parametrize(("count", "expected"), [(4, ["claim", "passes", "passes"]), (5, []), (7, []), (9, []),
                                                 (10, ["claim", "passes", "passes"])])  # fmt: skip
def test_a_claim_that_is_a_bound_is_held_to_it(count, expected):
    assert codes(bounded(count, 5, 9)) == expected


def test_passes_within_a_bound_need_not_agree_but_for_what_is_no_connection():
    measured = bounded(7, 5, 9)
    other = ledger_of(measured, "memory", handshakes_full_count=6, connections_count=6, tcp_accepted_count=6)
    assert codes(other) == []
    assert codes(ledger_of(other, "memory", handshakes_failed_count=1)) == ["passes"]


def test_of_one_the_sentence_speaks_as_of_one():
    claim = next(each for each in problems_of(replace(note(), contexts=1), good()) if each.code == "claim")
    assert claim.sentence == "client-per-helper is declared to make 1 SSL context here, but made 5."


def test_bounds_are_named_in_the_sentence():
    (claim, *_) = problems_of(note(), bounded(10, 5, 9))
    assert claim.sentence.startswith("client-per-helper is declared to make 5 to 9 full handshakes here")


@pytest.mark.parametrize(
    ("asked", "alpn", "sentence"),
    [
        ("1.1", {"http/1.1": 5}, None),
        ("2", {"h2": 5}, None),
        ("2", {"http/1.1": 5}, "HTTP/2 was asked for and not spoken: 5 of 5 connections spoke HTTP/1.1."),
        ("2", {"none": 5}, "HTTP/2 was asked for and not spoken: 5 of 5 connections spoke HTTP/1.1."),
        ("2", {"h2": 3, "http/1.1": 2}, "HTTP/2 was asked for and not spoken: 2 of 5 connections spoke HTTP/1.1."),
    ],
)
def test_http2_is_believed_from_the_wire_alone(asked, alpn, sentence):
    measured = ledger_of(good(), "counts", alpn=alpn)
    measured = replace(measured, counts=replace(measured.counts, http_version=asked))
    found = [problem.sentence for problem in problems_of(note(), measured) if problem.code == "http-version"]
    assert found == ([] if sentence is None else [sentence])


def of_claim(contexts, handshakes, *, words=None):
    """A case that made 4 contexts and 10 handshakes, under these claims; ``words`` is what was counted."""
    measured = good("per-call-async")
    known = Amounts(contexts=words or {}, handshakes=words or {})
    client = replace(measured.counts.client, contexts_count=4, handshakes_full_count=10)
    counts = replace(measured.counts, client=client, amounts=known)
    claims = replace(note(), contexts=contexts, handshakes=handshakes)
    return [problem.sentence for problem in problems_of(claims, Measured(counts=counts)) if problem.code == "claim"]


@pytest.mark.parametrize("number", [3, 4, 5])
@pytest.mark.parametrize("word", ["batches", "tasks", "threads", "loops", "processes", None])
def test_a_claim_about_contexts_is_held_to_the_number_itself(word, number):
    found = of_claim(word or number, 10, words={word: number})
    assert [sentence.rpartition(" made ")[2] for sentence in found] == ["4."] * (number != 4)
    assert all(f" {number} SSL contexts" in sentence for sentence in found)


@pytest.mark.parametrize("number", [9, 10, 11])
@pytest.mark.parametrize("word", ["origins", "tasks", "threads", "loops", None])
def test_a_claim_about_handshakes_is_held_to_the_number_itself(word, number):
    found = of_claim(4, word or number, words={word: number})
    assert [sentence.rpartition(" made ")[2] for sentence in found] == ["10."] * (number != 10)


def test_a_claim_about_something_that_nobody_counted_is_found():
    (sentence,) = of_claim("processes", 10)
    assert sentence.endswith("is declared to make SSL contexts for each of the processes, which nobody counted.")


@pytest.mark.parametrize("made", [1, 2, 3])
def test_a_warm_up_is_held_to_what_its_own_calls_amount_to(made):
    measured = good("one-client")
    claims = replace(note("one-client"), contexts=1, handshakes="threads")
    known = Amounts(handshakes={"threads": measured.counts.client.handshakes_full_count})
    counts = replace(measured.counts, amounts=known)
    timing = []
    for each in measured.timing:
        warmup = each.ledger.handshakes_full_count - len(each.wall_ns) * known.handshakes["threads"]
        ledger = replace(
            each.ledger,
            handshakes_full_count=each.ledger.handshakes_full_count - warmup + made,
            tcp_accepted_count=each.ledger.tcp_accepted_count - warmup + made,
            connections_count=each.ledger.connections_count - warmup + made,
        )
        timing.append(replace(each, warmup_amounts=Amounts(handshakes={"threads": 2}), ledger=ledger))
    found = problems_of(claims, replace(measured, counts=counts, timing=tuple(timing)))
    assert {problem.code for problem in found} == ({"passes"} if made != 2 else set())


@pytest.mark.parametrize(("full", "resumed", "agrees"), [(5, 0, True), (4, 1, True), (5, 1, False), (4, 0, False)])
def test_the_servers_handshakes_are_full_and_resumed_ones_together(full, resumed, agrees):
    both = {"handshakes_full_count": full, "handshakes_resumed_count": resumed}
    measured = client(ledger_of(good(), "counts", connections_count=5, **both), **both)
    assert ("ledger" not in codes(measured)) is agrees
