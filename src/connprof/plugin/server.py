"""The fixture ``tls_server``. The only module of the package that imports the server, and only when it is asked for."""

from __future__ import annotations

import ssl
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from connprof_server import ServerError, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connprof_server import LedgerSnapshot, RunningServer

__all__ = ["ServerShare", "TlsServer", "running", "share"]

_ORIGINS = ("main", "other")
_POLL_S = 0.01
# Which CA bundle clients use; and what would lead them elsewhere than to a server on this machine.
_BUNDLE_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
_CLEARED_VARIABLES = (
    "SSL_CERT_DIR",
    *(name for upper in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY") for name in (upper, upper.lower())),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerShare:
    """What the server saw of one test.

    Attributes:
        handshakes_full_count: TLS handshakes finished without a resumed session.
        handshakes_resumed_count: TLS handshakes finished with one.
        handshakes_failed_count: connections that closed before their handshake was finished.
        connections_count: TLS connections opened.
        connections_open_count: of these, open now.
        requests_count: requests executed, also those whose answer the client never took.
        requests_per_connection: of the connections opened in this test, in order of opening.
        executions: key -> how often it was POSTed to ``/executions/KEY``.
        cookies: name of a cookie -> requests that sent it. Values are not kept.
        ledger: all of that and more, by origin.
    """

    handshakes_full_count: int
    handshakes_resumed_count: int
    handshakes_failed_count: int
    connections_count: int
    connections_open_count: int
    requests_count: int
    requests_per_connection: tuple[int, ...]
    executions: dict[str, int]
    cookies: dict[str, int]
    ledger: LedgerSnapshot

    @property
    def handshakes_count(self) -> int:
        """Handshakes finished, full and resumed."""
        return self.handshakes_full_count + self.handshakes_resumed_count


class TlsServer:
    """The server, as one test sees it.

    Attributes:
        ca_file: a bundle of the usual CA certificates and the server's own.
    """

    def __init__(self, server: RunningServer) -> None:
        self._server = server
        self.ca_file = server.target.bundle
        self._before = server.ledger()
        self._executions = server.executions()
        self._cookies = server.cookies()

    def url(self, path: str = "/api/", origin: str = "main") -> str:
        """The full URL of a path; see docs/pytest.md for what is there.

        Args:
            path: begins with a slash, which may be left out.
            origin: ``main`` or ``other``, another port on the same host.

        Raises:
            ValueError: it is an address and no path, or there is no such origin.
        """
        if "://" in path.partition("?")[0]:
            raise ValueError(f"{path!r} is an address, and tls_server.url takes a path on the server.")
        return self._server.target.url(path if path.startswith("/") else f"/{path}", origin)

    def ssl_context(self) -> ssl.SSLContext:
        """A new client-side context that trusts the server, for clients that do not heed ``SSL_CERT_FILE``."""
        return ssl.create_default_context(cafile=self.ca_file)

    def seen(self) -> ServerShare:
        """What the server saw of this test until now."""
        snapshot = self._server.ledger()
        open_now = self._server.open_connections()
        ledger = snapshot.minus(self._before)
        earlier = {name: origin.connections_opened_count for name, origin in self._before.origins.items()}
        total = ledger.total
        return ServerShare(
            handshakes_full_count=total.handshakes_full_count,
            handshakes_resumed_count=total.handshakes_resumed_count,
            handshakes_failed_count=total.handshakes_failed_count,
            connections_count=total.connections_opened_count,
            connections_open_count=sum(
                number >= earlier[name] for name, numbers in open_now.items() for number in numbers
            ),
            requests_count=total.requests_count,
            requests_per_connection=total.requests_per_connection,
            executions=_since(self._server.executions(), self._executions),
            cookies=_since(self._server.cookies(), self._cookies),
            ledger=ledger,
        )

    def settled(self, timeout_s: float = 2.0) -> ServerShare:
        """The same once all connections of this test are closed, or when ``timeout_s`` have passed without that."""
        deadline = time.monotonic() + timeout_s
        while (taken := self.seen()).connections_open_count and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        return taken

    def drop_connections(self) -> int:
        """Cut off all connections, as a server does that restarts. Returns how many were open."""
        return self._server.drop_connections()


def running() -> Iterator[RunningServer]:
    """The session's server, for as long as the session lasts."""
    with ExitStack() as stack, _failing_briefly():
        yield stack.enter_context(serve(_ORIGINS, keep_cookies=True))


def share(server: RunningServer) -> Iterator[TlsServer]:
    """The server for one test, trusted through the environment while it runs."""
    with pytest.MonkeyPatch.context() as environment:
        for name in _BUNDLE_VARIABLES:
            environment.setenv(name, server.target.bundle)
        for name in _CLEARED_VARIABLES:
            environment.delenv(name, raising=False)
        with _failing_briefly():
            one = TlsServer(server)
        yield one


@contextmanager
def _failing_briefly() -> Iterator[None]:
    """Turn the server's errors into a failure of one sentence."""
    try:
        yield
    except ServerError as error:
        raise pytest.fail.Exception(f"tls_server: {error}", pytrace=False) from None


def _since(now: dict[str, int], before: dict[str, int]) -> dict[str, int]:
    return {key: count - before.get(key, 0) for key, count in now.items() if count != before.get(key, 0)}
