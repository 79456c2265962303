"""What a client needs to know of a running server.

Standard library only: it is also used where nothing else is installed.
"""

from __future__ import annotations

import zlib
from dataclasses import asdict, dataclass

__all__ = ["Target", "json_size_bytes"]

_SMALLEST_BYTES = 1_024
_SPREAD_BYTES = 15 * 1_024


def json_size_bytes(path: str) -> int:
    """Size in bytes of the body that the server answers to a GET of ``path`` below ``/api/`` or ``/gate/``.

    Between 1 KiB and 16 KiB, the range of search and lookup answers of a public data API, and always the
    same for the same path (query string included), so that a client can check each answer without asking
    twice.

    Args:
        path: everything after the origin, as sent, e.g. ``/api/1/datasets/?q=velo``.
    """
    return _SMALLEST_BYTES + zlib.crc32(path.encode()) % _SPREAD_BYTES


@dataclass(frozen=True, slots=True)
class Target:
    """A running server, as seen by a client.

    Attributes:
        origins: name of each origin -> its base URL without a trailing slash, e.g. ``https://localhost:40123``.
        bundle: file with the real CA bundle and our CA; hand it to clients through ``SSL_CERT_FILE``.
        ca: file with our CA alone.
        bundle_certificates_count: how many certificates the bundle holds, ours included.
        bundle_sha256: SHA-256 of the real CA bundle in it, without ours, which is new at each start.
        rtt_ms: modelled round trip in front of the origins, 0 where there is none.
        http_version: the highest version of HTTP that is offered by ALPN, ``1.1`` or ``2``.
        system_file: file with this machine's own CA certificates and ours; empty unless asked for.
        system_directory: folder with the same certificates, hashed as OpenSSL wants it; empty unless asked for.
        system_certificates_count: how many certificates are in each of these two, ours included.
        system_sha256: SHA-256 of this machine's own among them.
    """

    origins: dict[str, str]
    bundle: str
    ca: str
    bundle_certificates_count: int
    bundle_sha256: str
    rtt_ms: float = 0.0
    http_version: str = "1.1"
    system_file: str = ""
    system_directory: str = ""
    system_certificates_count: int = 0
    system_sha256: str = ""

    def url(self, path: str, origin: str | None = None) -> str:
        """The full URL of ``path`` (which starts with a slash) at ``origin``, by default the first one.

        Raises:
            ValueError: there is no such origin.
        """
        if origin is not None and origin not in self.origins:
            raise ValueError(f"{origin!r} is no origin of the server; it has {' and '.join(self.origins)}.")
        base = next(iter(self.origins.values())) if origin is None else self.origins[origin]
        return base + path

    def to_dict(self) -> dict[str, object]:
        """Plain values, for JSON."""
        return asdict(self)
