"""Clients, contexts and what becomes of them, by the line that made them.

A :class:`Story` is one window's: groups of clients and of contexts, each of one line. A :class:`Client` and a
:class:`Context` stand for one object of the program's, which is followed by weak reference, and add to the groups of
all windows that were open when it was made. Nothing here locks: the recorder does, around every call.
"""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from heapq import heappop, heappush
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from connprof.observe.sites import NO_SPOT, Spot

if TYPE_CHECKING:
    from collections.abc import Iterable
    from weakref import ref

    from connprof.observe.sites import Caller, Location, SiteKey
    from connprof.observe.standing import StandingCall
    from connprof.observe.tallies import Lane

__all__ = [
    "CALLS_COUNTED_MAX",
    "CHAINS_MAX",
    "NO_PLACE",
    "Client",
    "ClientGroup",
    "Context",
    "ContextGroup",
    "Expense",
    "Kind",
    "Share",
    "Story",
    "Use",
    "chains_of",
    "idle",
]

CALLS_COUNTED_MAX: Final = 11
"""Up to how many calls of one client are counted: whoever calls more often does not make it per call, nor per batch."""
CHAINS_MAX: Final = 20
_CHAINS_KEPT_MAX: Final = 200
_ORIGINS_MAX: Final = 1_000
_MADE_KEPT_MAX: Final = 4_096
_USES_KEPT_MAX: Final = 4_096
_UNREAD_SITES_MAX: Final = 20
_CLIENT_SITES_MAX: Final = 200
_CLOSED_EARLY_COUNT: Final = 3
"""From how many responses of one client closed unread on they count: one or two may be meant."""

NO_PLACE: Final[tuple[Spot, None]] = (NO_SPOT, None)
"""Where a client has been called from that has not been called."""

Chains = Counter["tuple[Location, ...]"]


class Expense:
    """Places in a list of times, all in nanoseconds. Where there are both, wall time comes next after CPU time."""

    CONTEXT_CPU, CONTEXT_WALL, HANDSHAKE_CPU, HANDSHAKE_WALL, CONNECT_WALL, REQUEST_WALL = range(6)
    SIZE = 6
    NAMES: Final = (
        "context_cpu_ns",
        "context_wall_ns",
        "handshake_cpu_ns",
        "handshake_wall_ns",
        "connect_wall_ns",
        "request_wall_ns",
    )


class Kind(NamedTuple):
    """A class of clients.

    Attributes:
        library: its import name.
        name: as it is called in code, ``httpx.AsyncClient``.
        is_async: whether it belongs to an event loop.
        is_thread_bound: whether its library does not promise that threads may share it.
        is_read_later: whether bodies are read after the method that sends has returned, where nobody sees it.
    """

    library: str
    name: str
    is_async: bool
    is_thread_bound: bool
    is_read_later: bool = False


class Pacing:
    """When the members of a group were made: the gaps between them, and when half of them had been made."""

    __slots__ = ("_seen", "_stride", "_times")

    def __init__(self) -> None:
        self._times: list[int] = []
        self._stride = 1
        self._seen = 0

    def add(self, made_ns: int) -> None:
        if self._seen % self._stride == 0:
            self._times.append(made_ns)
            if len(self._times) > _MADE_KEPT_MAX:
                del self._times[1::2]
                self._stride *= 2
        self._seen += 1

    @property
    def gap_median_ns(self) -> int | None:
        times = sorted(self._times)  # threads may tell of theirs later than of others' after them
        if len(times) < 2:  # noqa: PLR2004 - a gap needs two
            return None
        return round(median([late - early for early, late in pairwise(times)]) / self._stride)

    @property
    def half_ns(self) -> int:
        return sorted(self._times)[len(self._times) // 2] if self._times else 0


class Use(NamedTuple):
    """A connection over TLS, while calls of its client needed it.

    Attributes:
        start_ns: its connect, or the making of a client that was made for the call.
        end_ns: its last call's end. That of the connection may be much later, where nobody closes the client.
        is_spent: whether the peer, a timeout or an unread body ended it: no later call could have had it.
        is_multiplexed: whether it carried calls beside each other, and would have carried other clients' as well.
    """

    start_ns: int
    end_ns: int
    is_spent: bool
    is_multiplexed: bool


class Replay:
    """The connections of one client for all, at one origin, had calls come and gone as they did."""

    __slots__ = ("idle", "is_up", "opened")

    def __init__(self) -> None:
        self.idle: list[int] = []  # since when each has been
        self.is_up = False  # the one that carries everything
        self.opened = 0

    def copy(self) -> Replay:
        """One that can be played on."""
        other = Replay()
        other.idle, other.is_up, other.opened = self.idle.copy(), self.is_up, self.opened
        return other

    def play(self, uses: Iterable[Use], expiry_ns: int | None, limit: int | None) -> None:
        """Go through uses, which are all over then."""
        alone: list[tuple[int, bool]] = []
        together: list[tuple[int, bool]] = []
        for use in sorted(uses):
            if use.is_multiplexed:
                while together and together[0][0] <= use.start_ns:
                    self.is_up = not heappop(together)[1] and self.is_up
                self.opened += not self.is_up
                self.is_up = True
                heappush(together, (use.end_ns, use.is_spent))
                continue
            while alone and alone[0][0] <= use.start_ns:
                self._over(*heappop(alone), limit)
            if self.idle and expiry_ns is not None and use.start_ns - self.idle[-1] > expiry_ns:
                self.idle.clear()
            if self.idle:
                self.idle.pop()
            else:
                self.opened += 1
            heappush(alone, (use.end_ns, use.is_spent))
        while alone:
            self._over(*heappop(alone), limit)
        while together:
            self.is_up = not heappop(together)[1] and self.is_up

    def _over(self, end_ns: int, is_spent: bool, limit: int | None) -> None:
        if not is_spent and (limit is None or len(self.idle) < limit):
            self.idle.append(end_ns)


class Share:
    """One origin's part in a group."""

    __slots__ = (
        "_replay",
        "_unlimited",
        "_uses",
        "connections",
        "handshakes",
        "open_now",
        "open_peak",
        "requests",
        "spent",
    )

    def __init__(self) -> None:
        self.connections = self.handshakes = self.requests = self.open_now = self.open_peak = self.spent = 0
        self._uses: list[Use] = []
        self._replay = Replay()
        self._unlimited = Replay()

    def is_of_use(self) -> bool:
        """Whether anything is known of the origin."""
        return bool(self.connections or self.open_now or self.handshakes or self.requests or self._uses)

    def used(self, use: Use, group: ClientGroup) -> None:
        """A connection is over."""
        self.spent += use.is_spent
        self._uses.append(use)
        if len(self._uses) > _USES_KEPT_MAX:
            self._replay.play(self._uses, group.expiry_ns, group.keepalive_limit)
            self._unlimited.play(self._uses, group.expiry_ns, None)
            self._uses.clear()

    def needed(self, living: Iterable[Use], group: ClientGroup, *, unlimited: bool = False) -> int | None:
        """How many connections one client for all would have opened; ``None`` where none was followed.

        ``unlimited`` is for one that keeps as many as there are.
        """
        replay = (self._unlimited if unlimited else self._replay).copy()
        replay.play((*self._uses, *living), group.expiry_ns, None if unlimited else group.keepalive_limit)
        return replay.opened or None


_numbers: Final = itertools.count(1)


class _OfThread(threading.local):
    """What a thread knows of itself: the number that the system has for it is given to others when it has ended."""

    def __init__(self) -> None:
        self.number = next(_numbers)
        self.groups: set[int] = set()
        """Numbers of the groups in which it is counted."""


_of_thread: Final = _OfThread()


def thread_number() -> int:
    """The running thread's number, which no other thread of this process has or will have."""
    return _of_thread.number


class ClientGroup:
    """All clients of one kind made at one line, in one window. Names are those of ``connprof.profile.ClientGroup``."""

    def __init__(self, story: Story, site: SiteKey, kind: Kind, shortcut: str, fields_count: int) -> None:
        self.story = story
        self.site = site
        self.kind = kind
        self.shortcut = shortcut
        self.counts = [0] * fields_count
        self.costs = [0] * Expense.SIZE
        self.chains: Chains = Counter()
        self.pacing = Pacing()
        self.shares: dict[str, Share] = {}
        self.handshake_sites: Counter[SiteKey] = Counter()
        self.given: Counter[SiteKey] = Counter()
        self.loops: set[int] = set()
        self.number = next(_numbers)
        self.threads = 0  # not a set of them: a server may begin one for each request
        self.made = self.closed = self.dropped = self.dropped_unused = self.alive = self.alive_peak = 0
        self.calls = self.used_once = self.unused = self.plain_only = self.in_flight_peak = 0
        self.second_loop = self.second_thread = self.second_process = 0
        self.expired = self.overflow = self.unread = 0
        self.expired_gap_min_ns: int | None = None
        self.expiry_ns: int | None = None
        self.keepalive_limit: int | None = None
        self.unread_sites: dict[SiteKey, None] = {}
        self.asked_http2 = self.http2 = self.not_http2 = 0
        self.foreign_cookies = 0
        self.callers_with_cookies = 0

    def share(self, origin: str) -> Share:
        """The part of ``origin``; from the thousandth on all others are one, ``…``."""
        found = self.shares.get(origin)
        if found is None:
            if len(self.shares) >= _ORIGINS_MAX:
                origin = "…"
                found = self.shares.get(origin)
            if found is None:
                found = self.shares[origin] = Share()
        return found


class ContextGroup:
    """All client-side contexts made at one line by one kind of maker, in one window."""

    def __init__(self, story: Story, site: SiteKey, maker: str) -> None:
        self.story = story
        self.site = site
        self.maker = maker
        self.chains: Chains = Counter()
        self.costs = [0] * Expense.SIZE
        self.pacing = Pacing()
        self.made = self.unused = self.alive = self.alive_peak = 0
        self.ca_loads = self.rereads = self.handshakes = 0
        self.client_sites: dict[SiteKey, None] = {}


class Context:
    """One SSL context."""

    __slots__ = (
        "client",
        "cpu_ns",
        "died",
        "given_to",
        "groups",
        "handshakes",
        "is_shell",
        "last_ns",
        "loads",
        "made_ns",
        "owner",
        "sites",
        "wall_ns",
        "was_tried",
    )

    def __init__(self, sites: Any, client: Client | None, groups: list[ContextGroup], made_ns: int) -> None:
        self.sites = sites
        self.client = client
        self.groups = groups
        self.made_ns = made_ns
        self.handshakes = 0
        self.last_ns = 0
        self.owner: ref[Any] | None = None
        self.died = False
        self.is_shell = False
        self.was_tried = False
        self.loads = 0
        self.cpu_ns = self.wall_ns = 0
        self.given_to: set[ClientGroup] | None = None

    def spent(self, cpu_ns: int, wall_ns: int) -> None:
        """It took so long to make it, or to load CA certificates into it."""
        self.cpu_ns += cpu_ns
        self.wall_ns += wall_ns
        for group in self.groups:
            group.costs[Expense.CONTEXT_CPU] += cpu_ns
            group.costs[Expense.CONTEXT_WALL] += wall_ns

    def made(self, chains: list[tuple[Location, ...]]) -> None:
        """It was made, by these ways in each window."""
        for group, chain in zip(self.groups, chains, strict=True):
            group.made += 1
            group.unused += 1
            group.alive += 1
            group.alive_peak = max(group.alive_peak, group.alive)
            group.pacing.add(self.made_ns)
            add_chain(group.chains, chain)
            for client_group in () if self.client is None else self.client.groups:
                if client_group.story is group.story and len(group.client_sites) < _CLIENT_SITES_MAX:
                    group.client_sites[client_group.site] = None

    def loaded(self) -> None:
        """CA certificates were loaded into it."""
        self.loads += 1
        for group in self.groups:
            group.ca_loads += 1
            if self.handshakes:
                group.rereads += 1

    def shook(self, now_ns: int, cpu_ns: int, wall_ns: int) -> None:
        """A handshake with it has succeeded, in so much time."""
        self.handshakes += 1
        self.last_ns = now_ns
        for group in self.groups:
            group.handshakes += 1
            group.costs[Expense.HANDSHAKE_CPU] += cpu_ns
            group.costs[Expense.HANDSHAKE_WALL] += wall_ns

    def tried(self) -> None:
        """A handshake with it has ended, be it in failure: it was not built for nothing."""
        if self.was_tried:
            return
        self.was_tried = True
        if not self.is_shell:
            for group in self.groups:
                group.unused -= 1

    def disregard(self) -> None:
        """Its class wraps another context, which does the work: this one is not expected to be used."""
        if not self.is_shell and not self.was_tried:
            for group in self.groups:
                group.unused -= 1
        self.is_shell = True

    def end(self) -> None:
        """It is gone."""
        if not self.died:
            self.died = True
            for group in self.groups:
                group.alive -= 1


class Client:
    """One client. ``groups`` are those of the windows in which it was made."""

    __slots__ = (
        "_uses",
        "built_ns",
        "calls",
        "closed",
        "closed_early",
        "closed_early_count",
        "closed_ns",
        "contexts",
        "cookie_callers",
        "cookie_names",
        "cookies_seen",
        "counted_plain",
        "dialled",
        "died",
        "expired",
        "expiry_ns",
        "groups",
        "has_waited",
        "http2",
        "in_flight",
        "in_flight_peak",
        "is_bound",
        "is_local",
        "is_watched",
        "keepalive_limit",
        "kind",
        "lanes",
        "last_ns",
        "latest",
        "left_open",
        "limit_is_per_origin",
        "loop",
        "made_ns",
        "may_stand",
        "open_at",
        "overflow_ns",
        "overflowed",
        "owner",
        "responses",
        "second_loop",
        "second_thread",
        "sites",
        "standing",
        "thread",
        "thread_number",
        "tls",
        "wire_requests",
    )

    def __init__(self, kind: Kind, sites: Any, groups: list[ClientGroup], made_ns: int) -> None:
        self.kind = kind
        self.sites = sites
        self.groups = groups
        self.made_ns = self.built_ns = made_ns
        self.closed_ns = 0
        self.owner: ref[Any] | None = None
        self.is_bound = kind.is_async or kind.is_thread_bound
        self.calls = self.in_flight = self.wire_requests = self.contexts = 0
        # The next two are asked at every call, so that the rest is not.
        self.in_flight_peak = 0
        self.is_watched = True
        self._uses = 0
        self.lanes: dict[Any, Lane] = {}  # by line and certainty, and by the places that call
        # The last of those places and its lane; both at once, as threads may share a client.
        self.latest: tuple[Spot, Lane | None] = NO_PLACE
        self.standing: StandingCall | None = None
        self.may_stand = True
        self.last_ns = 0
        self.loop: ref[Any] | None = None
        self.thread = self.thread_number = 0
        self.closed = self.died = self.second_loop = self.second_thread = self.tls = self.counted_plain = False
        self.expiry_ns: int | None = None
        self.keepalive_limit: int | None = None
        self.limit_is_per_origin = False
        self.http2 = False
        self.has_waited = False  # other calls of its thread came between its making and its first one
        self.dialled = self.is_local = False
        self.open_at: dict[str, int] = {}
        # Of those: the client is closed or gone, and somebody else holds them.
        self.left_open: dict[str, int] | None = None
        # Origins whose connections were closed, and why, until they are opened again.
        self.expired: dict[str, list[int]] | None = None
        self.overflowed: dict[str, int] | None = None
        self.overflow_ns = 0
        self.responses: dict[int, Any] | None = None
        self.closed_early: list[dict[Story, SiteKey]] | None = None
        self.closed_early_count = 0
        # By domain, path and name; and by name, and then by domain and path.
        self.cookies_seen: dict[tuple[str, str, str], int] | None = None
        self.cookie_names: dict[str, dict[tuple[str, str], Caller]] | None = None
        self.cookie_callers: list[Caller] | None = None

    # --- its life -------------------------------------------------------------------------------------------

    def made(self, chains: list[tuple[Location, ...]]) -> None:
        """It was made, by these ways in each window."""
        for group, chain in zip(self.groups, chains, strict=True):
            group.made += 1
            group.unused += 1
            group.alive += 1
            group.alive_peak = max(group.alive_peak, group.alive)
            group.pacing.add(self.made_ns)
            group.asked_http2 += self.http2
            if self.expiry_ns is not None:
                group.expiry_ns = self.expiry_ns
            if self.keepalive_limit is not None:
                group.keepalive_limit = self.keepalive_limit
            add_chain(group.chains, chain)

    def closing(self, now_ns: int) -> None:
        """Its user closes it."""
        if self.closed or self.died:
            return
        self.closed = self.is_watched = True
        self.closed_ns = now_ns
        for group in self.groups:
            group.closed += 1
            group.alive -= 1
        self._lets_go()

    def reopened(self) -> None:
        """It was closed and is used again, as some may be."""
        self.closed = False
        for group in self.groups:
            group.closed -= 1
            group.alive += 1

    def end(self) -> None:
        """It is gone."""
        if self.died:
            return
        self.died = True
        if not self.closed:
            for group in self.groups:
                group.alive -= 1
                group.dropped += 1
                group.dropped_unused += not self._uses
            self._lets_go()

    def _lets_go(self) -> None:
        """Nobody will use its connections any more, though they may stay open: requests' responses hold theirs."""
        if not self.open_at:
            return
        left = self.left_open = self.left_open or {}
        for origin, open_count in self.open_at.items():
            left[origin] = left.get(origin, 0) + open_count
            for group in self.groups:
                group.share(origin).open_now -= open_count
        self.open_at.clear()

    # --- what it does ---------------------------------------------------------------------------------------

    def calls_now(self) -> int:
        """How many of its calls are under way."""
        return self.in_flight + (self.standing is not None and self.standing.live)

    def begun(self, earlier_ns: int) -> None:
        """A call has begun that says something new: one of the first, one after closing, or one more at once.

        ``earlier_ns`` is when the last one of any client's began in this thread.
        """
        if not self._uses and earlier_ns > self.built_ns:
            self.has_waited = True
        if self.closed:
            self.reopened()
        self.in_flight_peak = max(self.in_flight_peak, self.calls_now())
        for group in self.groups:
            group.in_flight_peak = max(group.in_flight_peak, self.in_flight_peak)
        while self._uses < min(self.calls, CALLS_COUNTED_MAX):
            self._uses += 1
            for group in self.groups:
                group.calls += 1
                if self._uses == 1:
                    group.used_once += 1
                    group.unused -= 1
                elif self._uses == 2:  # noqa: PLR2004 - from the second use on it is used more than once
                    group.used_once -= 1
        self.is_watched = self._uses < CALLS_COUNTED_MAX

    def was_used_before(self) -> None:
        """It was made elsewhere: not one of those that are unused, or used once."""
        self.calls = self._uses = CALLS_COUNTED_MAX
        self.is_bound = self.is_watched = False

    def is_plain(self) -> None:
        """A request of its has gone out, and it has never shaken a hand; it may have contexts for nothing."""
        if not self.counted_plain:
            self.counted_plain = True
            for group in self.groups:
                group.plain_only += 1

    def moves_to_loop(self, loop: ref[Any], number: int) -> None:
        """It is used from another event loop than before, or from its first one."""
        if self.loop is not None and not self.second_loop:
            self.second_loop = True
            for group in self.groups:
                group.second_loop += 1
        self.loop = loop
        for group in self.groups:
            group.loops.add(number)

    def moves_to_thread(self, thread: int) -> None:
        """It is used from another thread than before, or from its first one; it is that thread that tells."""
        if self.thread and not self.second_thread:
            self.second_thread = True
            for group in self.groups:
                group.second_thread += 1
        self.thread, self.thread_number = thread, thread_number()
        known = _of_thread.groups
        for group in self.groups:
            if group.number not in known:
                known.add(group.number)
                group.threads += 1

    def speaks_tls(self) -> None:
        """It has shaken a hand, or tried to."""
        if self.tls:
            return
        self.tls = True
        if self.counted_plain:
            self.counted_plain = False
            for group in self.groups:
                group.plain_only -= 1

    def count(self, field: int, origin: str | None = None) -> None:
        """Count one event."""
        for group in self.groups:
            group.counts[field] += 1
            if origin is not None:
                group.share(origin)

    def spend(self, expense: int, spent_ns: int) -> None:
        """Add time spent."""
        for group in self.groups:
            group.costs[expense] += spent_ns

    def count_timed(self, field: int, cpu_expense: int, cpu_ns: int, wall_ns: int) -> None:
        """Count one event, and add its CPU time, and the wall time that comes after it in the list of times."""
        for group in self.groups:
            group.counts[field] += 1
            group.costs[cpu_expense] += cpu_ns
            group.costs[cpu_expense + 1] += wall_ns

    def met(self, origin: str) -> None:
        """It had to do with this peer, be it in vain."""
        for group in self.groups:
            group.share(origin)

    def connected(self, origin: str) -> None:
        """One of its connections was opened, perhaps in place of one that could have been kept."""
        self.open_at[origin] = self.open_at.get(origin, 0) + 1
        for group in self.groups:
            share = group.share(origin)
            share.connections += 1
            share.open_now += 1
            share.open_peak = max(share.open_peak, share.open_now)
        gaps = None if self.expired is None else self.expired.get(origin)
        if gaps:
            gap_ns = gaps.pop()
            for group in self.groups:
                group.expired += 1
                if group.expired_gap_min_ns is None or gap_ns < group.expired_gap_min_ns:
                    group.expired_gap_min_ns = gap_ns
        elif self.overflowed is not None and self.overflowed.get(origin):
            self.overflowed[origin] -= 1
            for group in self.groups:
                group.overflow += 1

    def disconnected(self, origin: str) -> None:
        """One of its connections was closed."""
        if self.left_open is not None and self.left_open.get(origin):
            self.left_open[origin] -= 1
            return
        self.open_at[origin] = self.open_at.get(origin, 0) - 1
        for group in self.groups:
            group.share(origin).open_now -= 1

    def renamed(self, earlier: str, origin: str) -> None:
        """One of its connections, which is open, leads to another peer than was thought."""
        self.disconnected(earlier)
        for group in self.groups:
            group.share(earlier).connections -= 1
        self.connected(origin)

    def never_met(self, origin: str, story: Story) -> None:
        """It had nothing to do with this peer, as far as a window knows; some other client may have."""
        for group in self.groups:
            share = group.shares.get(origin)
            if group.story is story and share is not None and not share.is_of_use():
                del group.shares[origin]

    def lost_idle(self, origin: str, idle_ns: int) -> None:
        """One of its connections was closed after it had been idle for so long."""
        if self.expired is None:
            self.expired = {}
        self.expired.setdefault(origin, []).append(idle_ns)

    def lost_over_its_limit(self, origin: str, now_ns: int) -> None:
        """One of its connections was closed that it had no room to keep."""
        self.overflow_ns = now_ns
        if self.overflowed is None:
            self.overflowed = {}
        self.overflowed[origin] = self.overflowed.get(origin, 0) + 1

    def is_over(self) -> bool:
        """Whether nobody can use it any more, which the garbage collector may not have told yet."""
        return self.closed or self.died or self.owner is None or self.owner() is None

    def may_wait(self) -> bool:
        """Whether calls of its that have sent no request may have waited for the network all the same."""
        return bool(self.wire_requests) or (self.dialled and not self.is_local)

    def needed_from(self, start_ns: int) -> int:
        """From when on a connection of its was needed: its making is a part of the call for which it was made."""
        if self.has_waited or start_ns - self.built_ns >= self.built_ns - self.made_ns:
            return start_ns
        return self.made_ns

    def used(self, origin: str, use: Use) -> None:
        """One of its connections is over."""
        for group in self.groups:
            group.share(origin).used(use, group)

    def open_count(self, origin: str) -> int:
        """How many connections are open now of those that share a limit with this origin's.

        A pool for all origins counts those as well that its calls are about to open.
        """
        if self.limit_is_per_origin:
            return self.open_at.get(origin, 0)
        return max(sum(self.open_at.values()), 0 if self.http2 else self.calls_now())

    def shook(self, origin: str, alpn: str | None, context: Context | None) -> None:
        """A handshake of its has succeeded."""
        self.speaks_tls()
        if context is not None and context.client is None:
            self._was_given(context)
        for group in self.groups:
            group.share(origin).handshakes += 1
            if self.http2:
                if alpn == "h2":
                    group.http2 += 1
                else:
                    group.not_http2 += 1

    def _was_given(self, context: Context) -> None:
        """It has shaken a hand with a context that was not made for it."""
        for group in self.groups:
            for made in context.groups:
                # A context that lives for long keeps no window's groups alive but those of its own windows.
                if made.story is group.story:
                    if context.given_to is None:
                        context.given_to = set()
                    if group not in context.given_to:
                        context.given_to.add(group)
                        group.given[made.site] += 1

    def shook_at(self, story: Story, site: SiteKey) -> None:
        """A handshake of its has ended, well or not, which this line pays."""
        for group in self.groups:
            if group.story is story:
                group.handshake_sites[site] += 1

    def closed_unread(self, sites: dict[Story, SiteKey]) -> None:
        """A response of its was closed unread, and the connection with it. Once or twice may be meant."""
        self.closed_early_count += 1
        early = self.closed_early = self.closed_early or []
        early.append(sites)
        if self.closed_early_count >= _CLOSED_EARLY_COUNT:
            for each in early:
                self.unread(each)
            early.clear()

    def unread(self, sites: dict[Story, SiteKey]) -> None:
        """A response of its was given up unread; ``sites`` asked for it."""
        for group in self.groups:
            group.unread += 1
            site = sites.get(group.story)
            if site is not None and len(group.unread_sites) < _UNREAD_SITES_MAX:
                group.unread_sites[site] = None


class Story:
    """One window's clients and contexts, by line; ``chains`` are the ways to each line that pays."""

    __slots__ = ("chains", "clients", "contexts", "imports")

    def __init__(self) -> None:
        self.clients: dict[tuple[SiteKey, str, str], ClientGroup] = {}
        self.contexts: dict[tuple[SiteKey, str], ContextGroup] = {}
        self.chains: dict[SiteKey, Chains] = {}
        self.imports: dict[SiteKey, Counter[str]] = {}

    def client_group(self, site: SiteKey, kind: Kind, shortcut: str, fields_count: int) -> ClientGroup:
        """The group of clients of this line, which may be new."""
        key = (site, kind.name, shortcut)
        group = self.clients.get(key)
        if group is None:
            group = self.clients[key] = ClientGroup(self, site, kind, shortcut, fields_count)
        return group

    def context_group(self, site: SiteKey, maker: str) -> ContextGroup:
        """The group of contexts of this line, which may be new."""
        key = (site, maker)
        group = self.contexts.get(key)
        if group is None:
            group = self.contexts[key] = ContextGroup(self, site, maker)
        return group

    def imported(self, site: SiteKey, package: str) -> None:
        """A context was made while a line imported this package."""
        self.imports.setdefault(site, Counter())[package] += 1

    def came_by(self, site: SiteKey, chain: tuple[Location, ...]) -> None:
        """Note one way that led to a line."""
        chains = self.chains.get(site)
        if chains is None:
            chains = self.chains[site] = Counter()
        add_chain(chains, chain)


def add_chain(chains: Chains, chain: tuple[Location, ...]) -> None:
    """Count one way to a line; beyond some hundreds of ways no new ones are kept."""
    if chain:
        count = chains.get(chain)  # a way is long, and each look reads all of it
        if count is not None or len(chains) < _CHAINS_KEPT_MAX:
            chains[chain] = (count or 0) + 1


def chains_of(chains: Chains) -> Iterable[tuple[tuple[Location, ...], int]]:
    """The most frequent ways."""
    return chains.most_common(CHAINS_MAX)


def idle(
    clients: Iterable[Client], contexts: Iterable[Context]
) -> tuple[dict[ClientGroup, int], dict[ContextGroup, int]]:
    """For each group how many of those alive have done nothing since half of it had been made."""
    idle_clients: dict[ClientGroup, int] = {}
    idle_contexts: dict[ContextGroup, int] = {}
    halves: dict[Any, int] = {}
    for client in clients:
        for group in () if client.closed or client.died else client.groups:
            if group not in halves:
                halves[group] = group.pacing.half_ns
            if client.last_ns <= halves[group] and not client.calls_now():
                idle_clients[group] = idle_clients.get(group, 0) + 1
    for context in contexts:
        for of_contexts in context.groups:
            if of_contexts not in halves:
                halves[of_contexts] = of_contexts.pacing.half_ns
            if context.last_ns <= halves[of_contexts]:
                idle_contexts[of_contexts] = idle_contexts.get(of_contexts, 0) + 1
    return idle_clients, idle_contexts
