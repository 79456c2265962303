"""Do the passes agree? Pure functions from what one case measured to the reasons not to trust it.

Each pass has its own instrument and the server's ledger is on in all of them, so that the same handshake is counted
up to three times by means that know nothing of each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connprof.model import (
    CountsPass,
    LedgerCounts,
    Measured,
    MemoryPass,
    Problem,
    StrategyNote,
    TimingPass,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["problems_of"]


def problems_of(note: StrategyNote, measured: Measured) -> tuple[Problem, ...]:
    """Every reason why the figures of this case must not be trusted; empty when there is none."""
    return tuple(_all(note, measured))


def _all(note: StrategyNote, measured: Measured) -> Iterator[Problem]:
    if measured.counts is not None:
        yield from _client_against_ledger(measured.counts)
        yield from _claims(note, measured.counts)
    for name, calls_count, rounds_count, ledger in _ledgers(measured):
        yield from _ledger_alone(name, calls_count * rounds_count, ledger)
        full = measured.counts is not None and calls_count == measured.counts.calls_count
        if full and measured.counts is not None and name != "counts":
            yield from _pass_against_counts(name, rounds_count, ledger, measured.counts.ledger)


def _ledgers(measured: Measured) -> Iterator[tuple[str, int, int, LedgerCounts]]:
    """Every pass's ledger: name, calls per round, rounds, what the server saw."""
    if measured.counts is not None:
        yield "counts", measured.counts.calls_count, 1, measured.counts.ledger
    memory: list[MemoryPass] = [*measured.growth, *filter(None, [measured.memory])]
    for each in memory:
        yield "memory", each.calls_count, 1, each.ledger
    timing: TimingPass
    for timing in measured.timing:
        yield "timing", timing.calls_count, timing.warmup_rounds_count + len(timing.wall_ns), timing.ledger


def _client_against_ledger(counts: CountsPass) -> Iterator[Problem]:
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
    for sentence in counts.blind_spots:
        yield Problem(code="blind-spot", sentence=sentence)


def _claims(note: StrategyNote, counts: CountsPass) -> Iterator[Problem]:
    expected = {"calls": counts.calls_count, "origins": counts.origins_count, "one": 1}
    for what, claim, measured in (
        ("SSL contexts", note.contexts, counts.client.contexts_count),
        ("full handshakes", note.handshakes, counts.client.handshakes_full_count),
    ):
        if measured != expected[claim]:
            yield Problem(
                code="claim",
                sentence=f"{note.name} is declared to make {expected[claim]} {what} here (one for "
                f"{'each of the ' + claim if claim != 'one' else 'all'}), but made {measured}.",
            )


def _ledger_alone(name: str, calls_count: int, ledger: LedgerCounts) -> Iterator[Problem]:
    if ledger.requests_count != calls_count:
        yield Problem(
            code="requests",
            sentence=f"In the {name} pass {calls_count} calls were made, but the server saw {ledger.requests_count} "
            "requests.",
        )
    handshakes_count = ledger.handshakes_full_count + ledger.handshakes_resumed_count
    if handshakes_count != ledger.connections_count:
        yield Problem(
            code="ledger",
            sentence=f"In the {name} pass OpenSSL counted {handshakes_count} handshakes on the server, which saw "
            f"{ledger.connections_count} TLS connections.",
        )
    if ledger.connections_open_count:
        yield Problem(
            code="left-open",
            sentence=f"After the {name} pass {ledger.connections_open_count} connections were still open.",
        )
    for sentence in ledger.disagreements:
        yield Problem(code="ledger", sentence=sentence)


def _pass_against_counts(
    name: str, rounds_count: int, ledger: LedgerCounts, reference: LedgerCounts
) -> Iterator[Problem]:
    for what, here, there in (
        ("full handshakes", ledger.handshakes_full_count, reference.handshakes_full_count),
        ("resumed handshakes", ledger.handshakes_resumed_count, reference.handshakes_resumed_count),
        ("failed handshakes", ledger.handshakes_failed_count, reference.handshakes_failed_count),
        ("connections", ledger.tcp_accepted_count, reference.tcp_accepted_count),
    ):
        if here != there * rounds_count:
            yield Problem(
                code="passes",
                sentence=f"The {name} pass made {here} {what} in {rounds_count} session(s), the counts pass {there} "
                "in one.",
            )
