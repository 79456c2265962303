"""Which findings of ``connprof lint`` a run has seen happen."""

from __future__ import annotations

import os
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, Final

from connprof.plain import plain
from connprof.profile import Frame, Linted, LintMark

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from connprof import lint
    from connprof.lint import Finding, Outcome
    from connprof.profile import Chain, Counts, Place, Profile

__all__ = ["figures", "headline", "marked", "sentences"]


def marked(outcome: Outcome, profile: Profile, folder: Path) -> Linted:
    """Hold findings, whose paths start in ``folder``, against a run."""
    run = _Run(outcome.findings, profile, folder)
    marks = [run.mark(finding) for finding in outcome.findings]
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


class _Run:
    """What a run has seen at the lines of findings, whose paths start in ``folder``."""

    def __init__(self, findings: Sequence[Finding], profile: Profile, folder: Path) -> None:
        self._real = cache(lambda file: os.path.realpath(folder / file))
        self._lines = {self._line(each.place.path, line) for each in findings for line in _lines(each.place)}
        self._clients = [group for process in profile.processes for group in process.clients]
        self._contexts = [group for process in profile.processes for group in process.contexts if not group.maker]
        self._tallies = profile.sites

    def mark(self, finding: Finding) -> LintMark:
        """A finding with the figures that are its own: of a line that makes several things, those of what it names."""
        figures: Counter[str] = Counter()
        groups = [group for group in self._clients if bool(group.shortcut) == (finding.code == "CP002")]
        for group in groups if finding.code != "CP003" else ():
            share = self._share(finding, group.site, group.chains, group.made_count)
            figures["clients_count"] += share
            figures.update(_part(group.counts, share, group.made_count))
        for made in self._contexts if finding.code in _OF_CONTEXTS else ():
            figures["contexts_count"] += self._share(finding, made.site, made.chains, made.made_count)
        if not figures.total() and not self._is_told(finding):
            for tally in self._tallies:
                of = sum(each.count for each in tally.chains) or 1
                figures.update(_part(tally.counts, self._share(finding, tally.site, tally.chains, of), of))
        return LintMark(
            code=finding.code,
            file=finding.place.path,
            line=finding.place.line,
            sureness=str(finding.sureness),
            clients_count=figures["clients_count"],
            contexts_count=figures["contexts_count"],
            handshakes_count=figures["handshakes_count"],
            connections_count=figures["connections_count"],
        )

    def _is_told(self, finding: Finding) -> bool:
        """Whether clients or contexts of these lines are known, so that what the lines pay is theirs."""
        places = (finding.place, *finding.chain)
        sites = [each.site for each in self._clients] + [each.site for each in self._contexts]
        return any(self._is_at(place, site) for site in sites for place in places)

    def _share(self, finding: Finding, site: Place, chains: Sequence[Chain], of: int) -> int:
        """How many of those made at ``site`` are the finding's: of a helper's those that came by way of its line.

        A class may make them later, in another line of the same function. Of ways that were not kept it may be any.
        """
        if self._is_at(finding.place, site):
            return of
        if not any(self._is_at(place, site) for place in finding.chain):
            return 0
        ways = [((*each.frames, each.started_at or _NOWHERE), each.count) for each in chains]
        by_line = sum(count for way, count in ways if any(self._is_at(finding.place, frame) for frame in way))
        by_function = sum(count for way, count in ways if any(self._is_around(finding, frame) for frame in way))
        return min(by_line or by_function or of - sum(count for _, count in ways), of)

    def _is_at(self, place: lint.Place, seen: Place | Frame) -> bool:
        return seen.line in _lines(place) and self._real(seen.file) == self._real(place.path)

    def _is_around(self, finding: Finding, frame: Frame) -> bool:
        """Whether a frame is of the finding's function, at a line that is no finding itself."""
        is_same = f".{frame.function}".endswith(f".{finding.function or '<module>'}")
        line = self._line(frame.file, frame.line)
        return is_same and line[0] == self._real(finding.place.path) and line not in self._lines

    def _line(self, file: str, line: int) -> tuple[str, int]:
        return self._real(file), line


_OF_CONTEXTS: Final = frozenset({"CP003", "CP008"})
"""Findings that are about contexts which the program's own code makes."""
_NOWHERE: Final = Frame(file="", line=0, function="")


def _lines(place: lint.Place) -> range:
    return range(place.line, place.end_line + 1)


def _part(counts: Counts, share: int, of: int) -> dict[str, int]:
    """What ``share`` of the ``of`` that made ``counts`` have made, if all made the same."""
    return {
        name: -(-getattr(counts, name) * share // max(of, 1))
        for name in ("contexts_count", "handshakes_count", "connections_count")
    }


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
