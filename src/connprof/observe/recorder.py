"""The one place in a process where events arrive, are attributed, and are handed to the open windows.

Hooks call the methods marked ``@guarded``: those never raise, whatever happens inside. Sockets and TLS objects
are followed by weak reference, so that observing them keeps nothing alive.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import socket
import ssl
import sys
from collections import deque
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary, ref

from connprof.observe.observation import Bar, Field, HandshakeOutcome, Observation
from connprof.observe.originals import (
    IN_PROGRESS,
    INTERNET,
    SOCKETPAIR_CODES,
    SSLContext,
    SSLSocket,
    is_of_a_signal,
    make_lock,
    now_ns,
    protocol_of,
    running_loop,
    socket_class,
    task_in,
    thread_id,
)
from connprof.observe.owners import NO_PLACE, Client, Context, Expense, Use, idle, thread_number
from connprof.observe.sites import (
    BY_TASK,
    CARRIED,
    DEFAULT_FINDER,
    IMPORT_FILES,
    NO_SPOT,
    NOTHING,
    SHORTCUTS,
    THREAD_LINES,
    UNKNOWN,
    Caller,
    Carried,
    Carrier,
    Lines,
    SiteFinder,
    SiteKey,
    Sites,
    carried_line,
    carried_now,
    current,
    of_thread,
    pick,
    thread_lines,
)
from connprof.observe.standing import StandingCall, connection_of
from connprof.observe.tallies import Lane

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextvars import Token
    from threading import Thread
    from types import FrameType

    from connprof.observe.figures import Certainty
    from connprof.observe.owners import ClientGroup, ContextGroup, Kind, Story
    from connprof.observe.sites import Location, Spot

__all__ = ["DIALLED", "RECORDER", "Recorder", "describe", "fails_on_its_way", "guarded", "home_of"]

_frame = sys._getframe  # noqa: SLF001 - the documented way to the caller's frame that costs little
_new_carried: Callable[[type[Carried]], Carried] = object.__new__
_NAMES_MAX = 20_000

DIALLED: Final[ContextVar[tuple[Any, Any, Any]]] = ContextVar("connprof_dialled")
"""What is being connected where neither connect nor handshake has a Python frame of its own: socket, host, port."""


def guarded(method: Callable[..., Any]) -> Callable[..., Any]:
    """Turn every failure of a recording method into a note, and its answer into ``None``."""

    @functools.wraps(method)
    def never_raising(self: Recorder, *args: Any) -> Any:
        try:
            result = method(self, *args)
            if self.on_event is not None:
                self.on_event()
        except Exception as error:  # noqa: BLE001 - the observed program must not notice
            self.note_error(method.__name__, error)
            return None
        return result

    return never_raising


class Watch(ref[Any]):
    """A weak reference to an object of the program's that knows what stands for it here.

    A class and not a function made for each, which would be several more objects for the garbage collector to count.
    """

    __slots__ = ("dead", "identity", "known", "subject")

    def follows(self, subject: Any, dead: deque[Any], known: dict[int, Any] | None = None, identity: int = 0) -> Watch:
        """Say what stands for it, where its end is told, and where it is known by its identity."""
        self.subject = subject
        self.dead = dead  # that of this stretch of windows: what dies later is nobody's
        self.known = known
        self.identity = identity
        return self


# What the garbage collector calls. The watch and its subject hold each other until then.


def _is_gone(watch: Any) -> None:
    """A client or a context."""
    subject, watch.subject = watch.subject, None
    if subject.owner is watch:
        if watch.known.get(watch.identity) is subject:
            del watch.known[watch.identity]
        if type(subject) is Client and subject.standing is not None:
            RECORDER.unseat(subject)
        watch.dead.append(subject)


def _is_dropped(watch: Any) -> None:
    """A socket, perhaps without a close."""
    connection, watch.subject = watch.subject, None
    if connection.owner is watch:
        connection.died_ns = now_ns()
        watch.dead.append(connection)


def _is_shaken(watch: Any) -> None:
    """A TLS object with a handshake."""
    handshake, watch.subject = watch.subject, None
    if handshake.owner is watch:
        watch.known.pop(watch.identity, None)
        if not handshake.done:
            handshake.died_ns = now_ns()
            watch.dead.append(handshake)


def _is_unshaken(watch: Any) -> None:
    """A TLS object without one."""
    unshaken, watch.subject = watch.subject, None
    if unshaken.owner is watch and watch.known.get(watch.identity) is unshaken:
        del watch.known[watch.identity]
        watch.dead.append(unshaken)


class _Connection:
    """A TCP connect and what became of it."""

    __slots__ = (
        "bar",
        "client",
        "connect",
        "died_ns",
        "fd",
        "handshake",
        "is_left",
        "last_ns",
        "opened_ns",
        "origin",
        "owner",
        "peer",
        "pending",
        "requests",
        "sites",
        "start_ns",
    )

    def __init__(self, fd: int, peer: tuple[str, int], origin: str, sites: Sites, start_ns: int) -> None:
        self.fd = fd
        self.peer = peer
        self.origin = origin
        self.sites = sites
        self.start_ns = start_ns
        self.pending = True
        self.bar: Bar | None = None
        self.connect: Bar | None = None
        self.handshake: _Handshake | None = None
        self.owner: ref[Any] | None = None
        self.died_ns: int | None = None
        self.client: Client | None = None
        self.requests = 0
        self.last_ns = self.opened_ns = start_ns
        self.is_left = False  # a response on it was given up, or closed, before it was read

    @property
    def is_unknown(self) -> bool:
        """Whether nobody can tell if requests were sent: none by a known library, and no known client opened it."""
        return (
            self.bar is not None
            and self.client is None
            and not self.requests
            and not (self.handshake is not None and self.handshake.failed)
        )

    def goes_on_unseen(self) -> None:
        """Nobody looks any more. What speaks over it keeps this for its origin, and is to keep nothing else alive."""
        self.client = self.handshake = self.owner = None
        if not self.pending:  # how that ends may be told to later windows
            self.sites = ()


class _Handshake:
    """A TLS object on the client's side, from its first ``do_handshake`` on."""

    __slots__ = (
        "alpn",
        "client",
        "context",
        "cpu_ns",
        "died_ns",
        "done",
        "failed",
        "origin",
        "owner",
        "sites",
        "start_ns",
    )

    def __init__(self, origin: str, sites: Sites, start_ns: int, *, done: bool) -> None:
        self.client: Client | None = None
        self.context: Context | None = None
        self.cpu_ns = 0
        self.alpn: str | None = None
        self.origin = origin
        self.sites = sites
        self.start_ns = start_ns
        self.done = done
        self.failed = False
        self.owner: ref[Any] | None = None
        self.died_ns: int | None = None


class _Unshaken:
    """A TLS object on the client's side of which nobody has called ``do_handshake`` so far.

    ``inside`` is the object that :mod:`ssl` keeps within: it can tell of a handshake when the other is closed or gone.
    """

    __slots__ = ("connection", "inside", "made", "owner")

    def __init__(self, connection: _Connection | None, made: _Handshake, inside: Any) -> None:
        self.connection = connection
        self.made = made
        self.inside = inside
        self.owner: ref[Any] | None = None


class Recorder:
    """Attributes events and adds them to every open window.

    ``windows`` is replaced, never changed, so that a hook can test it without the lock.
    """

    def __init__(self) -> None:
        self.lock = make_lock()
        self.windows: tuple[Observation, ...] = ()
        self._finders: tuple[SiteFinder, ...] = ()
        self.on_event: Callable[[], None] | None = None
        """Called after something was recorded, without the lock, in whichever thread it happened."""
        self.before_open_response: Callable[[], None] | None = None
        """Called before the first response is followed that is handed out unread."""
        self.root = Caller(None)
        self.places: dict[int, dict[int, Spot] | Literal[False]] = {}
        # These three are always the same dictionaries: hooks have them by heart.
        self.standing: dict[int, StandingCall] = {}
        """By the client's identity."""
        self.parts: dict[type[Any], frozenset[str]] = {}
        """Classes of what is always a part of a client, and of which libraries' clients."""
        self.begun_ns: dict[int, int] = {}
        """By thread: when the last call began that was no standing one."""
        self._standing_calls: list[StandingCall] = []
        self._lanes: list[Lane] = []
        self._connections: dict[int, _Connection] = {}
        self._forget()

    # --- windows ------------------------------------------------------------------------------------------

    def open(self, observation: Observation) -> None:
        """Let a window see what happens from now on."""
        self.settle()
        with self.lock:
            if not self.windows:
                self._forget()  # closing the last one may have been cut short
            self._tell_requests()
            self._set_windows((*self.windows, observation))

    def close(self, observation: Observation) -> None:
        """Settle what can be known by now, and let the window see no more. May be called again if it is cut short."""
        if observation not in self.windows:
            return
        self.settle()
        with self.lock:
            self._tell_requests()
            observation.idle_at_end = idle(*self.living())
            observation.under_way_at_end = self.under_way()
            story = observation.story
            for (group, origin), uses in self.living_uses(story).items():
                for use in uses:
                    group.share(origin).used(use, group)
            for client in list(self.clients.values()):
                client.groups = [group for group in client.groups if group.story is not story]
            for context in list(self._contexts.values()):
                context.groups = [group for group in context.groups if group.story is not story]
            self._set_windows(tuple(window for window in self.windows if window is not observation))
            if not self.windows:
                self._forget()

    def after_fork_in_child(self) -> None:
        """A child starts from zero. The lock may have been held by a thread that does not exist here."""
        self.lock = make_lock()
        used = {identity: client for identity, client in self.clients.items() if client.calls}
        self._forget()
        self._before_fork.update(used)
        for finder in {DEFAULT_FINDER, *self._finders}:
            finder.after_fork_in_child()
        for window in self.windows:
            window._lock = self.lock  # noqa: SLF001 - the window shares this lock
            window.clear()
            window.is_fork = True

    def _set_windows(self, windows: tuple[Observation, ...]) -> None:
        self.windows = windows
        finders: list[SiteFinder] = []
        for window in windows:
            if window.finder not in finders:
                finders.append(window.finder)
        self._finders = tuple(finders)
        self.places = finders[0].places if len(finders) == 1 else {}
        self.standing.clear()
        for client in list(self.clients.values()):
            client.latest = NO_PLACE

    def _forget(self) -> None:
        for lane in self._lanes:
            lane.live = False
        self._lanes = []
        self._lanes_told_count = 0
        self.standing.clear()
        for call in self._standing_calls:
            call.goes_nowhere()  # whatever it goes on to do is looked at anew
        self._standing_calls = []
        self._strangers: dict[Any, Lane] = {}
        self.parts.clear()
        self.begun_ns.clear()
        for connection in self._connections.values():
            connection.goes_on_unseen()
        self._connections = {}
        self._handshakes: dict[int, _Handshake] = {}
        self._unshaken: dict[int, _Unshaken] = {}
        """TLS objects whose handshake was never asked for: a read or a write makes it, which no hook sees."""
        # What the garbage collector reports: appended without the lock, since it may come at any time.
        self._dead: deque[_Connection | _Handshake | _Unshaken | Context | Client] = deque()
        self._contexts: dict[int, Context] = {}  # by identity: a class of the user's may not be hashable
        self.clients: dict[int, Client] = {}
        self.open_responses: dict[int, Any] = {}
        """Handed out before they were read, by identity; hooks look whether there are any."""
        self._loops: WeakKeyDictionary[Any, int] = WeakKeyDictionary()
        self._loops_count = 0
        self._before_fork: dict[int, Client] = {}
        self._names: dict[tuple[str, int], str] = {}
        self._names_seen: set[tuple[str, int, str]] = set()

    # --- errors -------------------------------------------------------------------------------------------

    def note_error(self, place: str, error: BaseException) -> None:
        """Keep a failure of the observer for the windows to report. What a signal's handler has raised is none."""
        if is_of_a_signal(error):
            raise error
        message = describe(place, error)
        for window in self.windows:
            window.add_error(message)

    # --- attribution --------------------------------------------------------------------------------------

    def _sites(self, frame: FrameType | None, context: Any = None) -> Sites:
        """For each way of telling user code: the line that pays for what happens in ``frame``."""
        finders = self._finders
        if len(finders) == 1:
            return self._sites_by(finders[0], frame, context)
        return tuple([self._sites_by(finder, frame, context)[0] for finder in finders])

    def _sites_by(self, finder: SiteFinder, frame: FrameType | None, context: Any) -> Sites:
        try:
            line = finder.line(frame)
            if line is not None:
                return line.sites
            carried = current()
            found = None if carried is None else pick(carried.lines, finder)
            if found is not None:
                return ((finder, (*found, "context")),)
            known = self._context_of(context)
            if known is not None:
                for owner, key in known.sites:
                    if owner is finder and key[3] != "unknown":
                        return ((finder, (key[0], key[1], key[2], "creation")),)
        except Exception as error:  # noqa: BLE001 - the event is counted even when its line cannot be told
            self.note_error("call site", error)
        return ((finder, UNKNOWN),)

    def _nearest(self, frame: FrameType | None) -> tuple[FrameType | None, bool]:
        """The frame from which all walks may begin, and whether what is between may be an import or a shortcut."""
        finders = self._finders
        if len(finders) != 1:
            return frame, True
        try:
            nearest, is_noted = finders[0].nearest(frame)
        except Exception as error:
            if is_of_a_signal(error):
                raise
            return frame, True  # whoever looks for the line will meet it again, and tell of it
        return nearest, is_noted or finders[0] is not DEFAULT_FINDER

    def _count(self, field: int, sites: Sites, origin: str | None = None) -> None:
        with self.lock:
            for window in self.windows:
                window.add(field, _key_for(window, sites), origin)

    # --- requests -----------------------------------------------------------------------------------------

    # These run for every request: they guard themselves, and do without the lock and without calls where they can.

    def call_begins(self, owner: Any, frame: FrameType | None) -> Carried | None:
        """A client's method that makes a request begins: carry the user's line, and follow the client.

        ``None`` where there is nothing to carry: the method belongs to a part of a client whose request has begun.
        """
        counted: Client | None = None
        call: Carried | None = None
        try:
            client = self.clients.get(id(owner))
            if client is None or client.owner is None or client.owner() is not owner:
                return self._stranger_begins(owner, frame)
            outer = carried_now()
            if outer is None and THREAD_LINES:
                outer = of_thread()
            lane = self.known_lane(client, client.lanes, frame)
            if lane is None:
                lane = self._lane(client, client.lanes, frame, outer)
            if outer is None or outer.client is not client or not outer.live:  # else it follows a redirect, or retries
                client.calls += 1
            client.in_flight += 1
            counted = client
            if client.standing is not None:
                client.standing.is_off = True
            if client.is_watched or client.calls_now() > client.in_flight_peak:
                with self.lock:
                    self._begun(client)
            if client.is_bound:
                self._is_at_home(client)
            # As its __init__ would, and without calling that.
            call = _new_carried(Carried)
            call.client = client
            call.lines = lane.lines
            call.certainty = lane.certainty
            call.caller = self.root if outer is None else outer.caller
            call.live = True
            call.connection = None
            call.lane = lane
            call.tally = lane.nowhere
            call.start_ns = now_ns()
            call.token = CARRIED.set(call)
        except Exception as error:  # noqa: BLE001 - the observed program must not notice
            _never_began(counted, call)
            self.note_error("call_begins", error)
            return None
        return call

    def _begun(self, client: Client) -> None:
        """A call has begun that says something new of its client; the lock is held."""
        thread = thread_id()
        earlier_ns = self.begun_ns.get(thread, 0)
        if client.calls == 1:  # else nobody asks for it
            earlier_ns = max([earlier_ns, *(call.begun_ns for call in self._standing_calls if call.seat == thread)])
        client.begun(earlier_ns)
        self.begun_ns[thread] = now_ns()

    def known_lane(self, client: Client | None, lanes: dict[Any, Lane], frame: FrameType | None) -> Lane | None:
        """The lane of the place that calls, if it has called before."""
        places = self.places
        while frame is not None and (spots := places.get(id(frame.f_code))) is False:
            frame = frame.f_back
        spot = spots.get(frame.f_lasti) if frame is not None and spots else None
        if spot is None:
            return None
        lane = lanes.get(spot)
        if lane is None:
            lane = self._lane_of(client, lanes, spot.lines, "stack")
            if self.places is not places:  # a window has opened meanwhile, whose lines are others
                return None
            lanes[spot] = lane
        if client is not None:
            client.latest = spot, lane
        return lane

    def _stranger_begins(self, owner: Any, frame: FrameType | None) -> Carried | None:
        """The same for what is no client, one that is a part of another, or one that was made before the window."""
        outer = current()
        if (
            outer is not None
            and outer.live
            and outer.client is not None
            and (outer.client.kind.library in self.parts.get(type(owner), ()) or self._is_part(owner, outer, frame))
        ):
            return self._solid(outer) if isinstance(outer, StandingCall) and owner is running_loop() else None
        client = self._inherited(owner) if self._before_fork else None
        lanes = self._strangers if client is None else client.lanes
        lane = self.known_lane(client, lanes, frame)
        if lane is None:
            lane = self._lane(client, lanes, frame, outer)
        call = Carried(lane.lines, client, self.root if outer is None else outer.caller, lane.certainty)
        if client is not None:
            client.calls += 1
            client.in_flight += 1
            with self.lock:
                self._begun(client)
        call.lane = lane
        call.tally = lane.nowhere
        call.token = CARRIED.set(call)
        call.start_ns = now_ns()
        return call

    def _is_part(self, owner: Any, outer: Carried, frame: FrameType | None) -> bool:
        """Whether what is called in a client's call is a part of that client, and not one that its user has made.

        Of what is always a part, the class is kept: the next call of its kind costs a look.
        """
        assert outer.client is not None
        packages = {each.__module__.partition(".")[0] for each in type(owner).__mro__}
        if packages.isdisjoint(_LIBRARIES) or not packages.isdisjoint(_layers_of(outer.client)):
            known = self.parts.get(type(owner), frozenset())
            self.parts[type(owner)] = known | {outer.client.kind.library}
            return True
        return not self._is_called_by_user(outer.client, frame)

    def _is_called_by_user(self, outer: Client, frame: FrameType | None) -> bool:
        """Whether a user's line stands between ``frame`` and the call of ``outer``: in an authentication, say.

        A client that is still being made calls its user's code for nothing but parts of itself.
        """
        return outer.owner is not None and any(each.is_called_by_user(frame, _ENTRY_LOCAL) for each in self._finders)

    def _lane(
        self, client: Client | None, lanes: dict[Any, Lane], frame: FrameType | None, outer: Carried | None
    ) -> Lane:
        """The lane of the line that calls, which may be new."""
        certainty: Certainty = "stack"
        lines = self._lines(frame, None)
        if outer is not None and len(lines) < len(self._finders):
            # Not by comparing the lines: a place that was carried here may be the one that calls, too.
            certainty = "stack" if lines else "context"
            lines = self._lines(frame, outer) if lines else outer.lines
        lane = self._lane_of(client, lanes, lines, certainty)
        if certainty == "stack" and lines and len(self._finders) == 1:
            spot = self._finders[0].spot(frame, lines)
            if spot is not None:
                lanes[spot] = lane
        return lane

    def _lane_of(self, client: Client | None, lanes: dict[Any, Lane], lines: Lines, certainty: Certainty) -> Lane:
        if len(self._lanes) > 2 * self._lanes_told_count + _LANES_MAX:
            self.settle_dead()  # those of clients that are gone are in the way
            with self.lock:
                self._tell_requests()
        with self.lock:
            lane = lanes.get((lines, certainty))
            if lane is None:
                lane = lanes[lines, certainty] = Lane(client, lines, certainty)
                self._lanes.append(lane)
        return lane

    def call_ends(self, call: Carried) -> None:
        """It has returned, or raised."""
        try:
            call.live = False
            tally, connection, token = call.tally, call.connection, call.token
            client = None if call.lane is None else call.client  # none has begun: it is only carried, see _solid
            if client is not None:
                client.in_flight -= 1
            call.token = None
            is_undone = token is not None and _undo(token)
            end_ns = now_ns()
            if tally is not None:
                tally.spent_ns += end_ns - call.start_ns
            if connection is not None:
                connection.last_ns = end_ns
                if client is not None and client.http2 and fails_on_its_way(_frame(1)):
                    connection.is_left = True  # over HTTP/2 it is not closed at once, and carries nothing more
            if client is not None:
                client.last_ns = end_ns
                if (
                    not client.tls
                    and client.contexts
                    and not client.counted_plain
                    and ((tally is not None and tally.requests) or client.wire_requests)
                ):
                    with self.lock:
                        client.is_plain()
                if is_undone and client.may_stand and not client.in_flight:
                    self.call_stands(client, call)
        except Exception as error:  # noqa: BLE001 - the observed program must not notice
            self.note_error("call_ends", error)

    # --- standing calls -----------------------------------------------------------------------------------

    def call_stands(self, client: Client, call: Carried) -> None:
        """A call has ended and its client has no other: the next one like it is a standing one, in this context."""
        try:
            owner, lane = client.owner, call.lane
            spot, latest = client.latest
            if (
                client.is_watched
                or client.cookie_names
                or lane is not latest
                or lane is None
                or not lane.live
                or not (client.tls or client.counted_plain or not client.contexts)
                or len(self._finders) != 1
            ):
                return
            if client.http2 or type(owner) is not Watch:
                client.may_stand = False
                return
            with self.lock:
                standing = client.standing
                if standing is None:
                    standing = client.standing = StandingCall(client, lane)
                    self._standing_calls.append(standing)
                standing.is_off = True  # before it is asked: nobody may take it now
                if not standing.live:
                    if standing.lane is not lane or standing.code is not spot.code or standing.at != spot.at:
                        standing.settle()
                        standing.aim(lane, spot)
                    standing.home = NOTHING if client.loop is None else client.loop
                    standing.thread = client.thread if client.kind.is_thread_bound else 0
                    standing.seat = thread_id()
                    if not client.closed and not client.died:
                        self.standing[owner.identity] = standing
                standing.is_off = client.in_flight > 0
            self._seat(client, call.caller, standing.home)
        except Exception as error:  # noqa: BLE001 - the observed program must not notice
            self.note_error("call_stands", error)

    def _seat(self, client: Client, caller: Caller, home: Any) -> None:
        """Let standing calls be carried in this context, unless it works for a call that is still under way."""
        before = CARRIED.get()
        if isinstance(before, Carrier):
            is_fit = before.thread == thread_id()
            if client.kind.is_async:
                is_fit = is_fit and before.home is home and before.is_of_this_task()
            if is_fit or before.call is not None:
                return
            before = before.outer
        elif before is not None and before.lane is not None and not before.live:
            before = Carried(before.lines, None, before.caller)  # a call that is over, which was not undone here
            before.live = False
        if before is None or (before.client is None and before.lane is None):
            loop = running_loop()
            carrier, task = Carrier(before, caller, home_of(loop)), task_in(loop)
            if task is not None:
                carrier.task = ref(task)
            CARRIED.set(carrier)

    def _solid(self, call: StandingCall) -> Carried:
        """A loop is about to register callbacks for a standing call: they carry that, and not what comes later."""
        solid = Carried(call.lines, call.client, call.caller, call.certainty)
        solid.token = CARRIED.set(solid)
        return solid

    def standing_moves(self, call: StandingCall, frame: FrameType | None) -> None:
        """A standing call has begun, and not where the last one did. It is owned by whoever tells."""
        try:
            client, carrier = call.client, CARRIED.get()
            lane = self.known_lane(client, client.lanes, frame)
            if lane is None:
                lane = self._lane(client, client.lanes, frame, carrier.outer if isinstance(carrier, Carrier) else None)
            spot, latest = client.latest
            with self.lock:
                call.settle()
                call.aim(lane, spot if latest is lane else NO_SPOT)
        except Exception as error:  # noqa: BLE001 - the observed program must not notice
            self.note_error("standing_moves", error)

    def _standing_sent(self, call: StandingCall, connection: _Connection | None) -> None:
        with self.lock:
            if connection is None or connection is not call.connection:
                call.settle()
                is_own = connection is not None and connection.client is call.client
                call.goes_out_on(connection)
                if connection is not None and not is_own:  # nobody would look here for what is to be counted
                    call.goes_nowhere()
                    connection.requests += 1
                    connection.last_ns = call.start_ns
            call.requests += 1
            call.has_sent = True

    def unseat(self, client: Client) -> None:
        """Something about the client has to be looked at again. This neither waits nor locks."""
        owner = client.owner
        if client.standing is not None and type(owner) is Watch:
            found = self.standing.pop(owner.identity, None)
            if found is not None and found is not client.standing:  # of another one that is where this one was
                self.standing[owner.identity] = found

    def task_begins(
        self, frame: FrameType | None, home: Any = NOTHING, *, is_own: bool, context: Any = None
    ) -> tuple[Token[Carried | Carrier | None] | None, Carried | Carrier] | None:
        """A task is about to be made, which inherits what is carried; ``is_own`` unless it works for its maker.

        ``home`` is a reference to the event loop that will run it, if one will; ``context`` is the one that it was
        given to run in, in which it is carried from now on.
        """
        try:
            outer = current()
            starter = self._caller() if outer is None else outer.caller
            client = outer.client if outer is not None and outer.live else None
            carried = Carried(self._lines(frame, outer), client, Caller(starter) if is_own else starter)
            carried.live = client is not None
            inherited = carried if carried.live else Carrier(carried, carried.caller, home)
            if context is not None:
                with contextlib.suppress(RuntimeError):  # something else is running in it
                    context.run(CARRIED.set, inherited)
                return None, inherited
            return CARRIED.set(inherited), inherited
        except Exception as error:  # noqa: BLE001 - the observed program must not notice
            self.note_error("task_begins", error)
            return None

    def task_begun(
        self, beginning: tuple[Token[Carried | Carrier | None] | None, Carried | Carrier], task: Any
    ) -> None:
        """Undo :meth:`task_begins`; ``task`` is what has been made, if it is one of asyncio's."""
        token, inherited = beginning
        try:
            if token is not None:
                CARRIED.reset(token)
            if task is not None and isinstance(inherited, Carrier):
                with contextlib.suppress(TypeError):  # a task of some other kind
                    inherited.task = ref(task)
        except ValueError:
            return
        except Exception as error:  # noqa: BLE001 - the observed program must not notice
            self.note_error("task_begun", error)

    def _lines(self, frame: FrameType | None, outer: Carried | None) -> Lines:
        """The user lines at ``frame``, one for each way of telling user code, or those carried to it."""
        finders = self._finders
        if len(finders) == 1:
            line = finders[0].line(frame)
            if line is not None:
                return line.lines
            return () if outer is None else outer.lines
        lines = []
        for finder in finders:
            location = finder.find(frame) or (None if outer is None else pick(outer.lines, finder))
            if location is not None:
                lines.append((finder, location))
        return tuple(lines)

    def _caller(self) -> Caller:
        """Whom the running thread works for, where nothing was carried to it."""
        carried = of_thread()
        return self.root if carried is None else carried.caller

    def request_sent(self, connection: _Connection | None) -> None:
        """Count one request whose head has been written, on ``connection`` if that is known.

        Its line is that of the call which it is a part of. A task that the call has started carries no lane: there, and
        where no client is involved, the line is found anew.
        """
        try:
            call = carried_now()
            if call is None or (lane := call.lane) is None or not call.live or not lane.live:
                self._request_elsewhere(connection, call, _frame(1).f_back)
            elif type(call) is StandingCall:
                self._standing_sent(call, connection)
            else:
                tally = lane.nowhere
                if connection is not None:
                    with self.lock:
                        tally = lane.tally(connection.origin)
                    connection.requests += 1
                    connection.last_ns = call.start_ns
                    call.connection = connection
                call.tally = tally
                tally.requests += 1
            if self.on_event is not None:
                self.on_event()
        except Exception as error:  # noqa: BLE001 - the observed program must not notice
            self.note_error("request_sent", error)

    @guarded
    def told(self) -> None:
        """Something was recorded without a call of any of these."""

    def _request_elsewhere(
        self, connection: _Connection | None, carried: Carried | None, frame: FrameType | None
    ) -> None:
        sites = self._sites(frame)
        client = None if carried is None else carried.client
        with self.lock:
            origin = None
            if connection is not None:
                connection.requests += 1
                connection.last_ns = now_ns()
                origin = connection.origin
                if carried is not None and type(carried) is not StandingCall:  # what that counts would be told no more
                    carried.connection = connection
            for window in self.windows:
                window.see_requests()
                window.add(Field.REQUESTS, _key_for(window, sites), origin)
            if client is not None:
                client.wire_requests += 1
                for group in client.groups:
                    group.counts[Field.REQUESTS] += 1
                    if origin is not None:
                        group.share(origin).requests += 1

    def _tell_requests(self) -> None:
        """Count off what the calls have left in their lanes; the lock is held."""
        for call in self._standing_calls:
            call.settle()
        for call in self._standing_calls:
            if call.client.died:
                call.client.standing = None  # the two hold each other
        self._standing_calls = [call for call in self._standing_calls if not call.client.died]
        kept = []
        for lane in self._lanes:
            for tally in list(lane.tallies.values()):
                requests_count, spent_ns = tally.news()
                if tally.origin is None and not tally.requests and (lane.client is None or not lane.client.may_wait()):
                    spent_ns = 0  # of calls that have met no network, but perhaps an application in this process
                if requests_count or spent_ns:
                    self._tell(lane, tally.origin, requests_count, spent_ns)
            if lane.client is None or not lane.client.died:
                kept.append(lane)
            else:  # nothing more will come, and it is told no longer than it must be
                lane.client.lanes.clear()
                lane.client.latest = NO_PLACE
        self._lanes = kept
        self._lanes_told_count = len(kept)

    def _tell(self, lane: Lane, origin: str | None, requests_count: int, spent_ns: int) -> None:
        for window in self.windows:
            found = pick(lane.lines, window.finder)
            key = UNKNOWN if found is None else (*found, lane.certainty)
            if requests_count:
                window.see_requests()
                window.add(Field.REQUESTS, key, origin, requests_count)
            if spent_ns:
                window.spend(Expense.REQUEST_WALL, spent_ns, key, origin)
        for group in () if lane.client is None else lane.client.groups:
            group.counts[Field.REQUESTS] += requests_count
            group.costs[Expense.REQUEST_WALL] += spent_ns
            if origin is not None:
                group.share(origin).requests += requests_count

    @guarded
    def connection_below(self, protocol: Any, frame: FrameType | None) -> _Connection | None:
        """The connection on which an object that speaks HTTP sends: by the frames that drive it, remembered in it."""
        try:
            known: _Connection | None = getattr(protocol, _MARK)
        except AttributeError:
            # Also that it is not known: it was opened before anybody looked, and the walk would find nothing again.
            known = self._connection_of_driver(frame, _PROTOCOL_FRAMES)
            with contextlib.suppress(AttributeError, TypeError):
                setattr(protocol, _MARK, known)
        return known

    @guarded
    def connection_numbered(self, fd: int) -> _Connection | None:
        """The connection with this file number."""
        return self._numbered(fd)

    def _numbered(self, fd: int) -> _Connection | None:
        """The same, unless its socket is gone: the number may have been given to what is no TCP socket."""
        if self._dead:
            self._drain()
        found = self._connections.get(fd)
        is_gone = found is not None and found.owner is not None and found.owner() is None
        return None if is_gone else found

    @guarded
    def lines(self, frame: FrameType | None) -> Carried | None:
        """What to carry to work that ``frame`` hands to another thread."""
        outer = current()
        lines = self._lines(frame, outer)
        return Carried(lines, None, Caller(self._caller() if outer is None else outer.caller))

    @guarded
    def thread_starting(self, thread: Thread, frame: FrameType | None) -> None:
        """Remember the line that starts a thread."""
        carried = self.lines(frame)
        if carried is not None:
            carried.live = False
            thread_lines()[thread] = carried

    # --- clients ------------------------------------------------------------------------------------------

    @guarded
    def client_begins(self, kind: Kind, frame: FrameType | None) -> Making | None:
        """A client's ``__init__`` begins; ``None`` if it is a part of another client."""
        outer = current()
        if (
            outer is not None
            and outer.live
            and outer.client is not None
            and (kind.library in _layers_of(outer.client) or not self._is_called_by_user(outer.client, frame))
        ):
            return None
        nearest, is_noted = self._nearest(frame)
        if is_noted and made_in_import(frame):
            return None  # a library's own, as urllib3 makes one for its functions
        sites = self._sites(nearest)
        shortcut = shortcut_of(frame) if is_noted else ""
        with self.lock:
            groups = [
                window.story.client_group(_key_for(window, sites), kind, shortcut, Field.SIZE)
                for window in self.windows
            ]
        client = Client(kind, sites, groups, now_ns())
        lines = self._lines(nearest, outer)
        carried = Carried(lines, client, self._caller() if outer is None else outer.caller)
        return Making(client, carried, self._ways(nearest), CARRIED.set(carried))

    @guarded
    def client_ends(self, making: Making, owner: Any, facts: Callable[[Any, Client], None]) -> None:
        """Its ``__init__`` has returned (``owner`` is the client) or raised (``None``)."""
        making.carried.live = False
        CARRIED.reset(making.token)
        if owner is None:
            return
        client = making.client
        client.built_ns = now_ns()
        try:
            facts(owner, client)
        except Exception as error:  # noqa: BLE001 - a library's insides may have changed: it is followed all the same
            self.note_error(f"settings of {client.kind.name}", error)
        identity = id(owner)
        client.owner = Watch(owner, _is_gone).follows(client, self._dead, self.clients, identity)
        with self.lock:
            replaced = self.clients.get(identity)
            self.clients[identity] = client
            if replaced is not None and replaced is not client:
                self.unseat(replaced)
                replaced.end()
            client.made([making.ways.get(group.story, ()) for group in client.groups])

    @guarded
    def client_closing(self, owner: Any, kept: Callable[[Any], set[int] | None] | None = None) -> None:
        """A client is about to be closed by its user; ``kept`` are the file numbers of what its next call could use.

        For libraries that close a connection some time after they have given it up.
        """
        client = self.clients.get(id(owner))
        if client is None or client.owner is None or client.owner() is not owner:
            return
        with self.lock:
            self.unseat(client)
            client.closing(now_ns())
            numbers = None if kept is None else kept(owner)
            if numbers is not None:
                for connection in list(self._connections.values()):
                    if connection.client is client and connection.fd not in numbers:
                        _leave(connection)
            self._give_up_responses(client)

    def _is_at_home(self, client: Client) -> None:
        """Whether an asynchronous client is used from its first event loop, a thread-bound one from its thread."""
        if client.kind.is_async:
            loop = running_loop()
            if loop is None or (client.loop is not None and client.loop() is loop):
                return
            with self.lock:
                number = self._loops.get(loop)
                if number is None:
                    number = self._loops[loop] = self._loops_count = self._loops_count + 1
                client.moves_to_loop(ref(loop), number)
        elif client.thread != (thread := thread_id()) or client.thread_number != thread_number():
            with self.lock:
                client.moves_to_thread(thread)

    def _inherited(self, owner: Any) -> Client | None:
        """A client that was used before the fork and now is in the child: known there from its first use."""
        known = self._before_fork.pop(id(owner), None)
        if known is None or known.owner is None or known.owner() is not owner:
            return None
        with self.lock:
            groups = [
                window.story.client_group(_key_for(window, known.sites), known.kind, "", Field.SIZE)
                for window in self.windows
            ]
            client = Client(known.kind, known.sites, groups, now_ns())
            client.owner = ref(owner)
            client.was_used_before()
            self.clients[id(owner)] = client
            for group in groups:
                group.second_process += 1
        return client

    def _ways(self, frame: FrameType | None) -> dict[Story, tuple[Location, ...]]:
        """For each window the way to the line at ``frame``, by its finder; no way where it cannot be told."""
        ways: dict[Story, tuple[Location, ...]] = {}
        for window in self.windows:
            try:
                ways[window.story] = way_to(window.finder, frame)
            except Exception as error:  # noqa: BLE001 - the event is counted even so, and the other windows know
                self.note_error("way to a line", error)
                ways[window.story] = ()
        return ways

    # --- cookies ------------------------------------------------------------------------------------------

    def cookies_sent(self, carried: Carried, header: str, url: Any) -> None:
        """A request to ``url`` is about to go out with this ``Cookie`` header. No value is looked at."""
        try:
            client = carried.client
            if client is None or not client.cookie_names:
                return
            names = [part.partition("=")[0].strip() for part in header.split(";")]
            for name in set(names):
                known = client.cookie_names.get(name)
                if known is not None and not all(
                    setter.is_akin(carried.caller) for setter in _setters(known, url, names.count(name))
                ):
                    with self.lock:
                        for group in client.groups:
                            group.foreign_cookies += 1
                    return
        except Exception as error:  # noqa: BLE001 - the observed program must not notice
            self.note_error("cookies_sent", error)

    def cookies_of_running_call(self, header: str, url: Any) -> None:
        """The same, of the call that the current code works for."""
        carried = carried_now()
        if carried is not None and carried.live:
            self.cookies_sent(carried, header, url)

    def cookies_kept(self, call: Carried, jar: Iterable[Any], received: Callable[[], Iterable[Any]]) -> None:
        """A call has ended, and there are cookies in the client's jar: whose are the new ones?

        Those that its own responses have brought, which ``received`` tells, are its caller's. What nobody's have is
        nobody's: the program has set it for all; but while other calls are under way, it may be theirs.
        """
        try:
            client = call.client
            if client is None:
                return
            now = {(cookie.domain, cookie.path, cookie.name): hash(cookie.value) for cookie in jar}
            seen = client.cookies_seen
            received_now = {(cookie.domain, cookie.name): hash(cookie.value) for cookie in received()}
            if not received_now and seen is not None and now.items() <= seen.items():
                return
            with self.lock:
                is_alone = client.calls_now() <= 1
                seen = client.cookies_seen = client.cookies_seen or {}
                new = {key: value for key, value in now.items() if seen.get(key) != value}
                own = {key: value for key, value in now.items() if received_now.get((key[0], key[2])) == value}
                self._cookies_given_again(client, call.caller, own.keys() - new.keys())
                brought = {key: value for key, value in own.items() if key in new}
                seen.update(new if is_alone else brought)
                if brought:
                    self._cookies_given(client, call.caller, brought)
                names = client.cookie_names
                if names is not None and is_alone:
                    for domain, path, name in new.keys() - brought.keys():
                        names.get(name, {}).pop((domain, path), None)
        except Exception as error:  # noqa: BLE001 - the observed program must not notice
            self.note_error("cookies_kept", error)

    @staticmethod
    def _cookies_given_again(client: Client, caller: Caller, keys: Iterable[tuple[str, str, str]]) -> None:
        """The server has set these for a caller, as it had for another one: what all have is nobody's."""
        for domain, path, name in keys:
            places = (client.cookie_names or {}).get(name, {})
            if (domain, path) in places and not places[domain, path].is_akin(caller):
                del places[domain, path]

    def _cookies_given(self, client: Client, caller: Caller, keys: Iterable[tuple[str, str, str]]) -> None:
        """The server has set these cookies, by domain, path and name, for a caller; the lock is held."""
        names = client.cookie_names = client.cookie_names or {}
        for domain, path, name in keys:
            names.setdefault(name, {})[domain, path] = caller
        self.unseat(client)
        callers = client.cookie_callers = client.cookie_callers or []
        if len(callers) < _CALLERS_MAX and not any(each is caller for each in callers):
            callers.append(caller)
            for group in client.groups:
                group.callers_with_cookies += 1

    # --- responses ----------------------------------------------------------------------------------------

    @guarded
    def response_open(self, call: Carried, response: Any) -> None:
        """A response was handed out before its body was read."""
        client = call.client
        if client is None:
            return
        if self.before_open_response is not None:
            self.before_open_response()
        sites = {
            window.story: UNKNOWN if (found := pick(call.lines, window.finder)) is None else (*found, call.certainty)
            for window in self.windows
        }
        identity = id(response)
        kept = client.responses
        if kept is None:
            kept = client.responses = {}
        lock, open_now, connection = self.lock, self.open_responses, connection_of(call)

        def died(reference: ref[Any]) -> None:
            if kept.get(identity, (None,))[0] is reference:
                del kept[identity]
                open_now.pop(identity, None)
                with lock:
                    _leave(connection)
                    client.unread(sites)

        reference = ref(response, died)
        kept[identity] = (reference, sites, connection)
        open_now[identity] = (reference, client)

    def response_closed(self, response: Any) -> None:
        """A response was read to its end, or closed."""
        try:
            found = self.open_responses.get(id(response))
            if found is not None and found[0]() is response:
                del self.open_responses[id(response)]
                left = None if found[1].responses is None else found[1].responses.pop(id(response), None)
                if left is not None and left[2] is not None:
                    left[2].last_ns = now_ns()
                if left is not None and _costs_its_connection(response):
                    with self.lock:
                        found[1].closed_unread(left[1])
        except Exception as error:  # noqa: BLE001 - the observed program must not notice
            self.note_error("response_closed", error)

    def _give_up_responses(self, client: Client) -> None:
        """The client is closed, or the window ends: what is open now was neither read nor closed in time."""
        kept, client.responses = client.responses, None
        for identity, (_reference, sites, connection) in (kept or {}).items():
            self.open_responses.pop(identity, None)
            _leave(connection)
            client.unread(sites)
        if kept:
            kept.clear()

    def give_up_responses(self) -> None:
        """The program has ended."""
        with self.lock:
            for client in list(self.clients.values()):
                self._give_up_responses(client)

    @guarded
    def response_dropped(self, call: Carried) -> None:
        """A library has found a response of its own that nobody read, as it was collected."""
        if call.client is None:
            return
        sites = {
            window.story: UNKNOWN if (found := pick(call.lines, window.finder)) is None else (*found, "stack")
            for window in self.windows
        }
        with self.lock:
            _leave(call.connection)
            call.client.unread(sites)

    def living(self) -> tuple[list[Client], list[Context]]:
        """All clients and contexts that live now; the lock is held."""
        return list(self.clients.values()), list(self._contexts.values())

    def under_way(self) -> dict[ContextGroup, int]:
        """Of the contexts that were in no handshake so far, how many are about to be in one; the lock is held.

        Where a connect is under way, nobody knows what for: the last context that somebody made by himself before that.
        """
        shaking = {handshake.context for handshake in list(self._handshakes.values()) if not handshake.done}
        shaking.update(unshaken.made.context for unshaken in list(self._unshaken.values()))
        found: list[Context] = []
        own: list[Context] = []
        for context in list(self._contexts.values()):
            client = context.client
            if context.was_tried or context.is_shell:
                continue
            if context in shaking or (client is not None and client.in_flight and not client.counted_plain):
                found.append(context)
            elif client is None:
                own.append(context)
        own.sort(key=lambda context: context.made_ns)
        for connection in list(self._connections.values()):
            if connection.pending and (connection.client is None or not connection.client.contexts):
                earlier = [context for context in own if context.made_ns <= connection.start_ns]
                if earlier:
                    own.remove(earlier[-1])
                    found.append(earlier[-1])
        counts: dict[ContextGroup, int] = {}
        for context in found:
            for group in context.groups:
                counts[group] = counts.get(group, 0) + 1
        return counts

    # --- contexts -----------------------------------------------------------------------------------------

    @guarded
    def context_created(self, context: Any, frame: FrameType | None, cpu_ns: int, wall_ns: int) -> None:
        """Count an SSL context and remember where it was made, and by which client."""
        nearest, is_noted = self._nearest(frame)
        sites = self._sites(nearest)
        carried = carried_now()
        client = carried.client if carried is not None and carried.live else None
        is_for_servers = protocol_of(context) == ssl.PROTOCOL_TLS_SERVER
        package = made_in_import(frame) if is_noted else ""
        followed = not is_for_servers and not package
        now = now_ns()
        self.settle_dead()
        with self.lock:
            groups = [
                window.story.context_group(_key_for(window, sites), "" if client is None else client.kind.name)
                for window in (self.windows if followed else ())
            ]
            made = Context(sites, client, groups, now)
            ways = self._ways(nearest)
            for window in self.windows:
                key = _key_for(window, sites)
                window.add_timed(Field.CONTEXTS, key, None, Expense.CONTEXT_CPU, cpu_ns, wall_ns)
                if package:
                    window.story.imported(key, package)
                window.story.came_by(key, ways[window.story])
            if client is not None:
                client.contexts += 1
                if not client.tls:
                    self.unseat(client)
                client.count_timed(Field.CONTEXTS, Expense.CONTEXT_CPU, cpu_ns, wall_ns)
            made.spent(cpu_ns, wall_ns)
            if groups:
                made.made([ways[group.story] for group in groups])
            identity = id(context)
            made.owner = Watch(context, _is_gone).follows(made, self._dead, self._contexts, identity)
            self._contexts[identity] = made
            if type(context) not in (SSLContext, ssl.SSLContext) and type(context).__module__.startswith(_SHELLS):
                made.disregard()

    def _context_of(self, context: Any) -> Context | None:
        """What is known of a context."""
        known = self._contexts.get(id(context))
        return known if known is not None and known.owner is not None and known.owner() is context else None

    def paying(self, frame: FrameType | None) -> Sites:
        """What pays for an event that is about to be in ``frame``, to be told with the event: nothing happens yet."""
        try:
            return self._sites(frame)
        except Exception as error:  # noqa: BLE001 - the observed program must not notice
            self.note_error("paying", error)
            return ()

    @guarded
    def trust_store_loaded(self, context: Any, sites: Sites, cpu_ns: int, wall_ns: int) -> None:
        """Count one CA load."""
        known = self._context_of(context)
        with self.lock:
            for window in self.windows:
                key = _key_for(window, sites)
                window.add_timed(Field.CA_LOADS, key, None, Expense.CONTEXT_CPU, cpu_ns, wall_ns)
            if known is None:
                return
            known.loaded()
            known.spent(cpu_ns, wall_ns)
            if known.client is not None:
                known.client.count_timed(Field.CA_LOADS, Expense.CONTEXT_CPU, cpu_ns, wall_ns)

    # --- what windows know of requests --------------------------------------------------------------------

    @guarded
    def request_library_imported(self) -> None:
        """From now on the open windows know their number of requests."""
        with self.lock:
            for window in self.windows:
                window.see_requests()

    # --- connects -----------------------------------------------------------------------------------------

    @guarded
    def name_resolved(self, host: Any, answers: Any) -> None:
        """Remember which name was asked for, so that a peer can be called by it."""
        name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
        if not isinstance(name, str) or not name:
            return
        with self.lock:
            if len(self._names_seen) > _NAMES_MAX:  # all of _names is in there
                self._names.clear()
                self._names_seen.clear()
            for family, _type, _proto, _canonical, address in answers:
                if family in INTERNET:
                    self._names[address[:2]] = name
                    self._names_seen.add((*address[:2], name))

    @guarded
    def peer_named(self, host: Any, address: Any) -> None:
        """A name has led to this address below Python; ``host`` may be the address itself."""
        if host != address[0]:
            self.name_resolved(host, ((INTERNET[0], None, None, None, address),))

    @guarded
    def connect_begins(self, sock: Any, address: Any, frame: FrameType | None) -> _Connection | None:
        """Follow a TCP connect of a client; ``None`` for any other socket, or one that is connected."""
        if sock.family not in INTERNET or sock.type != socket.SOCK_STREAM:
            return None
        if frame is not None and id(frame.f_code) in SOCKETPAIR_CODES:
            return None
        fd = sock.fileno()
        known = self._connections.get(fd)
        if known is not None and known.owner is not None and known.owner() is sock:
            # A second call asks how the first one is doing; one on a connected socket does nothing.
            return known if known.pending else None
        context = sock.context if isinstance(sock, SSLSocket) else None
        nearest, _ = self._nearest(frame)
        sites = self._sites(nearest, context)
        connection = self._begin(fd, sock, (str(address[0]), int(address[1])), sites, now_ns(), nearest)
        if context is not None and not sock.do_handshake_on_connect:
            self.handshake_left(sock, frame)
        return connection

    def _begin(  # noqa: PLR0917 - what is known of a connect
        self, fd: int, sock: Any, peer: tuple[str, int], sites: Sites, start_ns: int, frame: FrameType | None
    ) -> _Connection:
        self._drain()
        with self.lock:
            replaced = self._connections.pop(fd, None)
        if replaced is not None:  # its close was not seen, but the number has been given out again
            self._closed(replaced, None, start_ns)
        name = self._names.get(peer, peer[0])
        connection = _Connection(fd, peer, origin_of(name, peer[1]), sites, start_ns)
        carried = carried_now()
        connection.client = None if carried is None else carried.client
        if connection.client is not None:
            connection.client.dialled = True
        if isinstance(sock, socket_class):
            self._own(connection, sock)
        with self.lock:
            self._connections[fd] = connection
            ways = self._ways(frame)
            for window in self.windows:
                window.story.came_by(_key_for(window, sites), ways[window.story])
        self._count(Field.ATTEMPTS, sites, connection.origin)
        return connection

    def _own(self, connection: _Connection, sock: Any) -> None:
        """Hear of it when the socket is dropped without a close."""
        try:
            connection.owner = Watch(sock, _is_dropped).follows(connection, self._dead)
        except TypeError:  # not everything that acts as a socket can be followed; its end is the window's
            connection.owner = None

    @guarded
    def connect_returned(self, connection: _Connection, sock: Any, code: int | None) -> None:
        """A ``connect`` came back (``code`` is ``None``), or a ``connect_ex`` with its error number."""
        if not code or code == errno.EISCONN:
            self._opened(connection)
        elif code in IN_PROGRESS and sock.gettimeout() == 0.0:
            return
        else:
            self._connect_failed(connection)

    @guarded
    def connect_raised(self, connection: _Connection, error: BaseException) -> None:
        """A ``connect`` raised: begun only, or failed."""
        if isinstance(error, (BlockingIOError, InterruptedError)):
            return
        if isinstance(error, OSError) and error.errno == errno.EISCONN:
            self._opened(connection)
            return
        self._connect_failed(connection)

    @guarded
    def socket_error_read(self, sock: Any, value: Any) -> None:
        """Someone asked a socket for its error, as event loops do to learn how a connect ended."""
        connection = self._connections.get(sock.fileno())
        if connection is None or not connection.pending:
            return
        if value in IN_PROGRESS:
            return
        if value:
            self._connect_failed(connection)
        elif _is_connected(sock):
            self._opened(connection)

    @guarded
    def connected_elsewhere(self, start_ns: int, sock: Any, address: Any, frame: FrameType | None) -> None:
        """A connect made below Python has succeeded; ``sock`` may be ``None``."""
        peer = (str(address[0]), int(address[1]))
        fd = sock.fileno() if sock is not None else -now_ns()
        connection = self._begin(fd, sock, peer, self._sites(frame), start_ns, frame)
        self._opened(connection)

    @guarded
    def transport_made(self) -> None:
        """A transport written in C has been made, perhaps where another one was, of whose end nobody has told."""
        with self.lock:
            for call in self._standing_calls:
                call.socket_identity = 0

    @guarded
    def connect_failed_elsewhere(
        self, start_ns: int, host: Any, port: Any, error: BaseException, frame: FrameType | None
    ) -> None:
        """A connect made below Python has failed; an error of TLS means that the connect itself had not."""
        connection = self._begin(-now_ns(), None, (str(host), int(port or 0)), self._sites(frame), start_ns, frame)
        if isinstance(error, ssl.SSLError):
            self._opened(connection)
            self._closed(connection, None, now_ns())
        else:
            self._connect_failed(connection)

    def _opened(self, connection: _Connection) -> None:
        with self.lock:
            if not connection.pending:
                return
            connection.pending = False
            end_ns = now_ns()
            connect = connection.connect = Bar("connect", connection.origin, connection.start_ns, end_ns, ok=True)
            connection.bar = Bar("connection", connection.origin, connection.start_ns, None, ok=True)
            connection.last_ns = connection.opened_ns = end_ns
            spent_ns = end_ns - connection.start_ns
            for window in self.windows:
                key = _key_for(window, connection.sites)
                window.add(Field.CONNECTIONS, key, connection.origin)
                window.spend(Expense.CONNECT_WALL, spent_ns, key, connection.origin)
                window.add_bar(connect)
                window.add_bar(connection.bar)
            client = connection.client
            if client is not None:
                client.count(Field.CONNECTIONS)
                client.spend(Expense.CONNECT_WALL, spent_ns)
                client.connected(connection.origin)

    def _connect_failed(self, connection: _Connection, end_ns: int | None = None) -> None:
        with self.lock:
            if self._connections.get(connection.fd) is connection:
                del self._connections[connection.fd]
            if not connection.pending:
                return
            connection.pending = False
            end_ns = now_ns() if end_ns is None else end_ns
            connect = Bar("connect", connection.origin, connection.start_ns, end_ns, ok=False)
            for window in self.windows:
                window.add(Field.CONNECTIONS_FAILED, _key_for(window, connection.sites), connection.origin)
                window.add_bar(connect)
            if connection.client is not None:
                connection.client.count(Field.CONNECTIONS_FAILED, connection.origin)

    # --- closes -------------------------------------------------------------------------------------------

    @guarded
    def socket_closing(self, sock: Any) -> None:
        """A socket is about to be closed."""
        fd = sock.fileno()
        with self.lock:
            connection = self._connections.pop(fd, None)
        if self._unshaken:
            unshaken = self._unshaken.get(id(sock))
            if unshaken is not None and unshaken.owner is not None and unshaken.owner() is sock:
                self._shaken_unasked(self._unshaken.pop(id(sock)))
        if connection is not None:
            self._closed(connection, sock, now_ns())

    @guarded
    def socket_detached(self, sock: Any) -> None:
        """A socket object is about to give away its file number: the connection lives on without it."""
        connection = self._connections.get(sock.fileno())
        if connection is not None and connection.owner is not None and connection.owner() is sock:
            connection.owner = None

    def _closed(self, connection: _Connection, sock: Any, end_ns: int) -> None:
        standing = None if connection.client is None else connection.client.standing
        if standing is None:
            self._ended(connection, sock, end_ns)
            return
        with self.lock:
            standing.settle()
        self._ended(connection, sock, end_ns)
        if standing.connection is connection:
            with self.lock:
                standing.settle()
                standing.goes_nowhere()

    def _ended(self, connection: _Connection, sock: Any, end_ns: int) -> None:
        if connection.pending:
            # Nobody asked how the connect ended. A socket that knows its peer was used all the same.
            if sock is not None and _is_connected(sock):
                self._opened(connection)
            else:
                self._connect_failed(connection, end_ns)
        if connection.bar is not None and connection.bar.end_ns is None:
            connection.bar.end_ns = end_ns if connection.died_ns is None else connection.died_ns
            if connection.client is not None:
                self._released(connection, connection.client, connection.bar.end_ns)
        handshake = connection.handshake
        if handshake is not None and not handshake.done:
            self._handshake_failed(handshake, "closed before the handshake was done", end_ns)
        if connection.is_unknown:
            with self.lock:
                for window in self.windows:
                    if window.started_ns <= connection.opened_ns:
                        window.add(Field.UNKNOWN, _key_for(window, connection.sites), connection.origin)

    def _released(self, connection: _Connection, client: Client, end_ns: int) -> None:
        """A connection of a client was closed: if the client goes on, somebody may have to open it again."""
        with self.lock:
            open_count = client.open_count(connection.origin)
            client.disconnected(connection.origin)
            is_spent = connection.is_left
            if not client.is_over() and connection.requests:
                idle_ns = end_ns - max(connection.last_ns, connection.start_ns)
                expiry_ns, limit = client.expiry_ns, client.keepalive_limit
                if idle_ns >= (_IDLE_NS if expiry_ns is None else min(expiry_ns, _IDLE_NS)) and not _is_used(
                    connection
                ):
                    client.lost_idle(connection.origin, idle_ns)
                elif limit is not None and (open_count > limit or client.overflow_ns > connection.last_ns):
                    # Of several at once a pool has found the last one too many, too, when the others were there.
                    client.lost_over_its_limit(connection.origin, end_ns)
                else:  # its client goes on without it
                    is_spent = True
            if connection.requests and connection.handshake is not None:
                use = _use_of(connection, connection.handshake, client, end_ns, is_spent=is_spent)
                client.used(connection.handshake.origin, use)

    def living_uses(self, story: Story) -> dict[tuple[ClientGroup, str], list[Use]]:
        """Of the connections that are open now: how they were used, by group and origin; the lock is held."""
        uses: dict[tuple[ClientGroup, str], list[Use]] = {}
        for connection in list(self._connections.values()):
            client, handshake = connection.client, connection.handshake
            if client is None or handshake is None or not connection.requests:
                continue
            for group in client.groups:
                if group.story is story:
                    use = _use_of(connection, handshake, client, now_ns(), is_spent=connection.is_left)
                    uses.setdefault((group, handshake.origin), []).append(use)
        return uses

    def settle(self) -> None:
        """Learn what can be learnt by now: of dropped objects, and of connects that nobody asked about."""
        try:
            self._drain()
            with self.lock:
                pending = [connection for connection in self._connections.values() if connection.pending]
            for connection in pending:
                sock = connection.owner() if connection.owner is not None else None
                if sock is not None and _is_connected(sock):
                    self._opened(connection)
            for identity, unshaken in list(self._unshaken.items()):
                if unshaken.inside.version() is not None and self._unshaken.pop(identity, None) is unshaken:
                    self._shaken_unasked(unshaken)
            with self.lock:
                self._tell_requests()
                unknown = [connection for connection in self._connections.values() if connection.is_unknown]
                for window in self.windows:
                    window.unknown_now(
                        [
                            (_key_for(window, connection.sites), connection.origin)
                            for connection in unknown
                            if window.started_ns <= connection.opened_ns
                        ]
                    )
        except Exception as error:  # noqa: BLE001 - the observed program must not notice
            self.note_error("settle", error)

    def settle_dead(self) -> None:
        """Count off what the garbage collector has reported."""
        try:
            self._drain()
        except Exception as error:  # noqa: BLE001 - the observed program must not notice
            self.note_error("settle", error)

    def _drain(self) -> None:
        while self._dead:
            try:
                dead = self._dead.popleft()
            except IndexError:  # another thread took the last one
                return
            if isinstance(dead, (Context, Client)):
                with self.lock:
                    dead.end()
                continue
            if isinstance(dead, _Unshaken):
                self._shaken_unasked(dead)
                continue
            end_ns = now_ns() if dead.died_ns is None else dead.died_ns
            if isinstance(dead, _Handshake):
                if not dead.done:
                    self._handshake_failed(dead, "dropped before the handshake was done", end_ns)
                continue
            with self.lock:
                if self._connections.get(dead.fd) is not dead:
                    continue
                del self._connections[dead.fd]
            self._closed(dead, None, end_ns)

    # --- handshakes ---------------------------------------------------------------------------------------

    @guarded
    def handshake_begins(self, tls: Any, frame: FrameType | None) -> _Handshake | None:
        """Follow a handshake of a client; ``None`` for a server's, or one whose outcome is known."""
        self._drain()
        known = self._handshakes.get(id(tls))
        if known is not None and known.owner is not None and known.owner() is tls:
            return None if known.done else known
        if tls.server_side:
            return None
        done = tls.version() is not None  # shaken before anybody looked: this call changes nothing
        if self._unshaken:
            unshaken = self._unshaken.pop(id(tls), None)
            if unshaken is not None:
                unshaken.owner = None
                if done:
                    self._shaken_unasked(unshaken)
        connection, handshake = self._follow(tls, frame, done=done)
        identity = id(tls)
        handshake.owner = Watch(tls, _is_shaken).follows(handshake, self._dead, self._handshakes, identity)
        self._handshakes[identity] = handshake
        if connection is not None and not done:
            connection.handshake = handshake
        return None if done else handshake

    def _follow(self, tls: Any, frame: FrameType | None, *, done: bool) -> tuple[_Connection | None, _Handshake]:
        """The connection below a TLS object, if it is known, and what there is to know of its handshake."""
        connection, origin = self._peer_of(tls, frame)
        if connection is not None and isinstance(tls, SSLSocket):
            if connection.pending and _is_connected(tls):
                self._opened(connection)
            self._own(connection, tls)
        if connection is not None and connection.handshake is None and not connection.requests:
            self._named(connection, origin)
        handshake = _Handshake(origin, self._sites(frame, tls.context), now_ns(), done=done)
        handshake.context = self._context_of(tls.context)
        handshake.client = _client_of(connection)
        return connection, handshake

    def _named(self, connection: _Connection, origin: str) -> None:
        """Its handshake tells by which name it was asked for: if by another than was thought, its counts go there."""
        if connection.origin == origin:
            return
        with self.lock:
            earlier, connection.origin = connection.origin, origin
            client, bar = connection.client, connection.bar
            for each in (connection.connect, bar):
                if each is not None:
                    each.origin = origin
            if client is not None and bar is not None:
                client.renamed(earlier, origin)
            for window in self.windows:
                window.unknown_now([])  # until somebody looks again
                if window.started_ns <= connection.start_ns:
                    window.moved(Field.ATTEMPTS, earlier, origin)
                if bar is not None and window.started_ns <= connection.opened_ns:
                    spent_ns = connection.opened_ns - connection.start_ns
                    window.moved(Field.CONNECTIONS, earlier, origin, Expense.CONNECT_WALL, spent_ns)
                window.lets_go_of(earlier)
                if client is not None:
                    client.never_met(earlier, window.story)

    @guarded
    def handshake_left(self, tls: Any, frame: FrameType | None) -> None:
        """A TLS object was made, or connected, without a handshake: it is asked for later, or made unasked.

        Nobody is told of that. So these few objects are asked when they are closed or die, and whenever somebody looks.
        """
        inside = tls._sslobj  # noqa: SLF001 - it outlives the close of the socket
        if inside is None or tls.server_side:
            return
        connection, handshake = self._follow(tls, frame, done=False)
        unshaken = _Unshaken(connection, handshake, inside)
        identity = id(tls)
        unshaken.owner = Watch(tls, _is_unshaken).follows(unshaken, self._dead, self._unshaken, identity)
        self._unshaken[identity] = unshaken

    def _shaken_unasked(self, unshaken: _Unshaken) -> None:
        """Count a handshake that a read or a write has made, if one has. When that was is not known.

        Another thread may be reading right now, so that it is asked for nothing that changes after the handshake.
        """
        handshake, inside = unshaken.made, unshaken.inside
        version = inside.version()
        if version is not None:
            resumed = bool(inside.session_reused)
            outcome = HandshakeOutcome(resumed=resumed, tls_version=version, alpn=inside.selected_alpn_protocol())
            self._handshake_done(handshake, Field.RESUMED if resumed else Field.FULL, outcome, handshake.start_ns)
        elif inside.cipher() is not None:  # the peer had answered
            self._handshake_failed(handshake, "given up before it was done", handshake.start_ns)
            if unshaken.connection is not None:
                unshaken.connection.handshake = handshake
        handshake.done = True

    @guarded
    def handshake_returned(self, handshake: _Handshake, tls: Any, cpu_ns: int) -> None:
        """A handshake has succeeded."""
        end_ns = now_ns()
        handshake.cpu_ns += cpu_ns
        cipher = tls.cipher()
        outcome = HandshakeOutcome(
            resumed=bool(tls.session_reused),
            tls_version=tls.version(),
            cipher=cipher[0] if cipher else None,
            alpn=tls.selected_alpn_protocol(),
        )
        self._handshake_done(handshake, Field.RESUMED if outcome.resumed else Field.FULL, outcome, end_ns)

    @guarded
    def handshake_raised(self, handshake: _Handshake, tls: Any, error: BaseException, cpu_ns: int) -> None:
        """``do_handshake`` raised: it wants more bytes, or it failed."""
        handshake.cpu_ns += cpu_ns
        if isinstance(error, (ssl.SSLWantReadError, ssl.SSLWantWriteError)):
            return
        if isinstance(error, OSError) and error.errno == errno.ENOTCONN:
            connection = self._connections.get(tls.fileno()) if isinstance(tls, SSLSocket) else None
            if connection is not None and connection.pending:
                return  # asked too early: the connect is still under way
        self._handshake_failed(handshake, f"{type(error).__name__}: {error}", now_ns())

    def _handshake_failed(self, handshake: _Handshake, reason: str, end_ns: int) -> None:
        self._handshake_done(handshake, Field.FAILED, HandshakeOutcome(error=reason), end_ns)

    def _handshake_done(self, handshake: _Handshake, field: int, outcome: HandshakeOutcome, end_ns: int) -> None:
        origin, context, client = handshake.origin, handshake.context, handshake.client
        with self.lock:
            if handshake.done:
                return
            handshake.done = True
            handshake.alpn = outcome.alpn
            succeeded = field != Field.FAILED
            handshake.failed = not succeeded
            wall_ns = end_ns - handshake.start_ns
            bar = Bar("handshake", origin, handshake.start_ns, end_ns, ok=succeeded)
            is_first = context is not None and succeeded and context.handshakes == 0
            for window in self.windows:
                key = _key_for(window, handshake.sites)
                window.add_timed(field, key, origin, Expense.HANDSHAKE_CPU, handshake.cpu_ns, wall_ns)
                if succeeded:
                    window.agreed(origin, outcome.alpn)
                if context is not None and is_first and window.started_ns <= context.made_ns:
                    window.context_used(origin, context)
                window.add_bar(bar)
                window.add_handshake(bar, outcome, key)
                if client is not None:
                    client.shook_at(window.story, key)
            if context is not None:
                context.tried()
                if succeeded:
                    context.shook(end_ns, handshake.cpu_ns, wall_ns)
            if client is not None:
                client.count_timed(field, Expense.HANDSHAKE_CPU, handshake.cpu_ns, wall_ns)
                if succeeded:
                    client.shook(origin, outcome.alpn, context)
                else:
                    client.met(origin)
                    client.speaks_tls()

    def _peer_of(self, tls: Any, frame: FrameType | None) -> tuple[_Connection | None, str]:
        """The connection below a TLS object, if it is known, and the origin at its other end."""
        connection = self._connection_of(tls, frame)
        if connection is None:
            sock, host, port = DIALLED.get(_NOTHING)
            if host is not None:
                return None, origin_of(str(host), port)
            connection = None if sock is None else self._connections.get(sock.fileno())
        if connection is None:
            return None, origin_of(str(tls.server_hostname or "?"), "?")
        return connection, self._origin_by_name(connection, tls.server_hostname)

    def _connection_of(self, tls: Any, frame: FrameType | None) -> _Connection | None:
        """The connection below a TLS object: by its own file number, or by its transport's."""
        if isinstance(tls, SSLSocket):
            return self._connections.get(tls.fileno())
        return self._connection_of_driver(frame, _DRIVER_FRAMES)

    def _connection_of_driver(self, frame: FrameType | None, frames_count: int) -> _Connection | None:
        """The connection of the object whose method runs in ``frame``, or in one of those above it."""
        for _ in range(frames_count):
            # Reading a frame's locals may keep them alive until it returns, so user code's are left alone.
            if frame is None or not DEFAULT_FINDER.is_library(frame):
                return None
            if frame.f_code.co_varnames[:1] == ("self",) and frame.f_globals.get("__name__") not in _PROTOCOLS:
                try:
                    fd = _file_number(frame.f_locals.get("self"), _TRANSPORT_DEPTH)
                except Exception as error:  # noqa: BLE001 - the handshake is counted even without its peer
                    self.note_error("transport of a TLS object", error)
                    return None
                found = None if fd is None else self._numbered(fd)
                if found is not None:
                    return found
            frame = frame.f_back
        return None

    def _origin_by_name(self, connection: _Connection, hostname: Any) -> str:
        """One address may have many names: prefer the one in the handshake, if it led to this address."""
        if isinstance(hostname, str) and (*connection.peer, hostname) in self._names_seen:
            return origin_of(hostname, connection.peer[1])
        return connection.origin


_NOTHING: Final = (None, None, None)
_DRIVER_FRAMES: Final = 3
_PROTOCOL_FRAMES: Final = 8
_PROTOCOLS: Final = frozenset({"h11._connection", "h2.connection"})
"""Modules whose objects speak HTTP and know of no connection: reading their frames' locals would be for nothing."""
_MARK: Final = "_connprof_connection"  # hooks read it by its name
_CALLERS_MAX: Final = 1_000
_LANES_MAX: Final = 1_000
_IDLE_NS: Final = 1_000_000_000
"""What was closed after less than this was closed after use; after more it had been idle."""
_ENTRY_LOCAL: Final = "_o_call"
"""A local variable of those hooks, and of nothing else, in which a client's call begins."""
_LOWER: Final = frozenset({"urllib3", "urllib3_future", "http"})
_LAYERS: Final = {
    "requests": _LOWER, "niquests": _LOWER, "botocore": _LOWER, "urllib3": _LOWER, "http": frozenset({"http"}),
}  # fmt: skip
"""Which libraries a library is built on: adapters of the user's own stand in the middle, and make its parts."""
_LIBRARIES: Final = frozenset({"httpx", "httpx2", "requests", "niquests", "aiohttp", "botocore", *_LOWER})
_SHELLS: Final = ("truststore",)
"""Packages whose context class wraps the one that does the work."""
_TRANSPORT_DEPTH: Final = 3
_TRANSPORT_NAMES: Final = (
    "_network_stream", "_transport", "transport_stream", "_raw_socket", "socket", "_sock", "sock",
)  # fmt: skip
_METHODS: Final = {"urllib.request": frozenset({"OpenerDirector.open"})}
"""Methods that are shortcuts all the same: what is kept there keeps no connections."""


def _layers_of(client: Client) -> frozenset[str]:
    return _LAYERS.get(client.kind.library, frozenset())


class Making:
    """A client's ``__init__``, while it runs."""

    __slots__ = ("carried", "client", "token", "ways")

    def __init__(
        self,
        client: Client,
        carried: Carried,
        ways: dict[Story, tuple[Location, ...]],
        token: Token[Carried | Carrier | None],
    ) -> None:
        self.client = client
        self.carried = carried
        self.ways = ways
        self.token = token


def shortcut_of(frame: FrameType | None) -> str:
    """The module-level function through which user code makes the client whose ``__init__`` is called in ``frame``."""
    found = ""
    while frame is not None and DEFAULT_FINDER.is_library(frame):
        folder, name = os.path.split(frame.f_code.co_filename)
        module, only = SHORTCUTS.get((os.path.basename(folder), name), ("", ""))  # noqa: PTH119 - a string is wanted
        function = getattr(frame.f_code, "co_qualname", frame.f_code.co_name)
        if module and function.isidentifier() and not function.startswith("_"):
            counts = only in {"", function}
        else:
            counts = function in _METHODS.get(module, ())
        if counts:
            found = f"{module}.{function}"
        frame = frame.f_back
    return found


def made_in_import(frame: FrameType | None) -> str:
    """The package that is being imported, if ``frame`` runs because of that; else nothing."""
    package, is_import = "", False
    while frame is not None and DEFAULT_FINDER.is_library(frame):
        if frame.f_code.co_filename in IMPORT_FILES:
            is_import = True
        elif frame.f_code.co_name == "<module>":
            package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        frame = frame.f_back
    return (package or "a library") if is_import else ""


def way_to(finder: SiteFinder, frame: FrameType | None) -> tuple[Location, ...]:
    """The lines above the user's line at ``frame``; where a task or thread runs it, the line that started that."""
    chain = finder.chain(frame)
    found = None if chain else finder.find(frame)
    if found is None:
        return chain
    started = carried_line(finder)
    if started is not None:
        return () if started == found else (BY_TASK, started)
    return () if running_loop() is None else (BY_TASK,)


def _costs_its_connection(response: Any) -> bool:
    """Whether a response is closed before any of it was read: over HTTP/1 its connection goes with it.

    urllib3's are closed when they are dropped, too.
    """
    is_closed = getattr(getattr(response, "_original_response", None), "isclosed", None)
    if is_closed is not None:
        return not is_closed() and response.tell() == 0
    return getattr(response, "is_stream_consumed", True) is False and response.http_version.startswith("HTTP/1")


def _file_number(candidate: Any, depth: int) -> int | None:
    """The file number of what drives a TLS object: transports, streams of anyio and trio, sockets."""
    if isinstance(candidate, socket_class):
        return candidate.fileno()
    ask = getattr(candidate, "get_extra_info", None)
    if ask is not None:
        candidate = ask("socket")
        return candidate.fileno() if candidate is not None else None
    if depth == 0:
        return None
    for name in _TRANSPORT_NAMES:
        inner = getattr(candidate, name, None)
        if inner is not None:
            found = _file_number(inner, depth - 1)
            if found is not None:
                return found
    # trio's own socket objects are not socket.socket, but have its methods
    if hasattr(candidate, "getpeername") and hasattr(candidate, "fileno"):
        return int(candidate.fileno())
    return None


def _leave(connection: _Connection | None) -> None:
    """A response that came over it was given up unread: over HTTP/2 the others go on."""
    if connection is not None and not (connection.handshake is not None and connection.handshake.alpn == "h2"):
        connection.is_left = True


def fails_on_its_way(frame: FrameType) -> bool:
    """Whether an error of the transport is about to leave ``frame``, and not one that a caller of its handles."""
    kind, _, traceback = sys.exc_info()
    return (
        kind is not None
        and traceback is not None
        and traceback.tb_frame is frame
        and any(each.__name__ == "TransportError" for each in kind.__mro__)
    )


def _is_used(connection: _Connection) -> bool:
    """Whether the running code belongs to a call that has sent its request over this connection."""
    carried = carried_now()
    return carried is not None and carried.live and connection_of(carried) is connection


def _use_of(connection: _Connection, handshake: _Handshake, client: Client, end_ns: int, *, is_spent: bool) -> Use:
    """From when to when a connection that ends now was needed."""
    if client.kind.is_read_later and (client.closed or not client.kind.is_async):
        end_ns = client.closed_ns if client.closed else end_ns
    elif not is_spent and not client.calls_now():
        # A call that went on to another connection, as redirects do, has told the end of that one alone.
        end_ns = min(end_ns, connection.last_ns if connection.last_ns > connection.start_ns else client.last_ns)
    return Use(
        client.needed_from(connection.start_ns),
        end_ns,
        is_spent,
        is_multiplexed=client.http2 and handshake.alpn == "h2",
    )


def _client_of(connection: _Connection | None) -> Client | None:
    """The client that the running code works for; else the one whose connection it is."""
    carried = carried_now()
    if carried is not None and carried.client is not None:
        return carried.client
    return None if connection is None else connection.client


def home_of(loop: Any) -> Any:
    """What stands for an event loop where it is asked whose a task is: the same object each time."""
    return NOTHING if loop is None else ref(loop)


def _never_began(client: Client | None, call: Carried | None) -> None:
    """A call has come to nothing halfway through its beginning; ``client`` has counted it."""
    if client is not None:
        client.in_flight -= 1
    if call is not None:
        call.live = False


def _setters(known: dict[tuple[str, str], Caller], url: Any, count: int) -> list[Caller]:
    """Who was given the cookies of one name that go to ``url``: of the ``count`` most particular ones, as jars do."""
    parts = urlsplit(str(url))
    host = f".{parts.hostname}"
    hosts = (host, f"{host}.local", f".[{parts.hostname}].local")  # as http.cookiejar calls one that has no dot
    found = [
        (len(domain), len(path), setter)
        for (domain, path), setter in list(known.items())
        if any(each.endswith(domain and f".{domain.lstrip('.')}") for each in hosts)
        and f"{parts.path.rstrip('/')}/".startswith(f"{path.rstrip('/')}/")
    ]
    found.sort(key=lambda each: each[:2], reverse=True)
    return [setter for *_, setter in found[:count]]


def _undo(token: Token[Carried | Carrier | None]) -> bool:
    """Carry what was carried before; whether that could be done, and not from another context, as of generators."""
    try:
        CARRIED.reset(token)
    except ValueError:
        return False
    return True


def _key_for(window: Observation, sites: Sites) -> SiteKey:
    for finder, key in sites:
        if finder is window.finder:
            return key
    return UNKNOWN


def _is_connected(sock: Any) -> bool:
    try:
        sock.getpeername()
    except OSError:
        return False
    return True


def origin_of(host: str, port: int | str) -> str:
    """``host:port``, with brackets around an IPv6 address; ``?`` for what is not known."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def describe(place: str, error: BaseException) -> str:
    """A failure in one line: its kind, and where it was raised. What it says may be a value of the user's."""
    traceback, where = error.__traceback__, ""
    while traceback is not None:
        code, line = traceback.tb_frame.f_code, traceback.tb_lineno
        where = f" ({os.path.basename(code.co_filename)}:{line})"  # noqa: PTH119 - a string is wanted
        traceback = traceback.tb_next
    return f"{place}: {type(error).__name__}{where}"


RECORDER: Final = Recorder()
