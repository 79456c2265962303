"""The one place in a process where events arrive, are attributed, and are handed to the open windows.

Hooks call the methods marked ``@guarded``: those never raise, whatever happens inside. Sockets and TLS objects
are followed by weak reference, so that observing them keeps nothing alive.
"""

from __future__ import annotations

import errno
import functools
import socket
import ssl
from collections import deque
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary, ref

from connprof.observe.observation import Bar, Field, HandshakeOutcome, Observation
from connprof.observe.originals import (
    IN_PROGRESS,
    INTERNET,
    SOCKETPAIR_CODES,
    SSLSocket,
    make_lock,
    now_ns,
    socket_class,
)
from connprof.observe.sites import (
    CARRIED,
    DEFAULT_FINDER,
    UNKNOWN,
    Carried,
    SiteFinder,
    SiteKey,
    carried_line,
    thread_lines,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Token
    from threading import Thread
    from types import FrameType

__all__ = ["RECORDER", "Recorder", "describe", "guarded"]

_NAMES_MAX = 20_000

Sites = tuple[tuple[SiteFinder, SiteKey], ...]


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


class _Connection:
    """A TCP connect and what became of it."""

    __slots__ = (
        "bar",
        "died_ns",
        "fd",
        "handshake",
        "origin",
        "owner",
        "peer",
        "pending",
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
        self.handshake: _Handshake | None = None
        self.owner: ref[Any] | None = None
        self.died_ns: int | None = None


class _Handshake:
    """A TLS object on the client's side, from its first ``do_handshake`` on."""

    __slots__ = ("died_ns", "done", "origin", "owner", "sites", "start_ns")

    def __init__(self, origin: str, sites: Sites, start_ns: int, *, done: bool) -> None:
        self.origin = origin
        self.sites = sites
        self.start_ns = start_ns
        self.done = done
        self.owner: ref[Any] | None = None
        self.died_ns: int | None = None


class Recorder:
    """Attributes events and adds them to every open window.

    ``windows`` is replaced, never changed, so that a hook can test it without the lock.
    """

    def __init__(self) -> None:
        self.lock = make_lock()
        self.windows: tuple[Observation, ...] = ()
        self.on_event: Callable[[], None] | None = None
        """Called after something was recorded, without the lock, in whichever thread it happened."""
        self._finders: tuple[SiteFinder, ...] = ()
        self._forget()

    # --- windows ------------------------------------------------------------------------------------------

    def open(self, observation: Observation) -> None:
        """Let a window see what happens from now on."""
        self.settle()
        with self.lock:
            self._set_windows((*self.windows, observation))

    def close(self, observation: Observation) -> None:
        """Settle what can be known by now, and let the window see no more."""
        self.settle()
        with self.lock:
            self._set_windows(tuple(window for window in self.windows if window is not observation))
            if not self.windows:
                self._forget()

    def after_fork_in_child(self) -> None:
        """A child starts from zero. The lock may have been held by a thread that does not exist here."""
        self.lock = make_lock()
        self._forget()
        for window in self.windows:
            window._lock = self.lock  # noqa: SLF001 - the window shares this lock
            window.clear()

    def _set_windows(self, windows: tuple[Observation, ...]) -> None:
        self.windows = windows
        finders: list[SiteFinder] = []
        for window in windows:
            if window.finder not in finders:
                finders.append(window.finder)
        self._finders = tuple(finders)

    def _forget(self) -> None:
        self._connections: dict[int, _Connection] = {}
        self._handshakes: dict[int, _Handshake] = {}
        # What the garbage collector reports: appended without the lock, since it may come at any time.
        self._dead: deque[_Connection | _Handshake] = deque()
        self._contexts: WeakKeyDictionary[Any, Sites] = WeakKeyDictionary()
        self._names: dict[tuple[str, int], str] = {}
        self._names_seen: set[tuple[str, int, str]] = set()

    # --- errors -------------------------------------------------------------------------------------------

    def note_error(self, place: str, error: BaseException) -> None:
        """Keep a failure of the observer for the windows to report."""
        message = describe(place, error)
        for window in self.windows:
            window.add_error(message)

    # --- attribution --------------------------------------------------------------------------------------

    def _sites(self, frame: FrameType | None, context: Any = None) -> Sites:
        """For each way of telling user code: the line that pays for what happens in ``frame``."""
        finders = self._finders
        if len(finders) == 1:
            return ((finders[0], self._site(finders[0], frame, context)),)
        return tuple([(finder, self._site(finder, frame, context)) for finder in finders])

    def _site(self, finder: SiteFinder, frame: FrameType | None, context: Any) -> SiteKey:
        try:
            found = finder.find(frame)
            if found is not None:
                return (*found, "stack")
            found = carried_line(finder)
            if found is not None:
                return (*found, "context")
            if context is not None:
                for owner, key in self._contexts.get(context, ()):
                    if owner is finder and key[3] != "unknown":
                        return (key[0], key[1], key[2], "creation")
        except Exception as error:  # noqa: BLE001 - the event is counted even when its line cannot be told
            self.note_error("call site", error)
        return UNKNOWN

    def _count(self, field: int, sites: Sites, origin: str | None = None) -> None:
        with self.lock:
            for window in self.windows:
                window.add(field, _key_for(window, sites), origin)

    # The next three run for every request: they guard themselves, which is cheaper than the decorator.

    def carry(self, frame: FrameType | None) -> Token[Carried | None] | None:
        """Note the user line at ``frame`` for tasks and callbacks begun below; ``None`` if there is none."""
        try:
            finders = self._finders
            if len(finders) == 1:
                found = finders[0].find(frame)
                # With none on the stack, what is carried already stays.
                return None if found is None else CARRIED.set(((finders[0], found),))
            lines: Carried | None = self.lines(frame)
            return CARRIED.set(lines) if lines else None
        except Exception as error:  # noqa: BLE001 - the observed program must not notice
            self.note_error("carry", error)
            return None

    def uncarry(self, token: Token[Carried | None]) -> None:
        """Undo :meth:`carry`."""
        try:
            CARRIED.reset(token)
        except ValueError:
            # The coroutine was finished from another context, as async generators are: nothing to undo.
            return
        except Exception as error:  # noqa: BLE001 - the observed program must not notice
            self.note_error("uncarry", error)

    def request_sent(self, frame: FrameType | None) -> None:
        """Count one request whose head has been written."""
        try:
            sites = self._sites(frame)
            with self.lock:
                for window in self.windows:
                    window.see_requests()
                    window.add(Field.REQUESTS, _key_for(window, sites))
            if self.on_event is not None:
                self.on_event()
        except Exception as error:  # noqa: BLE001 - the observed program must not notice
            self.note_error("request_sent", error)

    @guarded
    def lines(self, frame: FrameType | None) -> Carried:
        """The user lines at ``frame``, one for each way of telling user code, or those carried to it."""
        found: list[tuple[SiteFinder, Any]] = []
        for finder in self._finders:
            location = finder.find(frame) or carried_line(finder)
            if location is not None:
                found.append((finder, location))
        return tuple(found)

    @guarded
    def thread_starting(self, thread: Thread, frame: FrameType | None) -> None:
        """Remember the line that starts a thread."""
        lines = self.lines(frame)
        if lines:
            thread_lines()[thread] = lines

    # --- contexts -----------------------------------------------------------------------------------------

    @guarded
    def context_created(self, context: Any, frame: FrameType | None) -> None:
        """Count an SSL context and remember where it was made."""
        sites = self._sites(frame)
        self._count(Field.CONTEXTS, sites)
        self._contexts[context] = sites

    @guarded
    def trust_store_loaded(self, frame: FrameType | None) -> None:
        """Count one CA load."""
        self._count(Field.CA_LOADS, self._sites(frame))

    # --- requests -----------------------------------------------------------------------------------------

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
        return self._begin(fd, sock, (str(address[0]), int(address[1])), self._sites(frame, context), now_ns())

    def _begin(self, fd: int, sock: Any, peer: tuple[str, int], sites: Sites, start_ns: int) -> _Connection:
        self._drain()
        with self.lock:
            replaced = self._connections.pop(fd, None)
        if replaced is not None:  # its close was not seen, but the number has been given out again
            self._closed(replaced, None, start_ns)
        name = self._names.get(peer, peer[0])
        connection = _Connection(fd, peer, origin_of(name, peer[1]), sites, start_ns)
        if isinstance(sock, socket_class):
            self._own(connection, sock)
        with self.lock:
            self._connections[fd] = connection
        self._count(Field.ATTEMPTS, sites, connection.origin)
        return connection

    def _own(self, connection: _Connection, sock: Any) -> None:
        """Hear of it when the socket is dropped without a close."""
        dead = self._dead  # that of this stretch of windows: what dies later is nobody's

        def died(reference: ref[Any]) -> None:
            if connection.owner is reference:
                connection.died_ns = now_ns()
                dead.append(connection)

        try:
            connection.owner = ref(sock, died)
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
        connection = self._begin(fd, sock, peer, self._sites(frame), start_ns)
        self._opened(connection)

    @guarded
    def connect_failed_elsewhere(
        self, start_ns: int, host: Any, port: Any, error: BaseException, frame: FrameType | None
    ) -> None:
        """A connect made below Python has failed; an error of TLS means that the connect itself had not."""
        connection = self._begin(-now_ns(), None, (str(host), int(port or 0)), self._sites(frame), start_ns)
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
            connect = Bar("connect", connection.origin, connection.start_ns, end_ns, ok=True)
            connection.bar = Bar("connection", connection.origin, connection.start_ns, None, ok=True)
            for window in self.windows:
                window.add(Field.CONNECTIONS, _key_for(window, connection.sites), connection.origin)
                window.add_bar(connect)
                window.add_bar(connection.bar)

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

    # --- closes -------------------------------------------------------------------------------------------

    @guarded
    def socket_closing(self, sock: Any) -> None:
        """A socket is about to be closed."""
        fd = sock.fileno()
        with self.lock:
            connection = self._connections.pop(fd, None)
        if connection is not None:
            self._closed(connection, sock, now_ns())

    @guarded
    def socket_detached(self, sock: Any) -> None:
        """A socket object is about to give away its file number: the connection lives on without it."""
        connection = self._connections.get(sock.fileno())
        if connection is not None and connection.owner is not None and connection.owner() is sock:
            connection.owner = None

    def _closed(self, connection: _Connection, sock: Any, end_ns: int) -> None:
        if connection.pending:
            # Nobody asked how the connect ended. A socket that knows its peer was used all the same.
            if sock is not None and _is_connected(sock):
                self._opened(connection)
            else:
                self._connect_failed(connection, end_ns)
        if connection.bar is not None and connection.bar.end_ns is None:
            connection.bar.end_ns = end_ns if connection.died_ns is None else connection.died_ns
        handshake = connection.handshake
        if handshake is not None and not handshake.done:
            self._handshake_failed(handshake, "closed before the handshake was done", end_ns)

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
        except Exception as error:  # noqa: BLE001 - the observed program must not notice
            self.note_error("settle", error)

    def _drain(self) -> None:
        while self._dead:
            try:
                dead = self._dead.popleft()
            except IndexError:  # another thread took the last one
                return
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
        connection = self._connection_of(tls, frame)
        origin = origin_of(str(tls.server_hostname or "?"), "?")
        if connection is not None:
            origin = self._origin_by_name(connection, tls.server_hostname)
            if isinstance(tls, SSLSocket):
                if connection.pending and _is_connected(tls):
                    self._opened(connection)
                self._own(connection, tls)
        done = tls.version() is not None  # shaken before anybody looked: this call changes nothing
        handshake = _Handshake(origin, self._sites(frame, tls.context), now_ns(), done=done)
        identity, states, dead = id(tls), self._handshakes, self._dead

        def died(reference: ref[Any]) -> None:
            if handshake.owner is reference:
                states.pop(identity, None)
                if not handshake.done:
                    handshake.died_ns = now_ns()
                    dead.append(handshake)

        handshake.owner = ref(tls, died)
        states[identity] = handshake
        if connection is not None and not done:
            connection.handshake = handshake
        return None if done else handshake

    @guarded
    def handshake_returned(self, handshake: _Handshake, tls: Any) -> None:
        """A handshake has succeeded."""
        end_ns = now_ns()
        cipher = tls.cipher()
        outcome = HandshakeOutcome(
            resumed=bool(tls.session_reused),
            tls_version=tls.version(),
            cipher=cipher[0] if cipher else None,
            alpn=tls.selected_alpn_protocol(),
        )
        self._handshake_done(handshake, Field.RESUMED if outcome.resumed else Field.FULL, outcome, end_ns)

    @guarded
    def handshake_raised(self, handshake: _Handshake, tls: Any, error: BaseException) -> None:
        """``do_handshake`` raised: it wants more bytes, or it failed."""
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
        with self.lock:
            if handshake.done:
                return
            handshake.done = True
            bar = Bar("handshake", handshake.origin, handshake.start_ns, end_ns, ok=field != Field.FAILED)
            for window in self.windows:
                key = _key_for(window, handshake.sites)
                window.add(field, key, handshake.origin)
                window.add_bar(bar)
                window.add_handshake(bar, outcome, key)

    def _connection_of(self, tls: Any, frame: FrameType | None) -> _Connection | None:
        """The connection below a TLS object: by its own file number, or by its transport's."""
        if isinstance(tls, SSLSocket):
            return self._connections.get(tls.fileno())
        for _ in range(_DRIVER_FRAMES):
            # Reading a frame's locals may keep them alive until it returns, so user code's are left alone.
            if frame is None or not DEFAULT_FINDER.is_library(frame):
                return None
            if frame.f_code.co_varnames[:1] == ("self",):
                try:
                    fd = _file_number(frame.f_locals.get("self"), _TRANSPORT_DEPTH)
                except Exception as error:  # noqa: BLE001 - the handshake is counted even without its peer
                    self.note_error("transport of a TLS object", error)
                    return None
                if fd is not None:
                    return self._connections.get(fd)
            frame = frame.f_back
        return None

    def _origin_by_name(self, connection: _Connection, hostname: Any) -> str:
        """One address may have many names: prefer the one in the handshake, if it led to this address."""
        if isinstance(hostname, str) and (*connection.peer, hostname) in self._names_seen:
            return origin_of(hostname, connection.peer[1])
        return connection.origin


_DRIVER_FRAMES: Final = 3
_TRANSPORT_DEPTH: Final = 3
_TRANSPORT_NAMES: Final = ("_transport", "transport_stream", "_raw_socket", "socket", "_sock")


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
    """A failure in one line, from exceptions that may fail to describe themselves."""
    try:
        return f"{place}: {type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - the observed program must not notice
        return f"{place}: {type(error).__name__}"


RECORDER: Final = Recorder()
