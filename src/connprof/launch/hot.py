"""Which findings of ``connprof lint`` a run has seen happen."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from connprof.plain import plain
from connprof.profile import Linted, LintMark

if TYPE_CHECKING:
    from pathlib import Path

    from connprof.lint import Finding, Outcome
    from connprof.profile import Place, Profile

__all__ = ["figures", "headline", "marked", "sentences"]


def marked(outcome: Outcome, profile: Profile, folder: Path) -> Linted:
    """Hold findings, whose paths start in ``folder``, against a run."""
    marks = [_mark(finding, profile, folder) for finding in outcome.findings]
    notes = [f"Not checked: {problem.sentence}" for problem in outcome.problems[:_MOST_PROBLEMS]]
    more_count = len(outcome.problems) - _MOST_PROBLEMS
    more = [f"Not checked: {more_count:,} more, which connprof lint names."] if more_count > 0 else []
    return Linted(
        marks=tuple(
            sorted(marks, key=lambda each: (-each.contexts_count, -each.handshakes_count, -each.clients_count))
        ),
        unchecked_count=len(outcome.problems),
        notes=tuple(map(plain, (*notes, *outcome.notes, *more))),
    )


_MOST_PROBLEMS: Final = 10


def _mark(finding: Finding, profile: Profile, folder: Path) -> LintMark:
    file = os.path.realpath(folder / finding.place.path)
    lines = range(finding.place.line, finding.place.end_line + 1)

    def is_there(place: Place) -> bool:
        return place.line in lines and os.path.realpath(folder / place.file) == file

    counts = [tally.counts for tally in profile.sites if is_there(tally.site)]
    clients = [group for process in profile.processes for group in process.clients if is_there(group.site)]
    return LintMark(
        code=finding.code,
        file=finding.place.path,
        line=finding.place.line,
        sureness=str(finding.sureness),
        clients_count=sum(group.made_count for group in clients),
        contexts_count=sum(each.contexts_count for each in counts),
        handshakes_count=sum(each.handshakes_count for each in counts),
        connections_count=sum(each.connections_count for each in counts),
    )


def sentences(lint: Linted) -> tuple[str, ...]:
    """What was not checked; then one sentence for all findings, one for each that ran, and one for the others."""
    cold = [f"{_place(each)} ({plain(each.code)})" for each in lint.marks if not each.ran]
    return (
        *map(plain, lint.notes),
        headline(lint),
        *(
            f"Ran: {_place(each)} ({plain(each.code)}, {plain(each.sureness)}): {figures(each)}."
            for each in lint.marks
            if each.ran
        ),
        *([f"Not seen to run: {', '.join(cold)}."] if cold else []),
    )


def headline(lint: Linted) -> str:
    """How many findings there are, and how many of them ran."""
    if not lint.marks:
        where = "in what it could check there" if lint.unchecked_count else "there"
        return f"connprof lint has found nothing {where}."
    hot_count = sum(each.ran for each in lint.marks)
    total = f"{len(lint.marks):,} finding{'' if len(lint.marks) == 1 else 's'}"
    return f"connprof lint has {total} there, of which {hot_count:,} {'was' if hot_count == 1 else 'were'} seen to run."


def _place(each: LintMark) -> str:
    return f"{plain(each.file)}:{each.line}"


def figures(each: LintMark) -> str:
    """``3 clients, 3 SSL contexts``: what its lines made."""
    named = (
        (each.clients_count, "client"),
        (each.contexts_count, "SSL context"),
        (each.handshakes_count, "handshake"),
        (each.connections_count, "connection"),
    )
    return ", ".join(f"{count:,} {what}{'' if count == 1 else 's'}" for count, what in named if count)
