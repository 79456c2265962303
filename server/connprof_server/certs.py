"""Certificates for the server: a CA of its own, a leaf, and the trust bundle that clients are given.

Imports trustme, so only the server's process imports this module.
"""

from __future__ import annotations

import hashlib
import os
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import certifi
import trustme
from cryptography import x509

from connprof_server.errors import ServerError
from connprof_server.hashed import SystemStore, make_system_store

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["IDENTITIES", "Certificates", "certificate_is_usual", "make_certificates"]

IDENTITIES = ("localhost", "127.0.0.1", "::1")
_ORGANIZATION = "connprof"
_CA_UNIT = "connprof testing CA"
_LEAF_UNIT = "connprof testing server"

# Serial numbers and ECDSA signatures are random, and DER drops leading zeros: the same certificate is a byte
# or two longer or shorter each time. What a client allocates for it then differs too, and bytes could not be
# compared exactly between runs. These are the likeliest lengths (about one certificate in two has both).
_SERIAL_BYTES = 20
_SIGNATURE_BYTES = 71
_TRIES_COUNT = 200

_ALPN = {"1.1": ["http/1.1"], "2": ["h2", "http/1.1"]}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Certificates:
    """The public files, and a way to make contexts with the private key.

    Attributes:
        bundle: file with the real CA bundle and our CA after it.
        ca: file with our CA alone.
        bundle_certificates_count: certificates in the bundle, ours included.
        bundle_sha256: SHA-256 of the real CA bundle alone.
        system_store: this machine's own CA certificates and ours, if they were asked for.
        contexts: one server-side TLS context for each origin asked for, with the leaf and its key loaded.
    """

    bundle: Path
    ca: Path
    bundle_certificates_count: int
    bundle_sha256: str
    system_store: SystemStore | None
    contexts: tuple[ssl.SSLContext, ...]


def make_certificates(
    folder: Path,
    *,
    contexts_count: int,
    host: str,
    http_version: str = "1.1",
    system_store: bool = False,
    expires: datetime | None = None,
    allow_expired: bool = False,
) -> Certificates:
    """A new CA and a leaf for `IDENTITIES`; leaves only public files in ``folder``.

    Args:
        folder: an existing private folder.
        contexts_count: how many TLS contexts to make with the leaf.
        host: the name by which clients will call, checked against the leaf.
        http_version: ``2`` for contexts that offer HTTP/2 beside HTTP/1.1.
        system_store: also make a trust store, as file and as folder, out of this machine's own.
        expires: when the leaf expires; by default in some hundred years.
        allow_expired: do not ask whether a client would accept the leaf, for probes of what clients do then.

    Raises:
        ServerError: a client would refuse the leaf, or this machine has no trust store.
    """
    ca, leaf = _authority_and_leaf(expires)
    ca_pem = ca.cert_pem.bytes()
    real_bundle = Path(certifi.where()).read_bytes()
    bundle = real_bundle + (b"" if real_bundle.endswith(b"\n") else b"\n") + ca_pem
    bundle_file, ca_file = folder / "bundle.pem", folder / "ca.pem"
    bundle_file.write_bytes(bundle)
    ca_file.write_bytes(ca_pem)
    # One context more than asked for: the trial handshake must not be among those counted.
    trial, *contexts = _contexts(folder, leaf, contexts_count + 1, _ALPN[http_version])
    if not allow_expired:
        _try_handshake(trial, ca_file, host)
    return Certificates(
        bundle=bundle_file,
        ca=ca_file,
        bundle_certificates_count=bundle.count(b"-----BEGIN CERTIFICATE-----"),
        bundle_sha256=hashlib.sha256(real_bundle).hexdigest(),
        system_store=make_system_store(folder, ca_pem) if system_store else None,
        contexts=tuple(contexts),
    )


def certificate_is_usual(pem: bytes) -> bool:
    """Whether the certificate's serial number and signature have the lengths on which we insist."""
    certificate = x509.load_pem_x509_certificate(pem)
    # DER integers are signed, so a set top bit costs one byte more there, and none in a client's memory: not that one.
    serial_bits = certificate.serial_number.bit_length()
    return (
        serial_bits // 8 + 1 == -(-serial_bits // 8) == _SERIAL_BYTES and len(certificate.signature) == _SIGNATURE_BYTES
    )


def _authority_and_leaf(expires: datetime | None) -> tuple[trustme.CA, trustme.LeafCert]:
    not_before = None
    if expires is not None:
        # The start must lie before the end, also for a leaf that expired long ago.
        not_before = min(expires, datetime.now(UTC)) - timedelta(days=1)

    def issue() -> trustme.LeafCert:
        return ca.issue_cert(
            *IDENTITIES,
            organization_name=_ORGANIZATION,
            organization_unit_name=_LEAF_UNIT,
            not_before=not_before,
            not_after=expires,
        )

    ca = _usual(
        lambda: trustme.CA(organization_name=_ORGANIZATION, organization_unit_name=_CA_UNIT),
        lambda made: made.cert_pem.bytes(),
    )
    return ca, _usual(issue, lambda made: made.cert_chain_pems[0].bytes())


def _usual(make: Callable[[], T], pem_of: Callable[[T], bytes]) -> T:
    for _ in range(_TRIES_COUNT):
        made = make()
        if certificate_is_usual(pem_of(made)):
            return made
    raise ServerError(f"no certificate of the usual length came out in {_TRIES_COUNT} tries")


def _contexts(folder: Path, leaf: trustme.LeafCert, count: int, alpn: list[str]) -> list[ssl.SSLContext]:
    """Contexts with the leaf loaded. OpenSSL reads keys from files only, so the key is in one for that long."""
    private = folder / "private"
    private.mkdir(mode=0o700)
    key_file = private / "leaf.pem"
    try:
        with os.fdopen(os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(leaf.private_key_and_cert_chain_pem.bytes())
        contexts = []
        for _ in range(count):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(key_file)
            context.set_alpn_protocols(alpn)
            contexts.append(context)
        return contexts
    finally:
        key_file.unlink(missing_ok=True)
        private.rmdir()


def _try_handshake(context: ssl.SSLContext, ca_file: Path, host: str) -> None:
    """Shakes hands with a client of our own, in memory: a bad leaf is an error at start, not a riddle later."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_context.load_verify_locations(ca_file)
    client = client_context.wrap_bio(to_client, to_server, server_hostname=host)
    server = context.wrap_bio(to_server, to_client, server_side=True)
    for side in (client, server, client):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
        except ssl.SSLCertVerificationError as error:
            raise ServerError(
                f"clients would refuse the server's certificate for {host}: {error.verify_message}"
            ) from error
