"""Which findings of ``connprof lint`` a run has seen happen."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from connprof.plain import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from connprof.lint import Finding, Outcome
    from connprof.profile import Place, Profile

__all__ = ["Mark", "mark", "sentences"]


@dataclass(frozen=True, slots=True)
class Mark:
    """A finding of the source, and what its lines cost in the run. All zero: they did not run, or made nothing."""

    finding: Finding
    clients_count: int
    contexts_count: int
    handshakes_count: int
    connections_count: int

    @property
    def ran(self) -> bool:
        """Whether anything happened there."""
        return any((self.clients_count, self.contexts_count, self.handshakes_count, self.connections_count))


def mark(findings: Iterable[Finding], profile: Profile, folder: Path) -> tuple[Mark, ...]:
    """Hold findings, whose paths start in ``folder``, against a run; the hottest first."""
    marks = [_mark(finding, profile, folder) for finding in findings]
    return tuple(sorted(marks, key=lambda each: (-each.contexts_count, -each.handshakes_count, -each.clients_count)))


def _mark(finding: Finding, profile: Profile, folder: Path) -> Mark:
    file = os.path.realpath(folder / finding.place.path)
    lines = range(finding.place.line, finding.place.end_line + 1)

    def is_there(place: Place) -> bool:
        return place.line in lines and os.path.realpath(folder / place.file) == file

    counts = [tally.counts for tally in profile.sites if is_there(tally.site)]
    clients = [group for process in profile.processes for group in process.clients if is_there(group.site)]
    return Mark(
        finding,
        clients_count=sum(group.made_count for group in clients),
        contexts_count=sum(each.contexts_count for each in counts),
        handshakes_count=sum(each.handshakes_count for each in counts),
        connections_count=sum(each.connections_count for each in counts),
    )


def sentences(marks: Sequence[Mark], outcome: Outcome) -> tuple[str, ...]:
    """What was not checked; then one sentence for all findings, one for each that ran, and one for the others."""
    beside = [f"Not checked: {plain(problem.sentence)}" for problem in outcome.problems[:_MOST_PROBLEMS]]
    beside += [plain(note) for note in outcome.notes]
    more_count = len(outcome.problems) - _MOST_PROBLEMS
    if more_count > 0:
        beside.append(f"Not checked: {more_count:,} more, which connprof lint names.")
    return (*beside, *_on_marks(marks, outcome))


_MOST_PROBLEMS: Final = 10


def _on_marks(marks: Sequence[Mark], outcome: Outcome) -> tuple[str, ...]:
    if not marks:
        if outcome.problems:
            return ("connprof lint has found nothing in what it could check there.",)
        return ("connprof lint has found nothing there.",)
    hot = [each for each in marks if each.ran]
    cold = [each for each in marks if not each.ran]
    total = f"{len(marks)} finding{'' if len(marks) == 1 else 's'}"
    lines = [f"connprof lint has {total} there, of which {len(hot)} {'was' if len(hot) == 1 else 'were'} seen to run."]
    lines += [f"Ran: {_place(each)} ({each.finding.code}, {each.finding.sureness}): {_figures(each)}." for each in hot]
    if cold:
        lines.append(f"Not seen to run: {', '.join(f'{_place(each)} ({each.finding.code})' for each in cold)}.")
    return tuple(lines)


def _place(each: Mark) -> str:
    return f"{plain(each.finding.place.path)}:{each.finding.place.line}"


def _figures(each: Mark) -> str:
    named = (
        (each.clients_count, "client"),
        (each.contexts_count, "SSL context"),
        (each.handshakes_count, "handshake"),
        (each.connections_count, "connection"),
    )
    return ", ".join(f"{count:,} {what}{'' if count == 1 else 's'}" for count, what in named if count)
