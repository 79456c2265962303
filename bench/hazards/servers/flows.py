"""A TCP proxy that can forget its connections, as NAT tables and firewalls do with idle ones: no end, no reset."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket

__all__ = ["Flows"]

_PIECE_BYTES = 1 << 16


class Flows:
    """All connections through the proxy."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._forwarding: dict[asyncio.Task[None], bool] = {}

    async def listen(self, sockets: list[socket.socket]) -> list[asyncio.Server]:
        """Listen on ``sockets``; the servers are the caller's to keep."""
        return [await asyncio.start_server(self._connected, sock=sock) for sock in sockets]

    def swallow(self) -> int:
        """Forward nothing more on the connections that are open now; returns how many they are."""
        live = [flow for flow, forwards in self._forwarding.items() if forwards]
        for flow in live:
            self._forwarding[flow] = False
        return len(live)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        flow = asyncio.current_task()
        assert flow is not None
        self._forwarding[flow] = True
        try:
            behind_reader, behind_writer = await asyncio.open_connection("127.0.0.1", self._port)
            await asyncio.gather(self._forward(flow, reader, behind_writer), self._forward(flow, behind_reader, writer))
        finally:
            del self._forwarding[flow]
            writer.close()

    async def _forward(self, flow: asyncio.Task[None], reader: asyncio.StreamReader, out: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while received := await reader.read(_PIECE_BYTES):
                if self._forwarding[flow]:
                    out.write(received)
            if self._forwarding[flow]:
                out.close()
