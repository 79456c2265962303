"""Reports on disk. The only module that knows JSON, schema versions and how a file is written safely."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from connprof.errors import FileError
from connprof.model import SCHEMA, Report

__all__ = ["LARGEST_FILE_BYTES", "decode", "encode", "load_report", "save_report", "write_atomically"]

LARGEST_FILE_BYTES = 512_000_000
"""A larger file is refused unread: no run of the suite writes a hundredth of it."""

_NAME, _VERSION = SCHEMA.split("/")

T = TypeVar("T")


class _Head(msgspec.Struct):
    """The one field that every version of every file has."""

    schema: str


def encode(value: object) -> bytes:
    """``value`` as indented UTF-8 JSON with a newline at its end."""
    return msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n"


def decode(text: bytes, kind: type[T], *, name: str) -> T:
    """Read ``text`` as one ``kind``; ``name`` says in messages where it came from.

    Raises:
        FileError: it is not JSON, cut off, or not of this shape; the message names the place.
    """
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.ValidationError as error:
        raise FileError(f"{name} is not a connprof report: {_lower(error)}.") from None
    except msgspec.DecodeError as error:
        raise FileError(f"{name} is damaged: {_lower(error)}.") from None
    except (UnicodeDecodeError, RecursionError) as error:
        raise FileError(f"{name} is damaged: {type(error).__name__} while it was read.") from None


def load_report(path: Path) -> Report:
    """The report in ``path``, or in ``path/report.json`` when it is a folder.

    Raises:
        FileError: one sentence that names the file: absent, unreadable, empty, cut off, of another kind, or written
            by a newer connprof.
    """
    file = path / "report.json" if path.is_dir() else path
    try:
        if file.stat().st_size > LARGEST_FILE_BYTES:
            raise FileError(f"{file} is larger than {LARGEST_FILE_BYTES // 1_000_000} MB: that is no connprof report.")
        text = file.read_bytes()
    except OSError as error:
        raise FileError(f"{file} cannot be read: {error.strerror or error}.") from None
    if not text.strip():
        raise FileError(f"{file} is empty.")
    _check_schema(decode(text, _Head, name=str(file)).schema, name=str(file))
    return decode(text, Report, name=str(file))


def save_report(report: Report, path: Path) -> None:
    """Write ``report`` to the file ``path``, whole or not at all.

    Raises:
        FileError: the disk is full, the folder is read-only.
    """
    write_atomically(path, encode(report))


def write_atomically(path: Path, content: bytes) -> None:
    """Put ``content`` into ``path`` so that a reader sees the old file or the new one, never a part.

    Raises:
        FileError: it cannot be written; nothing is left behind.
    """
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except OSError as error:
        raise FileError(f"{path} cannot be written: {error.strerror or error}.") from None
    finally:
        if temporary is not None:
            with suppress(OSError):
                Path(temporary).unlink(missing_ok=True)


def _check_schema(schema: str, *, name: str) -> None:
    kind, _, version = schema.partition("/")
    if kind != _NAME or not version.isdecimal():
        raise FileError(f"{name} is not a connprof report: its schema is {schema[:40]!r}.")
    if int(version) > int(_VERSION):
        raise FileError(f"{name} was written by a newer connprof (schema {schema}); this one reads up to {SCHEMA}.")
    if int(version) < int(_VERSION):
        raise FileError(f"{name} has schema {schema}, which no connprof has written.")


def _lower(error: Exception) -> str:
    message = str(error)
    return message[:1].lower() + message[1:]
