"""Hooks for libraries, as a table: another library is another line in it.

``REQUESTS`` count a request when its head is written; ``ENTRIES`` are where user code asks for one, and leave
the user's line for whatever happens in tasks and callbacks below; ``SPAWNS`` begin a task, which gets the line
too.
"""

from __future__ import annotations

import functools
import inspect
import sys
from typing import TYPE_CHECKING, Any, Final

from connprof.observe.originals import now_ns
from connprof.observe.recorder import RECORDER
from connprof.observe.standard import carrying_submit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

__all__ = ["BLIND", "MODULES", "REQUEST_MODULES", "replacements"]

_frame = sys._getframe  # noqa: SLF001 - the documented way to the caller's frame that costs little


# --- requests ---------------------------------------------------------------------------------------------


def h11_send(original: Any) -> Any:
    """Sending an ``h11.Request``: ``send`` ends in this method too. A CONNECT asks for a tunnel and is none."""

    @functools.wraps(original)
    def send_with_data_passthrough(self: Any, event: Any) -> Any:
        result = original(self, event)
        # Only a client may send a Request; a server that tries has raised by now.
        if RECORDER.windows and type(event).__name__ == "Request" and getattr(event, "method", None) != b"CONNECT":
            RECORDER.request_sent(_frame(1))
        return result

    return send_with_data_passthrough


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
            RECORDER.request_sent(_frame(1))
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

    ``putrequest`` comes before the connect and would count requests to a host that refuses it.
    """

    @functools.wraps(original)
    def endheaders(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(self, *args, **kwargs)
        if RECORDER.windows:
            RECORDER.request_sent(_frame(1))
        return result

    return endheaders


def aiohttp_send(original: Any) -> Any:
    """``aiohttp.ClientRequest.send``, whose return means that the head is written or on its way."""

    @functools.wraps(original)
    async def send(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = await original(self, *args, **kwargs)
        if RECORDER.windows and getattr(self, "method", None) != "CONNECT":
            RECORDER.request_sent(_frame(1))
        return result

    return send


# --- where requests and tasks begin -----------------------------------------------------------------------


def entry(original: Any) -> Any:
    """A method in which a request begins, sync or async: the caller's line is carried while it runs."""
    if inspect.iscoroutinefunction(original):

        @functools.wraps(original)
        async def async_entry(*args: Any, **kwargs: Any) -> Any:
            if not RECORDER.windows:
                return await original(*args, **kwargs)
            token = RECORDER.carry(_frame(1))
            try:
                return await original(*args, **kwargs)
            finally:
                if token is not None:
                    RECORDER.uncarry(token)

        return async_entry

    @functools.wraps(original)
    def sync_entry(*args: Any, **kwargs: Any) -> Any:
        if not RECORDER.windows:
            return original(*args, **kwargs)
        token = RECORDER.carry(_frame(1))
        try:
            return original(*args, **kwargs)
        finally:
            if token is not None:
                RECORDER.uncarry(token)

    return sync_entry


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
        frame = _frame(1)
        token = RECORDER.carry(frame)
        start_ns = now_ns()
        try:
            transport, protocol = await original(self, protocol_factory, host, port, **kwargs)
        except OSError as error:
            if host is not None:
                RECORDER.connect_failed_elsewhere(start_ns, host, port, error, _frame(1))
            raise
        finally:
            if token is not None:
                RECORDER.uncarry(token)
        if host is not None:
            address = transport.get_extra_info("peername") or (host, port)
            RECORDER.connected_elsewhere(start_ns, transport.get_extra_info("socket"), address, _frame(1))
        return transport, protocol

    return create_connection


def proactor_connect(original: Any) -> Any:
    """``IocpProactor.connect``: on Windows asyncio connects below :mod:`socket`; a future tells the outcome."""

    @functools.wraps(original)
    def connect(self: Any, conn: Any, address: Any) -> Any:
        attempt = RECORDER.connect_begins(conn, address, _frame(1)) if RECORDER.windows else None
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

ENTRIES: Final = (
    ("httpx", "Client.send"),
    ("httpx", "AsyncClient.send"),
    ("httpx2", "Client.send"),
    ("httpx2", "AsyncClient.send"),
    ("requests.sessions", "Session.send"),
    ("niquests.sessions", "Session.send"),
    ("niquests.async_session", "AsyncSession.send"),
    ("aiohttp.client", "ClientSession._request"),
    ("urllib3.connectionpool", "HTTPConnectionPool.urlopen"),
    ("asyncio.base_events", "BaseEventLoop.create_connection"),
    ("asyncio.base_events", "BaseEventLoop.start_tls"),
)

SPAWNS: Final = (
    ("asyncio.base_events", "BaseEventLoop.create_task"),
    ("trio", "Nursery.start_soon"),
    ("uvloop", "Loop.create_task"),
)

OTHERS: Final[tuple[tuple[str, str, Callable[[Any], Any]], ...]] = (
    ("concurrent.futures.thread", "ThreadPoolExecutor.submit", carrying_submit),
    ("asyncio.windows_events", "IocpProactor.connect", proactor_connect),
    ("uvloop", "Loop.create_connection", uvloop_create_connection),
    ("uvloop", "Loop.run_until_complete", loop_barrier_for),
    ("uvloop", "Loop.run_forever", loop_barrier_for),
)

_TABLE: Final[tuple[tuple[str, str, Callable[[Any], Any]], ...]] = (
    *REQUESTS,
    *((module, path, entry) for module, path in (*ENTRIES, *SPAWNS)),
    *OTHERS,
)

MODULES: Final = tuple(sorted({module for module, _, _ in _TABLE}))
"""Every module that something is done to, now or when it is imported."""

REQUEST_MODULES: Final = frozenset(module for module, _, _ in REQUESTS)
"""Modules whose import in the window makes the number of requests known."""

BLIND: Final = {
    "pycurl": "libcurl",
    "curl_cffi": "libcurl",
    "OpenSSL": "its own binding to OpenSSL",
    "grpc": "its own C core",
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
            class_name, attribute = path.split(".")
            # Not getattr: a module's own __getattr__ may import more.
            yield vars(module).get(class_name), attribute, hook
