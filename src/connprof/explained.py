"""A section of the documentation of codes as plain text or as a terminal shows it: of Markdown only what it uses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Look", "explained"]

Look: TypeAlias = Literal["heading", "strong", "slanted", "code"]

_HEADING: Final = re.compile(r"\*(?P<name>[A-Z][^*]*)[.:]\*\s*")
_HEADINGS: Final = {"Run": "What a run sees"}
_MARKED: Final = re.compile(
    r"`(?P<code>[^`]+)`|\*\*(?P<strong>[^*]+)\*\*|\*(?P<slanted>[^*\s][^*]*)\*|\[(?P<link>[^\]]+)\]\([^)]+\)"
)
_LOOKS: Final[dict[str | None, Look]] = {"code": "code", "strong": "strong", "slanted": "slanted"}

_Word: TypeAlias = tuple[int, str]


def explained(markdown: str, *, width: int, styled: Callable[[str, Look], str] | None = None) -> str:
    """``markdown`` with its paragraphs filled to ``width``, its examples as they are, and its labels as headings.

    ``styled`` puts escape codes around a text; without it there are none, and no marks either.
    """
    look = styled or (lambda text, _look: text)
    lines: list[str] = []
    for block in re.split(r"\n\s*\n", markdown.strip("\n")):
        if block.startswith("    "):
            lines += [look(line, "code") if line.strip() else "" for line in block.split("\n")]
        else:
            text = " ".join(block.split())
            heading = _HEADING.match(text)
            if heading is not None:
                lines.append(look(_HEADINGS.get(heading["name"], heading["name"]), "heading"))
                text = text[heading.end() :]
                if not text:
                    continue
            lines += _filled(_words(text, look), width)
        lines.append("")
    return "\n".join(lines).strip("\n")


def _words(text: str, look: Callable[[str, Look], str]) -> Iterator[_Word]:
    """Words with the number of letters that are seen of them; marks may stand within a word and around several."""
    length, word = 0, ""
    for part, how in _parts(text):
        for number, piece in enumerate(part.split(" ")):
            if number:
                if word:
                    yield length, word
                length, word = 0, ""
            if piece:
                length, word = length + len(piece), word + (look(piece, how) if how else piece)
    if word:
        yield length, word


def _parts(text: str) -> Iterator[tuple[str, Look | None]]:
    at = 0
    for found in _MARKED.finditer(text):
        yield text[at : found.start()], None
        yield found[found.lastgroup or 0], _LOOKS.get(found.lastgroup)
        at = found.end()
    yield text[at:], None


def _filled(words: Iterator[_Word], width: int) -> list[str]:
    lines: list[str] = []
    room = 0
    for length, word in words:
        if lines and length < room:
            lines[-1] += f" {word}"
            room -= length + 1
        else:
            lines.append(word)
            room = width - length
    return lines
