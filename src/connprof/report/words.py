"""Figures and foreign text as people read them. MB is 1,000,000 bytes and kB is 1,000; binary units never occur."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING

from connprof.plain import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "ABSENT",
    "bytes_text",
    "change",
    "count",
    "day",
    "duration",
    "joined",
    "megabytes",
    "milliseconds",
    "moment",
    "plain",
    "plural",
    "ratio",
    "round_bytes",
    "share",
    "times",
]

ABSENT = "–"  # noqa: RUF001  an en dash is meant: nothing was measured here
"""What stands in a cell for which nothing was measured."""

_MB = 1_000_000
_KB = 1_000


def count(value: float) -> str:
    """``1,234``; a whole number of things."""
    return f"{round(value):,}"


def plural(value: int, one: str, many: str | None = None) -> str:
    """``1 handshake``, ``40 handshakes``."""
    return f"{count(value)} {one if value == 1 else many or one + 's'}"


def megabytes(value_bytes: float) -> str:
    """The figure alone, for columns headed MB: ``299.1``."""
    return f"{value_bytes / _MB:,.1f}"


def bytes_text(value_bytes: float) -> str:
    """With its unit: ``299.1 MB``, ``38.4 kB``, ``360 B``."""
    if abs(value_bytes) >= _MB:
        return f"{megabytes(value_bytes)} MB"
    if abs(value_bytes) >= _KB:
        return f"{value_bytes / _KB:.1f} kB"
    return f"{value_bytes:.0f} B"


def round_bytes(value_bytes: float) -> str:
    """A published figure, with no more places than it was published with: ``295 MB``, ``147.5 MB``."""
    whole = value_bytes / _MB
    return f"{whole:,.0f} MB" if whole == round(whole) else f"{whole:,.1f} MB"


def _significant(value: float) -> str:
    """Three significant figures, never in powers of ten: ``0.42``, ``2.34``, ``23.4``, ``1,234``."""
    if value == 0:
        return "0"
    size = abs(value)
    for limit, digits in ((0.1, 3), (10, 2), (100, 1)):
        if size < limit:
            return f"{value:.{digits}f}"
    return f"{value:,.0f}"


def milliseconds(value_ns: float) -> str:
    """The figure alone, for columns headed ms: ``23.4``."""
    return _significant(value_ns / 1e6)


def ratio(value: float) -> str:
    """``1.01`` keeps two places near one; larger ones fewer: ``5.8``, ``25``."""
    size = abs(value)
    if size < 2:  # noqa: PLR2004  below two, hundredths matter
        return f"{value:.2f}"
    return f"{value:,.1f}" if size < 10 else f"{value:,.0f}"  # noqa: PLR2004  from ten on, tenths do not


def times(value: float) -> str:
    """A ratio as a factor: ``5.8x``."""
    return f"{ratio(value)}x"


def change(before: float, after: float, *, less: str, more: str) -> str:
    """What became of a figure: ``8x fewer``, ``1.2x more``, ``no change``; nothing where a ratio means nothing."""
    if before == after:
        return "no change"
    if before <= 0 or after <= 0:
        return ""
    larger, word = (before / after, less) if after < before else (after / before, more)
    digits = 0 if larger >= 10 or larger == round(larger) else 1  # noqa: PLR2004  from ten on, tenths do not matter
    return f"{larger:,.{digits}f}x {word}"


def share(value: float) -> str:
    """A part of one in per cent: ``90.2 %``."""
    return f"{100 * value:.1f} %"


def duration(seconds: float) -> str:
    """``48.2 s``, ``6 min 12 s``, ``1 h 5 min``."""
    minute, hour = 60, 3600
    if seconds < minute:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < hour:
        return f"{whole // minute} min {whole % minute} s"
    return f"{whole // hour} h {whole % hour // minute} min"


def moment(iso: str) -> str:
    """``20 November 2026, 09:41 UTC``; what cannot be read as a time is shown as it came."""
    try:
        when = datetime.fromisoformat(iso)
    except ValueError:
        return plain(iso)
    zone = when.strftime("%Z") or "local time"
    return f"{when.day} {_MONTHS[when.month - 1]} {when.year}, {when:%H:%M} {zone}"


def day(iso: str) -> str:
    """``5 March 2026``; what cannot be read as a date is shown as it came."""
    try:
        when = date.fromisoformat(iso)
    except ValueError:
        return plain(iso)
    return f"{when.day} {_MONTHS[when.month - 1]} {when.year}"


# Not from strftime: its month names depend on the reader's locale.
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def joined(parts: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    if len(parts) < 2:  # noqa: PLR2004  one thing is joined to nothing
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"
