"""A TLS server that does to clients, on cue, what servers and networks do to them by themselves.

Its answers repeat what it saw of the request. The last part of a path may begin with ``wait-MS-`` (answered after so
many milliseconds), ``login-N-`` (the answer sets the cookie ``user=N``), or ``gather-COUNT-NAME-`` (answered once so
many requests of that name are there).

Options, beside the certificate:

- ``protocols``: what it offers by ALPN, best first; by default ``http/1.1`` alone;
- ``drops_after_count``: a connection that was answered so many requests is closed on the next one;
- ``keep_alive_s``: an idle connection is closed after that;
- ``other_certificate``: the file of another certificate, which ``present`` can show;
- ``addresses_count``: 2 to listen at a second loopback address too, on the same port;
- ``swallows``: true for a TCP proxy in front that can forget its connections.

Operations:

- ``counts``: ``connections``, ``most_open``, ``open``, ``requests``, ``executed``, ``dropped``;
- ``seen``: all requests; ``executed``: the paths of those that came to their end;
- ``cut``: end all connections;
- ``swallow``: forward nothing more on the connections that exist, and say nothing of it;
- ``present`` the ``certificate`` ``usual`` or ``other`` from now on;
- ``arm``: do ``action`` once ``requests_count`` requests have come over HTTP/2; see
  :mod:`bench.hazards.servers.http2`.

Standard library, and h2 where HTTP/2 is among the protocols.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from bench.hazards.servers.flows import Flows
from bench.hazards.servers.http1 import serve_http1
from bench.hazards.servers.serving import run, server_context
from bench.hazards.servers.site import Site
from connprof_server.sockets import BACKLOG, bind_loopback, has_ipv6_loopback

if TYPE_CHECKING:
    import ssl

    from bench.hazards.servers.http2 import Ambush
    from bench.hazards.servers.serving import Operation

_SECOND_ADDRESSES = ("127.0.0.2", "::1")
_TRIES_COUNT = 20


class _Server:
    def __init__(self, options: dict[str, Any]) -> None:
        self.site = Site(options.get("drops_after_count"), options.get("keep_alive_s", 60.0))
        self.flows: Flows | None = None
        self.ambush: Ambush | None = None
        protocols = options.get("protocols", ["http/1.1"])
        if "h2" in protocols:
            from bench.hazards.servers.http2 import Ambush

            self.ambush = Ambush()
        files = {"usual": options["certificate"], "other": options.get("other_certificate", options["certificate"])}
        self._contexts = {name: server_context(file, *protocols) for name, file in files.items()}
        self._presented = self._contexts["usual"]
        # Only listens. Which certificate is shown is chosen when a client says hello.
        self._listening_context = server_context(options["certificate"], *protocols)
        self._listening_context.sni_callback = self._choose
        self._listening: list[asyncio.Server] = []

    async def listen(self, options: dict[str, Any]) -> dict[str, Any]:
        """Listen; returns what there is to know."""
        listeners = _bound_twice() if options.get("addresses_count", 1) > 1 else bind_loopback()
        self._listening = [
            await asyncio.start_server(self._connected, sock=sock, ssl=self._listening_context, backlog=BACKLOG)
            for sock in listeners
        ]
        if options.get("swallows"):
            self.flows = Flows(listeners[0].getsockname()[1])
            listeners = bind_loopback()
            self._listening += await self.flows.listen(listeners)
        names = [sock.getsockname() for sock in listeners]
        return {"port": names[0][1], "addresses": [name[0] for name in names]}

    def operations(self) -> dict[str, Operation]:
        """What may be asked of it."""
        return {
            "counts": self._counts,
            "seen": self._seen,
            "executed": self._executed,
            "cut": self._cut,
            "swallow": self._swallow,
            "present": self._present,
            "arm": self._arm,
        }

    async def _counts(self) -> dict[str, Any]:
        names = ("connections", "most_open", "requests", "executed", "dropped")
        return {name: self.site.counts[name] for name in names} | {"open": len(self.site.connections)}

    async def _seen(self) -> dict[str, Any]:
        return {"requests": [asdict(request) for request in self.site.seen]}

    async def _executed(self) -> dict[str, Any]:
        return {"paths": self.site.executed}

    async def _cut(self) -> dict[str, Any]:
        return {"count": self.site.cut()}

    async def _swallow(self) -> dict[str, Any]:
        return {"count": self.flows.swallow() if self.flows else 0}

    async def _present(self, certificate: str) -> dict[str, Any]:
        self._presented = self._contexts[certificate]
        return {}

    async def _arm(self, action: str, requests_count: int) -> dict[str, Any]:
        assert self.ambush is not None, "only HTTP/2 is armed"
        self.ambush.arm(action, requests_count)
        return {}

    def _choose(self, tls: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _context: ssl.SSLContext) -> None:
        tls.context = self._presented

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        key = object()
        number = self.site.opened(key, writer.transport.abort)
        try:
            if self.ambush is not None and writer.get_extra_info("ssl_object").selected_alpn_protocol() == "h2":
                from bench.hazards.servers.http2 import Http2Connection

                await Http2Connection(self.site, self.ambush, number, reader, writer).serve()
            else:
                await serve_http1(self.site, number, reader, writer)
        finally:
            self.site.closed(key)
            writer.close()  # and no waiting for it: a client that is cut off never says goodbye


def _bound_twice() -> list[socket.socket]:
    """Sockets on 127.0.0.1 and on another loopback address, with one port.

    Linux has all of 127.0.0.0/8; elsewhere ::1 is the second address.

    Raises:
        OSError: there is no second address here.
    """
    for _ in range(_TRIES_COUNT):
        first = _bound("127.0.0.1", 0)
        for address in _SECOND_ADDRESSES:
            with contextlib.suppress(OSError):
                return [first, _bound(address, first.getsockname()[1])]
        first.close()
    raise OSError(errno.EADDRNOTAVAIL, "there is no second loopback address to which a name could move")


def _bound(address: str, port: int) -> socket.socket:
    family = socket.AF_INET
    if ":" in address:
        family = socket.AF_INET6
        if not has_ipv6_loopback():
            raise OSError(errno.EADDRNOTAVAIL, "IPv6 does not work here")
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((address, port))
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock


async def _start(options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Operation]]:
    server = _Server(options)
    return await server.listen(options), server.operations()


if __name__ == "__main__":
    run(_start)
