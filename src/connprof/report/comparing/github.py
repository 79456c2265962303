"""A comparison as GitHub annotations: workflow commands that mark the line of code that pays."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connprof.report.comparing.view import CompareView, Payer

__all__ = ["MOST", "render"]

MOST = 10
"""GitHub shows ten errors of a step; what is beyond is counted in a notice."""


def render(view: CompareView) -> str:
    """One command a line, worst first, then a notice of what improved; empty when there is nothing to say."""
    lines = [_error(payer) for payer in view.payers[:MOST]]
    more = len(view.payers) - MOST
    if more > 0:
        lines.append(_command("notice", {"title": "connprof"}, f"{more:,} more places are in the job's summary."))
    lines += [
        _command("notice", {"title": "connprof"}, sentence)
        for sentence in view.calls_to_action
        if "improved" in sentence
    ]
    if not lines and view.verdict == "FAIL":
        lines.append(_command("error", {"title": "connprof"}, view.headline))
    return "".join(f"{line}\n" for line in lines)


def _error(payer: Payer) -> str:
    properties = {"file": payer.file, "line": str(payer.line)} if payer.file else {}
    return _command(
        "error",
        {**properties, "title": f"connprof: {payer.title}"},
        f"{payer.text}. {payer.remedy}" if payer.remedy else payer.text,
    )


def _command(name: str, properties: dict[str, str], message: str) -> str:
    """GitHub's own escapes: see ``toCommandValue`` and ``escapeProperty`` of its toolkit."""
    said = ",".join(
        f"{key}={_data(value).replace(':', '%3A').replace(',', '%2C')}" for key, value in properties.items()
    )
    return f"::{name} {said}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
