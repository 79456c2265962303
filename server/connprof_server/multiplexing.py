"""HTTP/2 beside HTTP/1.1 on one port, as ALPN decides; only the server's process imports this module.

uvicorn's own switch (``http="zttp"``, ``http2=True``) would serve HTTP/1.1 by another parser than the one that serves
it everywhere else here. So its HTTP/2 protocol is used as it is, and HTTP/1.1 stays with `protocol`: a client that was
offered HTTP/2 and did not take it costs what it always costs.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from connprof_server.errors import ServerError
from connprof_server.protocol import CONNECTION, END_CONNECTION, counting_protocol

if TYPE_CHECKING:
    from connprof_server.app import Application
    from connprof_server.counting import OriginCounts

__all__ = ["multiplexing_protocol"]


def multiplexing_protocol(counts: OriginCounts, app: Application) -> type[asyncio.Protocol]:
    """A protocol class for one origin that speaks what was agreed by ALPN.

    Raises:
        ServerError: uvicorn cannot speak HTTP/2 here; the message is one sentence.
    """
    try:
        from uvicorn.protocols.http.zttp_h2_impl import ZttpH2Protocol
    except ModuleNotFoundError as error:
        missing = "zttp" if error.name == "zttp" else "a newer uvicorn"
        raise ServerError(f"{missing} is needed to speak HTTP/2: pip install -U 'connprof[server]'") from error

    class CountingH2Protocol(ZttpH2Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
            """Called once the TLS handshake is finished."""
            file_descriptor = transport.get_extra_info("socket").fileno()
            connection = counts.opened(file_descriptor, transport.get_extra_info("ssl_object"))
            # Copied into the scope of each stream. The header that ends an HTTP/1.1 connection does not exist here.
            self.app_state = {**self.app_state, CONNECTION: connection, END_CONNECTION: self.shutdown}
            super().connection_made(transport)

        def handle_request(self, event: Any) -> None:
            """Starts the application for one stream.

            zttp says with the head itself that no body follows, which uvicorn 0.54 heeds on HTTP/1.1 only: an
            application that reads the body of a GET would wait for ever.
            """
            super().handle_request(event)
            if event.end_stream and (cycle := self.cycles.get(event.stream_id)):
                cycle.more_body = False
                cycle.message_event.set()

    http1 = counting_protocol(counts, app)

    class AgreedProtocol(asyncio.Protocol):
        """Stands until the handshake is finished, then hands the connection over."""

        def __init__(self, **settings: Any) -> None:
            self._settings = settings

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
            agreed = transport.get_extra_info("ssl_object").selected_alpn_protocol()
            chosen = CountingH2Protocol if agreed == "h2" else http1
            protocol = chosen(**self._settings)
            transport.set_protocol(protocol)
            protocol.connection_made(transport)

    return AgreedProtocol
