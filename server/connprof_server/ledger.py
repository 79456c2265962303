"""What the server saw: the ground truth, as frozen values. Standard library only.

The counting itself is in `counting`, in the server's process. Here are the values that come out of it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields, replace
from typing import Any

__all__ = ["LedgerSnapshot", "OriginLedger"]

# States of this moment, not totals since the start: a difference keeps the later value.
_NOW = frozenset({"handshakes_in_progress_count", "connections_open_count"})


@dataclass(frozen=True, slots=True)
class OriginLedger:
    """What one origin saw since the server's start.

    ``tcp_accepts_count`` is always the sum of full, resumed, failed and running handshakes and of the
    accepts without bytes.

    Attributes:
        tcp_accepts_count: TCP connections accepted.
        tcp_accepts_without_bytes_count: of these, closed before the client had sent a byte: no handshake was
            tried.
        handshakes_full_count: TLS handshakes finished without a resumed session.
        handshakes_resumed_count: TLS handshakes finished with a resumed session.
        handshakes_failed_count: connections that sent bytes but closed before their handshake was finished.
        handshakes_in_progress_count: connections open now whose handshake is not finished (also those still
            silent).
        connections_opened_count: TLS connections handed to the HTTP server, each after its handshake.
        connections_open_count: of these, open now.
        requests_count: requests that reached the application.
        requests_per_connection: one entry for each connection opened, in order of opening.
        tls_versions: TLS version -> handshakes finished with it, e.g. ``{"TLSv1.3": 2}``.
        ciphers: cipher's OpenSSL name -> handshakes finished with it.
        alpn: protocol agreed by ALPN (``"none"`` where none was) -> handshakes finished with it.
    """

    tcp_accepts_count: int = 0
    tcp_accepts_without_bytes_count: int = 0
    handshakes_full_count: int = 0
    handshakes_resumed_count: int = 0
    handshakes_failed_count: int = 0
    handshakes_in_progress_count: int = 0
    connections_opened_count: int = 0
    connections_open_count: int = 0
    requests_count: int = 0
    requests_per_connection: tuple[int, ...] = ()
    tls_versions: dict[str, int] = field(default_factory=dict)
    ciphers: dict[str, int] = field(default_factory=dict)
    alpn: dict[str, int] = field(default_factory=dict)

    @property
    def handshakes_count(self) -> int:
        """Handshakes finished, full and resumed."""
        return self.handshakes_full_count + self.handshakes_resumed_count

    def minus(self, earlier: OriginLedger) -> OriginLedger:
        """What was seen since ``earlier``, a ledger of the same origin taken before this one.

        Counts are differences; what is said of "now" keeps this ledger's value. ``requests_per_connection``
        has only the connections opened since, while ``requests_count`` has all requests since, also those on
        older connections.

        Raises:
            ValueError: ``earlier`` is not earlier: one of its counts is higher.
        """
        changed: dict[str, Any] = {}
        for item in fields(self):
            mine, theirs = getattr(self, item.name), getattr(earlier, item.name)
            if item.name in _NOW:
                continue
            if isinstance(mine, tuple):
                changed[item.name] = mine[len(theirs) :]
            elif isinstance(mine, dict):
                changed[item.name] = {
                    key: count - theirs.get(key, 0) for key, count in mine.items() if count != theirs.get(key, 0)
                }
            else:
                changed[item.name] = mine - theirs
                if mine < theirs:
                    raise ValueError(f"{item.name} was {theirs} in the earlier ledger and is {mine} in the later one")
        return replace(self, **changed)

    def plus(self, other: OriginLedger) -> OriginLedger:
        """Both origins together; ``requests_per_connection`` is this one's, then the other's."""
        changed: dict[str, Any] = {}
        for item in fields(self):
            mine, theirs = getattr(self, item.name), getattr(other, item.name)
            changed[item.name] = dict(Counter(mine) + Counter(theirs)) if isinstance(mine, dict) else mine + theirs
        return OriginLedger(**changed)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> OriginLedger:
        """The ledger that ``to_dict`` made these values of.

        Raises:
            TypeError: a name in ``values`` is not one of this ledger's.
        """
        return cls(**{**values, "requests_per_connection": tuple(values.get("requests_per_connection", ()))})

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        # Not asdict(): it copies each of a hundred thousand entries for itself.
        plain = {item.name: getattr(self, item.name) for item in fields(self)}
        return {key: list(value) if isinstance(value, tuple) else value for key, value in plain.items()}


@dataclass(frozen=True, slots=True)
class LedgerSnapshot:
    """The ledgers of all origins, taken at one moment.

    Attributes:
        origins: name of each origin -> its ledger, in the order in which they were asked for.
        disagreements: sentences; each says that two ways of counting the same thing differ. Empty when all
            is well. They hold for the server's whole life, and so stay in a difference.
        notes: sentences on how the snapshot was taken, e.g. that a connection stayed open.
    """

    origins: dict[str, OriginLedger]
    disagreements: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def total(self) -> OriginLedger:
        """All origins together."""
        total = OriginLedger()
        for ledger in self.origins.values():
            total = total.plus(ledger)
        return total

    @property
    def is_settled(self) -> bool:
        """Whether no connection is open and no handshake is running."""
        return not any(
            ledger.connections_open_count or ledger.handshakes_in_progress_count for ledger in self.origins.values()
        )

    def minus(self, earlier: LedgerSnapshot) -> LedgerSnapshot:
        """What was seen since ``earlier``, a snapshot of the same server; see `OriginLedger.minus`.

        Raises:
            ValueError: the origins differ, or ``earlier`` is not earlier.
        """
        if self.origins.keys() != earlier.origins.keys():
            raise ValueError(f"origins differ: {', '.join(self.origins)} and {', '.join(earlier.origins)}")
        since = {name: ledger.minus(earlier.origins[name]) for name, ledger in self.origins.items()}
        return replace(self, origins=since)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> LedgerSnapshot:
        """The snapshot that ``to_dict`` made these values of.

        Raises:
            KeyError: there are no origins in ``values``.
        """
        return cls(
            origins={name: OriginLedger.from_dict(ledger) for name, ledger in values["origins"].items()},
            disagreements=tuple(values.get("disagreements", ())),
            notes=tuple(values.get("notes", ())),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "origins": {name: ledger.to_dict() for name, ledger in self.origins.items()},
            "disagreements": list(self.disagreements),
            "notes": list(self.notes),
        }
