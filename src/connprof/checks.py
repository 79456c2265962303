"""Do the passes agree? Pure functions from what one case measured to the reasons not to trust it.

Each pass has its own instrument and the server's ledger is on in all of them, so that the same handshake is counted
up to three times by means that know nothing of each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from connprof.model import CountsPass, LedgerCounts, Measured, MemoryPass, Problem, StrategyNote, TimingPass

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connprof.abridged import CountsFigures, LedgerFigures, MemoryFigures

__all__ = ["at_odds", "broken_claim", "problems_of"]

_LEAST_BYTES = 100
"""Less than any CA load, handshake or request allocates, by two orders of magnitude or more."""


def problems_of(note: StrategyNote, measured: Measured) -> tuple[Problem, ...]:
    """Every reason why the figures of this case must not be trusted; empty when there is none."""
    return tuple(_all(note, measured))


def at_odds(counts: CountsPass | CountsFigures | None, memory: MemoryPass | MemoryFigures | None) -> tuple[str, ...]:
    """Of these reasons those that the figures of an abridged report show, in sentences."""
    if counts is None:
        return ()
    found = [*_client_against_ledger(counts), *_handshakes_against_connections("counts", counts.ledger)]
    return tuple(problem.sentence for problem in (*found, *_memory_against_counts(memory, counts)))


def broken_claim(note: StrategyNote | None, counts: CountsPass | CountsFigures | None) -> str:
    """What a strategy made otherwise than it declares, in a sentence; mostly empty."""
    if note is None or counts is None:
        return ""
    return next((problem.sentence for problem in _claims(note, counts)), "")


@dataclass(frozen=True, slots=True)
class _Seen:
    """One pass as the server saw it: sessions of ``calls_count`` calls, and a warm-up of fewer."""

    name: str
    calls_count: int
    sessions_count: int
    ledger: LedgerCounts
    warmup_calls_count: int = 0
    warmup_handshakes_count: int | None = 0


def _all(note: StrategyNote, measured: Measured) -> Iterator[Problem]:
    counts = measured.counts
    claims = list(_claims(note, counts)) if counts is not None else []
    if counts is not None:
        yield from _client_against_ledger(counts)
        yield from (Problem(code="blind-spot", sentence=sentence) for sentence in counts.blind_spots)
        yield from _spoken(counts)
        yield from claims
        yield from _as_many_calls(measured, counts.calls_count)
    for timing in measured.timing:
        yield from _samples(timing)
    if counts is not None:
        yield from _memory_against_counts(measured.memory, counts)
    for seen in _passes(note, measured):
        yield from _ledger_alone(seen)
        # What a warm-up should look like is known from the claim alone: where that is wrong, it says nothing.
        known = seen.warmup_handshakes_count is not None and not (claims and seen.warmup_calls_count)
        if counts is not None and seen.name != "counts" and seen.calls_count == counts.calls_count and known:
            yield from _pass_against_counts(note, seen, counts)


def _as_many_calls(measured: Measured, calls_count: int) -> Iterator[Problem]:
    """All passes are of one case, which has one number of calls."""
    passes = [("memory", measured.memory), ("retained", measured.retained)]
    for name, one in (*passes, *(("timing", timing) for timing in measured.timing)):
        if one is not None and one.calls_count != calls_count:
            yield Problem(
                code="calls",
                sentence=f"The {name} pass made {one.calls_count} calls, the counts pass {calls_count}.",
            )


def _samples(timing: TimingPass) -> Iterator[Problem]:
    """There is one figure per session and one per call; each call took some time, and no more than its session."""
    rounds = len(timing.wall_ns)
    if not (
        len(timing.thread_time_ns) == len(timing.latency_ns) == rounds > 0
        and all(len(latencies) == timing.calls_count for latencies in timing.latency_ns)
    ):
        yield Problem(code="samples", sentence="A timing process did not yield one latency for each call it timed.")
    elif any(min(latencies) <= 0 for latencies in timing.latency_ns):
        yield Problem(code="samples", sentence="A timing process yielded a latency of 0 ns, and no call takes no time.")
    elif any(max(latencies) > wall_ns for latencies, wall_ns in zip(timing.latency_ns, timing.wall_ns, strict=True)):
        yield Problem(
            code="samples", sentence="A timing process yielded a latency that is longer than the session it is part of."
        )


def _passes(note: StrategyNote, measured: Measured) -> Iterator[_Seen]:
    if measured.counts is not None:
        yield _Seen("counts", measured.counts.calls_count, 1, measured.counts.ledger)
    for memory in (*measured.growth, *filter(None, [measured.memory])):
        yield _Seen("memory", memory.calls_count, 1, memory.ledger)
    if measured.retained is not None:
        yield _Seen("retained", measured.retained.calls_count, 1, measured.retained.ledger)
    for timing in measured.timing:
        yield _Seen(
            "timing",
            timing.calls_count,
            len(timing.wall_ns),
            timing.ledger,
            timing.warmup_calls_count,
            _claimed(
                note.handshakes,
                timing.warmup_amounts.handshakes,
                timing.warmup_calls_count,
                timing.warmup_origins_count,
            )
            if timing.warmup_calls_count
            else 0,
        )


def _client_against_ledger(counts: CountsPass | CountsFigures) -> Iterator[Problem]:
    client, ledger = counts.client, counts.ledger
    pairs = [
        ("full handshakes", client.handshakes_full_count, ledger.handshakes_full_count),
        ("resumed handshakes", client.handshakes_resumed_count, ledger.handshakes_resumed_count),
        ("failed handshakes", client.handshakes_failed_count, ledger.handshakes_failed_count),
        ("connections", client.connections_count, ledger.tcp_accepted_count),
    ]
    if client.requests_count is not None:
        pairs.append(("requests", client.requests_count, ledger.requests_count))
    for what, in_client, in_server in pairs:
        if in_client != in_server:
            yield Problem(
                code="client-ledger", sentence=f"The client counted {in_client} {what}, the server {in_server}."
            )


def _spoken(counts: CountsPass) -> Iterator[Problem]:
    """HTTP/2 was spoken where it was asked for: the server's word, for a client may fall back without one."""
    alpn = counts.ledger.alpn
    others_count = sum(count for protocol, count in alpn.items() if protocol != "h2")
    if counts.http_version == "2" and others_count:
        yield Problem(
            code="http-version",
            sentence=f"HTTP/2 was asked for and not spoken: {others_count} of {sum(alpn.values())} connections spoke "
            "HTTP/1.1.",
        )


def _most(note: StrategyNote, counts: CountsPass | CountsFigures) -> int | None:
    """The most handshakes that the claim allows, where it is a bound."""
    return counts.amounts.at_most.get(note.handshakes) if isinstance(note.handshakes, str) else None


def _memory_against_counts(
    memory: MemoryPass | MemoryFigures | None, counts: CountsPass | CountsFigures
) -> Iterator[Problem]:
    """Every CA load, handshake and request allocates: figures that say otherwise were cut off."""
    if memory is None:
        return
    for what, events_count, amount in (
        ("CA loads", counts.client.ca_loads_count, memory.ssl.context_bytes),
        ("handshakes", counts.client.handshakes_full_count, memory.ssl.handshake_bytes),
        ("requests", counts.ledger.requests_count, memory.ssl.io_bytes),
    ):
        if amount < events_count * _LEAST_BYTES:
            yield Problem(
                code="memory",
                sentence=f"The memory pass saw {amount:,} bytes for {events_count} {what}, fewer than there can be.",
            )


def _claims(note: StrategyNote, counts: CountsPass | CountsFigures) -> Iterator[Problem]:
    for what, claim, known, measured, most in (
        ("SSL contexts", note.contexts, counts.amounts.contexts, counts.client.contexts_count, None),
        (
            "full handshakes", note.handshakes, counts.amounts.handshakes, counts.client.handshakes_full_count,
            _most(note, counts),
        ),
    ):  # fmt: skip
        expected = _claimed(claim, known, counts.calls_count, counts.origins_count)
        if expected is None:
            yield Problem(
                code="claim",
                sentence=f"{note.name} is declared to make {what} for each of the {claim}, which nobody counted.",
            )
        elif not expected <= measured <= (expected if most is None else most):
            amount = f"{expected}" if most is None else f"{expected} to {most}"
            noun = what.removesuffix("s") if amount == "1" else what
            yield Problem(
                code="claim",
                sentence=f"{note.name} is declared to make {amount} {noun} here{_in_words(claim)}, "
                f"but made {measured}.",
            )


def _in_words(claim: str | int) -> str:
    if isinstance(claim, int):
        return ""
    return f" (one for {'all' if claim == 'one' else 'each of the ' + claim})"


def _claimed(claim: str | int, known: dict[str, int], calls_count: int, origins_count: int) -> int | None:
    """What a claim comes to; nothing where the pass did not count what it is about."""
    if isinstance(claim, int):
        return claim
    return ({"calls": calls_count, "origins": origins_count, "one": 1} | known).get(claim)


def _ledger_alone(seen: _Seen) -> Iterator[Problem]:
    ledger, calls_count = seen.ledger, seen.calls_count * seen.sessions_count + seen.warmup_calls_count
    if ledger.requests_count != calls_count:
        yield Problem(
            code="requests",
            sentence=f"In the {seen.name} pass {calls_count} calls were made, but the server saw "
            f"{ledger.requests_count} requests.",
        )
    yield from _handshakes_against_connections(seen.name, ledger)
    if ledger.connections_open_count:
        yield Problem(
            code="left-open",
            sentence=f"After the {seen.name} pass {ledger.connections_open_count} connections were still open.",
        )
    for sentence in ledger.disagreements:
        yield Problem(code="ledger", sentence=sentence)


def _handshakes_against_connections(name: str, ledger: LedgerCounts | LedgerFigures) -> Iterator[Problem]:
    handshakes_count = ledger.handshakes_full_count + ledger.handshakes_resumed_count
    if handshakes_count != ledger.connections_count:
        yield Problem(
            code="ledger",
            sentence=f"In the {name} pass OpenSSL counted {handshakes_count} handshakes on the server, which saw "
            f"{ledger.connections_count} TLS connections.",
        )


def _pass_against_counts(note: StrategyNote, seen: _Seen, counts: CountsPass) -> Iterator[Problem]:
    """The same sessions must look the same to the server, whichever instrument was on in the client.

    Where the claim is a bound, no two sessions need have as many connections, and none more or fewer than it allows.
    """
    reference, warmup, most = counts.ledger, seen.warmup_handshakes_count or 0, _most(note, counts)
    least = _claimed(note.handshakes, counts.amounts.handshakes, counts.calls_count, counts.origins_count) or 0
    for what, here, there, extra, is_bound in (
        ("full handshakes", seen.ledger.handshakes_full_count, reference.handshakes_full_count, warmup, True),
        ("resumed handshakes", seen.ledger.handshakes_resumed_count, reference.handshakes_resumed_count, 0, False),
        ("failed handshakes", seen.ledger.handshakes_failed_count, reference.handshakes_failed_count, 0, False),
        ("connections", seen.ledger.tcp_accepted_count, reference.tcp_accepted_count, warmup, True),
    ):
        if is_bound and most is not None:
            low, high = least * seen.sessions_count, most * seen.sessions_count + seen.warmup_calls_count
        else:
            low = high = there * seen.sessions_count + extra
        if not low <= here <= high:
            expected = f"{low} were" if low == high else f"{low} to {high} were"
            yield Problem(
                code="passes",
                sentence=f"The {seen.name} pass made {here} {what}; after the counts pass, {expected} expected.",
            )
