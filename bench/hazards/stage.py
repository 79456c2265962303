"""What a probe plays on: servers, certificates, a folder. Standard library only.

The runner keeps one standard TLS server per lane, which probes share one after another; it is asked through the
parent. A server that misbehaves, or must be plain HTTP, is started by the probe with :meth:`Stage.start`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.workloads import ORIGINS
from connprof_server.ledger import LedgerSnapshot, OriginLedger
from connprof_server.target import Target

if TYPE_CHECKING:
    from typing import Protocol

    from bench.hazards.finding import Finding, Tally

    class Channel(Protocol):
        """The way to the parent."""

        def ask(self, what: str) -> dict[str, Any]:
            """Ask the parent, and wait for its answer."""

        def tell(self, message: dict[str, Any]) -> None:
            """Tell the parent something that needs no answer."""


__all__ = ["Scripted", "Stage", "Standard"]

_STOP_S = 2.0


class Stage:
    """The servers of one probe.

    Attributes:
        folder: an empty folder that is gone afterwards.
        ca: the CA certificate that the worker's trust bundle holds (``SSL_CERT_FILE`` names that bundle).
        certificate: a file with a certificate for ``localhost``, ``127.0.0.1`` and ``::1`` by that CA, and its key.
        other_ca: another CA, which is not in the bundle.
        other_certificate: as ``certificate``, but by the other CA.
        client_library: as in :class:`connprof.model.Case`.
    """

    def __init__(self, channel: Channel, job: dict[str, Any]) -> None:
        self._channel = channel
        self._servers: list[Scripted] = []
        self.folder = Path(job["folder"])
        self.ca = Path(job["ca"])
        self.certificate = Path(job["certificate"])
        self.other_ca = Path(job["other_ca"])
        self.other_certificate = Path(job["other_certificate"])
        self.client_library: str = job["client_library"]

    def standard(self) -> Standard:
        """The standard TLS server, with a ledger that begins now."""
        return Standard(self._channel)

    def start(self, module: str = "bench.hazards.servers.echo", **options: Any) -> Scripted:
        """Start a server of the probe's own: ``python -m module``, with ``options`` as its configuration.

        The module follows :mod:`bench.hazards.servers.serving`. It is told ``certificate`` (a path) beside the options,
        and ends with the probe.
        """
        server = Scripted(module, {"certificate": str(self.certificate)} | options, ca=self.ca)
        self._servers.append(server)
        return server

    def progress(self, so_far: Finding | Tally, symptom: str = "") -> None:
        """Tell what is known so far: it is what remains if the probe is killed at its limit."""
        from bench.hazards.finding import Tally

        finding = so_far.finding(symptom) if isinstance(so_far, Tally) else so_far
        self._channel.tell({"progress": finding.to_dict()})

    def close(self) -> None:
        """End the servers."""
        for server in self._servers:
            server.stop()


class Standard:
    """The standard TLS server: one origin for each of :data:`bench.workloads.ORIGINS`, all as `connprof_server` has it.

    Attributes:
        target: what a client needs to know.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self.target = Target(**channel.ask("server")["target"])
        self._before = self._snapshot("settled_ledger")
        self._executions_before = self._channel.ask("executions")["executions"]

    def ledger(self) -> OriginLedger:
        """What it saw since this probe began, all origins together. A connection just closed may count as open."""
        return self._snapshot("ledger").minus(self._before).total

    def settled_ledger(self) -> OriginLedger:
        """The same, once no connection is open, or after 2 s."""
        return self._snapshot("settled_ledger").minus(self._before).total

    def executions(self) -> dict[str, int]:
        """Key -> how often it was POSTed to ``/executions/{key}`` since this probe began."""
        counted = self._channel.ask("executions")["executions"]
        since = {key: count - self._executions_before.get(key, 0) for key, count in counted.items()}
        return {key: count for key, count in since.items() if count}

    def _snapshot(self, what: str) -> LedgerSnapshot:
        return LedgerSnapshot.from_dict(self._channel.ask(what)["ledger"])


class Scripted:
    """A server of the probe's own, in a process of its own, which ends when we do.

    Attributes:
        url: its base URL, without a trailing slash.
        ready: all that it said of itself when it was ready; ``port`` at least.
        target: itself as a target in which every origin is this one server.
        pid: its process id.
    """

    def __init__(self, module: str, options: dict[str, Any], *, ca: Path) -> None:
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.pid = self._process.pid
        self.ready = self._exchange(options)
        scheme = "https" if self.ready.get("tls", True) else "http"
        self.url = f"{scheme}://{self.ready.get('host', 'localhost')}:{self.ready['port']}"
        self.target = self.target_at(self.url, ca)

    @staticmethod
    def target_at(url: str, ca: Path) -> Target:
        """A target in which every origin is at ``url``."""
        bundle = os.environ.get("SSL_CERT_FILE", str(ca))
        return Target(dict.fromkeys(ORIGINS, url), bundle, str(ca), bundle_certificates_count=1, bundle_sha256="")

    def ask(self, op: str, **values: Any) -> dict[str, Any]:
        """Ask for one operation, and return its answer. May be called from any thread.

        Raises:
            RuntimeError: the server is gone, or does not know the operation.
        """
        with self._lock:
            return self._exchange({"op": op, **values})

    def stop(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def _exchange(self, message: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):  # then there is no answer either
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the probe's own server ended with exit code {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"the probe's own server says: {answer['error']}")
        return answer
