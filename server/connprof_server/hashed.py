"""This machine's own trust store with our CA in it: as one file, and as OpenSSL's hashed folder.

OpenSSL looks a CA up in a folder by a file name made of the hash of its subject, so it reads only what it needs, while
a file is read whole. ``openssl rehash`` makes such a folder, but is not on every machine. Standard library only.
"""

from __future__ import annotations

import hashlib
import re
import ssl
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from connprof_server.errors import ServerError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["SystemStore", "make_system_store", "subject_hash"]

_PLACES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Arch, Gentoo
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora
    "/etc/ssl/ca-bundle.pem",  # openSUSE
    "/etc/ssl/cert.pem",  # Alpine, macOS
)
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\n?", re.DOTALL)

# DER tags
_SET, _UTF8, _VERSION = 0x31, 0x0C, 0xA0
_ENCODINGS = {
    _UTF8: "utf-8",
    0x13: "ascii",  # PrintableString
    0x14: "latin-1",  # T61String, as OpenSSL reads it
    0x16: "ascii",  # IA5String
    0x1A: "ascii",  # VisibleString
    0x1C: "utf-32-be",  # UniversalString
    0x1E: "utf-16-be",  # BMPString
}
_LONG_FORM = 0x80


@dataclass(frozen=True, slots=True)
class SystemStore:
    """The two forms of one trust store.

    Attributes:
        file: all of it.
        directory: each certificate in a file of its own, under its hash.
        certificates_count: how many there are, ours included.
        sha256: SHA-256 of this machine's own in it, without ours, which is new at each start.
    """

    file: Path
    directory: Path
    certificates_count: int
    sha256: str


def make_system_store(folder: Path, ca_pem: bytes, *, places: Sequence[str] = _PLACES) -> SystemStore:
    """This machine's CA certificates and ``ca_pem``, written into ``folder``.

    Raises:
        ServerError: this machine's certificates are in none of the usual places.
    """
    found = next(filter(None, map(_read, (*places, ssl.get_default_verify_paths().openssl_cafile))), None)
    if found is None:
        raise ServerError(f"this machine has no CA certificates in {', '.join(places)}")
    certificates = [*found, *_CERTIFICATE.findall(ca_pem)]
    file, directory = folder / "system.pem", folder / "system"
    file.write_bytes(b"\n".join(certificates))
    directory.mkdir()
    taken: Counter[str] = Counter()
    for pem in certificates:
        name = subject_hash(ssl.PEM_cert_to_DER_cert(pem.decode("ascii").strip()))
        (directory / f"{name}.{taken[name]}").write_bytes(pem)
        taken[name] += 1
    return SystemStore(file, directory, len(certificates), hashlib.sha256(b"".join(found)).hexdigest())


def subject_hash(certificate: bytes) -> str:
    """What OpenSSL (1.0 and later) hashes a certificate's subject to; ``certificate`` is DER.

    The first four bytes, little-endian, of the SHA-1 of the subject's canonical form: its sets one after another
    without the sequence around them, with all text as UTF-8 in lower case and without needless blanks
    (``X509_NAME_hash``, ``x509_name_canon`` in OpenSSL's ``x_name.c``).
    """
    ((_, whole),) = _values(certificate)
    signed = next(_values(whole))[1]
    fields = [value for tag, value in _values(signed) if tag != _VERSION]
    subject = fields[4]  # after serial number, algorithm, issuer and validity
    canonical = b"".join(
        _encoded(_SET, b"".join(sorted(map(_attribute, _values(each))))) for _, each in _values(subject)
    )
    digest = hashlib.sha1(canonical, usedforsecurity=False).digest()
    return f"{int.from_bytes(digest[:4], 'little'):08x}"


def _read(place: str) -> list[bytes] | None:
    try:
        return _CERTIFICATE.findall(Path(place).read_bytes()) or None
    except OSError:
        return None


def _attribute(attribute: tuple[int, bytes]) -> bytes:
    """A type and its value, encoded again with the value in canonical form."""
    sequence, content = attribute
    (kind, name), (tag, value) = _values(content)
    if encoding := _ENCODINGS.get(tag):
        words = value.decode(encoding, "replace").encode().split()  # splits and lowers nothing but ASCII
        tag, value = _UTF8, b" ".join(words).lower()
    return _encoded(sequence, _encoded(kind, name) + _encoded(tag, value))


def _values(content: bytes) -> Iterator[tuple[int, bytes]]:
    """The DER values that stand one after another in ``content``: tag and content of each."""
    while content:
        tag, length, start = content[0], content[1], 2
        if length >= _LONG_FORM:
            start += length - _LONG_FORM
            length = int.from_bytes(content[2:start])
        yield tag, content[start : start + length]
        content = content[start + length :]


def _encoded(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < _LONG_FORM:
        return bytes((tag, length)) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8)
    return bytes((tag, _LONG_FORM + len(octets))) + octets + content
