"""A comparison for a pull request's comment or a job's summary."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from connprof.gate import Answer, Status
from connprof.report.comparing.view import COLUMNS

if TYPE_CHECKING:
    from connprof.report.comparing.view import CompareView

__all__ = ["LARGEST_LETTERS", "escape", "render"]

LARGEST_LETTERS = 60_000
"""A comment on GitHub may have 65,536 characters; rows beyond this are left out, and that is said."""

_MARKS = {
    Status.FAILED: "❌",
    Status.INVALID: "❌",
    Status.UNSTABLE: "⚠️",
    Status.REGRESSED: "🔴",
    Status.MISSING: "❌",
    Status.IMPROVED: "🟢",
    Status.INCOMPARABLE: "⚠️",
    Status.NEW: "🆕",
    Status.LEFT_OUT: "",
    Status.SHOWN: "",
    Status.UNCHANGED: "",
}
_ESCAPES = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "&#64;"} | {letter: f"\\{letter}" for letter in "\\`*_[]#|~$"}
)
# What GitHub turns into a link without being asked.
_LINK = re.compile(r"(?i)(www)\.|(https?|ftp|mailto|xmpp):")


def escape(text: str) -> str:
    """``text`` as itself: no part of it becomes a table cell, a link, a mention, markup or mathematics."""
    return _LINK.sub(lambda found: f"{found[1]}&#46;" if found[1] else f"{found[2]}&#58;", text.translate(_ESCAPES))


def render(view: CompareView) -> str:
    """The whole document, of at most about :data:`LARGEST_LETTERS` characters."""
    mark = "✅" if view.answer is Answer.PASSED else "❌"
    head = [f"## {mark} connprof: {view.verdict}", "", f"**{escape(view.headline)}**", ""]
    head += [f"- {side.role}: {_code(side.name)}, {escape(side.made)}" for side in view.sides]
    head += [f"- verdicts: {escape(view.tally)}"]
    head += [f"- differs: {escape(sentence)}" for sentence in view.differences]
    head += [f"- ⚠️ {escape(sentence)}" for sentence in view.warnings]
    foot = ["", escape(view.left_out)] if view.left_out else []
    for sentence in view.calls_to_action:
        foot += ["", escape(sentence)]
    room = LARGEST_LETTERS - sum(len(line) + 1 for line in (*head, *foot))
    return "\n".join([*head, *_table(view, room), *foot]) + "\n"


def _table(view: CompareView, room: int) -> list[str]:
    if not view.lines:
        return []
    lines = ["", f"| {' | '.join(COLUMNS)} |", "|---|---|---|--:|--:|--:|---|--:|"]
    for number, one in enumerate(view.lines):
        notes = "".join(
            f"<br>{escape(note)}" for note in (one.reason, f"paid at {one.place}" if one.place else "") if note
        )
        verdict = f"{_MARKS[one.status]} {escape(one.verdict)}".strip()
        cells = (one.metric, one.baseline, one.candidate, one.ratio, one.kind, one.limit)
        line = f"| {verdict} | {_code(one.case)}{notes} | {' | '.join(map(escape, cells))} |"
        room -= len(line) + 1
        if room < 0:
            return [*lines, "", f"And {len(view.lines) - number:,} more rows, which are in the JSON file."]
        lines.append(line)
    return lines


def _code(text: str) -> str:
    """In code type by tags, as no backtick can be escaped between backticks."""
    return f"<code>{escape(text)}</code>"
