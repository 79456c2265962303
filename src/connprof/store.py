"""Reports and profiles on disk. The only module that knows JSON, schema versions and how a file is written safely."""

from __future__ import annotations

import os
import re
import stat
import tempfile
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar

import msgspec

from connprof.abridged import AbridgedReport
from connprof.errors import FileError
from connprof.model import SCHEMA, Report
from connprof.profile import PROCESS_SCHEMA, PROFILE_SCHEMA, ProcessProfile, Profile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

__all__ = [
    "LARGEST_FILE_BYTES",
    "OtherKindError",
    "abridge",
    "decode",
    "encode",
    "encode_profile",
    "every_report_file",
    "load_abridged",
    "load_found",
    "load_process_profile",
    "load_profile",
    "load_report",
    "moment",
    "report_files",
    "save_report",
    "write_atomically",
    "write_together",
]

LARGEST_FILE_BYTES = 512_000_000
"""A larger file is refused unread: no run of the suite writes a hundredth of it."""

_LONGEST_VERSION = 9

T = TypeVar("T")
L = TypeVar("L")
R = TypeVar("R", Report, AbridgedReport, ProcessProfile, Profile)


class OtherKindError(FileError):
    """The file is none of the kind that was asked for, but another that connprof writes."""


_OTHER_KINDS = {
    "connprof-calibration": "a calibration",
    "connprof-comparison": "a comparison",
    "connprof-duel": "a duel",
    "connprof-lint": "what connprof lint found",
    "connprof-process": "the profile of a process",
    "connprof-profile": "the profile of a program",
    "connprof-pytest": "the summary of a test run",
}
_JSON_BEGINS = {b"", b"{", b"["}
"""Text that begins otherwise has never been one of our files."""
_OTHER_FILES = {
    "calibration-samples.json": "the samples of a calibration",
    "pytest-benchmark.json": "what pytest-benchmark measured",
}


class _Head(msgspec.Struct):
    """The one field that every version of every file has."""

    schema: str


def encode(value: object) -> bytes:
    """``value`` as indented UTF-8 JSON with a newline at its end."""
    return msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n"


def decode(text: bytes, kind: type[T], *, name: str, noun: str = "report") -> T:
    """Read ``text`` as one ``kind``; ``name`` says in messages where it came from, ``noun`` what it should be.

    Raises:
        FileError: it is not JSON, cut off, not of this shape, or a figure in it can be none; the message names the
            place.
    """
    try:
        decoded = msgspec.json.decode(text, type=kind)
    except msgspec.ValidationError as error:
        raise FileError(f"{name} is not a connprof {noun}: {_lower(error)}.") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        begin = text.lstrip()[:1]
        if begin.isascii() and begin not in _JSON_BEGINS:
            raise FileError(f"{name} is not a connprof {noun}: it is not JSON.") from None
        raise FileError(f"{name} is damaged: {_not_utf8(text) or _lower(error)}.") from None
    except RecursionError:
        raise FileError(f"{name} is damaged: it is nested too deeply to be read.") from None
    if isinstance(decoded, Report | AbridgedReport):
        if isinstance(decoded, AbridgedReport) and _is_suspect(text):
            # What a comparison passes over must be fit to be read as well.
            decode(text, Report, name=name, noun=noun)
        for place, said in _moments(decoded):
            if moment(said) is None:
                raise FileError(f"{name} is not a connprof {noun}: {_cut(said[:40])!r} is no time - at `{place}`.")
    return decoded


def _not_utf8(text: bytes) -> str:
    try:
        text.decode()
    except UnicodeDecodeError as error:
        return f"it is not UTF-8 text (byte {error.start + 1:,} is 0x{text[error.start]:02X})"
    return ""


def moment(text: str) -> datetime | None:
    """The moment that ``text`` names in ISO 8601, of UTC where it names no zone; nothing where it names none."""
    try:
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _moments(report: Report | AbridgedReport) -> Iterator[tuple[str, str]]:
    yield "$.run.started_at", report.run.started_at
    for name, times in (
        ("records", [record.cached_from for record in report.records]),
        ("safety", [cell.cached_from for cell in report.safety]),
    ):
        for place, said in enumerate(times):
            if said is not None:
                yield f"$.{name}[{place}].cached_from", said


def load_report(path: Path) -> Report:
    """The report in ``path``, or in ``path/report.json`` when it is a folder.

    Raises:
        FileError: one sentence that names the file: absent, unreadable, empty, cut off, of another kind, or written
            by a newer connprof.
    """
    with suppress(OSError):  # where it cannot be looked at, reading it tells why
        path = path / "report.json" if path.is_dir() else path
    return _load(path, Report)


def load_profile(file: Path | str) -> Profile:
    """The profile of a run in ``file``.

    Raises:
        FileError: as :func:`load_report`.
    """
    return _load(Path(file), Profile, schema=PROFILE_SCHEMA, noun="profile")


def load_process_profile(file: Path) -> ProcessProfile:
    """What one observed process left in ``file``.

    Raises:
        FileError: as :func:`load_report`.
    """
    return _load(file, ProcessProfile, schema=PROCESS_SCHEMA, noun="process profile")


def encode_profile(profile: Profile) -> bytes:
    """``profile`` as a file holds it."""
    return encode(profile)


def load_abridged(file: Path) -> AbridgedReport:
    """What a comparison needs of the report in ``file``.

    Raises:
        FileError: as :func:`load_report`, and where a count is missing or a case occurs twice.
    """
    report = _load(file, AbridgedReport)
    _check_cases(report, name=str(file))
    return report


def abridge(report: Report, *, name: str = "the report") -> AbridgedReport:
    """The same report as a comparison reads it."""
    abridged = decode(msgspec.json.encode(report), AbridgedReport, name=name)
    _check_cases(abridged, name=name)
    return abridged


def report_files(path: Path) -> tuple[Path, ...]:
    """The report files that ``path`` stands for: itself, or ``path/report.json``.

    Where a folder has no ``report.json``, they are all other ``.json`` files in it and the ``report.json`` of each
    folder in it.

    Raises:
        FileError: the folder cannot be read, or holds none.
    """
    try:
        if not path.is_dir():
            return (path,)
        one = path / "report.json"
        return (one,) if one.exists() else every_report_file(path)
    except OSError as error:
        raise FileError(f"{error.filename or path} cannot be read: {error.strerror or error}.") from None


def every_report_file(folder: Path) -> tuple[Path, ...]:
    """All ``.json`` files in ``folder``, and the ``report.json`` of each folder in it.

    Raises:
        FileError: the folder cannot be read, or holds none.
    """
    try:
        entries = sorted(folder.iterdir())
        inside = [entry for entry in entries if (entry / "report.json").exists()]
        # A folder of such a name is no report, and whoever called it so is told.
        files = [entry for entry in entries if entry.suffix == ".json" and entry not in inside]
        files += [entry / "report.json" for entry in inside]
    except OSError as error:
        raise FileError(f"{error.filename or folder} cannot be read: {error.strerror or error}.") from None
    if not files:
        raise FileError(f"{folder} holds no report: neither a .json file nor a folder with a report.json.")
    return tuple(files)


def load_found(files: Iterable[Path], load: Callable[[Path], L]) -> tuple[list[tuple[str, L]], list[str]]:
    """Each report with its file's name, from files that were found in a folder, by :func:`load_report` or alike.

    What connprof itself writes beside reports is passed over: a sentence on each such file comes second.

    Raises:
        FileError: as :func:`load_report`; where no report is left, as for the first of them.
    """
    found: list[tuple[str, L]] = []
    others: list[OtherKindError] = []
    for file in files:
        if file.name in _OTHER_FILES:
            others.append(OtherKindError(f"{file} is {_OTHER_FILES[file.name]}, not a report."))
            continue
        try:
            found.append((str(file), load(file)))
        except OtherKindError as error:
            others.append(error)
    if not found and others:
        raise others[0]
    return found, [f"Passed over: {error}" for error in others]


def _load(file: Path, kind: type[R], *, schema: str = SCHEMA, noun: str = "report") -> R:
    try:
        text = _text(file, noun)
    except (OSError, ValueError) as error:
        raise FileError(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}.") from None
    if not text or text.isspace():
        raise FileError(f"{file} is empty.")
    try:
        loaded = decode(text, kind, name=str(file), noun=noun)
    except FileError:
        # Of another version or kind, a file is not damaged; that is the better reason, where it is one.
        found = decode(text, _Head, name=str(file), noun=noun).schema
        _check_schema(found, name=str(file), wanted=schema, noun=noun)
        raise
    _check_schema(loaded.schema, name=str(file), wanted=schema, noun=noun)
    return loaded


_PIPES = ("/dev/stdin", "/dev/fd/", "/proc/self/fd/")
"""What a shell names a pipe that it has opened itself. Any other may have nobody at its other end."""


def _text(file: Path, noun: str) -> bytes:
    """All of a file, or of a pipe from the shell. Nothing else is opened: a device has no end, a pipe may wait."""
    found = file.stat()
    is_pipe = stat.S_ISFIFO(found.st_mode) and str(file).startswith(_PIPES)
    if not (is_pipe or stat.S_ISREG(found.st_mode)):
        raise FileError(f"{file} is {_kind(found.st_mode)}, not a file: that is no connprof {noun}.")
    text = b""
    if found.st_size <= LARGEST_FILE_BYTES:
        with file.open("rb") as stream:
            text = stream.read(found.st_size) if not is_pipe else _piped(stream)
    if max(found.st_size, len(text)) > LARGEST_FILE_BYTES:
        raise FileError(f"{file} is larger than {LARGEST_FILE_BYTES // 1_000_000} MB: that is no connprof {noun}.")
    return text


def _piped(stream: BinaryIO) -> bytes:
    """What comes through a pipe, until it is one piece too large."""
    pieces, size = [], 0
    while size <= LARGEST_FILE_BYTES and (piece := stream.read(1 << 20)):
        pieces.append(piece)
        size += len(piece)
    return b"".join(pieces)


def _kind(mode: int) -> str:
    kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")


def _check_cases(report: AbridgedReport, *, name: str) -> None:
    seen = set()
    for record in report.records:
        if record.case in seen:
            raise FileError(f"{name} holds the case {record.case.key[:100]!r} twice.")
        seen.add(record.case)
    probed = set()
    for cell in report.safety:
        if cell.key in probed:
            raise FileError(f"{name} holds the hazard probe {cell.key[:100]!r} twice.")
        probed.add(cell.key)


def save_report(report: Report, path: Path) -> None:
    """Write ``report`` to the file ``path``, whole or not at all.

    Raises:
        FileError: the disk is full, the folder is read-only.
    """
    write_atomically(path, encode(report))


def write_atomically(path: Path, content: bytes) -> None:
    """Put ``content`` into ``path`` so that a reader sees the old file or the new one, never a part.

    A link stays one, and what is there but is no file (``/dev/stdout``, a pipe) is written to, not replaced.

    Raises:
        FileError: it cannot be written; nothing is left behind.
    """
    write_together({path: content})


def write_together(contents: Mapping[Path, bytes]) -> None:
    """Put each content into its file as :func:`write_atomically` does, and none where the disk has no room for all.

    Raises:
        FileError: one of them cannot be written; nothing is left behind.
    """
    staged: list[tuple[Path, str, Path]] = []
    path = Path()
    try:
        for path, content in contents.items():
            if path.exists() and not (path.is_file() or path.is_dir()):
                with path.open("wb") as stream:
                    stream.write(content)
            else:
                _stage(path, content, staged)
        for place, temporary, target in staged:
            path = place
            Path(temporary).replace(target)
    except OSError as error:
        raise FileError(f"{path} cannot be written: {error.strerror or error}.") from None
    finally:
        for _, temporary, _ in staged:
            with suppress(OSError):
                Path(temporary).unlink(missing_ok=True)


def _stage(path: Path, content: bytes, staged: list[tuple[Path, str, Path]]) -> None:
    """Write ``content`` beside the place where it is to be."""
    target = Path(os.path.realpath(path)) if path.is_symlink() else path
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp")
    staged.append((path, temporary, target))
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    Path(temporary).chmod(0o644)


def _check_schema(schema: str, *, name: str, wanted: str, noun: str) -> None:
    kind, _, version = schema.partition("/")
    wanted_kind, _, newest = wanted.partition("/")
    # Python reads digits of any script as a number, and of thousands of digits none.
    if kind != wanted_kind and kind in _OTHER_KINDS:
        raise OtherKindError(f"{name} is {_OTHER_KINDS[kind]}, not a {noun} (its schema is {schema[:40]!r}).")
    if kind != wanted_kind or not (version.isascii() and version.isdecimal() and len(version) <= _LONGEST_VERSION):
        raise FileError(f"{name} is not a connprof {noun}: its schema is {schema[:40]!r}.")
    if int(version) > int(newest):
        raise FileError(f"{name} was written by a newer connprof (schema {schema}); this one reads up to {wanted}.")
    if int(version) < int(newest):
        raise FileError(f"{name} has schema {schema}, which no connprof has written.")


_ALIKE = bytes.maketrans(b"123456789\t\n\r:[,E", b"0" * 9 + b" " * 6 + b"e")
_LARGEST_DIGITS = b"0" * len(str(2**63))
_SIGNS = (
    (re.compile(rb"-0"), re.compile(rb" -0")),
    (re.compile(rb"0e[0+-]"), re.compile(rb" -?0[0.]*e")),
)
"""For a number below 0 and for one with an exponent: what is looked for first, as it is rare, and all of it."""
_NO_LATENCY = re.compile(rb'"latency_ns"[^"]*?[\[,\s]0[,\s\]]')
_AROUND_BYTES = 40
_PIECE_BYTES = 1 << 20


def _is_suspect(text: bytes) -> bool:
    """Whether JSON may hold a number that is below 0, has an exponent, or goes beyond 64 bits, or a latency of 0.

    Hardly any does.
    """
    if _NO_LATENCY.search(text):
        return True
    for start in range(0, len(text), _PIECE_BYTES):
        alike = text[max(start - _AROUND_BYTES, 0) : start + _PIECE_BYTES].translate(_ALIKE)
        if _LARGEST_DIGITS in alike:
            return True
        for sign, number in _SIGNS:
            for found in sign.finditer(alike):
                if number.search(alike, max(found.start() - _AROUND_BYTES, 0), found.end()):
                    return True
    return False


_LONGEST_REASON = 400


def _lower(error: Exception) -> str:
    """The decoder's reason as part of a sentence: names from a file can be long, and hold anything."""
    message = _cut(str(error))
    return message if message[:2].isupper() else message[:1].lower() + message[1:]  # "JSON is ..."


def _cut(text: str) -> str:
    message = "".join(letter if letter.isprintable() else "\ufffd" for letter in text)
    if len(message) > _LONGEST_REASON:
        # The end tells the place.
        message = f"{message[: _LONGEST_REASON // 2]}…{message[-_LONGEST_REASON // 2 :]}"
    return message
