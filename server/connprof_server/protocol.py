"""uvicorn's HTTP protocol with the ledger's eyes; only the server's process imports this module."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    import asyncio

    from connprof_server.app import Application
    from connprof_server.counting import Connection, OriginCounts

__all__ = ["CONNECTION", "END_CONNECTION", "counting_protocol"]

CONNECTION = "connprof.connection"
"""Key in an ASGI scope's ``state`` under which the application finds the request's `counting.Connection`."""

END_CONNECTION = "connprof.end-connection"
"""Key under which an HTTP/2 request finds the function that ends its connection once all streams are answered."""


def counting_protocol(counts: OriginCounts, app: Application) -> type[HttpToolsProtocol]:
    """A protocol class for one origin, to be given to uvicorn as ``Config(http=...)``."""

    class CountingProtocol(HttpToolsProtocol):
        _connection: Connection

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
            """Called once the TLS handshake is finished."""
            _send_tickets_with_first_answer(transport)
            super().connection_made(transport)
            file_descriptor = transport.get_extra_info("socket").fileno()
            self._connection = counts.opened(file_descriptor, transport.get_extra_info("ssl_object"))
            # uvicorn copies this into the scope of each request of this connection.
            self.app_state = {**self.app_state, CONNECTION: self._connection}

        def _start_asgi_task(self, cycle: Any, asgi_app: Any) -> None:
            """Sends a prepared answer at once, in one write; starts the application for all other requests.

            A task and two writes for each answer would make the server half as fast. An older uvicorn, which does not
            call this, sends the same bytes through the application.
            """
            raw = None
            if cycle.keep_alive and not self.pipeline and not self.flow.write_paused:
                raw = app.raw_answer(cycle.scope)
            if raw is None:
                super()._start_asgi_task(cycle, asgi_app)
                return
            self._connection.requests_count += 1
            self.transport.write(raw)
            cycle.response_started = cycle.response_complete = True
            cycle.on_response()

    return CountingProtocol


def _send_tickets_with_first_answer(transport: asyncio.Transport) -> None:
    """Keep this connection's session tickets back until anything else is sent; called as soon as it is made.

    TLS 1.3 brings them after the handshake. A client that reads them before the answer reads once more, and that is
    82 kB of SSL bytes in httpx: whether it does would hang on which process got a core first, not on the client. They
    go with the answer, as they do by themselves wherever the request is there when the handshake ends. Before TLS 1.3
    tickets are part of the handshake, and the client waits for them.

    asyncio has no public name for what waits to be sent. Where the private ones are not there, tickets go at once.
    """
    connection: Any = getattr(transport, "_ssl_protocol", None)
    outgoing: Any = getattr(connection, "_outgoing", None)
    send: Any = getattr(connection, "_process_outgoing", None)
    tickets_bytes = getattr(outgoing, "pending", 0)
    if not tickets_bytes or send is None or transport.get_extra_info("ssl_object").version() != "TLSv1.3":
        return

    def send_what_is_more() -> None:
        if outgoing.pending > tickets_bytes:
            del connection._process_outgoing  # noqa: SLF001 - see above; from now on the method again
            send()

    connection._process_outgoing = send_what_is_more  # noqa: SLF001 - see above
