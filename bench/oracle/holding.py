"""One run of the program under ``connprof run``, and what it counted held against what really happened."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass, fields, replace
from functools import reduce
from operator import add
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import msgspec

from bench.environments import last_line
from bench.oracle.plan import interpreter_of
from connprof.errors import RunError
from connprof.profile import Profile
from connprof_server import serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.oracle.plan import Subject
    from connprof_server import LedgerSnapshot, RunningServer

__all__ = ["Figures", "Held", "Stage"]

_PROJECT = Path(__file__).resolve().parents[2]
_LIMIT_S = 300.0
_TO_CLIENTS: Final = (
    "SSL_CERT_DIR", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE", "SSLKEYLOGFILE",
    *(name for upper in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY") for name in (upper, upper.lower())),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What was counted, by the one side or the other."""

    processes: int
    clients: int
    contexts: int
    ca_loads: int
    handshakes_full: int
    handshakes_resumed: int
    handshakes_failed: int
    connections: int
    requests: int

    def plus(self, other: Figures) -> Figures:
        """Both together."""
        return Figures(**{each.name: getattr(self, each.name) + getattr(other, each.name) for each in fields(self)})


@dataclass(frozen=True, slots=True)
class Held:
    """One run, and whether both sides agree.

    Attributes:
        ways: how connections were opened.
        counted: by ``connprof run``.
        oracle: by the server's ledger, the interpreter, and the program itself.
        unknown_count: handshakes of which nobody could tell the line.
        differences: sentences; empty when all agrees.
    """

    ways: tuple[str, ...]
    counted: Figures
    oracle: Figures
    unknown_count: int
    differences: tuple[str, ...]


class Stage:
    """The servers, for as long as a ``with`` block lasts: one that is trusted, one that is not, one with HTTP/2."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        try:
            self._main = self._stack.enter_context(serve(origins=("one", "two")))
            self._untrusted = self._stack.enter_context(serve(origins=("untrusted",)))
            self._http2 = self._stack.enter_context(serve(origins=("http2",), http_version="2"))
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def hold(self, subject: Subject, folder: Path) -> Held:
        """Run all ways of ``subject`` in one program, and compare.

        Args:
            subject: a library, and how many connections to open in which way.
            folder: for what this run leaves; a new and empty one.

        Raises:
            RunError: the environment cannot be made, or the program failed.
        """
        python = interpreter_of(subject.packages, self._folder)
        tally, written, bundle = folder / "tally", folder / "profile.json", folder / "bundle.pem"
        bundle.write_text("".join(Path(server.target.ca).read_text("ascii") for server in self._trusted()), "ascii")
        case = {
            "module": subject.module, "is_async": subject.is_async, "ways": dict(subject.ways), "resumes": False,
            "tally": str(tally), "bundle": str(bundle), "urls": list(self._main.target.origins.values()),
            "untrusted": self._untrusted.target.url(""), "http2": self._http2.target.url(""),
        }  # fmt: skip
        environ = {name: value for name, value in os.environ.items() if name not in _TO_CLIENTS}
        environ |= {"SSL_CERT_FILE": str(bundle), "REQUESTS_CA_BUNDLE": str(bundle), "PYTHONPATH": str(_PROJECT)}
        environ["PYTHONPATH"] = os.pathsep.join([str(_PROJECT), *filter(None, [os.environ.get("PYTHONPATH")])])
        before = [server.ledger() for server in self._servers()]
        command = [str(python), "-m", "bench.oracle.program", json.dumps(case)]
        _run([sys.executable, "-m", "connprof", "run", "--json", str(written), "--", *command], environ, subject)
        seen = [server.settled_ledger().minus(early) for server, early in zip(self._servers(), before, strict=True)]
        profile = msgspec.json.decode(written.read_bytes(), type=Profile)
        return _held(subject, profile, tally, dict(self._by_origin(seen)))

    def _servers(self) -> tuple[RunningServer, ...]:
        return self._main, self._untrusted, self._http2

    def _trusted(self) -> tuple[RunningServer, ...]:
        return self._main, self._http2

    def _by_origin(self, seen: list[LedgerSnapshot]) -> Iterator[tuple[str, Figures]]:
        for server, snapshot in zip(self._servers(), seen, strict=True):
            for name, ledger in snapshot.origins.items():
                yield (
                    server.target.origins[name].removeprefix("https://"),
                    Figures(
                        processes=0,
                        clients=0,
                        contexts=0,
                        ca_loads=0,
                        handshakes_full=ledger.handshakes_full_count,
                        handshakes_resumed=ledger.handshakes_resumed_count,
                        handshakes_failed=ledger.handshakes_failed_count,
                        connections=ledger.tcp_accepts_count,
                        requests=ledger.requests_count,
                    ),
                )


def _run(command: list[str], environ: dict[str, str], subject: Subject) -> None:
    try:
        done = subprocess.run(
            command, env=environ, cwd=_PROJECT, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            errors="replace", check=False, timeout=_LIMIT_S,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise RunError(f"{subject.name}: the program had not ended after {_LIMIT_S:g} s.") from None
    if done.returncode:
        raise RunError(
            f"{subject.name} ({', '.join(subject.ways)}) ended with {done.returncode}: {last_line(done.stderr)}."
        )


def _held(subject: Subject, profile: Profile, tally: Path, by_origin: dict[str, Figures]) -> Held:
    left = [json.loads(line) for line in tally.read_text("utf-8").splitlines()]
    of_program = Figures(
        processes=len(left),
        clients=sum(each["clients"] for each in left),
        contexts=sum(each["contexts"] for each in left),
        ca_loads=sum(each["ca_loads"] for each in left),
        handshakes_full=0,
        handshakes_resumed=0,
        handshakes_failed=0,
        connections=0,
        requests=0,
    )
    oracle = reduce(Figures.plus, by_origin.values(), of_program)
    if not subject.sees_requests:
        oracle = replace(oracle, requests=0)
    counts = profile.counts
    counted = Figures(
        processes=len(profile.processes),
        clients=sum(group.made_count for process in profile.processes for group in process.clients),
        contexts=counts.contexts_count,
        ca_loads=counts.ca_loads_count,
        handshakes_full=counts.handshakes_full_count,
        handshakes_resumed=counts.handshakes_resumed_count,
        handshakes_failed=counts.handshakes_failed_count,
        connections=counts.connections_count,
        requests=counts.requests_count or 0,
    )
    unknown_count = sum(site.counts.handshakes_count for site in profile.sites if site.site.certainty == "unknown")
    return Held(
        tuple(subject.ways), counted, oracle, unknown_count, tuple(_differences(profile, counted, oracle, by_origin))
    )


def _differences(profile: Profile, counted: Figures, oracle: Figures, by_origin: dict[str, Figures]) -> Iterator[str]:
    for each in fields(Figures):
        mine, theirs = getattr(counted, each.name), getattr(oracle, each.name)
        if mine != theirs:
            yield f"{each.name}: {mine} counted, {theirs} really"
    of_origins = {tally.origin: tally.counts for tally in profile.origins}
    for origin, seen in by_origin.items():
        counts = of_origins.get(origin)
        mine_there = (counts.handshakes_count, counts.connections_count) if counts else (0, 0)
        theirs_there = seen.handshakes_full + seen.handshakes_resumed, seen.connections
        if mine_there != theirs_there:
            yield f"handshakes and connections at {origin}: {mine_there} counted, {theirs_there} really"
    for name in ("contexts_count", "ca_loads_count", "handshakes_full_count", "connections_count"):
        whole, parts = getattr(profile.counts, name), (getattr(site.counts, name) for site in profile.sites)
        if whole != (summed := reduce(add, parts, 0)):
            yield f"{name}: {whole} in all, {summed} by line"
    for process in profile.processes:
        yield from process.errors
