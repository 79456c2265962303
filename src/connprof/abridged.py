"""A report as a comparison reads it: the figures, not the samples' surroundings.

Events, latencies and the like make up most of a report and are compared by nobody; here they are passed over
(:class:`Anything`, :class:`AnythingListed`), and neither they nor the file's text are kept.
What is read is read more strictly than elsewhere: a count has no default, so that a file in which one was dropped or
renamed is refused, rather than read as a zero that looks like an improvement.

Each type has the fields of its namesake in :mod:`connprof.model`, of which a test makes sure.
"""

from __future__ import annotations

import msgspec

# Read by msgspec at run time, when the first file is decoded.
from connprof.model import (
    Amounts,
    AtLeastOne,
    Case,
    Environment,
    HazardNote,
    Headroom,
    NotNegative,
    Problem,
    Run,
    SafetyCell,
    SiteCounts,
    SslBytes,
    StrategyNote,
    Verdict,
)

__all__ = [
    "AbridgedReport",
    "Anything",
    "AnythingListed",
    "CellFigures",
    "CountsFigures",
    "FailedFigures",
    "LedgerFigures",
    "MeasuredFigures",
    "MemoryFigures",
    "OneRecord",
    "RetainedFigures",
    "TimingFigures",
]


class Anything(msgspec.Struct, frozen=True, gc=False):
    """Some JSON object, passed over."""


class AnythingListed(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Some JSON array, passed over."""


_NO_OBJECT, _NO_LIST = Anything(), AnythingListed()


class _Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """Strict when read, and without any reference back, so that the collector need not look at 100,000 of them."""


class _Client(_Strict, frozen=True, kw_only=True, gc=False):
    contexts_count: NotNegative
    ca_loads_count: NotNegative
    handshakes_full_count: NotNegative
    handshakes_resumed_count: NotNegative
    handshakes_failed_count: NotNegative
    connections_count: NotNegative
    connections_failed_count: NotNegative
    requests_count: NotNegative | None


class LedgerFigures(_Strict, frozen=True, kw_only=True, gc=False):
    """What the server saw: see :class:`connprof.model.LedgerCounts`."""

    tcp_accepted_count: NotNegative
    handshakes_full_count: NotNegative
    handshakes_resumed_count: NotNegative
    handshakes_failed_count: NotNegative
    connections_count: NotNegative
    connections_open_count: NotNegative
    requests_count: NotNegative
    requests_per_connection: AnythingListed = _NO_LIST
    tls_versions: Anything = _NO_OBJECT
    ciphers: Anything = _NO_OBJECT
    alpn: Anything = _NO_OBJECT
    disagreements: AnythingListed = _NO_LIST


class CountsFigures(_Strict, frozen=True, kw_only=True, gc=False):
    """The counts pass."""

    calls_count: AtLeastOne
    origins_count: AtLeastOne
    client: _Client
    sites: tuple[SiteCounts, ...]
    ledger: LedgerFigures
    events: AnythingListed = _NO_LIST
    blind_spots: AnythingListed = _NO_LIST
    amounts: Amounts = Amounts()
    http_version: str = "1.1"


class MemoryFigures(_Strict, frozen=True, kw_only=True, gc=False):
    """The memory pass."""

    calls_count: NotNegative
    ssl: SslBytes
    ssl_allocations_count: NotNegative
    functions: AnythingListed
    total_bytes: NotNegative
    allocations_count: NotNegative
    peak_bytes: NotNegative
    ledger: Anything


class RetainedFigures(_Strict, frozen=True, kw_only=True, gc=False):
    """The retained pass."""

    calls_count: NotNegative
    peak_bytes: NotNegative
    retained_bytes: NotNegative
    ledger: Anything


class TimingFigures(_Strict, frozen=True, kw_only=True, gc=False):
    """One process of the timing pass."""

    calls_count: AtLeastOne
    warmup_calls_count: NotNegative
    warmup_origins_count: NotNegative
    wall_ns: tuple[NotNegative, ...]
    thread_time_ns: tuple[NotNegative, ...]
    latency_ns: AnythingListed
    ledger: Anything
    warmup_amounts: Anything = _NO_OBJECT


class MeasuredFigures(_Strict, frozen=True, kw_only=True, gc=False, tag_field="kind", tag="measured"):
    """A case that ran. Without ``problems`` a file is refused: their absence must not look like their emptiness."""

    problems: tuple[Problem, ...]
    counts: CountsFigures | None = None
    memory: MemoryFigures | None = None
    retained: RetainedFigures | None = None
    growth: AnythingListed = _NO_LIST
    timing: tuple[TimingFigures, ...] = ()


class FailedFigures(_Strict, frozen=True, kw_only=True, gc=False, tag_field="kind", tag="failed"):
    """A case that did not run to its end."""

    stage: str
    message: str
    partial: Anything | None = None


class OneRecord(_Strict, frozen=True, kw_only=True, gc=False):
    """One case and what came of it."""

    case: Case
    outcome: MeasuredFigures | FailedFigures
    identity: dict[str, str] = {}
    cached_from: str | None = None
    cached_passes: tuple[str, ...] = ()
    shard: str = ""


class CellFigures(SafetyCell, frozen=True, kw_only=True):
    """One hazard probe on one strategy; what :class:`connprof.model.SafetyCell` lets be absent must be there."""

    client_library: str
    attempts_count: NotNegative
    failed_count: NotNegative
    harmed_count: NotNegative
    errors: dict[str, NotNegative]


class AbridgedReport(_Strict, frozen=True, kw_only=True, gc=False):
    """One report, as far as a comparison needs it."""

    schema: str
    run: Run
    environment: Environment
    strategies: tuple[StrategyNote, ...]
    records: tuple[OneRecord, ...]
    verdict: Verdict
    headroom: Headroom | None = None
    hazards: tuple[HazardNote, ...] = ()
    safety: tuple[CellFigures, ...] = ()
