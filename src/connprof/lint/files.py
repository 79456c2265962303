"""Which files are looked at, and what can be said of those that cannot be read."""

from __future__ import annotations

import os
import re
import stat
import tokenize
from fnmatch import fnmatchcase
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Final

from connprof.errors import FileError, UsageError
from connprof.plain import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["LARGEST_BYTES", "excluded", "found", "project_root", "python_files", "read", "shown"]

LARGEST_BYTES: Final = 5_000_000
"""Larger files are generated, or no source at all, and are not read."""

_SUFFIXES: Final = (".py", ".pyw")
_SKIPPED: Final = frozenset({"node_modules", "__pycache__", "site-packages", "build", "dist", "__pypackages__"})
_ROOT_MARKS: Final = ("pyproject.toml", "setup.py", "setup.cfg", ".git")


def found(paths: Sequence[Path], exclude: Sequence[str]) -> tuple[list[Path], list[str]]:
    """Files to check, in order and each once; and sentences on what was left alone.

    Raises:
        UsageError: a folder holds no Python file.
        FileError: a path does not exist.
    """
    files: dict[Path, Path] = {}
    notes: list[str] = []
    for path in paths:
        if path.is_dir():
            before = list(python_files(path))
            if not before:
                raise UsageError(f"{plain(str(path))} holds no Python file.")
            chosen = before
        elif path.suffix == ".ipynb":
            notes.append(f"{plain(str(path))} is a notebook, and was left alone.")
            continue
        elif os.path.lexists(path):
            chosen = [path]
        else:
            raise FileError(f"{plain(str(path))} does not exist: there is no such file or folder here.")
        for file in chosen:
            if not excluded(file, exclude):
                files.setdefault(Path(os.path.realpath(file)), file)
    return list(files.values()), notes


def python_files(folder: Path) -> Iterator[Path]:
    """Python files below ``folder``: no hidden folders, environments or what is built; no folder behind a link."""
    for where, folders, names in os.walk(folder):
        here = Path(where)
        folders[:] = sorted(
            name
            for name in folders
            if name not in _SKIPPED and not name.startswith(".") and not os.path.lexists(here / name / "pyvenv.cfg")
        )
        for name in sorted(names):
            if name.endswith(_SUFFIXES):
                yield here / name


def excluded(file: Path, globs: Sequence[str]) -> bool:
    """Whether a glob fits the path, a part of it, or a folder on the way to it."""
    text = shown(file)
    parts = text.split("/")
    ways = ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]
    return any(
        fnmatchcase(candidate, glob.rstrip("/").removeprefix("./")) for glob in globs for candidate in (*ways, *parts)
    )


def shown(file: Path) -> str:
    """The path as people read it: from the current folder where it lies below, with forward slashes."""
    absolute = Path(os.path.abspath(file))  # noqa: PTH100 - not resolve(): links stay as they were given
    try:
        return absolute.relative_to(Path.cwd()).as_posix()
    except ValueError:
        return absolute.as_posix()


def project_root(paths: Sequence[Path]) -> Path:
    """The nearest folder around all of ``paths`` that looks like a project's; else the folder that holds them all."""
    resolved = [Path(os.path.realpath(path)) for path in paths]
    folders = [path if path.is_dir() else path.parent for path in resolved]
    common = Path(os.path.commonpath(folders))
    for folder in (common, *common.parents):
        if folder in {Path.home(), Path(folder.anchor)}:  # a mark there is somebody's habit, and no project
            break
        if any((folder / mark).exists() for mark in _ROOT_MARKS):
            return folder
    return common


def read(file: Path) -> tuple[str, str]:
    """The text of ``file``, or why there is none: one of the two is empty unless the file is."""
    try:
        status = file.stat()
        if not stat.S_ISREG(status.st_mode):
            return "", "is no regular file, and was not read."
        if status.st_size > LARGEST_BYTES:
            return "", f"is larger than {LARGEST_BYTES // 1_000_000} MB, and was not read."
        content = file.read_bytes()
    except (OSError, ValueError) as error:
        return "", f"cannot be read: {getattr(error, 'strerror', None) or error}."
    try:
        encoding, _ = tokenize.detect_encoding(BytesIO(content).readline)
        text = content.decode(encoding)
    except (SyntaxError, UnicodeDecodeError, LookupError) as error:
        return "", f"cannot be decoded: {_first(error)}."
    if "\0" in text:
        return "", "holds null bytes, and is no Python source."
    return re.sub(r"\r\n?", "\n", text), ""


def _first(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start + 1:,} is no {error.encoding.upper()}"
    return str(error).splitlines()[0] if str(error) else type(error).__name__
