"""The markers, as functions: the help that pytest shows is made of their signatures and docstrings.

Each takes what the marker was given and returns the limit; ``None`` lifts a limit that the ini file sets for all tests.
"""

from __future__ import annotations

import inspect
import math
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["MARKERS", "BadLimitError", "Limit", "ini_name", "is_asked", "limit_from_ini", "limits_of", "marker_lines"]

_LARGEST: Final = 10**18
_TOO_LARGE: Final = "it must be a number up to 10**18"
_UNITS: Final = {
    "B": 1,
    "kB": 10**3,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
}


class BadLimitError(Exception):
    """A limit that makes no sense; the message is one sentence that begins with the limit as it was written."""


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit of one test.

    Attributes:
        name: the marker's.
        value: a count, requests per connection, or bytes.
        written: as the person wrote it, and where: ``max_handshakes(3)``.
        from_ini: whether it is the ini file's, which applies to all tests.
    """

    name: str
    value: float
    written: str
    from_ini: bool


def max_ssl_contexts(n: int | None) -> float | None:
    """Fail the test if it makes more than n SSL contexts."""
    return _count(n)


def max_handshakes(n: int | None) -> float | None:
    """Fail the test if it finishes more than n TLS handshakes as a client, full and resumed ones together."""
    return _count(n)


def max_connections(n: int | None) -> float | None:
    """Fail the test if it opens more than n TCP connections."""
    return _count(n)


def min_requests_per_connection(x: float | None) -> float | None:
    """Fail the test if it opens connections and sends fewer than x requests on each of them, on average."""
    if x is None:
        return None
    if isinstance(x, bool) or not isinstance(x, int | float):
        raise TypeError(f"it must be a number, not {x!r}")
    if isinstance(x, int) and x > _LARGEST:
        raise ValueError(_TOO_LARGE)
    if not (math.isfinite(x) and x >= 0):
        raise ValueError(f"it must be a number from 0, not {x!r}")
    return x


def max_ssl_bytes(limit: str | int | None) -> float | None:
    """Fail the test if SSL allocates more than limit, such as "10 MB" or "512 KiB", freed or not. Needs memray."""
    if limit is None:
        return None
    if isinstance(limit, bool) or not isinstance(limit, int | str):
        raise TypeError(f"it must be bytes such as '10 MB', not {limit!r}")
    if isinstance(limit, int):
        return _count(limit)
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", limit, re.ASCII)
    if found is None:
        raise ValueError(f"it must be bytes such as '10 MB', not {limit!r}")
    number, unit = found.groups()
    if unit not in _UNITS:
        what = f"there is no unit {unit!r}" if unit else f"{limit!r} has no unit"
        raise ValueError(f"{what}: use one of {', '.join(_UNITS)}")
    return _count(int(Decimal(number) * _UNITS[unit]))


MARKERS: Final[dict[str, Callable[..., float | None]]] = {
    function.__name__: function
    for function in (max_ssl_contexts, max_handshakes, max_connections, min_requests_per_connection, max_ssl_bytes)
}


def marker_lines() -> Iterable[str]:
    """What ``pytest --markers`` shows of each."""
    for name, function in MARKERS.items():
        parameters = ", ".join(inspect.signature(function).parameters)
        yield f"{name}({parameters}): {(function.__doc__ or '').strip()}"


def ini_name(name: str) -> str:
    """The ini option that sets a limit for all tests."""
    return f"connprof_{name}"


def is_asked(item: Any) -> bool:
    """Whether a test carries one of the markers, itself or by its class or module."""
    return any(mark.name in MARKERS for mark in item.iter_markers())


def limit_from_ini(name: str, value: object, *, file: str) -> Limit | None:
    """The limit that an ini option sets; ``None`` where it is absent, empty or ``none``.

    Raises:
        BadLimitError: it makes no sense.
    """
    if isinstance(value, str) and value.strip().lower() in {"", "none"}:
        value = None
    if value is None:
        return None
    written = f"{ini_name(name)} = {value}"
    if isinstance(value, str) and name != "max_ssl_bytes":
        value = _number(value, whole=name != "min_requests_per_connection")
    return _made(name, written, (value,), {}, where=f"{file}: " if file else "", from_ini=True)


def limits_of(item: Any, defaults: Iterable[Limit]) -> tuple[Limit, ...]:
    """The limits of a test: those of the closest markers, and the ini file's where there is none.

    A parameter's marker is closer than its function's.

    Raises:
        BadLimitError: a marker's arguments make no sense; the message names the test.
    """
    limits: dict[str, Limit | None] = {limit.name: limit for limit in defaults}
    # pytest puts these behind the function's.
    marks = {mark.name: mark for mark in getattr(getattr(item, "callspec", None), "marks", ())}
    for name in MARKERS:
        mark = marks.get(name) or item.get_closest_marker(name)
        if mark is not None:
            arguments = [_shown(each) for each in mark.args]
            arguments += [f"{key}={_shown(each)}" for key, each in mark.kwargs.items()]
            written = f"{name}({', '.join(arguments)})"
            limits[name] = _made(name, written, mark.args, mark.kwargs, where=f"{item.nodeid}: ", from_ini=False)
    return tuple(limits[name] for name in MARKERS if limits.get(name))  # type: ignore[misc]  # None is left out


def _made(
    name: str, written: str, args: tuple[Any, ...], kwargs: dict[str, Any], *, where: str, from_ini: bool
) -> Limit | None:
    function = MARKERS[name]
    try:
        inspect.signature(function).bind(*args, **kwargs)
    except TypeError as error:
        raise BadLimitError(f"{where}{written}: {error}") from None
    try:
        value = function(*args, **kwargs)
    except (TypeError, ValueError) as error:
        raise BadLimitError(f"{where}{written}: {error}") from None
    return None if value is None else Limit(name, value, written, from_ini)


def _count(n: int | None) -> float | None:
    if n is None:
        return None
    if isinstance(n, bool) or not isinstance(n, int):
        raise TypeError(f"it must be a whole number, not {n!r}")
    if n > _LARGEST:
        raise ValueError(_TOO_LARGE)
    if n < 0:
        raise ValueError("it must be a whole number from 0, not " + _shown(n))
    return n


def _shown(value: object) -> str:
    """As it would be written; Python refuses that of a number with thousands of digits, as any object may."""
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - whatever a test gives to a marker
        return f"<{type(value).__name__}>"


def _number(text: str, *, whole: bool) -> object:
    """What the text says, or the text itself, which is then refused as the marker would refuse it."""
    try:
        return int(text) if whole else float(text)
    except ValueError:
        return text
