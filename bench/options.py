"""Options that several of the suite's commands have."""

from __future__ import annotations

import click

__all__ = ["SEED", "round_trip"]

SEED = click.IntRange(0, 2**63 - 1)
"""What a report can hold: a larger seed would be refused where the report is read."""

_LONGEST_RTT_MS = 10_000


def round_trip(_context: click.Context, _option: click.Parameter, text: str) -> float:
    """``20``, ``20ms`` or ``0.1s`` -> milliseconds."""
    plain = text.strip().lower()
    if plain.endswith("ms"):
        number, factor = plain[:-2], 1.0
    elif plain.endswith("s"):
        number, factor = plain[:-1], 1000.0
    else:
        number, factor = plain, 1.0
    try:
        milliseconds = float(number) * factor
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a time such as 20ms or 0.1s") from None
    if not 0 <= milliseconds <= _LONGEST_RTT_MS:
        raise click.BadParameter(f"{text!r} is not between 0 and {_LONGEST_RTT_MS / 1000:g}s")
    return milliseconds
