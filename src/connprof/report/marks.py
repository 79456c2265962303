"""States as symbols and words, and other small pieces that several sections need."""

from __future__ import annotations

from connprof.model import VerdictStatus
from connprof.report import words
from connprof.report.cases import State
from connprof.report.shapes import Mark

__all__ = [
    "GOOD",
    "STATE_MARKS",
    "bad_mark",
    "capital",
    "figure_text",
    "good_mark",
    "part_of",
    "status_mark",
    "unknown_mark",
    "warn_mark",
]

GOOD = frozenset({VerdictStatus.REPRODUCED, VerdictStatus.CONFIRMED})


def status_mark(status: VerdictStatus) -> Mark:
    """The mark of a half verdict."""
    if status in GOOD:
        return Mark(symbol="✓", word=status.value, tone="good")
    if status is VerdictStatus.NOT_MEASURED:
        return Mark(symbol="○", word=status.value, tone="warn")
    if status is VerdictStatus.INVALID:
        return Mark(symbol="!", word=status.value, tone="bad")
    return Mark(symbol="✕", word=status.value, tone="bad")


STATE_MARKS = {
    State.MEASURED: Mark(symbol="✓", word="measured", tone="good"),
    State.INVALID: Mark(symbol="!", word="invalid", tone="bad"),
    State.FAILED: Mark(symbol="✕", word="failed", tone="bad"),
    State.FORESEEN: Mark(symbol="✕", word="failed as declared", tone="warn"),
    State.INTERRUPTED: Mark(symbol="!", word="interrupted", tone="warn"),
    State.MISSING: Mark(symbol="○", word="not measured", tone="none"),
}


def good_mark(word: str) -> Mark:
    """A tick with a word."""
    return Mark(symbol="✓", word=word, tone="good")


def warn_mark(word: str) -> Mark:
    """An exclamation mark with a word."""
    return Mark(symbol="!", word=word, tone="warn")


def bad_mark(word: str) -> Mark:
    """A cross with a word."""
    return Mark(symbol="✕", word=word, tone="bad")


def unknown_mark(word: str) -> Mark:
    """A circle with a word, for what is not known."""
    return Mark(symbol="○", word=word, tone="none")


def figure_text(value: float | None) -> str:
    """A count, or a dash where it was not measured."""
    return words.ABSENT if value is None else words.count(value)


def part_of(part: int, whole: int, what: str) -> str:
    """``1 of 8 cases``."""
    return f"{words.count(part)} of {words.count(whole)} {what}"


def capital(text: str) -> str:
    """The text with a capital letter first."""
    return text[:1].upper() + text[1:]
