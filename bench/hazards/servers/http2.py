"""HTTP/2 for a scripted server, with the four things that happen to all calls on one connection at once."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings
import hyperframe.frame

from bench.hazards.servers.site import Request

if TYPE_CHECKING:
    from bench.hazards.servers.site import Site

__all__ = ["Ambush", "Http2Connection"]

_STREAMS_COUNT = 100
_PIECE_BYTES = 1 << 16
# So that what comes before is read by itself: a client that reads both at once would not be put to the test.
_PAUSE_S = 0.3
# So that even 20 threads have read what came before.
_LONG_PAUSE_S = 0.4


class Http2Connection:
    """One connection."""

    def __init__(
        self, site: Site, ambush: Ambush, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._site, self._ambush, self._number = site, ambush, number
        self._reader, self._writer = reader, writer
        self._address = writer.get_extra_info("sockname")[0]
        self._state = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self) -> None:
        """Answer the requests until it ends."""
        self._state.initiate_connection()
        self._state.update_settings({h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: _STREAMS_COUNT})
        self._flush()
        with contextlib.suppress(OSError, h2.exceptions.ProtocolError):
            while received := await self._reader.read(_PIECE_BYTES):
                for event in self._state.receive_data(received):
                    if isinstance(event, h2.events.RequestReceived):
                        self._received(event)
                    elif isinstance(event, h2.events.DataReceived):
                        self._state.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                self._flush()
        # What was asked for is executed to its end, though nobody may be there to hear the answer.
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def reset(self, stream: int) -> None:
        """End one stream with an error, and no other."""
        self._state.reset_stream(stream, h2.errors.ErrorCodes.INTERNAL_ERROR)
        self._flush()

    def abort(self) -> None:
        """Cut the connection off."""
        self._writer.transport.abort()

    def leave(self) -> None:
        """Say that no new request is taken, and that all that came will be answered (RFC 9113, section 6.8)."""
        # By hand: after its own close_connection, h2 would not let the answers out.
        frame = hyperframe.frame.GoAwayFrame(
            last_stream_id=self._state.highest_inbound_stream_id, error_code=h2.errors.ErrorCodes.NO_ERROR
        )
        self._writer.write(frame.serialize())

    def lower(self, streams_count: int) -> None:
        """Allow fewer streams at once from now on."""
        self._state.update_settings({h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: streams_count})
        self._flush()

    def answer(self, stream: int, request: Request) -> None:
        """Execute ``request`` and send the answer, if there still is anyone."""
        task = asyncio.get_running_loop().create_task(self._answered(stream, request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _received(self, event: h2.events.RequestReceived) -> None:
        headers = {str(name): str(value) for name, value in event.headers or ()}
        request = Request(
            str(headers[":method"]), str(headers[":path"]), str(headers.get("cookie", "")),
            self._address, "HTTP/2", self._number,
        )  # fmt: skip
        self._site.read(request)
        assert event.stream_id is not None
        self._ambush.received(self, event.stream_id, request)

    async def _answered(self, stream: int, request: Request) -> None:
        answer = await self._site.execute(request)
        headers = [(":status", "200"), *answer.headers, ("content-length", str(len(answer.body)))]
        with contextlib.suppress(OSError, h2.exceptions.ProtocolError):
            self._state.send_headers(stream, headers)
            self._state.send_data(stream, answer.body, end_stream=True)
            self._flush()

    def _flush(self) -> None:
        if pending := self._state.data_to_send():
            self._writer.write(pending)


@dataclass(slots=True)
class Ambush:
    """Holds requests back until there are enough, then springs. Without orders it lets everything pass."""

    action: str = ""
    requests_count: int = 0
    _held: list[tuple[Http2Connection, int, Request]] = field(default_factory=list)
    _springing: asyncio.Task[None] | None = None

    def arm(self, action: str, requests_count: int) -> None:
        """Wait for so many requests."""
        self.action, self.requests_count = action, requests_count
        self._held.clear()

    def received(self, connection: Http2Connection, stream: int, request: Request) -> None:
        """A request came in."""
        if not self.action:
            connection.answer(stream, request)
            return
        self._held.append((connection, stream, request))
        if len(self._held) == self.requests_count:
            self._springing = asyncio.get_running_loop().create_task(self._spring())

    async def _spring(self) -> None:
        action, self.action = self.action, ""
        held, self._held = self._held, []
        connections = [connection for connection, _, _ in held]
        victim = max(connections, key=connections.count)
        for connection, stream, request in held:
            if connection is not victim:
                connection.answer(stream, request)
        struck = [(stream, request) for connection, stream, request in held if connection is victim]
        await getattr(self, f"_{action}")(victim, struck)

    async def _reset(self, victim: Http2Connection, struck: list[tuple[int, Request]]) -> None:
        (first, _), *rest = struck
        victim.reset(first)
        for stream, request in rest:
            victim.answer(stream, request)

    async def _abort(self, victim: Http2Connection, _struck: list[tuple[int, Request]]) -> None:
        victim.abort()

    async def _goaway(self, victim: Http2Connection, struck: list[tuple[int, Request]]) -> None:
        victim.leave()
        await asyncio.sleep(_PAUSE_S)
        for stream, request in struck:
            victim.answer(stream, request)

    async def _lower(self, victim: Http2Connection, struck: list[tuple[int, Request]]) -> None:
        # A stream by itself would be answered late, and prove nothing.
        half = len(struck) // 2 if len(struck) > 1 else 1
        for stream, request in struck[:half]:
            victim.answer(stream, request)
        if half == len(struck):
            return
        await asyncio.sleep(_LONG_PAUSE_S)
        victim.lower(max(1, len(struck) // 4))
        await asyncio.sleep(_PAUSE_S)
        for stream, request in struck[half:]:
            victim.answer(stream, request)
