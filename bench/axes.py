"""What the axes of a case mean: the server in front of it, its environment variables, its client's options.

Standard library only; what a client needs beside it is imported where it is used, because a worker may run in an
environment that holds nothing but another client library.

Most strategies are code that people write, and a case reaches them through their surroundings alone: the server, its
round trip, the trust store that ``SSL_CERT_FILE`` names, how many calls are in flight. What has to be written into the
client (HTTP/2, limits, no verification, truststore) only strategies that are about the axes take, from :func:`current`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from bench.places import amounts
from bench.workloads import WORKLOADS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

    from bench.places import CallTime
    from bench.workloads import Step
    from connprof_server.target import Target

__all__ = [
    "AXES",
    "MOST_CALLS_COUNT",
    "Axes",
    "AxisError",
    "axes_of",
    "current",
    "enter",
    "server_options",
    "trust_identity",
    "trust_variables",
    "was_read",
]

AXES: Mapping[str, tuple[object, ...]] = MappingProxyType(
    {
        "http_version": ("1.1", "2"),
        "rtt_ms": (0.0, 20.0, 100.0),
        "trust_store": (
            "bundle", "system-file", "system-directory", "our-ca", "truststore", "none",
        ),
        "concurrency_count": (1, 10, 100),
        "limits": ("default", "below", "at", "above"),
        "calls_count": (1, 10, 40, 100, 400),
    }
)  # fmt: skip
"""The values that the wide run takes, axis by axis, the default among them. Numbers between them may be asked for."""

_NAMED = ("http_version", "trust_store", "limits")
MOST_CALLS_COUNT = 10_000
"""The longest session that may be asked for."""

_MOST_IN_FLIGHT_COUNT = 1_000
_HIGHEST_RTT_MS = 60_000
_HTTPX_CONNECTIONS_COUNT, _HTTPX_KEPT_COUNT = 100, 20
_WARMUP_CALLS_COUNT = 5

_TRUST = {
    # What SSL_CERT_FILE and SSL_CERT_DIR name: a field of the target, or nothing.
    "bundle": ("bundle", None),
    "system-file": ("system_file", None),
    "system-directory": (None, "system_directory"),
    "our-ca": ("ca", None),
    "truststore": ("bundle", None),
    "none": ("bundle", None),
}
_TRUST_WORDS = {
    "bundle": "the trust bundle",
    "system_file": "this machine's CA file and our CA",
    "system_directory": "this machine's CA certificates and ours, hashed",
    "ca": "our CA alone",
}


class AxisError(ValueError):
    """A case's axes contradict each other or do not exist; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Axes:
    """Where a case stands on each axis; names and defaults are those of :class:`connprof.model.Case`."""

    workload: str = "llm-session"
    calls_count: int = 40
    http_version: str = "1.1"
    trust_store: str = "bundle"
    rtt_ms: float = 0.0
    concurrency_count: int = 1
    limits: str = "default"
    client_library: str = "httpx"

    def __post_init__(self) -> None:
        for name in _NAMED:
            if getattr(self, name) not in AXES[name]:
                known = ", ".join(map(str, AXES[name]))
                raise AxisError(f"{name} is one of {known}, not {getattr(self, name)!r}")
        if self.workload not in WORKLOADS:
            raise AxisError(f"there is no workload {self.workload!r}; there are: {', '.join(WORKLOADS)}")
        if not 0 <= self.rtt_ms <= _HIGHEST_RTT_MS:
            raise AxisError(f"rtt_ms is from 0 to {_HIGHEST_RTT_MS}, not {self.rtt_ms:g}")
        if not 1 <= self.concurrency_count <= _MOST_IN_FLIGHT_COUNT:
            raise AxisError(f"concurrency_count is from 1 to {_MOST_IN_FLIGHT_COUNT}, not {self.concurrency_count}")
        if not 1 <= self.calls_count <= MOST_CALLS_COUNT:
            raise AxisError(f"calls_count is from 1 to {MOST_CALLS_COUNT}, not {self.calls_count}")
        if self.concurrency_count > 1 and WORKLOADS[self.workload].rhythm == "gaps":
            raise AxisError(f"{self.workload} is about single calls: it takes a concurrency of 1")
        if self.limits == "below" and self.concurrency_count == 1:
            raise AxisError("limits=below needs a concurrency of at least 2: a pool has at least one connection")

    @property
    def connections_limit_count(self) -> int | None:
        """How many connections a client may have, and may keep; nothing where it is left to the library."""
        factor = {"default": None, "below": 0.5, "at": 1, "above": 2}[self.limits]
        return None if factor is None else int(self.concurrency_count * factor)

    def steps(self, calls_count: int | None = None) -> tuple[Step, ...]:
        """What is called, ``calls_count`` in all; by default as many as the case says."""
        limit_count = self.connections_limit_count or _HTTPX_CONNECTIONS_COUNT
        return WORKLOADS[self.workload].steps(calls_count or self.calls_count, self.concurrency_count, limit_count)

    @property
    def warmup_calls_count(self) -> int:
        """Calls of the session before those that are timed; a single one where they stand far apart."""
        return min(1 if WORKLOADS[self.workload].rhythm == "gaps" else _WARMUP_CALLS_COUNT, self.calls_count)

    def amounts(self, calls: Sequence[CallTime], *, on_loop: bool) -> dict[str, dict[str, int]]:
        """What the words of a claim amount to after ``calls``, on these axes.

        Without axes it is what :func:`bench.places.amounts` counts: a pool has made a connection for each call that was
        in flight beside others. A gap that outlasts the keep-alive makes that one for each call; HTTP/2, where the
        client was made with it, one for each origin; limits below the concurrency, so many. What a pool makes is only
        bounded (``at_most``) where more connections come back than httpx keeps by default, for then it closes some, or,
        if it was told to keep them, walks through all of them so often that the server may have closed some before it
        comes to use them; where calls for several origins push each other out; and where nothing makes calls start
        together, so that one may or may not be over before the next one starts. Of other libraries' pools nothing is
        said but that.
        """
        found = amounts(calls)
        calls_count, origins_count = len(calls), len({call.origin for call in calls})
        if _was_read and self.contexts_each_count > 1:
            once = {"calls": calls_count, "origins": origins_count, "one": 1} | found["contexts"]
            found["contexts"] = {word: count * self.contexts_each_count for word, count in once.items()}
        handshakes = found["handshakes"]
        if WORKLOADS[self.workload].keep_alive_s is not None:
            found["handshakes"] = dict.fromkeys(handshakes, calls_count)
        elif self.concurrency_count > 1:
            self._bound(found, calls_count, origins_count, on_loop=on_loop)
        return found

    def _bound(self, found: dict[str, dict[str, int]], calls_count: int, origins_count: int, *, on_loop: bool) -> None:
        """Correct what calls in flight at once need, and say where it is a bound."""
        handshakes = found["handshakes"]
        if _was_read and self.http_version == "2":
            handshakes["origins"] = origins_count
            return
        at_most: dict[str, int] = {}
        is_burst = WORKLOADS[self.workload].rhythm == "bursts"
        if not on_loop and not is_burst:  # which thread makes which call is a matter of luck
            handshakes["threads"], at_most["threads"] = origins_count, calls_count
        in_flight_count, limit_count = handshakes["origins"], self.connections_limit_count
        needed_count = min(in_flight_count, limit_count or _HTTPX_CONNECTIONS_COUNT)
        is_together = is_burst or (on_loop and origins_count == 1)
        least, most = (needed_count if is_together else origins_count), needed_count
        if not self.client_library.startswith("httpx"):  # their pools differ
            least, most = origins_count, calls_count
        elif needed_count > _HTTPX_KEPT_COUNT or (origins_count > 1 and needed_count < in_flight_count):
            most = calls_count
        for word in ("origins", "loops"):  # all of them run on one loop, or on none
            handshakes[word] = least
            if most > least:
                at_most[word] = most
        if at_most:
            found["at_most"] = at_most

    @property
    def needs_client(self) -> bool:
        """Whether only a client that takes its options from here can follow this case."""
        return self.limits != "default" or self.trust_store in {"truststore", "none"}

    @property
    def contexts_each_count(self) -> int:
        """How many SSL contexts one client makes: truststore wraps a second one."""
        return 2 if self.trust_store == "truststore" else 1

    def client_options(self, library: ModuleType | None = None) -> dict[str, Any]:
        """Arguments for a client of httpx, or of ``library`` which has its interface. Only what differs from default.

        With ``truststore`` each call makes a new context, as a client would that is made with its own.
        """
        if library is None:
            import httpx as library
        options: dict[str, Any] = {}
        if self.http_version == "2":
            options["http2"] = True
        if self.trust_store == "none":
            options["verify"] = False
        if self.trust_store == "truststore":
            import ssl

            import truststore

            options["verify"] = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        expiry_s = WORKLOADS[self.workload].keep_alive_s
        limit_count = self.connections_limit_count
        if limit_count is not None or expiry_s is not None:
            chosen: dict[str, Any] = {}
            if limit_count is not None:
                chosen |= {"max_connections": limit_count, "max_keepalive_connections": limit_count}
            else:  # the library's own, which Limits() does not repeat
                chosen |= {"max_connections": _HTTPX_CONNECTIONS_COUNT, "max_keepalive_connections": _HTTPX_KEPT_COUNT}
            if expiry_s is not None:
                chosen["keepalive_expiry"] = expiry_s
            assert library is not None
            options["limits"] = library.Limits(**chosen)
        return options


_FIELDS = tuple(each.name for each in fields(Axes))


def axes_of(case: object) -> Axes:
    """The axes of a :class:`connprof.model.Case`, or of the mapping that it is in a worker's job.

    Raises:
        AxisError: a value does not exist or contradicts another.
    """
    if isinstance(case, Mapping):
        return Axes(**{name: case[name] for name in _FIELDS if name in case})
    return Axes(**{name: getattr(case, name) for name in _FIELDS})


def server_options(case: object) -> dict[str, Any]:
    """What to give :func:`connprof_server.serve` beside ``origins``; cases with equal options can share a server.

    Raises:
        AxisError: as :func:`axes_of`.
    """
    axes = axes_of(case)
    return {
        "rtt_ms": float(axes.rtt_ms),
        "http_version": axes.http_version,
        "system_store": axes.trust_store.startswith("system-"),
        "keep_alive_s": WORKLOADS[axes.workload].keep_alive_s or 5.0,
    }


def trust_variables(target: Target, case: object | None = None) -> dict[str, tuple[str, str] | None]:
    """Environment variable -> its value and what it stands for, or nothing where it must not be set.

    Raises:
        AxisError: as :func:`axes_of`, or the server was started without what the trust store needs.
    """
    trust_store = "bundle" if case is None else axes_of(case).trust_store
    found: dict[str, tuple[str, str] | None] = {}
    for variable, field in zip(("SSL_CERT_FILE", "SSL_CERT_DIR"), _TRUST[trust_store], strict=True):
        found[variable] = None
        if field is not None:
            value: str = getattr(target, field)
            if not value and field.startswith("system_"):
                raise AxisError(f"trust_store={trust_store} needs a server that was started with system_store=True")
            found[variable] = (value, f"set to {_TRUST_WORDS[field]}")
    return found


def trust_identity(target: Target, case: object) -> dict[str, str]:
    """What :attr:`connprof.model.Environment.identity` says of the trust store, for the one that ``case`` asks for.

    Raises:
        AxisError: as :func:`axes_of`.
    """
    count, sha256 = {
        "our-ca": (1, ""),
        "none": (0, ""),
        "system-file": (target.system_certificates_count, target.system_sha256),
        "system-directory": (target.system_certificates_count, target.system_sha256),
    }.get(axes_of(case).trust_store, (target.bundle_certificates_count, target.bundle_sha256))
    return {"ca_bundle_certificates_count": str(count), "ca_bundle_sha256": sha256}


_current = Axes()
_was_read = False


def enter(case: object) -> Axes:
    """Make the axes of ``case`` those of this process, for :func:`current`.

    Raises:
        AxisError: as :func:`axes_of`.
    """
    global _current, _was_read
    _current, _was_read = axes_of(case), False
    return _current


def current() -> Axes:
    """The axes of the case that is being run, for strategies that are about them."""
    global _was_read  # noqa: PLW0603
    _was_read = True
    return _current


def was_read() -> bool:
    """Whether the strategy has asked for :func:`current` since :func:`enter`."""
    return _was_read
