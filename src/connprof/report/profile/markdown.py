"""A profile for a job's summary."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connprof.report.comparing.markdown import LARGEST_LETTERS, escape
from connprof.report.profile.view import COUNTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from connprof.report.profile.view import FindingView, ProfileView, Tally

__all__ = ["render"]

_MARKS = {"found": "⚠️", "clean": "✅", "partial": "⚠️", "silent": "💤", "unobserved": "❌"}
_LIMIT_MARKS = {"kept": "✅", "broken": "⚠️", "unchecked": "⚠️"}
_ROOM = {"findings": 0.4, "origins": 0.15, "lines": 0.25, "sentences": 0.06}
"""What share of the letters each part may take."""


def render(view: ProfileView) -> str:
    """The whole document, of at most about :data:`~connprof.report.comparing.markdown.LARGEST_LETTERS` characters."""
    is_kept = all(each.state == "kept" for each in view.limits)
    mark = _MARKS[view.state] if is_kept else _LIMIT_MARKS["broken"]
    lines = [
        f"## {mark} connprof run",
        "",
        f"**{escape(view.headline)}**",
        "",
    ]
    lines += [f"- {name}: {_code(value) if name == 'command' else escape(_cut(value))}" for name, value in view.facts]
    lines += [f"- {_LIMIT_MARKS[each.state]} limit {each.word}: {escape(_cut(each.sentence))}" for each in view.limits]
    lines += _part("findings", map(_finding, view.findings))
    lines += _table("Origins", "origins", view.origins)
    lines += _table("Lines that pay", "lines", view.lines)
    if view.lint is not None:
        said = (f"- {escape(_cut(each))}" for each in view.lint.sentences)
        lines += ["", "### The source, and what of it ran", "", *_part("lines", said)]
    for title, sentences in (("Not seen", view.blind_spots), ("Note", view.notes)):
        lines += (
            ["", *_part("sentences", (f"- {title}: {escape(_cut(each))}" for each in sentences))] if sentences else []
        )
    return "\n".join(lines) + "\n"


def _finding(finding: FindingView) -> str:
    place = finding.place
    head = f"### {escape(finding.code)} {escape(finding.title)}"
    where = " ".join(
        part for part in (_code(place.where), escape(_cut(place.function)), escape(place.sureness)) if part
    )
    lines = ["", head, "", f"{where}: {escape(_cut(finding.what))}", ""]
    lines += [f"- called from {escape(_cut(way))}" for way in finding.ways]
    if finding.evidence:
        said = "; ".join(f"{name}: {value}" for name, value in finding.evidence)
        lines.append(f"- evidence: {escape(_cut(said))}")
    if finding.processes:
        lines.append(f"- seen in {escape(finding.processes)}")
    lines += [f"- see also {escape(_cut(each))}" for each in finding.related]
    lines += [
        f"- cost here: {escape(finding.cost)}",
        f"- fix: {escape(_cut(finding.fix))}",
        f"- the fix leaves over: {escape(finding.leaves)}",
    ]
    if finding.explained:
        lines.append(f"- explained by {_code(finding.explained)}")
    return "\n".join(lines)


def _table(title: str, name: str, rows: Sequence[Tally]) -> list[str]:
    if not rows:
        return []
    titles = (name[:-1], *COUNTS[:2], *(f"handshakes {name}" for name in COUNTS[2:5]), *COUNTS[5:])
    has_memory = any(row.megabytes not in {"", "-"} for row in rows)
    head = [
        "",
        f"### {title}",
        "",
        f"| {' | '.join(titles)}{' | SSL MB' if has_memory else ''} |",
        f"|---{'|--:' * (len(COUNTS) + has_memory)}|",
    ]
    body = (
        f"| {_code(row.name)} | {' | '.join(row.counts)}{f' | {row.megabytes}' if has_memory else ''} |" for row in rows
    )
    return [*head, *_part(name, body)]


def _part(name: str, pieces: Iterable[str]) -> list[str]:
    """As many ``pieces`` as there is room for, and how many there are beside them."""
    found: list[str] = []
    room, more = _ROOM[name] * LARGEST_LETTERS, 0
    for piece in pieces:
        room -= len(piece) + 1
        if room < 0:
            more += 1
        else:
            found.append(piece)
    return [*found, "", f"And {more:,} more {name}, which are in the JSON file."] if more else found


_LONGEST = 600


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _code(text: str) -> str:
    """In code type by tags, as no backtick can be escaped between backticks."""
    return f"<code>{escape(_cut(text))}</code>"
