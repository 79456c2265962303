"""Numbers on the command line."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from click import Context, Parameter

__all__ = ["COUNT", "RATIO"]


class _Count(click.IntRange):
    """So many of something: what it takes is said in words, and as the pytest plugin says it."""

    name = "whole number"

    def convert(self, value: Any, param: Parameter | None, ctx: Context | None) -> int:
        try:
            number = int(value)
        except ValueError:
            number = -1
        if number < 0:
            self.fail(f"it must be a whole number from 0, not {value!r}.", param, ctx)
        return number


class _Ratio(click.FloatRange):
    """So many of something for each of something else."""

    name = "number"

    def convert(self, value: Any, param: Parameter | None, ctx: Context | None) -> float:
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not (math.isfinite(number) and number >= 0):
            self.fail(f"it must be a number from 0, not {value!r}.", param, ctx)
        return number


COUNT = _Count(0)
RATIO = _Ratio(0)
