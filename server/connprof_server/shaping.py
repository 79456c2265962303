"""A round trip in front of the server: a TCP proxy in a process of its own, which needs no root.

This is a **model** of a network, not a network:

- every chunk of bytes arrives half a round trip after it was sent, in each direction, in order. Delays do
  not add up: chunks that were sent one after another travel at the same time;
- a new connection's first bytes wait one round trip more. It stands for the TCP connect, which loopback
  answers at once, so a client's ``connect()`` itself still returns at once;
- the end of a stream and a reset travel like bytes;
- there is no loss, no jitter, no limit of bandwidth and no TCP slow start, and on a busy machine a chunk may
  come later than it should, never earlier.

Started by `process.serve`, not by hand: ``python -m connprof_server.shaping``.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import select
import selectors
import socket
import struct
from collections import deque
from typing import TYPE_CHECKING, Any

from connprof_server.channel import run_child
from connprof_server.sockets import BACKLOG, bind_loopback

if TYPE_CHECKING:
    from connprof_server.channel import Channel

# Bytes on their way in one direction. Above it the sender waits, as it would for a TCP window.
_IN_FLIGHT_LIMIT_BYTES = 16 * 1024 * 1024
# Linger for no time: closing then sends a reset.
_RESET = struct.pack("ii", 1, 0)
_PASSES_COUNT = 4


class _Mark(enum.Enum):
    """What travels besides bytes."""

    END = "end of stream"
    CUT = "reset"


class _Side(asyncio.Protocol):
    """One of a pair's two TCP connections. What comes in here travels to the other side."""

    def __init__(self, pair: _Pair) -> None:
        self._pair = pair
        self._transport: asyncio.Transport | None = None
        self._is_lost = False
        self._is_end_delivered = False
        self._travelling: deque[tuple[float, bytes | _Mark]] = deque()
        self._in_flight_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._is_other_full = False
        self.other: _Side = self  # until the pair has both

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """This TCP connection stands."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._pair.side_made(self)
        self.other.deliver()

    def data_received(self, data: bytes) -> None:
        """Bytes came in: they set off for the other side."""
        self._in_flight_bytes += len(data)
        self._set_off(data)
        self._throttle()

    def eof_received(self) -> bool:
        """The peer will send no more, but may still read."""
        self._set_off(_Mark.END)
        return True  # keeps the connection open for the other direction

    def connection_lost(self, exc: Exception | None) -> None:
        """This TCP connection is gone, by a reset or by our own closing."""
        self._is_lost = True
        if exc is not None:
            self._set_off(_Mark.CUT)
        self._pair.side_lost()

    def pause_writing(self) -> None:
        """The peer does not read: what comes from the other side must wait there."""
        self.other.hold(is_other_full=True)

    def resume_writing(self) -> None:
        """The peer reads again."""
        self.other.hold(is_other_full=False)

    # What the other side calls

    @property
    def is_waiting(self) -> bool:
        """Whether this TCP connection does not stand yet."""
        return self._transport is None and not self._is_lost

    @property
    def is_end_delivered(self) -> bool:
        """Whether the peer was told that no more comes."""
        return self._is_end_delivered

    @property
    def is_lost(self) -> bool:
        """Whether this TCP connection is gone."""
        return self._is_lost

    def hold(self, *, is_other_full: bool) -> None:
        """The other side's buffer is full, or no longer so."""
        self._is_other_full = is_other_full
        self._throttle()

    def deliver(self) -> None:
        """Hands over what has arrived by now and sets the clock for the next."""
        self._timer = None
        if self.other.is_waiting:
            return  # its connection_made comes back here
        now = self._pair.loop.time()
        while self._travelling and self._travelling[0][0] <= now:
            _, what = self._travelling.popleft()
            if isinstance(what, bytes):
                self._in_flight_bytes -= len(what)
            self.other.arrived(what)
        self._throttle()
        self._set_clock()

    def arrived(self, what: bytes | _Mark) -> None:
        """Something from the other side has come to its end here."""
        if self._transport is None or self._is_lost:
            return
        if what is _Mark.CUT:
            self.cut()
        elif what is _Mark.END:
            self._is_end_delivered = True
            with contextlib.suppress(OSError):
                self._transport.write_eof()
            self._pair.end_delivered()
        else:
            self._transport.write(what)

    def cut(self) -> None:
        """Resets this TCP connection."""
        if self._transport is not None and not self._is_lost:
            with contextlib.suppress(OSError):
                self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._transport.abort()

    def close(self) -> None:
        """Closes this TCP connection once all is written."""
        if self._transport is not None:
            self._transport.close()

    # Its own

    def _set_off(self, what: bytes | _Mark) -> None:
        self._travelling.append((self._pair.arrival(), what))
        if self._timer is None:
            self._set_clock()

    def _set_clock(self) -> None:
        if self._travelling:
            # One clock for the whole queue: two timers of the same moment may go off in either order.
            self._timer = self._pair.loop.call_at(self._travelling[0][0], self.deliver)

    def _throttle(self) -> None:
        if self._transport is None:
            return
        if self._is_other_full or self._in_flight_bytes > _IN_FLIGHT_LIMIT_BYTES:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()


class _Pair:
    """A client's TCP connection and the one to the server that belongs to it."""

    def __init__(self, proxy: _Proxy, port: int) -> None:
        self.loop = asyncio.get_running_loop()
        self._proxy = proxy
        self._port = port
        self._connected_at = self.loop.time() + proxy.rtt_s
        self._connecting: asyncio.Task[None] | None = None
        self.client = _Side(self)
        self._server = _Side(self)
        self.client.other, self._server.other = self._server, self.client
        proxy.pairs.add(self)

    def arrival(self) -> float:
        """When something that sets off now arrives, in seconds of the loop's clock."""
        return max(self.loop.time(), self._connected_at) + self._proxy.rtt_s / 2

    def side_made(self, side: _Side) -> None:
        """A TCP connection stands. For the client's, the one to the server is made at once: it is counted there."""
        if side is self.client:
            self._connecting = self.loop.create_task(self._connect())

    def side_lost(self) -> None:
        """A TCP connection is gone."""
        if self.client.is_lost and (self._server.is_lost or self._server.is_waiting):
            self._proxy.pairs.discard(self)

    def end_delivered(self) -> None:
        """A peer was told that no more comes. Once both were, both connections are over."""
        if self.client.is_end_delivered and self._server.is_end_delivered:
            self.client.close()
            self._server.close()

    async def _connect(self) -> None:
        try:
            await self.loop.create_connection(lambda: self._server, "127.0.0.1", self._port)
        except OSError:
            self.client.cut()


class _Proxy:
    """All connections, and the round trip that they share."""

    def __init__(self, rtt_s: float) -> None:
        self.rtt_s = rtt_s
        self.pairs: set[_Pair] = set()

    async def listen(self, listen_port: int, server_port: int) -> int:
        """Listens in front of ``server_port``; returns the port on which it does."""
        sockets = bind_loopback(listen_port)
        for sock in sockets:
            await asyncio.get_running_loop().create_server(
                lambda: _Pair(self, server_port).client, sock=sock, backlog=BACKLOG
            )
        port: int = sockets[0].getsockname()[1]
        return port


async def _main(channel: Channel, config: dict[str, Any]) -> None:
    proxy = _Proxy(config["rtt_ms"] / 1_000)
    ports = {
        name: await proxy.listen(listen_port, server_port)
        for (name, server_port), listen_port in zip(config["ports"].items(), config["listen_ports"], strict=True)
    }
    await channel.write({"ready": {"ports": ports}})

    async def pairs(_line: dict[str, Any]) -> dict[str, Any]:
        for _ in range(_PASSES_COUNT):  # what waits in the kernel is accepted first
            await asyncio.sleep(0)
        return {"pairs": len(proxy.pairs)}

    await channel.serve({"pairs": pairs})


def _new_loop() -> asyncio.AbstractEventLoop:
    """An event loop that can wait for less than a millisecond.

    epoll rounds waits up to whole milliseconds, which is much beside a short round trip. select() does not,
    and an epoll is itself something that select() can wait for.
    """
    if not hasattr(selectors, "EpollSelector"):
        return asyncio.SelectorEventLoop()  # kqueue counts nanoseconds

    class FineSelector(selectors.EpollSelector):
        def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            if timeout is not None and timeout > 0:
                select.select([self.fileno()], [], [], timeout)
                timeout = 0
            return super().select(timeout)

    return asyncio.SelectorEventLoop(FineSelector())


if __name__ == "__main__":
    run_child(_main, new_loop=_new_loop)
