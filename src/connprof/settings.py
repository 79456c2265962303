"""What a project's ``pyproject.toml`` says to connprof: tables, and the gate's policy in ``[tool.connprof.gate]``."""

from __future__ import annotations

import tomllib
from decimal import Decimal
from pathlib import Path

from connprof.compare import METRICS, MetricClass, metric_named
from connprof.errors import FileError
from connprof.gate import PPM_PER_PERCENT, Policy

__all__ = ["LARGEST_LIMIT_PERCENT", "load_policy", "tool_table"]

LARGEST_LIMIT_PERCENT = 10_000
"""A hundredfold. A larger limit would be none at all, which nobody should ask for by accident."""

_LARGEST_FILE_BYTES = 10_000_000


def load_policy(file: Path | None = None) -> Policy:
    """The policy in ``file``, or in ``pyproject.toml`` of the current folder, or the defaults.

    Raises:
        FileError: the file cannot be read, is no TOML, or has an unknown key or a wrong value in that table; one
            sentence that names the key. Without ``file``, an absent ``pyproject.toml`` is no error.
    """
    path, gate = tool_table("gate", file)
    return _policy(gate, path)


def tool_table(name: str, file: Path | None = None) -> tuple[Path, dict[str, object]]:
    """The table ``[tool.connprof.NAME]`` of ``file``, or of ``pyproject.toml`` of the current folder, and that path.

    Raises:
        FileError: the file cannot be read, or is no TOML. Without ``file``, an absent ``pyproject.toml`` is no error.
    """
    path = Path("pyproject.toml") if file is None else file
    try:
        if path.stat().st_size > _LARGEST_FILE_BYTES:
            raise FileError(f"{path} is larger than {_LARGEST_FILE_BYTES // 1_000_000} MB: that is no pyproject.toml.")
        text = path.read_bytes()
    except FileNotFoundError:
        if file is None:
            return path, {}
        raise FileError(f"{path} cannot be read: No such file or directory.") from None
    except (OSError, ValueError) as error:
        raise FileError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from None
    try:
        content = tomllib.loads(text.decode("utf-8"), parse_float=Decimal)
    except ArithmeticError:
        raise FileError(f"{path} holds a number that is too large or too small to be read.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise FileError(f"{path} is not valid TOML: {str(error).splitlines()[0].lower()}.") from None
    found = _table(_table(content.get("tool", {}), "tool", path).get("connprof", {}), "tool.connprof", path)
    return path, _table(found.get(name, {}), f"tool.connprof.{name}", path)


def _policy(gate: dict[str, object], path: Path) -> Policy:
    place = "tool.connprof.gate"
    known = ("limits", "cases", "allow_missing", "allow_failed")
    for key in gate:
        if key not in known:
            raise FileError(f"{path}: {place} has no key {key!r}; there are: {', '.join(known)}.")
    cases = _table(gate.get("cases", {}), f"{place}.cases", path)
    return Policy(
        limits_ppm=_limits(gate.get("limits", {}), f"{place}.limits", path),
        case_limits_ppm={case: _limits(limits, f"{place}.cases.{case!r}", path) for case, limits in cases.items()},
        allow_missing=_names(gate.get("allow_missing", []), f"{place}.allow_missing", path),
        allow_failed=_names(gate.get("allow_failed", []), f"{place}.allow_failed", path),
        source=str(path) if gate else "the defaults",
    )


def _table(value: object, place: str, path: Path) -> dict[str, object]:
    if not isinstance(value, dict):
        raise FileError(f"{path}: {place} must be a table, not {_kind(value)}.")
    return value


def _names(value: object, place: str, path: Path) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise FileError(f"{path}: {place} must be a list of names of cases.")
    return frozenset(value)


def _limits(value: object, place: str, path: Path) -> dict[str, int]:
    return {name: _limit(name, limit, place, path) for name, limit in _table(value, place, path).items()}


def _limit(name: str, value: object, place: str, path: Path) -> int:
    metric = metric_named(name)
    if metric is None:
        names = ", ".join(each.name for each in METRICS if each.kind is not MetricClass.EXACT)
        raise FileError(f"{path}: {place} has no metric {name!r}; limits can be set for: {names}.")
    if metric.kind is MetricClass.EXACT:
        raise FileError(f"{path}: {place}.{name} cannot be set: it is a count, and those must be equal.")
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise FileError(f"{path}: {place}.{name} must be a number of per cent, not {_kind(value)}.")
    percent = Decimal(value)
    if not percent.is_finite() or not 0 <= percent <= LARGEST_LIMIT_PERCENT:
        raise FileError(f"{path}: {place}.{name} must be between 0 and {LARGEST_LIMIT_PERCENT:,} per cent.")
    ppm = percent * PPM_PER_PERCENT
    if ppm != int(ppm):
        raise FileError(f"{path}: {place}.{name} has more than four decimals.")
    return int(ppm)


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "a truth value"
    names = {str: "a text", int: "a number", Decimal: "a number", list: "a list", dict: "a table"}
    return names.get(type(value), "a date or time")
