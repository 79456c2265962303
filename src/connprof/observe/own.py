"""Installed code that is the user's own: of packages that are named, or that were installed from a folder.

What stands in ``site-packages`` is a library's, but for the program itself where it is deployed as a package.
"""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["OWN", "Own", "is_entry_script", "is_installed", "whole_names"]

_INSTALLED: Final = tuple(f"{os.sep}{name}{os.sep}" for name in ("site-packages", "dist-packages"))
_NEVER: Final = frozenset(
    {
        "aiobotocore", "aiohttp", "anyio", "boto3", "botocore", "certifi", "connprof", "h11", "h2", "httpcore",
        "httpcore2", "httplib2", "httpx", "httpx2", "jh2", "niquests", "requests", "sniffio", "trio", "truststore",
        "urllib3", "urllib3_future", "uvloop",
    }
)  # fmt: skip
"""Distributions that are libraries also where they were installed from a folder, as those who work on them do."""
_SCRIPT_LETTERS: Final = 2_000
_OF_AN_INSTALLER: Final = re.compile(
    r"|#.*|import (re|sys)|from [\w.]+ import \w+|if __name__ == ['\"]__main__['\"]:"
    r"|(el)?if sys\.argv\[0\]\.endswith\(.*\):"
    r"|sys\.argv\[0\] = .*|sys\.exit\([\w.]+\(\)\)"
)
"""A line of what pip, uv and setuptools write: they import one function, call it, and do nothing else."""
_SCRIPT_FOLDERS: Final = frozenset({"bin", "scripts"})


class Own:
    """Which installed files are the user's own.

    One that was installed from a folder, as ``pip install .`` does, says so itself (PEP 610, ``direct_url.json``).
    """

    def __init__(self) -> None:
        self.names: tuple[str, ...] = ()
        self._packages: tuple[str, ...] = ()
        self._places: tuple[str, ...] = ()
        self._files: dict[str, frozenset[str]] = {}

    def name(self, names: Iterable[str]) -> None:
        """Take these for user code as well: import names of installed packages and modules, or paths.

        They stand in the place of those named before; see :func:`connprof.observe.sites.take_for_user_code`.
        """
        self.names = given = tuple(name.strip() for name in names if name.strip())
        paths = [name for name in given if _is_path(name)]
        self._places = tuple(
            os.path.normcase(os.path.abspath(path)).rstrip(os.sep)  # noqa: PTH100 - a string is wanted
            for path in paths
        )
        self._packages = tuple(os.path.normcase(name.replace(".", os.sep)) for name in given if name not in paths)

    def met(self) -> list[str]:
        """Which of the packages named have been imported, or are being run, in this process."""
        spec = getattr(sys.modules.get("__main__"), "__spec__", None)
        run = str(getattr(spec, "name", ""))
        return [name for name in self.names if name in sys.modules or name == run]

    def holds(self, path: str) -> bool:
        """Whether a library's file, by its whole and normal path, is the user's own after all."""
        if any(path == place or path.startswith(place + os.sep) for place in self._places):
            return True
        end = max(path.rfind(mark) + len(mark) if mark in path else 0 for mark in _INSTALLED)
        if not end:
            return False
        folder, file = path[:end], path[end:]
        if any(file.startswith(name + os.sep) or file == f"{name}.py" for name in self._packages):
            return True
        files = self._files.get(folder)
        if files is None:
            files = self._files[folder] = frozenset(_installed_from_folders(folder))
        return file in files


def is_installed(path: str) -> bool:
    """Whether a file, by its whole and normal path, is of an installed package."""
    return any(mark in path for mark in _INSTALLED)


def whole_names(names: Iterable[str], folder: str = "") -> tuple[str, ...]:
    """Names that a user gave: those of packages as they are, and paths, seen from ``folder``, as whole ones.

    A package is meant where the same word is the name of both.

    Raises:
        ValueError: something is neither, in a sentence without its end.
    """
    found = []
    for name in names:
        if not name.strip():
            raise ValueError("a name is empty")
        if _is_imported_as(name):
            found.append(name)
        elif os.path.exists(path := os.path.abspath(os.path.join(folder, name))):  # noqa: PTH100, PTH110, PTH118
            found.append(path)
        elif _is_path(name):
            raise ValueError(f"there is no file or folder {name!r}")
        else:
            raise ValueError(f"{name!r} is no name that can be imported, and no folder")
    return tuple(found)


def _is_imported_as(name: str) -> bool:
    return all(part.isidentifier() for part in name.split(".")) and not name.endswith(".py")


def _is_path(name: str) -> bool:
    return os.sep in name or (os.altsep is not None and os.altsep in name) or name.endswith(".py")


def _installed_from_folders(folder: str) -> Iterator[str]:
    """Files of distributions that were installed from a folder into ``folder``, relative to that."""
    try:
        names = [name for name in os.listdir(folder) if name.endswith(".dist-info")]  # noqa: PTH208 - names are wanted
    except OSError:
        return
    for name in names:
        distribution = name.partition("-")[0].lower().replace("-", "_").replace(".", "_")
        if distribution not in _NEVER and _is_from_folder(folder + name):
            yield from _recorded(folder + name)


def _is_from_folder(information: str) -> bool:
    origin = _text(f"{information}{os.sep}direct_url.json")
    if not origin or "dir_info" not in origin:  # most have no such file, and few of the others come from a folder
        return False
    import json

    try:
        told = json.loads(origin)
        # One that is editable stands in its own folder; what is here is the installer's.
        is_from_folder = not told["dir_info"].get("editable") and str(told["url"]).startswith("file:")
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError):
        return False
    # conda's packages name the folder in which somebody built them.
    return is_from_folder and _text(f"{information}{os.sep}INSTALLER").strip().lower() != "conda"


def _recorded(information: str) -> Iterator[str]:
    for line in _text(f"{information}{os.sep}RECORD").splitlines():
        file = line.rsplit(",", 2)[0].strip('"')
        if file.endswith(".py"):
            yield os.path.normcase(file)


def _text(path: str, letters_max: int = -1) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - a string is what there is
            return file.read(letters_max)
    except OSError:
        return ""


def is_entry_script(path: str) -> bool:
    """Whether a file is what an installer writes for a package's command: nobody's line, nor one to be mended."""
    folder = os.path.basename(os.path.dirname(path))  # noqa: PTH119, PTH120 - strings are wanted
    if folder.lower() not in _SCRIPT_FOLDERS:
        return False
    text = _text(path, _SCRIPT_LETTERS + 1)
    if len(text) > _SCRIPT_LETTERS or not text.startswith("#!") or "sys.argv[0]" not in text or "sys.exit(" not in text:
        return False
    lines = [line.strip() for line in text.splitlines()]
    return all(_OF_AN_INSTALLER.fullmatch(line) for line in lines)


OWN: Final = Own()
"""For the default way of telling user code."""
