"""What the scripted server answers, whatever the protocol, and what it counts."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Answer", "Request", "Site"]

_WORD = re.compile(r"/(wait|login|gather)-(\d+)-([^/]*)")
# A gathering that is not complete by then goes ahead without the rest.
_GATHER_S = 5.0


@dataclass(frozen=True, slots=True)
class Request:
    """One request that was read to its end.

    Attributes:
        method: its method.
        path: its path, which the answer repeats.
        cookie: its cookies, as sent.
        address: at which of our addresses it came in.
        protocol: ``HTTP/1.1`` or ``HTTP/2``, as spoken.
        connection: the number of its connection.
    """

    method: str
    path: str
    cookie: str
    address: str
    protocol: str
    connection: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back, with status 200."""

    headers: list[tuple[str, str]]
    body: bytes


@dataclass(slots=True)
class Site:
    """One scripted server: its settings, its counts and its open connections.

    Attributes:
        drops_after_count: requests that a connection is answered before it is closed on the next one.
        keep_alive_s: idle seconds after which a connection is closed.
        counts: how often what happened.
        seen: the requests, in their order.
        executed: the paths of those that were executed to their end.
        connections: open connection -> what cuts it off.
    """

    drops_after_count: int | None = None
    keep_alive_s: float = 60.0
    counts: Counter[str] = field(default_factory=Counter)
    seen: list[Request] = field(default_factory=list)
    executed: list[str] = field(default_factory=list)
    connections: dict[object, Callable[[], None]] = field(default_factory=dict)
    _gatherings: dict[str, tuple[list[None], asyncio.Event]] = field(default_factory=dict)

    def opened(self, connection: object, cut: Callable[[], None]) -> int:
        """A handshake has succeeded; returns the connection's number."""
        self.counts["connections"] += 1
        self.connections[connection] = cut
        self.counts["most_open"] = max(self.counts["most_open"], len(self.connections))
        return self.counts["connections"]

    def closed(self, connection: object) -> None:
        """A connection is gone."""
        self.connections.pop(connection, None)

    def cut(self) -> int:
        """Cut all connections off; returns how many."""
        cuts = list(self.connections.values())
        for cut in cuts:
            cut()
        return len(cuts)

    def read(self, request: Request) -> None:
        """A request has arrived in full."""
        self.counts["requests"] += 1
        self.seen.append(request)

    async def execute(self, request: Request) -> Answer:
        """Do what ``request`` asks for; it is executed whether or not anybody waits for the answer."""
        headers = [("content-type", "application/json")]
        match = _WORD.search(request.path)
        if match and match[1] == "wait":
            await asyncio.sleep(int(match[2]) / 1_000)
        if match and match[1] == "gather":
            await self._gather(match[3].partition("-")[0], int(match[2]))
        if match and match[1] == "login":
            headers.append(("set-cookie", f"user={match[2]}; Path=/"))
        self.counts["executed"] += 1
        self.executed.append(request.path)
        return Answer(headers, json.dumps(asdict(request)).encode())

    async def _gather(self, name: str, count: int) -> None:
        """Wait until so many requests wait under this name."""
        waiting, complete = self._gatherings.setdefault(name, ([], asyncio.Event()))
        waiting.append(None)
        if len(waiting) == count:
            complete.set()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(complete.wait(), _GATHER_S)
