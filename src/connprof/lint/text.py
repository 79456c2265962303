"""Findings for a terminal or a log."""

from __future__ import annotations

import textwrap
from collections import Counter
from typing import TYPE_CHECKING, Final

from connprof.codes import BY_CODE
from connprof.explained import explained
from connprof.lint.finding import Sureness
from connprof.plain import inert, plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from connprof.explained import Look
    from connprof.lint.finding import Finding, Outcome

__all__ = ["explain", "render", "sentence"]

_WIDTH: Final = 100


def sentence(finding: Finding) -> str:
    """What is said of a finding, without its place and code."""
    chain = "".join(f"; made at {place.path}:{place.line}" for place in finding.chain[-1:])
    return plain(f"{finding.what}{chain} ({finding.sureness}: {finding.why})")


def render(outcome: Outcome) -> str:
    """One line for each finding, then what to do about each code, and a summary; nothing when there is none."""
    if not outcome.findings:
        return ""
    lines = [
        inert(f"{plain(each.place.path)}:{each.place.line}:{each.place.column}: {each.code} {sentence(each)}")
        for each in outcome.findings
    ]
    lines.append("")
    for code, fix in sorted({(each.code, each.fix) for each in outcome.findings}):
        lines += textwrap.wrap(f"{code}: {fix}", _WIDTH, subsequent_indent=" " * 7)
    return "\n".join([*lines, "", summary(outcome)]) + "\n"


def summary(outcome: Outcome) -> str:
    """How many findings there are, of which sureness, in how many files."""
    count = len(outcome.findings)
    by_sureness = Counter(each.sureness for each in outcome.findings)
    parts = ", ".join(f"{by_sureness[each]} {each}" for each in Sureness if by_sureness[each])
    beside = [
        *([f"{outcome.suppressed_count} suppressed"] if outcome.suppressed_count else []),
        *([f"{outcome.below_count} less sure left out"] if outcome.below_count else []),
    ]
    files_count = f"{outcome.files_count:,} file{'' if outcome.files_count == 1 else 's'}"
    found = f"{count} finding{'' if count == 1 else 's'} ({parts})"
    return f"{found} in {files_count}{'; ' if beside else ''}{', '.join(beside)}."


def explain(code: str, *, width: int = _WIDTH, styled: Callable[[str, Look], str] | None = None) -> str:
    """Everything that is known of a code: its section of the documentation, which is part of the package."""
    known = BY_CODE[code]
    who = " and ".join(f"connprof {source}" for source in sorted(known.sources))
    said = explained(known.explanation or known.fix, width=min(width, _WIDTH), styled=styled)
    head = f"{known.code} {known.name}: {known.title}"
    return f"{styled(head, 'heading') if styled else head}\nFound by {who}.\n\n{said}\n"
