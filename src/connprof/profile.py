"""What a program's run left: one snapshot for each process, and the profile they make together. No I/O.

``connprof.observe`` writes a :class:`ProcessProfile` as plain JSON, without this module, because it runs under any
interpreter; ``connprof.store`` reads it. Times are of the observed run, in nanoseconds; a figure that was not taken is
``None`` and never 0.
"""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = [
    "PROCESS_SCHEMA",
    "PROFILE_SCHEMA",
    "Certainty",
    "Chain",
    "ClientGroup",
    "ContextGroup",
    "Costs",
    "Counts",
    "Ended",
    "Finding",
    "Frame",
    "GivenContexts",
    "HandshakeSite",
    "HeldLimit",
    "LimitState",
    "LineBytes",
    "LintMark",
    "Linted",
    "OriginShare",
    "OriginTally",
    "Place",
    "Price",
    "ProcessProfile",
    "Profile",
    "SiteTally",
]

PROCESS_SCHEMA = "connprof-process/1"
PROFILE_SCHEMA = "connprof-profile/1"

Certainty = Literal["stack", "context", "creation", "unknown"]
Ended = Literal["exit", "os._exit", "signal", "exec", "running"]
"""How a process ended, as it said itself. ``running``: it left no last word (killed, or it goes on)."""


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What :class:`connprof.observe.Counts` has, of one process, line or origin."""

    contexts_count: int = 0
    ca_loads_count: int = 0
    handshakes_full_count: int = 0
    handshakes_resumed_count: int = 0
    handshakes_failed_count: int = 0
    connections_count: int = 0
    connections_failed_count: int = 0
    connections_unknown_count: int = 0
    """Of those opened: nothing was sent on them by a library that is known, so that nobody can tell what was."""
    requests_count: int | None = None
    """``None`` where nobody can tell whether there were any."""

    @property
    def requests_per_connection(self) -> float | None:
        """On those connections whose requests are known; ``None`` where there are none."""
        known_count = self.connections_count - self.connections_unknown_count
        return None if self.requests_count is None or known_count < 1 else self.requests_count / known_count

    @property
    def told_requests_count(self) -> int | None:
        """``None`` as well for 0 on connections of which nobody can tell what any of them carried."""
        is_blind = 0 < self.connections_count <= self.connections_unknown_count
        return None if is_blind and not self.requests_count else self.requests_count

    @property
    def handshakes_count(self) -> int:
        """Handshakes that succeeded, full and resumed."""
        return self.handshakes_full_count + self.handshakes_resumed_count


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """Time spent. Wall times of several threads or tasks add up, and may exceed the run's own."""

    context_cpu_ns: int = 0
    """CPU time (of the thread) in creating contexts and loading CA certificates into them."""
    context_wall_ns: int = 0
    handshake_cpu_ns: int = 0
    """CPU time inside ``do_handshake``."""
    handshake_wall_ns: int = 0
    """From the first call of ``do_handshake`` to its outcome, waiting for the peer included."""
    connect_wall_ns: int = 0
    """TCP connects."""
    request_wall_ns: int = 0
    """In the client's method that sends a request and returns its response; a connect and handshake on the way count
    here as well, and calls that end before their request is sent, but not those of clients that never met the network,
    such as tests of an application in their own process. 0 where the library has no such method that is known."""


class Frame(msgspec.Struct, frozen=True, order=True):
    """A line of the user's code. ``file`` is absolute, ``<string>`` or ``<stdin>``, or empty where unknown."""

    file: str
    line: int
    function: str


class Place(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """A line of the user's code and how it was found; see :class:`connprof.observe.CallSite`."""

    file: str
    line: int
    function: str
    certainty: Certainty


class Chain(msgspec.Struct, frozen=True, kw_only=True):
    """One way that led to a line: the user's frames above it, innermost first, without the line itself."""

    frames: tuple[Frame, ...]
    count: int
    """Contexts and connects that came by this way; of a group of clients, clients, and of one of contexts, contexts."""
    started_at: Frame | None = None
    """Where a task or thread ran the line itself: the line that started it, without a file where that is not known."""


class SiteTally(msgspec.Struct, frozen=True, kw_only=True):
    """What one line pays."""

    site: Place
    counts: Counts
    costs: Costs
    chains: tuple[Chain, ...] = ()
    """The most frequent ways to it; empty where it is called from no other line of the user's."""
    ssl_bytes: int | None = None
    """Cumulative SSL bytes; ``None`` unless memory was recorded."""
    imported: dict[str, int] = {}
    """Package -> contexts that were made while the line imported it."""


class OriginTally(msgspec.Struct, frozen=True, kw_only=True):
    """What one origin (``host:port``) costs. Contexts, and their time, count where their first handshake went."""

    origin: str
    counts: Counts
    costs: Costs
    alpn: dict[str, int] = {}
    """Protocol agreed by ALPN (``none`` where none was) -> handshakes."""


class OriginShare(msgspec.Struct, frozen=True, kw_only=True):
    """One origin's share in a group of clients."""

    origin: str
    connections_count: int
    handshakes_count: int
    requests_count: int
    open_peak_count: int
    """Connections of the group that were open at once at the most."""
    needed_count: int | None = None
    """Connections over TLS that one client for all would have opened: each goes to the next call as soon as the last
    one is over, unless it was spent, or idle for longer than it is kept. ``None`` where none was followed."""
    needed_unlimited_count: int | None = None
    """The same, of one client that keeps as many as there are; ``None`` as well where no pool was too small."""
    spent_count: int = 0
    """Those that the peer, a timeout or an unread body ended before their client was closed or gone."""


class GivenContexts(msgspec.Struct, frozen=True, kw_only=True):
    """SSL contexts of one line of the user's that clients of a group have shaken hands with."""

    site: Place
    count: int
    """Distinct ones."""


class HandshakeSite(msgspec.Struct, frozen=True, kw_only=True):
    """A line at which clients of a group shook hands."""

    site: Place
    count: int
    """Handshakes, failed ones included."""


class ClientGroup(msgspec.Struct, frozen=True, kw_only=True):
    """All clients of one class that were made at one line."""

    site: Place
    library: str
    """The library's import name: ``httpx``."""
    kind: str
    """What was made, as it is called in code: ``httpx.AsyncClient``, ``requests.Session``."""
    shortcut: str = ""
    """The module-level function that made them, where there is one: ``httpx.get``."""
    chains: tuple[Chain, ...] = ()
    counts: Counts
    """Contexts, CA loads, handshakes, connections and requests of these clients, wherever they happened."""
    costs: Costs
    made_count: int
    closed_count: int
    dropped_count: int
    """Gone without having been closed."""
    dropped_unused_count: int = 0
    """Of those, how many had not been called."""
    alive_count: int
    """At the end, closed ones left out."""
    alive_peak_count: int
    """Not closed and not gone at once, at the most."""
    calls_count: int | None = None
    """Calls of the program's, each client's counted up to the eleventh. One that follows redirects, retries or
    authenticates is one call of several requests. ``None`` where it was not counted."""
    used_once_count: int
    """Of those made, how many were called exactly once so far."""
    unused_count: int
    """How many were not called so far."""
    idle_alive_count: int
    """Of those alive at the end, how many sent nothing since half of the group had been made."""
    plain_only_count: int
    """How many sent requests, never began a handshake, and had an SSL context of their own."""
    loops_count: int
    """Distinct event loops that used them; 0 for synchronous ones."""
    threads_count: int
    in_flight_peak_count: int
    """Requests of one client at once, at the most."""
    gap_median_ns: int | None = None
    """Of the times between the makings of two successive clients; ``None`` for fewer than two."""
    origins: tuple[OriginShare, ...] = ()
    handshake_sites: tuple[HandshakeSite, ...] = ()
    """Where their handshakes were made, which is not always where they were."""
    given_contexts: tuple[GivenContexts, ...] = ()
    """Contexts that the user's code made and gave to them, by the line that made them; in no count of theirs."""
    # What was seen to go wrong; each in numbers of what its name says.
    second_loop_count: int = 0
    """Clients that were used from a second event loop."""
    second_thread_count: int = 0
    """Synchronous clients whose library does not call them thread-safe that were used from a second thread."""
    second_process_count: int = 0
    """Clients that were made before a fork and used in the child."""
    expired_count: int = 0
    """Connections that were reopened because they had been idle for longer than somebody keeps them."""
    expired_gap_min_ns: int | None = None
    """The shortest idle time among those."""
    expiry_ns: int | None = None
    """The clients' own keep-alive expiry; ``None`` where it has none or is not known."""
    overflow_count: int = 0
    """Connections that were closed right after use because the pool keeps fewer, and opened again later."""
    keepalive_limit_count: int | None = None
    """How many idle connections a client keeps; ``None`` for no limit, or not known."""
    unread_count: int = 0
    """Responses that were dropped, or were still open at the client's or the window's end, neither read nor closed.

    From three of one client on also those closed before any of it was read, which over HTTP/1 closes the connection."""
    unread_sites: tuple[Place, ...] = ()
    """Lines that asked for them."""
    asked_http2_count: int = 0
    """Clients that were told to speak HTTP/2."""
    http2_handshakes_count: int = 0
    not_http2_handshakes_count: int = 0
    """Handshakes of such clients that agreed on anything else."""
    foreign_cookie_requests_count: int = 0
    """Requests that sent a cookie which the server had set for another caller: another task or thread that is neither
    the sender nor one of those that started it."""
    callers_with_cookies_count: int = 0
    """Callers for which the server set a cookie."""


class ContextGroup(msgspec.Struct, frozen=True, kw_only=True):
    """All client-side SSL contexts that were made at one line, but for those made while a library is imported."""

    site: Place
    maker: str
    """The kind of client that made them, ``httpx.Client``; empty where the user's code did."""
    client_sites: tuple[Place, ...] = ()
    """Lines that made these clients, which may make their contexts elsewhere: requests makes one for a connection."""
    chains: tuple[Chain, ...] = ()
    costs: Costs
    made_count: int
    unused_count: int
    """Of those made, how many have been in no handshake so far, not even in one that failed, and are about to be in
    none: in one that is under way, or by a client in its first call, or, of one's own, by a connect."""
    alive_count: int
    alive_peak_count: int
    idle_alive_count: int
    """Of those alive at the end, how many have had no handshake since half of the group had been made."""
    ca_loads_count: int
    reread_count: int
    """CA loads into a context that had been used for a handshake already, or was about to be for its second time."""
    handshakes_count: int


class ProcessProfile(msgspec.Struct, frozen=True, kw_only=True):
    """One process, from its start to its end or to the snapshot."""

    schema: str
    pid: int
    parent_pid: int
    argv: tuple[str, ...]
    executable: str
    python: str
    started_at_ns: int
    """Since the epoch."""
    duration_ns: int
    ended: Ended
    signal: int | None = None
    """The signal that ended it, if one did."""
    is_fork: bool = False
    is_told: bool = False
    """A child of multiprocessing of which all is here that its parent had heard of when it was written: that the parent
    ended it then is no loss."""
    is_alive: bool = False
    """It was still running when the program had ended: others without a last word are not."""
    counts: Counts
    costs: Costs
    sites: tuple[SiteTally, ...] = ()
    origins: tuple[OriginTally, ...] = ()
    clients: tuple[ClientGroup, ...] = ()
    contexts: tuple[ContextGroup, ...] = ()
    blind_spots: tuple[str, ...] = ()
    """Sentences on what the counts leave out."""
    errors: tuple[str, ...] = ()
    """Sentences on failures of the observer itself."""
    own_names: tuple[str, ...] = ()
    """Packages named as the user's own that had been imported."""


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """What something costs, or would leave over. ``None`` is not known."""

    contexts_count: int | None = None
    handshakes_count: int | None = None
    connections_count: int | None = None
    cpu_ns: int | None = None
    wall_ns: int | None = None
    ssl_bytes: int | None = None


class LineBytes(msgspec.Struct, frozen=True, kw_only=True):
    """Cumulative SSL bytes of a line, by what they go with."""

    contexts_bytes: int = 0
    """Making contexts, and loading CA certificates into them."""
    handshakes_bytes: int = 0
    """Handshakes, and setting up and ending their connections."""
    transfer_bytes: int = 0
    """Reading and writing, of which there is as much on a kept connection."""

    @property
    def total_bytes(self) -> int:
        """All of them."""
        return self.contexts_bytes + self.handshakes_bytes + self.transfer_bytes

    def __add__(self, other: LineBytes) -> LineBytes:
        """Those of both."""
        return LineBytes(
            contexts_bytes=self.contexts_bytes + other.contexts_bytes,
            handshakes_bytes=self.handshakes_bytes + other.handshakes_bytes,
            transfer_bytes=self.transfer_bytes + other.transfer_bytes,
        )

    def part(self, count: int, of_count: int) -> LineBytes:
        """The share of ``count`` in those of ``of_count``."""
        return LineBytes(
            contexts_bytes=self.contexts_bytes * count // of_count,
            handshakes_bytes=self.handshakes_bytes * count // of_count,
            transfer_bytes=self.transfer_bytes * count // of_count,
        )


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a run found, at one line."""

    code: str
    """``CP001`` and so on; see :mod:`connprof.codes`."""
    place: Place
    chains: tuple[Chain, ...] = ()
    what: str
    """Who did what, as the beginning of a sentence: ``40 httpx.AsyncClient made in fetch(), one request each``."""
    evidence: tuple[tuple[str, str], ...]
    """Figures with their names, finished: ``("SSL contexts", "40")``."""
    cost: Price
    """What it cost in this run."""
    fix: str
    """One sentence."""
    leaves: Price
    """What the fix would leave over of ``cost``."""
    processes_count: int = 1
    related: tuple[Place, ...] = ()
    """Other lines that belong to it: where the unread response was asked for."""


LimitState = Literal["kept", "broken", "unchecked"]
"""``unchecked``: nobody can tell, which counts as broken for the exit code."""


class HeldLimit(msgspec.Struct, frozen=True, kw_only=True):
    """A limit that a run was held to, and how it did."""

    option: str
    """``--max-handshakes``."""
    code: str = ""
    """What ``--fail-on`` names: a code, or ``any``."""
    limit: int | float
    """The most, or with ``--min-requests-per-connection`` the least; of findings 0."""
    figure: int | float | None
    """What was recorded of it; ``None`` where nothing was, or where it cannot be told."""
    state: LimitState
    sentence: str


class LintMark(msgspec.Struct, frozen=True, kw_only=True):
    """A finding of ``connprof lint``, and what it made in the run: of a helper's those that came by way of it."""

    code: str
    file: str
    """As it was given to the check: from the folder in which the run was started, or absolute."""
    line: int
    sureness: str
    clients_count: int
    contexts_count: int
    handshakes_count: int
    connections_count: int

    @property
    def ran(self) -> bool:
        """Whether anything was seen to be made there."""
        return any((self.clients_count, self.contexts_count, self.handshakes_count, self.connections_count))


class Linted(msgspec.Struct, frozen=True, kw_only=True):
    """What ``connprof lint`` says of the source, held against the run."""

    marks: tuple[LintMark, ...]
    """Hottest first; all zero where they did not run, or made nothing."""
    unchecked_count: int = 0
    """Files that could not be checked."""
    notes: tuple[str, ...] = ()
    """Sentences on the first of these, and on what was left alone."""


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """A program's run."""

    schema: str
    command: tuple[str, ...]
    started_at: str
    """ISO 8601, UTC."""
    duration_ns: int
    exit_code: int | None
    """The program's; negative for the signal that killed it; ``None`` where it is not known."""
    counts: Counts
    costs: Costs
    sites: tuple[SiteTally, ...]
    """Costliest first."""
    origins: tuple[OriginTally, ...]
    findings: tuple[Finding, ...]
    """Costliest first."""
    processes: tuple[ProcessProfile, ...]
    blind_spots: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """What a reader must know of how it was observed."""
    memory: bool = False
    """Whether memory was recorded: then times are those of a slowed-down program, and are not shown."""
    quiet_processes_count: int = 0
    """Python processes that could have been observed, and imported nothing that does TLS or HTTP: they left nothing."""
    is_incomplete: bool = False
    """Whether something is known to be missing: a process was killed before all was written that it had seen, could not
    write or be observed, goes on, or left a file that cannot be read. Counts are then the least that happened, and
    ratios those of what was recorded. ``notes`` say which process it was."""
    limits: tuple[HeldLimit, ...] = ()
    """What it was held to."""
    lint: Linted | None = None
    """``None`` where no source was checked with it."""
