"""Hooks for libraries, as a table: another library is another line in it.

``REQUESTS`` count a request when its head is written; ``ENTRIES`` are where user code asks for one, and leave
the user's line for whatever happens in tasks and callbacks below; ``SPAWNS`` begin a task, which gets the line
too. ``CLIENTS`` are the classes whose objects are followed from their making to their closing.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import os
import sys
from typing import TYPE_CHECKING, Any, Final

from connprof.observe.calls import PLAIN, Sender, sender
from connprof.observe.originals import SSLSocket, caller, now_ns, running_loop, socket_class, thread_id
from connprof.observe.owners import Kind
from connprof.observe.recorder import DIALLED, RECORDER, home_of
from connprof.observe.shapes import shaped
from connprof.observe.sites import CARRIED, DEFAULT_FINDER, NOTHING, Carried, Carrier, carried_now
from connprof.observe.standard import carrying_function, carrying_submit
from connprof.observe.standing import StandingCall, connection_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import FrameType, ModuleType

    from connprof.observe.owners import Client

__all__ = ["BLIND", "MODULES", "REQUEST_MODULES", "RESPONSE_MODULES", "replacements", "response_replacements"]

__tracebackhide__ = True  # pytest leaves the replacements' frames out

_frame = sys._getframe  # noqa: SLF001 - the documented way to the caller's frame that costs little


# --- requests ---------------------------------------------------------------------------------------------


def h11_send(original: Any) -> Any:
    """Sending an ``h11.Request``: ``send`` ends in this method too. A CONNECT asks for a tunnel and is none."""
    return shaped(
        original,
        (
            "if _o_type({second}) is not _o_request_class:",
            "    return {call}",
            "_o_result = {call}",
            # Only a client may send a Request; a server that tries has raised by now.
            "_o_carrier = _o_carried()",
            "if _o_type(_o_carrier) is _o_carrier_class:",
            "    _o_standing = _o_carrier.call",
            "    if _o_standing is not None and _o_recorder.on_event is None:",
            "        _o_connection = _o_standing.connection",
            "        try:",
            "            if (",
            "                _o_connection is not None",
            "                and _o_connection is {first}._connprof_connection",
            "                and {second}.method != b'CONNECT'",
            "            ):",
            "                _o_standing.requests += 1",
            "                _o_standing.has_sent = True",
            "                return _o_result",
            "        except _o_attribute_error:",  # its first request: the connection is left there below
            "            pass",
            "if _o_recorder.windows and {second}.method != b'CONNECT':",
            "    _o_sent({first}, _o_frame(1))",
            "return _o_result",
        ),
        {
            "_o_type": type,
            # its exact class, as h11 itself asks for it
            "_o_request_class": getattr(sys.modules.get("h11"), "Request", None),
            "_o_carried": CARRIED.get,
            "_o_carrier_class": Carrier,
            "_o_recorder": RECORDER,
            "_o_attribute_error": AttributeError,
            "_o_sent": _sent_by_h11,
            "_o_frame": _frame,
        },
    )


def _sent_by_h11(owner: Any, frame: FrameType | None) -> None:
    """A request has been sent, and not by a standing call that knows its connection."""
    call: Any = carried_now()
    try:
        connection = owner._connprof_connection  # noqa: SLF001 - left there the last time
        tally = call.lane.tallies[connection.origin] if call.live and call.lane.live else None
    except (AttributeError, KeyError):
        connection, tally = RECORDER.connection_below(owner, frame), None
    # As request_sent, for a call that has been here before, and without calling that.
    if tally is None or type(call) is StandingCall or RECORDER.on_event is not None:
        RECORDER.request_sent(connection)
    else:
        connection.requests += 1
        connection.last_ns = call.start_ns
        call.connection = connection
        call.tally = tally
        tally.requests += 1


def h2_send_headers(original: Any) -> Any:
    """``H2Connection.send_headers``: the first headers of a stream that a client opens; trailers are none."""

    @functools.wraps(original)
    def send_headers(self: Any, stream_id: Any, headers: Any, *args: Any, **kwargs: Any) -> Any:
        first = bool(RECORDER.windows) and _opens_stream(self, stream_id)
        if not first:
            return original(self, stream_id, headers, *args, **kwargs)
        headers = list(headers)  # it may be an iterator, and is read twice here
        result = original(self, stream_id, headers, *args, **kwargs)
        if not _is_tunnel(headers):
            RECORDER.request_sent(RECORDER.connection_below(self, _frame(1)))
        return result

    return send_headers


def _opens_stream(connection: Any, stream_id: Any) -> bool:
    try:
        return bool(connection.config.client_side) and stream_id not in connection.streams
    except Exception as error:  # noqa: BLE001 - the observed program must not notice
        RECORDER.note_error("h2", error)
        return False


def _is_tunnel(headers: list[Any]) -> bool:
    try:
        names = {bytes_of(header[0]): bytes_of(header[1]) for header in headers}
    except Exception as error:  # noqa: BLE001 - the observed program must not notice
        RECORDER.note_error("h2 headers", error)
        return False
    return names.get(b":method") == b"CONNECT" and b":protocol" not in names


def bytes_of(value: Any) -> bytes:
    """A header's name or value, whichever of the two types it was given in."""
    return value.encode("latin-1", "replace") if isinstance(value, str) else bytes(value)


def http_client_endheaders(original: Any) -> Any:
    """``HTTPConnection.endheaders``: the head is written here, after a connect if need be.

    A call begins here, too, be it by ``request`` or by hand: ``putrequest`` comes before the connect and would count
    requests to a host that refuses it, and whatever is between costs nothing worth telling.

    On the connection that it knows, a standing call is nothing but this: nobody has to be told that it is under way,
    as none of the user's code runs in there. That no local is called as those are by which a call is known on the
    stack, is for those that begin in there all the same.
    """
    return shaped(
        original,
        (
            "_o_one = _o_standing(_o_id({first}))",
            "try:",
            "    if _o_one is None:",  # of a library above, perhaps
            "        _o_start_ns = 0",
            "        _o_carrier = _o_carried()",
            "        _o_one = _o_carrier.call if _o_type(_o_carrier) is _o_carrier_class else None",
            "        _o_is_known = _o_one is not None",
            "    elif (",
            "        _o_one.thread == _o_thread()",
            "        and not _o_one.is_off",
            "        and ({second} is None or _o_type({second}) is _o_bytes)",
            "    ):",
            "        _o_start_ns = _o_now()",
            "        _o_above = _o_frame(_o_one.depth - 1)",  # what the user's code has called
            "        _o_is_known = _o_above.f_code is _o_one.below",
            "        _o_above = _o_above.f_back",
            "        _o_is_known = _o_is_known and _o_above.f_lasti == _o_one.at and _o_above.f_code is _o_one.code",
            "        _o_above = None",
            "    else:",
            "        _o_is_known = False",
            # When it was made it was for that thread, and a connect gives it another socket.
            "    _o_known = _o_one if _o_is_known and _o_one.socket_identity == _o_id({first}.sock) else None",
            "except _o_exception:",  # its socket is a property of the user's, say: the long way will tell
            "    _o_known = None",
            "if _o_known is None:",
            "    return {other}",
            "try:",
            "    _o_result = {call}",
            "except _o_any_exception:",
            "    _o_fails({first}, _o_known, _o_start_ns)",
            "    raise",
            "if not _o_known.socket_identity:",  # its connection has ended meanwhile, or the window has
            "    _o_late({first})",
            "else:",
            "    _o_known.requests += 1",
            "    if _o_start_ns:",
            "        _o_known.end_ns = _o_end_ns = _o_now()",
            "        _o_known.spent_ns += _o_end_ns - _o_start_ns",
            "    else:",
            "        _o_known.has_sent = True",
            "    if _o_recorder.on_event is not None:",
            "        _o_told()",
            "return _o_result",
        ),
        {
            "_o_carried": CARRIED.get,
            "_o_type": type,
            "_o_carrier_class": Carrier,
            "_o_recorder": RECORDER,
            "_o_standing": RECORDER.standing.get,
            "_o_id": id,
            "_o_thread": thread_id,
            "_o_frame": _frame,
            "_o_now": now_ns,
            "_o_bytes": bytes,
            "_o_exception": Exception,
            "_o_any_exception": BaseException,
            "_o_fails": _standing_fails,
            "_o_late": _sent_late,
            "_o_told": RECORDER.told,
            "_o_other": sender(PLAIN)(_counting(original)),
        },
    )


def _counting(original: Any) -> Any:
    """The same method, which counts its request."""
    return shaped(
        original,
        (
            "try:",
            "    _o_result = {call}",
            "except _o_any_exception:",
            "    if _o_recorder.windows and _o_is_out():",
            "        _o_sent({first})",
            "    raise",
            "if _o_recorder.windows:",
            "    _o_sent({first})",
            "return _o_result",
        ),
        {
            "_o_any_exception": BaseException,
            "_o_recorder": RECORDER,
            "_o_is_out": _head_is_out,
            "_o_sent": _sent_by_http_client,
        },
    )


def _standing_fails(owner: Any, call: StandingCall, start_ns: int) -> None:
    """What a standing call does nothing but has raised: perhaps as late as in its body."""
    is_out = _head_is_out()
    if not call.socket_identity:
        if is_out:
            _sent_late(owner)
        return
    if is_out:
        call.requests += 1
    if start_ns:
        call.end_ns = end_ns = now_ns()
        if is_out:
            call.spent_ns += end_ns - start_ns
        else:
            call.lane.nowhere.spent_ns += end_ns - start_ns
    elif is_out:
        call.has_sent = True
    RECORDER.told()


def _sent_late(owner: Any) -> None:
    """A request has been sent of a call that stands no more: whose it is has to be looked at anew."""
    if RECORDER.windows:
        _sent_by_http_client(owner)


def _head_is_out() -> bool:
    """Whether a request whose sending has just failed had its head written before that.

    The pieces of a body are made when it is, and what can be no body is refused then.
    """
    kind, _, traceback = sys.exc_info()
    try:
        while traceback is not None:
            frame, inner = traceback.tb_frame, traceback.tb_next
            if frame.f_code.co_name == "_send_output" and frame.f_globals.get("__name__") == "http.client":
                there = frame.f_locals
                is_refused = kind is TypeError and inner is None and there.get("message_body") is not None
                return "chunks" in there or ("msg" in there and is_refused)
            traceback = inner
    except Exception as error:  # noqa: BLE001 - the observed program must not notice
        RECORDER.note_error("a head", error)
    return False


def _sent_by_http_client(owner: Any) -> None:
    """A request has been sent, and perhaps over the socket that the next ones will take, too."""
    connection = _of_http_client(owner)
    RECORDER.request_sent(connection)
    call = carried_now()
    if type(call) is StandingCall and call.client.kind.library == "http" and not _is_plain(owner):
        return
    _goes_over(connection, getattr(owner, "sock", None))


def _is_plain(owner: Any) -> bool:
    """Whether sending a head calls nothing but http.client's own methods, and a socket of the standard library's."""
    try:
        return type(owner.sock) in {socket_class, SSLSocket} and all(map(_is_its_own, (owner, owner), _SENDING))
    except Exception:  # noqa: BLE001 - whatever an attribute of the user's does: it is not plain
        return False


_SENDING: Final = ("send", "_send_output")


def _is_its_own(owner: Any, name: str) -> bool:
    """Whether a method is http.client's, and not a subclass's nor one that this object alone has.

    The object's dictionary is not asked: one that was asked for is slower to use ever after, before Python 3.13.
    """
    module: Any = sys.modules.get("http.client")
    of: Any = type(owner)
    function = getattr(module.HTTPConnection, name)
    if getattr(of, name) is not function or of.__getattribute__ is not object.__getattribute__:
        return False
    method = getattr(owner, name)
    return method.__func__ is function and method.__self__ is owner


def _goes_over(connection: Any, socket: Any) -> None:
    """A standing call's next requests are known by this socket, or what stands for it."""
    call = carried_now()
    if isinstance(call, StandingCall) and connection is not None and call.connection is connection:
        call.socket_identity = id(socket)


def _of_http_client(owner: Any) -> Any:
    """The connection of an ``http.client.HTTPConnection``."""
    try:
        return RECORDER.connection_numbered(owner.sock.fileno())
    except (AttributeError, OSError, ValueError):
        return None


def aiohttp_send(original: Any) -> Any:
    """``aiohttp.ClientRequest.send``, whose return means that the head is written or on its way."""
    return shaped(
        original,
        (
            "_o_result = {call}",
            "_o_carrier = _o_carried()",
            "if _o_type(_o_carrier) is _o_carrier_class:",
            "    _o_standing = _o_carrier.call",
            "    if _o_standing is not None and _o_recorder.on_event is None:",
            "        try:",
            "            if _o_standing.socket_identity == _o_id({second}.transport) and {first}.method != 'CONNECT':",
            "                _o_standing.requests += 1",
            "                _o_standing.has_sent = True",
            "                return _o_result",
            "        except _o_exception:",
            "            pass",
            "if _o_recorder.windows:",
            "    _o_sent({first}, {second})",
            "return _o_result",
        ),
        {
            "_o_carried": CARRIED.get,
            "_o_type": type,
            "_o_carrier_class": Carrier,
            "_o_recorder": RECORDER,
            "_o_id": id,
            "_o_exception": Exception,
            "_o_sent": _sent_by_aiohttp,
        },
    )


def _sent_by_aiohttp(owner: Any, conn: Any) -> None:
    """A request has been sent, and not by a standing call that knows its connection."""
    if getattr(owner, "method", None) != "CONNECT":
        connection = _of_aiohttp(conn)
        RECORDER.request_sent(connection)
        _goes_over(connection, getattr(conn, "transport", None))


def _of_aiohttp(conn: Any) -> Any:
    """The connection below aiohttp's own."""
    transport: Any = getattr(conn, "transport", None)
    try:
        return RECORDER.connection_numbered(transport.get_extra_info("socket").fileno())
    except (AttributeError, OSError, ValueError):
        return None


# --- where requests and tasks begin -----------------------------------------------------------------------


def _quiet(listener: Callable[..., None]) -> Callable[..., None]:
    """Turn every failure of a listener into a note."""

    @functools.wraps(listener)
    def never_raising(*args: Any) -> None:
        try:
            listener(*args)
        except Exception as error:  # noqa: BLE001 - the observed program must not notice
            RECORDER.note_error(listener.__name__, error)

    return never_raising


def spawn(original: Any) -> Any:
    """A function that makes a task: the task inherits the caller's line."""

    @functools.wraps(original)
    def spawning(*args: Any, **kwargs: Any) -> Any:
        if not RECORDER.windows:
            return original(*args, **kwargs)
        frame = caller()
        beginning = RECORDER.task_begins(
            _starter(frame), _home_of_task(args), is_own=not _works_for_its_maker(frame), context=kwargs.get("context")
        )
        task = None
        try:
            task = original(*args, **kwargs)
        finally:
            if beginning is not None:
                RECORDER.task_begun(beginning, task)
        return task

    return spawning


def _starter(frame: FrameType | None) -> FrameType | None:
    """Where the walk up from ``frame`` begins: above what runs a loop until its first task is done, for whoever asks.

    Not above a loop that runs already, which calls this by itself.
    """
    start = frame
    while frame is not None:
        folder, name = os.path.split(frame.f_code.co_filename)
        if os.path.basename(folder) != "asyncio" or frame.f_code.co_name in _OF_RUNNING_LOOPS:  # noqa: PTH119
            return start
        frame_above = frame.f_back
        if (name, frame.f_code.co_name) in _STARTERS:
            start = frame_above
        frame = frame_above
    return start


_STARTERS: Final = frozenset({("runners.py", "run"), ("base_events.py", "run_until_complete")})
_OF_RUNNING_LOOPS: Final = frozenset({"_run", "_run_once", "run_forever"})


def handed_to_a_loop(original: Any) -> Any:
    """``call_soon_threadsafe``: what a loop in another thread is given to do, as by ``run_coroutine_threadsafe``."""

    @functools.wraps(original)
    def call_soon_threadsafe(self: Any, *args: Any, **kwargs: Any) -> Any:
        frame = caller() if RECORDER.windows and running_loop() is not self else None
        if frame is None or (frame.f_code.co_name != "run_coroutine_threadsafe" and DEFAULT_FINDER.is_library(frame)):
            return original(self, *args, **kwargs)
        beginning = RECORDER.task_begins(frame, _ELSEWHERE, is_own=True, context=kwargs.get("context"))
        try:
            return original(self, *args, **kwargs)
        finally:
            if beginning is not None:
                RECORDER.task_begun(beginning, None)

    return call_soon_threadsafe


def _inherited(original: Any, *, is_own: bool) -> Any:
    """A coroutine function while which a copy of the caller's context is taken, for work that ``is_own`` or not."""

    @functools.wraps(original)
    async def handing_over(*args: Any, **kwargs: Any) -> Any:
        if not RECORDER.windows:
            return await original(*args, **kwargs)
        beginning = RECORDER.task_begins(caller(), is_own=is_own)
        try:
            return await original(*args, **kwargs)
        finally:
            if beginning is not None:
                RECORDER.task_begun(beginning, None)

    return handing_over


def handed_over(original: Any) -> Any:
    """A coroutine function that has a thread call something, with a copy of the caller's context."""
    return _inherited(original, is_own=False)


def started(original: Any) -> Any:
    """A coroutine function that makes a task, and waits until that says that it has started."""
    return _inherited(original, is_own=True)


def _home_of_task(arguments: tuple[Any, ...]) -> Any:
    """For the event loop whose method is called; of one that does not run, nobody knows yet in which thread it will."""
    loop = running_loop()
    if loop is not None:
        return home_of(loop) if arguments and arguments[0] is loop else _ELSEWHERE
    return _ELSEWHERE if arguments and hasattr(arguments[0], "run_forever") else NOTHING


_ELSEWHERE: Final = object()
_WAITERS: Final = frozenset({"wait_for", "shield"})


def _works_for_its_maker(frame: FrameType | None) -> bool:
    """Whether a task is made by ``wait_for`` or ``shield``, whose caller waits for nothing else."""
    for _ in range(3):
        if frame is None:
            return False
        code = frame.f_code
        if code.co_name in _WAITERS and code.co_filename.endswith("tasks.py"):
            return True
        frame = frame.f_back
    return False


def awaited(original: Any) -> Any:
    """A coroutine function of an event loop's that user code awaits, and whose callbacks have no stack."""
    return sender(PLAIN)(original)


# --- clients ----------------------------------------------------------------------------------------------


def initializer(kind: Kind, facts: Callable[[Any, Client], None]) -> Callable[[Any], Any]:
    """A hook for a client's ``__init__``."""

    def hook(original: Any) -> Any:
        @functools.wraps(original)
        def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - it stands in for that method
            making = RECORDER.client_begins(kind, caller()) if RECORDER.windows else None
            if making is None:
                original(self, *args, **kwargs)
                return
            made = None
            try:
                original(self, *args, **kwargs)
                made = self
            finally:
                RECORDER.client_ends(making, made, facts)

        return __init__

    return hook


def closer(original: Any) -> Any:
    """A method that closes a client, sync or async. What comes after the closing is not told."""
    if inspect.iscoroutinefunction(original):

        @functools.wraps(original)
        async def async_closing(self: Any, *args: Any, **kwargs: Any) -> Any:
            if RECORDER.windows:
                RECORDER.client_closing(self)
            return await original(self, *args, **kwargs)

        return async_closing

    @functools.wraps(original)
    def closing(self: Any, *args: Any, **kwargs: Any) -> Any:
        if RECORDER.windows:
            RECORDER.client_closing(self)
        return original(self, *args, **kwargs)

    return closing


def aiohttp_closer(original: Any) -> Any:
    """``ClientSession.close``: what its connector keeps could be used again, and nothing else."""

    @functools.wraps(original)
    async def close(self: Any, *args: Any, **kwargs: Any) -> Any:
        if RECORDER.windows:
            RECORDER.client_closing(self, _kept_by_aiohttp)
        return await original(self, *args, **kwargs)

    return close


def _kept_by_aiohttp(owner: Any) -> set[int] | None:
    try:
        pools = owner.connector._conns.values()  # noqa: SLF001 - what it keeps has no public name
        transports = [each[0].transport for pool in pools for each in pool]
        return {each.get_extra_info("socket").fileno() for each in transports if each is not None}
    except (AttributeError, LookupError, TypeError):
        return None


def _seconds_ns(seconds: Any) -> int | None:
    return None if seconds is None else round(float(seconds) * 1e9)


def _httpx_facts(owner: Any, client: Client) -> None:
    pool = getattr(owner._transport, "_pool", None)  # noqa: SLF001 - its settings have no public name
    if pool is None:  # a mock, or an application in this process
        client.is_local = True
        return
    client.expiry_ns = _seconds_ns(getattr(pool, "_keepalive_expiry", None))
    client.keepalive_limit = _limit(getattr(pool, "_max_keepalive_connections", None))
    client.http2 = bool(getattr(pool, "_http2", False))


def _limit(value: Any) -> int | None:
    return value if isinstance(value, int) and value < sys.maxsize else None


def _requests_facts(owner: Any, client: Client) -> None:
    client.keepalive_limit = _limit(getattr(owner.get_adapter("https://host/"), "_pool_maxsize", None))
    client.limit_is_per_origin = True


def _urllib3_facts(owner: Any, client: Client) -> None:
    client.keepalive_limit = _limit(owner.connection_pool_kw.get("maxsize", 1))
    client.limit_is_per_origin = True


def _aiohttp_facts(owner: Any, client: Client) -> None:
    expiry = getattr(owner.connector, "_keepalive_timeout", None)
    client.expiry_ns = _seconds_ns(expiry) if isinstance(expiry, int | float) else None


def _no_facts(_owner: Any, _client: Client) -> None:
    return


@_quiet
def _httpx_before(call: Carried, request: Any) -> None:
    header = request.headers.get("cookie")
    if header:
        RECORDER.cookies_sent(call, header, request.url)


@_quiet
def _httpx_after(call: Carried, owner: Any, response: Any) -> None:
    if not response.is_closed:
        RECORDER.response_open(call, response)
    jar = owner._cookies.jar  # noqa: SLF001 - the public property would wrap it anew
    if jar._cookies:  # noqa: SLF001 - asking for its length would walk through it
        RECORDER.cookies_kept(call, jar, lambda: _received_by_httpx(owner, response))


def _received_by_httpx(owner: Any, response: Any) -> Iterable[Any]:
    cookies: Any = type(owner._cookies)()  # noqa: SLF001 - the public property would wrap it anew
    for each in (*response.history, response):
        if "set-cookie" in each.headers:
            cookies.extract_cookies(each)
    jar: Iterable[Any] = cookies.jar
    return jar


_HTTPX_NOTHING: Final = "_o_response.is_closed and not {first}._cookies.jar._cookies"


@_quiet
def _requests_before(call: Carried, request: Any) -> None:
    header = request.headers.get("Cookie")
    if header:
        RECORDER.cookies_sent(call, header, request.url)


@_quiet
def _requests_after(call: Carried, owner: Any, response: Any) -> None:
    raw = getattr(response, "raw", None)
    if getattr(raw, "_connection", None) is not None:
        RECORDER.response_open(call, raw)
    if owner.cookies._cookies:  # noqa: SLF001 - asking for its length would walk through it
        RECORDER.cookies_kept(call, owner.cookies, lambda: _received_by_requests(response))


def _received_by_requests(response: Any) -> Iterable[Any]:
    if getattr(response, "lazy", False):  # of niquests: to ask more of it would wait for it
        return ()
    return [cookie for each in (*response.history, response) for cookie in each.cookies]


_REQUESTS_NOTHING: Final = (
    "getattr(getattr(_o_response, 'raw', None), '_connection', None) is None and not {first}.cookies._cookies"
)


@_quiet
def _urllib3_after(call: Carried, _owner: Any, response: Any) -> None:
    if getattr(response, "_connection", None) is not None:
        RECORDER.response_open(call, response)


_URLLIB3_NOTHING: Final = "getattr(_o_response, '_connection', None) is None"


@_quiet
def _aiohttp_after(call: Carried, owner: Any, response: Any) -> None:
    if type(call) is StandingCall:  # which will be others
        standing, call = call, Carried(call.lines, call.client, call.caller, call.certainty)
        call.connection = connection_of(standing)
    response._connprof_call = call  # noqa: SLF001 - its own class knows when it was left unread
    jar = owner.cookie_jar
    if getattr(jar, "_cookies", None):
        RECORDER.cookies_kept(call, (_Morsel(each) for each in jar), lambda: _received_by_aiohttp(response))


def _received_by_aiohttp(response: Any) -> Iterable[Any]:
    return [
        _Morsel(cookie, str(each.url.raw_host))
        for each in (*response.history, response)
        for cookie in each.cookies.values()
    ]


# One that has given its connection back was read. With it, the response has all that there is to be told of.
_AIOHTTP_NOTHING: Final = (
    "getattr(_o_response, '_connection', None) is None and not getattr({first}.cookie_jar, '_cookies', None)"
)


class _Morsel:
    """A cookie of aiohttp's with the names that the standard library's has."""

    __slots__ = ("domain", "name", "path", "value")

    def __init__(self, morsel: Any, host: str = "") -> None:
        self.domain, self.path = morsel["domain"].lstrip(".").lower() or host, morsel["path"]
        self.name, self.value = morsel.key, morsel.value


def aiohttp_sends_cookies(original: Any) -> Any:
    """``ClientRequest.update_cookies``: what the jar, and the caller, send with a request."""
    body = (
        "_o_result = {call}",
        "if _o_recorder.windows and {second}:",
        "    _o_sent({first})",
        "return _o_result",
    )
    return shaped(original, body, {"_o_recorder": RECORDER, "_o_sent": _aiohttp_sends_cookies})


@_quiet
def _aiohttp_sends_cookies(owner: Any) -> None:
    RECORDER.cookies_of_running_call(owner.headers.get("Cookie", ""), owner.url)


def aiohttp_dropped(original: Any) -> Any:
    """``ClientResponse.__del__``: a response that still has its connection was neither read nor released."""
    body = (
        "if _o_recorder.windows and _o_getattr({first}, '_connection', None) is not None:",
        "    _o_dropped({first})",
        "return {call}",
    )
    return shaped(original, body, {"_o_recorder": RECORDER, "_o_getattr": getattr, "_o_dropped": _aiohttp_dropped})


def _aiohttp_dropped(response: Any) -> None:
    carried = getattr(response, "_connprof_call", None)
    if carried is not None:
        RECORDER.response_dropped(carried)


def response_closer(original: Any) -> Any:
    """A response's method that gives its connection back, sync or async."""
    body = ("if _o_recorder.open_responses:", "    _o_recorder.response_closed({first})", "return {call}")
    return shaped(original, body, {"_o_recorder": RECORDER})


def loop_barrier_for(original: Any) -> Any:
    """A loop written in C leaves no frames of its own: this one tells the walk up the stack where to stop."""

    @functools.wraps(original)
    def loop_barrier(*args: Any, **kwargs: Any) -> Any:
        return original(*args, **kwargs)

    return loop_barrier


def uvloop_create_connection(original: Any) -> Any:
    """``uvloop.Loop.create_connection`` connects below Python: it tells the outcome, not each attempt."""

    @functools.wraps(original)
    async def create_connection(
        self: Any, protocol_factory: Any, host: Any = None, port: Any = None, **kwargs: Any
    ) -> Any:
        if not RECORDER.windows:
            return await original(self, protocol_factory, host, port, **kwargs)
        frame = caller()
        call = RECORDER.call_begins(self, frame)
        dialled = DIALLED.set((kwargs.get("sock"), host, port))
        start_ns = now_ns()
        try:
            transport, protocol = await original(self, protocol_factory, host, port, **kwargs)
        except OSError as error:
            if host is not None:
                RECORDER.connect_failed_elsewhere(start_ns, host, port, error, caller())
            raise
        finally:
            with contextlib.suppress(ValueError):  # closed from another context: nothing to undo
                DIALLED.reset(dialled)
            if call is not None:
                RECORDER.call_ends(call)
        RECORDER.transport_made()
        if host is not None:
            address = transport.get_extra_info("peername") or (host, port)
            RECORDER.peer_named(host, address)
            RECORDER.connected_elsewhere(start_ns, transport.get_extra_info("socket"), address, caller())
        return transport, protocol

    return create_connection


def uvloop_getaddrinfo(original: Any) -> Any:
    """``uvloop.Loop.getaddrinfo``, which asks below :mod:`socket`: which name an address was asked for by."""

    @functools.wraps(original)
    async def getaddrinfo(self: Any, host: Any, *args: Any, **kwargs: Any) -> Any:
        answers = await original(self, host, *args, **kwargs)
        if RECORDER.windows:
            for answer in answers:
                RECORDER.peer_named(host, answer[4])  # uvloop asks for addresses as well, before it connects to one
        return answers

    return getaddrinfo


def proactor_connect(original: Any) -> Any:
    """``IocpProactor.connect``: on Windows asyncio connects below :mod:`socket`; a future tells the outcome."""

    @functools.wraps(original)
    def connect(self: Any, conn: Any, address: Any) -> Any:
        attempt = RECORDER.connect_begins(conn, address, caller()) if RECORDER.windows else None
        future = original(self, conn, address)
        if attempt is not None:

            def done(finished: Any) -> None:
                error = None if finished.cancelled() else finished.exception()
                if finished.cancelled() or error is not None:
                    RECORDER.connect_raised(attempt, error or TimeoutError())
                else:
                    RECORDER.connect_returned(attempt, conn, None)

            future.add_done_callback(done)
        return future

    return connect


# --- the table --------------------------------------------------------------------------------------------

REQUESTS: Final[tuple[tuple[str, str, Callable[[Any], Any]], ...]] = (
    ("h11", "Connection.send_with_data_passthrough", h11_send),
    ("h2.connection", "H2Connection.send_headers", h2_send_headers),
    ("jh2.connection", "H2Connection.send_headers", h2_send_headers),
    ("http.client", "HTTPConnection.endheaders", http_client_endheaders),
    ("aiohttp.client_reqrep", "ClientRequest.send", aiohttp_send),
)

_HTTPX: Final = Sender(_httpx_before, _httpx_after, _HTTPX_NOTHING)
_REQUESTS: Final = Sender(_requests_before, _requests_after, _REQUESTS_NOTHING)
_URLLIB3: Final = Sender(None, _urllib3_after, _URLLIB3_NOTHING)
_AIOHTTP: Final = Sender(None, _aiohttp_after, _AIOHTTP_NOTHING)

ENTRIES: Final = (
    ("httpx", "Client.send", _HTTPX),
    ("httpx", "AsyncClient.send", _HTTPX),
    ("httpx2", "Client.send", _HTTPX),
    ("httpx2", "AsyncClient.send", _HTTPX),
    ("requests.sessions", "Session.send", _REQUESTS),
    ("niquests.sessions", "Session.send", _REQUESTS),
    ("niquests.async_session", "AsyncSession.send", _REQUESTS),
    ("aiohttp.client", "ClientSession._request", _AIOHTTP),
    ("urllib3.poolmanager", "PoolManager.urlopen", _URLLIB3),
    ("urllib3.connectionpool", "HTTPConnectionPool.urlopen", _URLLIB3),
    ("botocore.httpsession", "URLLib3Session.send", PLAIN),
)

AWAITED: Final = (
    ("asyncio.base_events", "BaseEventLoop.create_connection"),
    ("asyncio.base_events", "BaseEventLoop.start_tls"),
)

SPAWNS: Final = (
    ("asyncio.base_events", "BaseEventLoop.create_task"),
    ("trio", "Nursery.start_soon"),
    ("uvloop", "Loop.create_task"),
)

HANDED: Final = (
    ("asyncio.base_events", "BaseEventLoop.call_soon_threadsafe"),
    ("uvloop", "Loop.call_soon_threadsafe"),
)

CLIENTS: Final = (
    ("httpx", "Client", Kind("httpx", "httpx.Client", False, False), _httpx_facts, ("close", "__exit__")),
    ("httpx", "AsyncClient", Kind("httpx", "httpx.AsyncClient", True, False), _httpx_facts, ("aclose", "__aexit__")),
    ("httpx2", "Client", Kind("httpx2", "httpx2.Client", False, False), _httpx_facts, ("close", "__exit__")),
    ("httpx2", "AsyncClient", Kind("httpx2", "httpx2.AsyncClient", True, False), _httpx_facts, ("aclose", "__aexit__")),
    ("requests.sessions", "Session", Kind("requests", "requests.Session", False, True), _requests_facts, ("close",)),
    ("niquests.sessions", "Session", Kind("niquests", "niquests.Session", False, False), _requests_facts, ("close",)),
    ("niquests.async_session", "AsyncSession", Kind("niquests", "niquests.AsyncSession", True, False),
     _requests_facts, ("close", "__aexit__")),
    ("aiohttp.client", "ClientSession", Kind("aiohttp", "aiohttp.ClientSession", True, False, True), _aiohttp_facts,
     ()),
    ("urllib3.poolmanager", "PoolManager", Kind("urllib3", "urllib3.PoolManager", False, False), _urllib3_facts,
     ("clear",)),
    ("urllib3.connectionpool", "HTTPConnectionPool", Kind("urllib3", "urllib3.HTTPConnectionPool", False, False),
     _no_facts, ("close",)),
    ("http.client", "HTTPConnection", Kind("http", "http.client.HTTPConnection", False, True, True), _no_facts,
     ("close",)),
    ("http.client", "HTTPSConnection", Kind("http", "http.client.HTTPSConnection", False, True, True), _no_facts, ()),
    ("botocore.httpsession", "URLLib3Session", Kind("botocore", "botocore.httpsession.URLLib3Session", False, False),
     _no_facts, ("close",)),
)  # fmt: skip
"""Module, class, what it is called, what is read off it once it is made, and the methods that close it."""

RESPONSES: Final = (
    ("httpx", "Response.close"),
    ("httpx", "Response.aclose"),
    ("httpx2", "Response.close"),
    ("httpx2", "Response.aclose"),
    ("urllib3.response", "HTTPResponse.release_conn"),
    ("urllib3.response", "HTTPResponse.close"),
)
"""Methods in which a response gives its connection back. Most are read before anybody gets them, and most programs
never get another: nothing is done here until the first that is handed out before it was read."""

OTHERS: Final[tuple[tuple[str, str, Callable[[Any], Any]], ...]] = (
    ("concurrent.futures.thread", "ThreadPoolExecutor.submit", carrying_submit),
    ("multiprocessing.pool", "ThreadPool.apply_async", carrying_function),
    ("multiprocessing.pool", "ThreadPool._map_async", carrying_function),
    ("multiprocessing.pool", "ThreadPool.imap", carrying_function),
    ("multiprocessing.pool", "ThreadPool.imap_unordered", carrying_function),
    ("anyio.to_thread", "run_sync", handed_over),
    ("trio.to_thread", "run_sync", handed_over),
    ("trio", "Nursery.start", started),
    ("asyncio.windows_events", "IocpProactor.connect", proactor_connect),
    ("uvloop", "Loop.create_connection", uvloop_create_connection),
    ("uvloop", "Loop.getaddrinfo", uvloop_getaddrinfo),
    ("uvloop", "Loop.run_until_complete", loop_barrier_for),
    ("uvloop", "Loop.run_forever", loop_barrier_for),
    ("aiohttp.client", "ClientSession.close", aiohttp_closer),
    ("aiohttp.client_reqrep", "ClientRequest.update_cookies", aiohttp_sends_cookies),
    ("aiohttp.client_reqrep", "ClientResponse.__del__", aiohttp_dropped),
)

_TABLE: Final[tuple[tuple[str, str, Callable[[Any], Any]], ...]] = (
    *REQUESTS,
    *((module, path, sender(particular)) for module, path, particular in ENTRIES),
    *((module, path, awaited) for module, path in AWAITED),
    *((module, path, spawn) for module, path in SPAWNS),
    *((module, path, handed_to_a_loop) for module, path in HANDED),
    *((module, f"{name}.__init__", initializer(kind, facts)) for module, name, kind, facts, _ in CLIENTS),
    *((module, f"{name}.{method}", closer) for module, name, _, _, methods in CLIENTS for method in methods),
    *OTHERS,
)

RESPONSE_MODULES: Final = frozenset(module for module, _ in RESPONSES)

MODULES: Final = tuple(sorted({module for module, _, _ in _TABLE} | RESPONSE_MODULES))
"""Every module that something is done to, now or when it is imported."""

REQUEST_MODULES: Final = frozenset(module for module, _, _ in REQUESTS)
"""Modules whose import in the window makes the number of requests known."""

BLIND: Final = {
    "pycurl": "libcurl",
    "curl_cffi": "libcurl",
    "OpenSSL": "its own binding to OpenSSL",
    "grpc": "its own C core",
    "gevent.monkey": "sockets of its own",
    "eventlet": "sockets of its own",
    "aioquic": "QUIC over UDP",
    "qh3": "QUIC over UDP",
    "primp": "a TLS library in Rust",
    "pyreqwest": "a TLS library in Rust",
    "rnet": "a TLS library in Rust",
    "tls_client": "a TLS library in Go",
}
"""Modules that connect where no replacement of :mod:`ssl` and :mod:`socket` can see it, and by what."""


def replacements(module: ModuleType, name: str) -> Iterator[tuple[Any, str, Callable[[Any], Any]]]:
    """Owner (``None`` if it is not there), attribute and hook of all that is replaced in one module."""
    for wanted, path, hook in _TABLE:
        if wanted == name:
            yield *_named(module, path), hook


def response_replacements(module: ModuleType, name: str) -> Iterator[tuple[Any, str, Callable[[Any], Any]]]:
    """The same, of what is to be replaced once a response was handed out before it was read."""
    for wanted, path in RESPONSES:
        if wanted == name:
            yield *_named(module, path), response_closer


def _named(module: ModuleType, path: str) -> tuple[Any, str]:
    class_name, _, attribute = path.rpartition(".")
    # Not getattr: a module's own __getattr__ may import more.
    return vars(module).get(class_name) if class_name else module, attribute
