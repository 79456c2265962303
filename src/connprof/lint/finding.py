"""What a check of the source ends with: findings, and files that could not be checked."""

from __future__ import annotations

from enum import StrEnum

import msgspec

__all__ = ["Finding", "Outcome", "Place", "Problem", "Sureness"]


class Sureness(StrEnum):
    """How sure a finding is. Source alone does not tell how often a line runs."""

    CERTAIN = "certain"
    """The source itself shows that the line runs many times."""
    LIKELY = "likely"
    """Nothing keeps the line to a single run, and the code reads as if it ran often."""
    GUESS = "guess"
    """It may as well run once."""

    @property
    def rank(self) -> int:
        """0 for the surest."""
        return list(Sureness).index(self)


class Place(msgspec.Struct, frozen=True, order=True):
    """A place in a file. Lines and columns count from 1, columns in characters."""

    path: str
    line: int
    column: int
    end_line: int
    end_column: int


class Finding(msgspec.Struct, frozen=True):
    """One thing found.

    ``what`` is made or used here, and ``why`` says what speaks for ``sureness``. ``chain`` leads to where a library's
    client or context really is made, if that is elsewhere.
    """

    code: str
    place: Place
    function: str
    what: str
    sureness: Sureness
    why: str
    fix: str
    documentation: str
    measured_as: str
    chain: tuple[Place, ...] = ()


class Problem(msgspec.Struct, frozen=True):
    """A file that could not be checked, in one sentence."""

    path: str
    sentence: str


class Outcome(msgspec.Struct, frozen=True):
    """Everything that came out."""

    findings: tuple[Finding, ...]
    problems: tuple[Problem, ...]
    files_count: int
    suppressed_count: int
    """Findings that a ``# noqa`` comment keeps away."""
    below_count: int = 0
    """Findings less sure than was asked for."""
    notes: tuple[str, ...] = ()
    """What was left alone, and is no fault."""
