"""What ``[tool.connprof.lint]`` in a project's ``pyproject.toml`` says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from connprof.codes import BY_CODE
from connprof.errors import FileError, UsageError
from connprof.lint.finding import Sureness
from connprof.settings import tool_table

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["LINT_CODES", "LintSettings", "checked_codes", "load_lint_settings"]

LINT_CODES: Final = tuple(code for code, each in BY_CODE.items() if "lint" in each.sources)


class LintSettings(msgspec.Struct, frozen=True):
    """What is looked for, and where not."""

    select: tuple[str, ...] = ()
    """Only these codes; none means all."""
    ignore: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    """Globs of paths, as from the current folder."""
    level: Sureness = Sureness.GUESS
    """The least sure findings that count."""
    clients: tuple[str, ...] = ()
    """Full names of more classes that are clients."""


_LISTS: Final = ("select", "ignore", "exclude", "clients")


def load_lint_settings(file: Path | None = None) -> LintSettings:
    """The settings in ``file``, or in ``pyproject.toml`` of the current folder, or the defaults.

    Raises:
        FileError: the file cannot be read, or has an unknown key or a wrong value in that table.
    """
    path, table = tool_table("lint", file)
    known = (*_LISTS, "level")
    for key in table:
        if key not in known:
            raise FileError(f"{path}: tool.connprof.lint has no key {key!r}; there are: {', '.join(known)}.")
    select, ignore, exclude, clients = (_texts(table.get(key, []), key, path) for key in _LISTS)
    try:
        checked_codes(select, "select")
        checked_codes(ignore, "ignore")
    except UsageError as error:
        raise FileError(f"{path}: tool.connprof.lint: {error}") from None
    level = table.get("level", Sureness.GUESS.value)
    if not isinstance(level, str) or level not in list(Sureness):
        raise FileError(f"{path}: tool.connprof.lint.level must be one of: {', '.join(Sureness)}.")
    return LintSettings(select, ignore, exclude, Sureness(level), clients)


def _texts(value: object, key: str, path: Path) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) and each for each in value):
        raise FileError(f"{path}: tool.connprof.lint.{key} must be a list of texts.")
    return tuple(value)


def checked_codes(codes: Iterable[str], what: str) -> tuple[str, ...]:
    """``codes``, each of which must be one.

    Raises:
        UsageError: one is unknown, or is selected and can only be found by running the program.
    """
    for code in codes:
        if code not in BY_CODE:
            raise UsageError(f"{what}: there is no code {code!r}; there are: {', '.join(LINT_CODES)}.")
        if what == "select" and code not in LINT_CODES:
            raise UsageError(f"{what}: {code} is found by running the program only; here are: {', '.join(LINT_CODES)}.")
    return tuple(codes)
