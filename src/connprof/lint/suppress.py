"""Comments that keep findings away, written as other tools want them too."""

from __future__ import annotations

import io
import re
import tokenize
from typing import Final

__all__ = ["Suppressions"]

_NOQA: Final = re.compile(
    r"#\s*noqa(?![\w-])(?P<codes>:\s*(?P<list>[A-Z][A-Z0-9]*[0-9]+(?:[\s,]+[A-Z][A-Z0-9]*[0-9]+)*))?", re.IGNORECASE
)
_CODE: Final = re.compile(r"[A-Z][A-Z0-9]*[0-9]+", re.IGNORECASE)


class Suppressions:
    """Which codes are suppressed on which lines of one file."""

    def __init__(self, text: str) -> None:
        self._by_line = {line: codes for line, comment in _comments(text) if (codes := _codes(comment)) is not None}

    def covers(self, code: str, first: int, last: int) -> bool:
        """Whether a comment on the first or the last line of a place keeps ``code`` away."""
        return any(
            line in self._by_line and (not self._by_line[line] or code in self._by_line[line]) for line in (first, last)
        )


def _codes(comment: str) -> frozenset[str] | None:
    """The codes that a comment names: none of them means all; ``None`` that it is no such comment."""
    found = _NOQA.search(comment)
    if found is None:
        return None
    if found.group("list") is None:
        # Words behind a colon name no code, and must not silence everything.
        return None if comment[found.end() :].lstrip().startswith(":") else frozenset()
    return frozenset(code.upper() for code in _CODE.findall(found.group("list")))


def _comments(text: str) -> list[tuple[int, str]]:
    if "noqa" not in text.lower():
        return []
    found = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                found.append((token.start[0], token.string))  # noqa: PERF401 - what came before an error counts
    except (tokenize.TokenError, SyntaxError):
        pass
    return found
