"""Findings for another program."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from connprof import __version__
from connprof.plain import readable

if TYPE_CHECKING:
    from connprof.lint.finding import Outcome

__all__ = ["SCHEMA", "render"]

SCHEMA = "connprof-lint/1"
"""The name and version of this format."""


def render(outcome: Outcome) -> str:
    """One JSON object: ``schema``, ``version``, and the fields of :class:`connprof.lint.Outcome`."""
    content = {"schema": SCHEMA, "version": __version__, **readable(msgspec.to_builtins(outcome))}
    return msgspec.json.format(msgspec.json.encode(content), indent=2).decode() + "\n"
