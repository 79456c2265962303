"""Foreign text, such as a file's name, made fit for a terminal, a log or JSON."""

from __future__ import annotations

import unicodedata
from typing import Any

__all__ = ["inert", "plain", "readable"]

_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_UNSEEN = "\ufffd"
_COMMANDS = ("::", "##[")
"""What a CI system's runner takes for a command to itself at the beginning of a line."""


def plain(text: str) -> str:
    """Foreign text on one line: no control codes, no marks that turn the direction of what follows."""
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    shown = []
    for character in text:
        if character.isspace():
            shown.append(" ")
        elif character in _BIDI or unicodedata.category(character) in {"Cc", "Cs", "Co", "Cn"}:
            shown.append(_UNSEEN)
        else:
            shown.append(character)
    return " ".join("".join(shown).split())


def inert(line: str) -> str:
    """The line, with a question mark before what a CI system would take for a command."""
    return f"?{line}" if line.lstrip().startswith(_COMMANDS) else line


def readable(value: Any) -> Any:
    """``value``, of JSON's types, with its escape spelled out where a byte of a string is no text."""
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, dict):
        return {readable(key): readable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [readable(each) for each in value]
    return value
