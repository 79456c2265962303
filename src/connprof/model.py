"""The values that cross module borders: cases, environments, outcomes, verdicts.

All types are frozen and slotted (:class:`msgspec.Struct`), hold raw figures only, and do no input or output.
What can be derived (percentiles, ratios, shares) is derived on load, never stored.
Units stand in the names: ``_ns``, ``_bytes``, ``_count``. MB is 1,000,000 bytes.
"""

from __future__ import annotations

from enum import StrEnum
from operator import attrgetter
from typing import Annotated, Literal, TypeAlias

import msgspec

__all__ = [
    "PEAK_PACKAGES",
    "SCHEMA",
    "Amounts",
    "Answers",
    "AtLeastOne",
    "CallSite",
    "Case",
    "Check",
    "ClientCounts",
    "CountsPass",
    "Ended",
    "Environment",
    "Event",
    "EventKind",
    "Failed",
    "FunctionBytes",
    "Half",
    "HazardNote",
    "HazardOutcome",
    "Headroom",
    "Incident",
    "LedgerCounts",
    "Measured",
    "MemoryPass",
    "Milliseconds",
    "NotNegative",
    "Outcome",
    "PerSecond",
    "Problem",
    "Quantity",
    "Record",
    "Report",
    "RetainedPass",
    "Run",
    "SafetyCell",
    "Seconds",
    "Signed",
    "SiteCounts",
    "SslBytes",
    "StrategyNote",
    "TimingPass",
    "Verdict",
    "VerdictStatus",
]

SCHEMA = "connprof/1"
"""Name and version of the file format. History: ``docs/FORMAT.md``."""

PEAK_PACKAGES = ("h2", "trio")
"""Packages that are imported during a session wherever they are installed (httpcore does that with both): peak bytes
are incomparable between an environment that has one of them and one that has not."""


_LARGEST = 2**63 - 1

# What no run can measure is refused when a file is read. Values that are made, not read, are not checked.
NotNegative: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=_LARGEST)]
"""A number of events, bytes or nanoseconds."""
AtLeastOne: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=_LARGEST)]
"""What others are divided by, and what never is nought."""
Signed: TypeAlias = Annotated[int, msgspec.Meta(ge=-_LARGEST, le=_LARGEST)]
"""A whole number that may be below 0."""
Seconds: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
"""At most thirty years."""
Milliseconds: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
"""At most twelve days."""
PerSecond: TypeAlias = Annotated[float, msgspec.Meta(ge=1e-6, le=1e9)]
"""A rate: one in twelve days at least."""
Quantity: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=1e30)]
"""A count, bytes or a ratio of such."""


class Frozen(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Common settings: immutable, made by keyword, strict when read back."""


# --- what is measured -----------------------------------------------------------------------------------------


class Case(Frozen, frozen=True, kw_only=True):
    """A strategy under a workload on given axes.

    Attributes:
        strategy: its name.
        workload: its name.
        calls_count: calls per session.
        client_library: the library, with ``==`` and its version where the case pins one.
        http_version: ``1.1`` or ``2``: what the client asks for. What was spoken stands in the ledger's ALPN.
        trust_store: where the client's CA certificates come from: ``bundle`` is the real CA bundle plus ours.
        rtt_ms: modelled round trip.
        concurrency_count: calls in flight at once.
        limits: the pool against the concurrency: ``default``, ``below``, ``at`` or ``above``.
        python: the interpreter, e.g. ``3.13``; empty for the suite's own.
    """

    strategy: str
    workload: str
    calls_count: AtLeastOne
    client_library: str = "httpx"
    http_version: str = "1.1"
    trust_store: str = "bundle"
    rtt_ms: Milliseconds = 0.0
    concurrency_count: AtLeastOne = 1
    limits: str = "default"
    python: str = ""

    @property
    def key(self) -> str:
        """A stable, unique name: ``per-call-async/llm-session/calls=40``, with axes that differ from the default."""
        parts = [self.strategy, self.workload, f"calls={self.calls_count}"]
        values = _case_axes(self)
        if values != _CASE_DEFAULTS:
            parts += [
                f"{axis}={value}"
                for axis, value, default in zip(_CASE_AXES, values, _CASE_DEFAULTS, strict=True)
                if value != default
            ]
        return "/".join(parts)


_OPTIONAL = [field for field in msgspec.structs.fields(Case) if not field.required]
_case_axes = attrgetter(*(field.name for field in _OPTIONAL))
_CASE_AXES = tuple(field.name.removesuffix("_count") for field in _OPTIONAL)
_CASE_DEFAULTS = tuple(field.default for field in _OPTIONAL)


class StrategyNote(Frozen, frozen=True, kw_only=True):
    """What a strategy says of itself, kept in the report so that a page needs no access to the suite.

    Attributes:
        name: the strategy's name.
        title: one line for people.
        source: the file that holds it, relative to the project.
        is_async: whether it runs on an event loop.
        fixes: the strategy that it mends, if any.
        contexts: how many SSL contexts it claims to create: one for each of the ``calls``, ``origins``,
            ``batches``, ``tasks``, ``threads``, ``loops`` or ``processes``, or ``one`` in all, or so many.
        handshakes: how many full handshakes it claims to make: one for each of the ``calls``, or what a pool needs for
            the ``origins``, once or in each of the ``tasks``, ``threads`` or ``loops``, or so many.
        scope: how long its clients live: for one ``call``, for a ``batch``, or for the ``process``.
        world: where its calls are made: ``script``, ``threads``, ``loops``, ``asgi``, ``celery`` or ``processes``.
        fails: the exception that ends any session of more than one call, for one that is known to be bad.
        client_library: as in :class:`Case`: strategies of other libraries have names in common and claims of their own.
    """

    name: str
    title: str
    source: str
    is_async: bool
    fixes: str | None
    contexts: Literal["calls", "origins", "one", "batches", "tasks", "threads", "loops", "processes"] | NotNegative
    handshakes: Literal["calls", "origins", "tasks", "threads", "loops"] | NotNegative
    scope: str = "batch"
    world: str = "script"
    fails: str = ""
    client_library: str = "httpx"

    def foresees(self, outcome: Outcome) -> bool:
        """Whether ``outcome`` is the failure that this strategy says of itself."""
        return bool(self.fails) and isinstance(outcome, Failed) and self.fails in outcome.message


# --- the counts pass ------------------------------------------------------------------------------------------


class ClientCounts(Frozen, frozen=True, kw_only=True):
    """What the observer saw in the client's process, all counts of events in the window.

    ``requests_count`` is ``None`` where no library was seen that sends requests (a raw socket).
    """

    contexts_count: NotNegative = 0
    ca_loads_count: NotNegative = 0
    handshakes_full_count: NotNegative = 0
    handshakes_resumed_count: NotNegative = 0
    handshakes_failed_count: NotNegative = 0
    connections_count: NotNegative = 0
    connections_failed_count: NotNegative = 0
    requests_count: NotNegative | None = None


class LedgerCounts(Frozen, frozen=True, kw_only=True):
    """What the server saw over one pass, summed over its origins: the ground truth.

    ``requests_per_connection`` has one entry for each connection, in order of opening.
    """

    tcp_accepted_count: NotNegative = 0
    handshakes_full_count: NotNegative = 0
    handshakes_resumed_count: NotNegative = 0
    handshakes_failed_count: NotNegative = 0
    connections_count: NotNegative = 0
    connections_open_count: NotNegative = 0
    requests_count: NotNegative = 0
    requests_per_connection: tuple[NotNegative, ...] = ()
    tls_versions: dict[str, NotNegative] = {}
    ciphers: dict[str, NotNegative] = {}
    alpn: dict[str, NotNegative] = {}
    disagreements: tuple[str, ...] = ()


class CallSite(Frozen, frozen=True, kw_only=True):
    """A line of the user's code. ``certainty`` says how it was found.

    ``stack``: it was on the call stack. ``context``: the event came from an event loop's callback, and the line is
    the one that made the request. ``creation``: the line that created the SSL context. ``unknown``: none of these.
    """

    file: str
    line: NotNegative
    function: str
    certainty: Literal["stack", "context", "creation", "unknown"] = "stack"


class SiteCounts(Frozen, frozen=True, kw_only=True):
    """The share of the counts that one line of the user's code pays."""

    site: CallSite
    counts: ClientCounts


class EventKind(StrEnum):
    """What a bar on the timeline stands for."""

    CALL = "call"
    CONNECT = "connect"
    HANDSHAKE = "handshake"
    CONNECTION = "connection"


class Event(Frozen, frozen=True, kw_only=True):
    """One bar of a session's timeline; times are nanoseconds since the window opened.

    A ``connection`` runs from its connect to its close (or the window's end); ``end_ns`` is never before
    ``start_ns``. ``ok`` is false for a failed connect or handshake.
    """

    kind: EventKind
    origin: str
    start_ns: Signed
    end_ns: Signed
    ok: bool = True


class Amounts(Frozen, frozen=True, kw_only=True):
    """What the words of a claim amount to in one session, by word: how many places its calls were sent from.

    Attributes:
        contexts: how many ``batches``, ``tasks``, ``threads``, ``loops`` and child ``processes`` there were.
        handshakes: how many connections the calls in flight at once need, from one pool (``origins``), or from one in
            each of the ``tasks``, ``threads`` or ``loops``.
        at_most: where that is only the least there can be, because callers that overlap may or may not share a
            connection: the most there can be.
    """

    contexts: dict[str, NotNegative] = {}
    handshakes: dict[str, NotNegative] = {}
    at_most: dict[str, NotNegative] = {}


class CountsPass(Frozen, frozen=True, kw_only=True):
    """The counts pass: observer in the client, ledger in the server, nothing else.

    ``blind_spots`` are sentences about what the counts leave out or should not have met: TLS done where the observer
    cannot see it, a connection to somewhere else, a failure of the observer itself.

    ``origins_count`` is how many different origins the workload called: a client cannot do with fewer handshakes
    than that. ``amounts`` is what a claim is held against.

    ``http_version`` is what the client was asked to speak. What it spoke stands in the ledger's ``alpn``.
    """

    calls_count: AtLeastOne
    origins_count: AtLeastOne
    client: ClientCounts
    sites: tuple[SiteCounts, ...]
    ledger: LedgerCounts
    events: tuple[Event, ...]
    blind_spots: tuple[str, ...] = ()
    amounts: Amounts = Amounts()
    http_version: str = "1.1"


# --- the memory pass ------------------------------------------------------------------------------------------


class SslBytes(Frozen, frozen=True, kw_only=True):
    """Cumulative bytes whose innermost Python frame is in the standard library's ``ssl.py``.

    Or in one of the few files of other libraries that call OpenSSL's loaders in its place.
    """

    context_bytes: NotNegative
    handshake_bytes: NotNegative
    io_bytes: NotNegative

    @property
    def total_bytes(self) -> int:
        """All three categories together."""
        return self.context_bytes + self.handshake_bytes + self.io_bytes


class FunctionBytes(Frozen, frozen=True, kw_only=True):
    """Cumulative bytes of one function of ``ssl.py``."""

    function: str
    category: Literal["context", "handshake", "io"]
    cumulative_bytes: NotNegative
    allocations_count: NotNegative


class MemoryPass(Frozen, frozen=True, kw_only=True):
    """The memory pass: memray around the measured window, nothing else.

    Cumulative bytes are all bytes ever allocated in the window, freed or not; peak bytes its high-water mark.
    ``total_bytes`` is cumulative over the whole process, SSL or not.
    """

    calls_count: NotNegative
    ssl: SslBytes
    ssl_allocations_count: NotNegative
    functions: tuple[FunctionBytes, ...]
    total_bytes: NotNegative
    allocations_count: NotNegative
    peak_bytes: NotNegative
    ledger: LedgerCounts


class RetainedPass(Frozen, frozen=True, kw_only=True):
    """The retained pass: memray aggregating as it goes, which knows what is live but not what was freed.

    ``retained_bytes`` were live at the window's end, garbage that has not been collected included; ``peak_bytes`` is
    the high-water mark of this process.
    """

    calls_count: NotNegative
    peak_bytes: NotNegative
    retained_bytes: NotNegative
    ledger: LedgerCounts


# --- the timing pass ------------------------------------------------------------------------------------------


class TimingPass(Frozen, frozen=True, kw_only=True):
    """One fresh process of the timing pass, run under pytest-benchmark with nothing else switched on.

    Attributes:
        calls_count: calls per round.
        warmup_calls_count: calls of a shorter session that was run first and is in none of the figures but the ledger.
        warmup_origins_count: how many origins those calls went to.
        warmup_amounts: what the words of a claim amounted to in them.
        wall_ns: one entry per round, as pytest-benchmark measured it.
        thread_time_ns: CPU time per round, summed over the threads that made calls, in child processes too.
        latency_ns: per round, the latency of each call in order; no call takes no time.
        ledger: what the server saw, warm-up included.
    """

    calls_count: AtLeastOne
    warmup_calls_count: NotNegative
    warmup_origins_count: NotNegative
    wall_ns: tuple[NotNegative, ...]
    thread_time_ns: tuple[NotNegative, ...]
    latency_ns: tuple[tuple[AtLeastOne, ...], ...]
    ledger: LedgerCounts
    warmup_amounts: Amounts = Amounts()


# --- outcomes -------------------------------------------------------------------------------------------------


class Problem(Frozen, frozen=True, kw_only=True):
    """A reason why a case's figures must not be trusted. ``code`` is stable, ``sentence`` is for people."""

    code: str
    sentence: str


class Measured(Frozen, frozen=True, kw_only=True, tag_field="kind", tag="measured"):
    """A case that ran. ``growth`` holds memory passes of the same case cut off after fewer calls, ascending.

    ``problems`` is empty when all passes agree with each other, with the ledger, and with the strategy's claim;
    otherwise the case is invalid.
    """

    counts: CountsPass | None = None
    memory: MemoryPass | None = None
    retained: RetainedPass | None = None
    growth: tuple[MemoryPass, ...] = ()
    timing: tuple[TimingPass, ...] = ()
    problems: tuple[Problem, ...] = ()


class Failed(Frozen, frozen=True, kw_only=True, tag_field="kind", tag="failed"):
    """A case that did not run to its end. It stays in the report.

    ``stage`` is the pass (``counts``, ``memory``, ``retained``, ``growth``, ``timing``), or ``interrupted``, or
    ``server``. ``partial`` is what had been measured by then.
    """

    stage: str
    message: str
    partial: Measured | None = None


Outcome = Measured | Failed


class Record(Frozen, frozen=True, kw_only=True):
    """One case and what came of it.

    Attributes:
        case: which.
        outcome: what was measured, or how it failed.
        identity: where this case's environment differs from the report's (another library, another Python): the keys
            of :attr:`Environment.identity` that differ, with their values here.
        cached_from: when it was measured, as an ISO time, if it was taken from the cache; else ``None``.
        cached_passes: of a case that was measured anew in part, the passes that were taken from the cache all the same
            (``memory``, ``timing 2``); empty where all of it or nothing was.
        shard: in a report merged from several runs, which of them measured this case; else empty. Times are ratios
            within one run, so only cases of one shard have any.
    """

    case: Case
    outcome: Outcome
    identity: dict[str, str] = {}
    cached_from: str | None = None
    cached_passes: tuple[str, ...] = ()
    shard: str = ""


# --- safety ---------------------------------------------------------------------------------------------------


class HazardOutcome(StrEnum):
    """How a strategy came through a hazard probe; ``HARM`` is the gravest.

    ``HELD``: every call did what its caller believes. ``BROKE``: calls failed, and said so. ``HUNG``: it had not ended
    at its time limit. ``HARM``: silent harm: the server executed what the client believes failed, an answer reached
    the wrong caller, an identity leaked, a connection outlived its close. ``DOES_NOT_APPLY``: the strategy cannot meet
    the hazard. ``NOT_PROBED``: the probe itself did not work, which says nothing about the strategy.
    """

    HELD = "held"
    BROKE = "broke"
    HUNG = "hung"
    HARM = "silent harm"
    DOES_NOT_APPLY = "does not apply"
    NOT_PROBED = "not probed"


class HazardNote(Frozen, frozen=True, kw_only=True):
    """What a hazard is, kept in the report so that a page needs no access to the suite.

    Attributes:
        id: ``H1``, ``H4b``, ...
        title: the hazard in a few words.
        raised_by: what the probe does to raise it, in a sentence.
        statistical: its outcome is a rate, reported with an interval and never gated.
        source: the probe's file, relative to the project.
    """

    id: str
    title: str
    raised_by: str
    statistical: bool
    source: str


class SafetyCell(Frozen, frozen=True, kw_only=True):
    """One hazard probe on one strategy.

    Attributes:
        strategy: its name.
        hazard: the hazard's id.
        client_library: as in :class:`Case`.
        outcome: how it came through.
        attempts_count: how many calls (or clients, or connections: the symptom says which) the probe made.
        failed_count: how many of them failed with an exception that their caller saw.
        harmed_count: how many of them were harmed without their caller's knowing.
        errors: the exact exceptions, ``RuntimeError: Event loop is closed``, with their counts.
        observed: other counts of the probe, by name (``executed``, ``handshakes``, ...).
        symptom: what happened, in a sentence with its figures.
        command: the command that repeats it.
        expected: the signature that is declared for this strategy, if any.
        duration_ns: how long the probe took.
        cached_from: as in :class:`Record`.
    """

    strategy: str
    hazard: str
    client_library: str = "httpx"
    outcome: HazardOutcome
    attempts_count: NotNegative = 0
    failed_count: NotNegative = 0
    harmed_count: NotNegative = 0
    errors: dict[str, NotNegative] = {}
    observed: dict[str, Signed] = {}
    symptom: str
    command: str
    expected: str | None = None
    duration_ns: NotNegative = 0
    cached_from: str | None = None

    @property
    def signature(self) -> str:
        """The outcome in one line that is the same every time: ``broke 2 of 5: RuntimeError``."""
        counts = [
            f"{count} of {self.attempts_count}"
            for count in (self.harmed_count if self.outcome is HazardOutcome.HARM else self.failed_count,)
            if count
        ]
        names = sorted({error.partition(":")[0] for error in self.errors})
        return " ".join([self.outcome.value, *counts]) + (f": {', '.join(names)}" if names else "")

    @property
    def key(self) -> str:
        """A stable, unique name: ``one-client/H1``, with the library where it is not the default."""
        library = "" if self.client_library == "httpx" else f"/client_library={self.client_library}"
        return f"{self.strategy}/{self.hazard}{library}"


# --- surroundings ---------------------------------------------------------------------------------------------


class Environment(Frozen, frozen=True, kw_only=True):
    """Where it was measured.

    ``identity`` is what a comparison names where it differs (``os``, ``arch``, ``python``, ``openssl``,
    ``client_library``, ``client_library_version``, ``ca_bundle_certificates_count``, ``ca_bundle_sha256``).
    ``context`` is shown and never compared (load, CPU model, core count, clock). ``packages`` are installed versions.
    ``variables`` tells for each environment variable that can switch code paths what was done with it.
    """

    identity: dict[str, str]
    context: dict[str, str]
    packages: dict[str, str]
    variables: dict[str, str]


class Headroom(Frozen, frozen=True, kw_only=True):
    """How far the server was from being the bottleneck, in requests per second measured in this run.

    ``server_requests_per_s``: sustained by the server under concurrent load. ``fastest_requests_per_s``: of the
    fastest strategy measured, from its best timing round.
    """

    server_requests_per_s: PerSecond
    fastest_requests_per_s: PerSecond
    fastest_strategy: str

    @property
    def ratio(self) -> float:
        """Server over fastest strategy; at least 3 is wanted."""
        return self.server_requests_per_s / self.fastest_requests_per_s


Ended = Literal["complete", "interrupted", "server-lost"]
"""How a run came to its end."""


class Run(Frozen, frozen=True, kw_only=True):
    """How the report was made: enough to make it again.

    ``interrupted`` is a sentence when the run did not come to its own end, else ``None``. ``left_out`` names the
    strategies that exist but were not part of this run, ``in_quick`` those that a quick run measures, as the suite had
    it then. In a report merged from several runs, ``command`` has a line for each of them and one for the merge, and
    ``seeds`` their seeds in that order; else that is empty.
    """

    command: str
    seed: Signed
    started_at: str
    duration_s: Seconds
    connprof_version: str
    commit: str | None
    dirty: bool | None
    quick: bool
    order: tuple[str, ...] = ()
    ended: Ended = "complete"
    left_out: tuple[str, ...] = ()
    interrupted: str | None = None
    in_quick: tuple[str, ...] = ()
    seeds: tuple[Signed, ...] = ()


# --- the verdict ----------------------------------------------------------------------------------------------


class Incident(Frozen, frozen=True, kw_only=True):
    """A published regression, with its figures as published and the reference they are scaled by.

    Attributes:
        id: our name for it.
        title: what happened, in a line.
        reference: where it was published.
        published_on: ISO date.
        before: the strategy that is the regression.
        after: the strategy that is its fix.
        shared_context: the strategy that shares only the SSL context, for what that alone would have saved.
        calls_count: the published number of calls.
        ssl_bytes: the published cumulative SSL bytes for that many calls.
        reference_certificates_count: certificates in the bundle to which our bytes are rescaled for comparison.
        band_low_ratio: lowest ratio of ours (rescaled) to published that still counts as reproduced.
        band_high_ratio: highest such ratio.
    """

    id: str
    title: str
    reference: str
    published_on: str
    before: str
    after: str
    shared_context: str
    calls_count: AtLeastOne
    ssl_bytes: AtLeastOne
    reference_certificates_count: AtLeastOne
    band_low_ratio: Quantity
    band_high_ratio: Quantity


class VerdictStatus(StrEnum):
    """The answers a verdict can have; the first two are the good ones."""

    REPRODUCED = "reproduced"
    CONFIRMED = "confirmed"
    NOT_REPRODUCED = "not reproduced"
    NOT_CONFIRMED = "not confirmed"
    INVALID = "invalid"
    NOT_MEASURED = "not measured"


class Check(Frozen, frozen=True, kw_only=True):
    """One comparison behind a verdict: ``measured`` must lie in ``low`` to ``high``, both included.

    ``unit`` is ``count``, ``bytes`` or ``ratio``. ``high`` is ``None`` where there is no upper limit.
    """

    name: str
    measured: Quantity
    low: Quantity
    high: Quantity | None
    unit: Literal["count", "bytes", "ratio"]
    passed: bool


class Half(Frozen, frozen=True, kw_only=True):
    """The verdict on the regression, or on its fix."""

    status: VerdictStatus
    reason: str
    checks: tuple[Check, ...] = ()


class Answers(Frozen, frozen=True, kw_only=True):
    """What the incident did not say; every figure is of this run.

    ``before`` and ``after`` are the SSL bytes of the regression and of its fix; ``shared_context`` those of per-call
    clients that share one context (``None`` when that strategy was not run).
    """

    before: SslBytes
    after: SslBytes | None
    shared_context: SslBytes | None


class Verdict(Frozen, frozen=True, kw_only=True):
    """Is the regression reproduced, is the fix confirmed, from this run's figures."""

    incident: Incident
    regression: Half
    fix: Half
    answers: Answers | None = None


class Report(Frozen, frozen=True, kw_only=True):
    """One run of the suite: what ``report.json`` holds."""

    schema: str
    run: Run
    environment: Environment
    strategies: tuple[StrategyNote, ...]
    records: tuple[Record, ...]
    verdict: Verdict
    headroom: Headroom | None = None
    hazards: tuple[HazardNote, ...] = ()
    safety: tuple[SafetyCell, ...] = ()
