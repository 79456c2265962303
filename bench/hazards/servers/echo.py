"""HTTP/1.1 over TLS or plain: each answer repeats its path, and waits for what its path says.

In the last part of a path, between dashes, may stand ``wait-MS`` (answered after so many milliseconds), ``hold``
(answered once released, or at once when it is asked for again), ``close`` (the connection is closed after the answer)
or ``cut`` (it is, instead of an answer). Option: ``tls`` (true). Operations: ``counts``, ``settled``, ``received``,
``release``, ``release_on``. Standard library only.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from bench.hazards.servers.serving import run, server_context

if TYPE_CHECKING:
    from collections.abc import Collection

_BACKLOG = 512
_SETTLED_S = 0.03
_TLS_HELLO = b"\x16\x03"


class _Counts:
    def __init__(self) -> None:
        self.opened_count = 0
        self.open: set[_Connection] = set()
        self.requests_count = 0
        self.answers_count = 0
        self.executed: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.held: list[tuple[_Connection, str, asyncio.Event]] = []
        self.is_released = False
        self.arrived = asyncio.Event()

    async def hold(self, connection: _Connection, path: str) -> None:
        if not self.is_released and self.executed[path] == 1:  # a library that retries is not held again
            self.held.append((connection, path, event := asyncio.Event()))
            await event.wait()

    def let_go(self, connections: Collection[_Connection], most_count: int) -> None:
        """Answer what these connections have held for longest."""
        chosen = [each for each in self.held if each[0] in connections][:most_count]
        for each in chosen:
            self.held.remove(each)
            each[2].set()

    def to_dict(self) -> dict[str, Any]:
        return {
            "opened": self.opened_count,
            "open": len(self.open),
            "requests": self.requests_count,
            "answers": self.answers_count,
            "executed": dict(self.executed),
            "failures": dict(self.failures),
        }


class _Connection(asyncio.Protocol):
    def __init__(self, counts: _Counts) -> None:
        self._counts = counts
        self._received = b""
        self._transport: asyncio.Transport | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands, its handshake is finished."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._counts.opened_count += 1
        self._counts.open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._counts.open.discard(self)
        if exc is not None:
            self._counts.failures[getattr(exc, "reason", None) or type(exc).__name__] += 1

    def data_received(self, data: bytes) -> None:
        """Part of a request, or several."""
        self._received += data
        if self._received.startswith(_TLS_HELLO):  # on a plain server: say so at once, in the only way there is
            assert self._transport is not None
            self._transport.abort()
            return
        while b"\r\n\r\n" in self._received:
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            path = head.split(b" ", 2)[1].decode("latin-1")
            self._counts.requests_count += 1
            self._counts.arrived.set()
            self._counts.executed[path] += 1
            task = asyncio.ensure_future(self._answer(path))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _answer(self, path: str) -> None:
        words = iter(path.rstrip("/").rpartition("/")[2].split("-"))
        closing = b""
        for word in words:
            match word:
                case "wait":
                    await asyncio.sleep(int(next(words)) / 1000)
                case "hold":
                    await self._counts.hold(self, path)
                case "close":
                    closing = b"connection: close\r\n"
                case "cut":
                    assert self._transport is not None
                    self._transport.abort()
        body = json.dumps({"path": path}).encode()
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n%scontent-length: %d\r\n\r\n"
        assert self._transport is not None
        if self._transport.is_closing():
            return
        self._counts.answers_count += 1
        self._transport.write(head % (closing, len(body)) + body)
        if closing:
            self._transport.close()


async def _start(options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    counts = _Counts()
    tls = options.get("tls", True)
    context = server_context(options["certificate"]) if tls else None
    # "localhost" may be two addresses, which would be two ports.
    server = await asyncio.get_running_loop().create_server(
        lambda: _Connection(counts), "127.0.0.1", 0, ssl=context, backlog=_BACKLOG
    )

    async def counts_now() -> dict[str, Any]:
        return counts.to_dict()

    async def release() -> dict[str, Any]:
        """Answer all that is held, and hold nothing from now on."""
        counts.is_released = True
        counts.let_go([each[0] for each in counts.held], len(counts.held))
        return counts.to_dict()

    async def release_on(path: str) -> dict[str, Any]:
        """Answer what has been held for longest on the connection on which ``path`` was asked for."""
        counts.let_go([connection for connection, asked, _event in counts.held if asked == path], 1)
        return counts.to_dict()

    async def settled() -> dict[str, Any]:
        """The counts once nothing has changed for a while: what clients sent may still be on its way."""
        before = None
        now = counts.to_dict()
        while before != now:
            await asyncio.sleep(_SETTLED_S)
            before, now = now, counts.to_dict()
        return now

    async def received(requests_count: int, limit_s: float) -> dict[str, Any]:
        """The counts once so many requests have come in, or that time is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                while counts.requests_count < requests_count:
                    counts.arrived.clear()
                    await counts.arrived.wait()
        return counts.to_dict()

    ready = {"port": server.sockets[0].getsockname()[1], "host": "127.0.0.1", "tls": tls}
    return ready, {
        "counts": counts_now, "release": release, "release_on": release_on, "received": received, "settled": settled,
    }  # fmt: skip


if __name__ == "__main__":
    run(_start)
