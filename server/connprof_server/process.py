"""The server as one context manager: start, wait until ready, yield, stop and leave nothing behind."""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from connprof_server.control import ChildProcess
from connprof_server.errors import ServerError
from connprof_server.folder import make_folder, remove_folder
from connprof_server.ledger import LedgerSnapshot
from connprof_server.sockets import has_ipv6_loopback
from connprof_server.target import Target

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

__all__ = ["HOSTS", "HTTP_VERSIONS", "RunningServer", "serve"]

HOSTS = ("localhost", "127.0.0.1", "::1")
HTTP_VERSIONS = ("1.1", "2")
_START_S = 20.0
_ANSWER_S = 10.0
_POLL_S = 0.01
_MOST_ORIGINS_COUNT = 64
_HIGHEST_PORT = 65_535
_ORIGIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@contextlib.contextmanager
def serve(
    origins: Sequence[str] = ("main",),
    *,
    rtt_ms: float = 0.0,
    http_version: str = "1.1",
    system_store: bool = False,
    host: str = "localhost",
    ports: Sequence[int] = (),
    keep_alive_s: float = 5.0,
    certificate_expires: datetime | None = None,
    allow_expired: bool = False,
    keep_cookies: bool = False,
    start_timeout_s: float = _START_S,
) -> Iterator[RunningServer]:
    """Runs the TLS server on loopback, in a process of its own, for as long as the block lasts.

    Args:
        origins: a name for each origin, of letters, digits, dots, dashes and underscores. Each has its own port, TLS
            context and ledger; all share one certificate.
        rtt_ms: round trip to model in front of each origin, in milliseconds; see `shaping` for what the
            model leaves out. 0 for none.
        http_version: the highest version that is offered, ``1.1`` or ``2``. Clients that do not take HTTP/2 are served
            as ever.
        system_store: also make a trust store of this machine's own CA certificates and ours, as a file and as a hashed
            folder.
        host: the host in the URLs: ``localhost``, ``127.0.0.1`` or ``::1``.
        ports: a fixed port for each origin; by default any that is free.
        keep_alive_s: idle seconds after which the server closes a connection; uvicorn's own default is 5.
        certificate_expires: when the server's certificate expires (with a time zone); by default not in our
            time.
        allow_expired: start even if clients would refuse the certificate, to see what they do then.
        keep_cookies: note which cookies requests send, by name, for `RunningServer.cookies`. It makes the server
            slower.
        start_timeout_s: seconds that each process may take to start.

    Yields:
        The running server.

    Raises:
        ServerError: the server could not be started: a port is in use, a package is missing, the certificate
        has
            expired, or it crashed.
        ValueError: an argument makes no sense.
    """
    if os.name != "posix":
        raise ServerError("the TLS server needs Linux or macOS")
    config = _checked(
        origins, rtt_ms=rtt_ms, http_version=http_version, host=host, ports=ports, keep_alive_s=keep_alive_s
    )
    config["system_store"] = system_store
    if certificate_expires is not None and certificate_expires.tzinfo is None:
        raise ValueError("certificate_expires needs a time zone")
    config["expires"] = certificate_expires.isoformat() if certificate_expires else None
    config["allow_expired"] = allow_expired
    config["keep_cookies"] = keep_cookies
    server = RunningServer()
    try:
        server._start(config, start_timeout_s)  # noqa: SLF001 - not public, so that a server is always inside a block
        yield server
    finally:
        server.stop()


class RunningServer:
    """A server that runs, made by `serve`. Its methods may be called from any thread, one at a time.

    Attributes:
        target: what a client needs to know.
    """

    target: Target

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._owner_pid = os.getpid()
        self._folder: Path | None = None
        self._folder_lock: int | None = None
        self._server: ChildProcess | None = None
        self._proxy: ChildProcess | None = None
        self._is_stopped = False

    def __repr__(self) -> str:
        state = "running" if self.alive else "stopped"
        return f"<RunningServer {state}, pid {self.pid}>"

    @property
    def pid(self) -> int | None:
        """The server's process id, ``None`` before it was started."""
        return self._server.pid if self._server else None

    @property
    def proxy_pid(self) -> int | None:
        """The process id of the proxy that models the round trip, ``None`` where there is none."""
        return self._proxy.pid if self._proxy else None

    @property
    def alive(self) -> bool:
        """Whether the server, and the proxy if there is one, run."""
        with self._lock:
            children = [child for child in (self._server, self._proxy) if child]
            return bool(children) and all(child.alive for child in children)

    def ledger(self) -> LedgerSnapshot:
        """What the server saw until now; asking is not counted in it.

        A client that has its answer is in it. One that has just closed its connection may be in it as still
        open: see `settled_ledger`.

        Raises:
            ServerError: the server is gone or does not answer.
        """
        return LedgerSnapshot.from_dict(self._ask("snapshot")["snapshot"])

    def settled_ledger(self, timeout_s: float = 2.0) -> LedgerSnapshot:
        """The ledger once no connection is open and no handshake is in progress.

        Args:
            timeout_s: seconds to wait for that. After it the ledger is returned as it is, with a note that
                says so.

        Raises:
            ServerError: the server is gone or does not answer.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            # The proxy first: what it still has under way will only then reach the server.
            travelling_count = self._ask_proxy("pairs")["pairs"] if self._proxy else 0
            taken = self.ledger()
            if not travelling_count and taken.is_settled:
                return taken
            if time.monotonic() >= deadline:
                return replace(taken, notes=(*taken.notes, _unsettled(taken, travelling_count, timeout_s)))
            time.sleep(_POLL_S)

    def executions(self) -> dict[str, int]:
        """Key -> how often it was POSTed to ``/executions/{key}``; asking is not counted as a request.

        Raises:
            ServerError: the server is gone or does not answer.
        """
        counted: dict[str, int] = self._ask("executions")["executions"]
        return counted

    def cookies(self) -> dict[str, int]:
        """Name of a cookie -> how many requests sent it. Empty unless the server was told to keep them.

        Raises:
            ServerError: the server is gone or does not answer.
        """
        counted: dict[str, int] = self._ask("cookies")["cookies"]
        return counted

    def open_connections(self) -> dict[str, tuple[int, ...]]:
        """Name of each origin -> its connections that are open now, by their place in ``requests_per_connection``.

        Raises:
            ServerError: the server is gone or does not answer.
        """
        numbers: dict[str, list[int]] = self._ask("open_connections")["open"]
        return {name: tuple(each) for name, each in numbers.items()}

    def drop_connections(self) -> int:
        """Cuts all connections off, as a server does that restarts. Returns how many were open.

        Raises:
            ServerError: the server is gone or does not answer.
        """
        dropped_count: int = self._ask("drop_connections")["dropped"]
        return dropped_count

    def stop(self) -> None:
        """Ends the server and removes its folder. May be called again, and is at the end of the block."""
        if os.getpid() != self._owner_pid:
            return  # a process forked inside the block leaves it too, but the server is not its own
        with self._lock:
            self._is_stopped = True
            try:
                for child in (self._proxy, self._server):
                    if child:
                        child.stop()
            finally:
                if self._folder:
                    remove_folder(self._folder)
                if self._folder_lock is not None:
                    os.close(self._folder_lock)
                    self._folder_lock = None

    def _start(self, config: dict[str, Any], timeout_s: float) -> None:
        rtt_ms, host, ports = config["rtt_ms"], config["host"], config["ports"]
        self._folder, self._folder_lock = make_folder()
        self._server = ChildProcess(
            "server",
            "connprof_server.child",
            arguments=(str(self._folder),),
            log=self._folder / "server.log",
            pass_fds=(self._folder_lock,),
        )
        # Behind a proxy the server's own ports are nobody's business; those asked for are the proxy's.
        behind = [0] * len(ports) if rtt_ms else ports
        ready = self._server.start({**config, "ports": behind, "folder": str(self._folder)}, timeout_s)
        if rtt_ms:
            self._proxy = ChildProcess("proxy", "connprof_server.shaping", log=self._folder / "proxy.log")
            shaping = {"ports": ready["ports"], "listen_ports": ports, "rtt_ms": rtt_ms}
            ready["ports"] = self._proxy.start(shaping, timeout_s)["ports"]
        written_host = f"[{host}]" if ":" in host else host
        self.target = Target(
            origins={name: f"https://{written_host}:{port}" for name, port in ready["ports"].items()},
            bundle=ready["bundle"],
            ca=ready["ca"],
            bundle_certificates_count=ready["bundle_certificates_count"],
            bundle_sha256=ready["bundle_sha256"],
            rtt_ms=rtt_ms,
            http_version=config["http_version"],
            **{name: value for name, value in ready.items() if name.startswith("system_")},
        )

    def _ask(self, op: str) -> dict[str, Any]:
        with self._lock:
            if self._is_stopped or self._server is None:
                raise ServerError("the server was stopped")
            if self._proxy:
                self._proxy.check()
            return self._server.ask(op, _ANSWER_S)

    def _ask_proxy(self, op: str) -> dict[str, Any]:
        with self._lock:
            if self._is_stopped or self._proxy is None:
                raise ServerError("the server was stopped")
            return self._proxy.ask(op, _ANSWER_S)


def _checked(
    origins: Sequence[str], *, rtt_ms: float, http_version: str, host: str, ports: Sequence[int], keep_alive_s: float
) -> dict[str, Any]:
    """The arguments as a configuration.

    Raises:
        ValueError: one of them makes no sense; the message is one sentence.
    """
    _check_names(origins)
    if host not in HOSTS:
        raise ValueError(f"host must be one of {', '.join(HOSTS)}, not {host!r}")
    if host == "::1" and not has_ipv6_loopback():
        raise ValueError("host is ::1, but IPv6 does not work on loopback here")
    if ports and len(ports) != len(origins):
        raise ValueError(f"there are {len(origins)} origins but {len(ports)} ports")
    if not all(0 <= port <= _HIGHEST_PORT for port in ports):
        raise ValueError(f"a port must be from 0 to {_HIGHEST_PORT}")
    if http_version not in HTTP_VERSIONS:
        raise ValueError(f"http_version must be {' or '.join(HTTP_VERSIONS)}, not {http_version!r}")
    if not 0 <= rtt_ms <= 60_000:  # noqa: PLR2004 - a minute, said in the message
        raise ValueError(f"rtt_ms must be from 0 to 60000, not {rtt_ms:g}")
    if not keep_alive_s > 0:
        raise ValueError(f"keep_alive_s must be above 0, not {keep_alive_s:g}")
    return {
        "origins": list(origins),
        "rtt_ms": float(rtt_ms),
        "http_version": http_version,
        "host": host,
        "ports": list(ports) or [0] * len(origins),
        "keep_alive_s": float(keep_alive_s),
    }


def _check_names(origins: Sequence[str]) -> None:
    if isinstance(origins, str) or not 0 < len(origins) <= _MOST_ORIGINS_COUNT:
        raise ValueError(f"origins must be from 1 to {_MOST_ORIGINS_COUNT} names")
    if len(set(origins)) != len(origins) or not all(origins):
        raise ValueError("each origin needs a name of its own")
    for name in origins:
        if _ORIGIN.fullmatch(name) is None:
            raise ValueError(f"{name!r} is no name of an origin; use letters, digits, dots, dashes and underscores")


def _unsettled(taken: LedgerSnapshot, travelling_count: int, timeout_s: float) -> str:
    total = taken.total
    parts = [f"{total.connections_open_count} connections were still open"]
    if total.handshakes_in_progress_count:
        parts.append(f"{total.handshakes_in_progress_count} handshakes not finished")
    if travelling_count:
        parts.append(f"{travelling_count} connections still passed the proxy")
    return f"{', '.join(parts)} after {timeout_s:g} s"
