"""A comparison as JUnit XML, which most CI systems can show: a test case for each row."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from connprof.gate import Answer, Status

if TYPE_CHECKING:
    from connprof.report.comparing.view import CompareView, Line

__all__ = ["render"]

_ELEMENTS = {
    Status.FAILED: "error",
    Status.INVALID: "error",
    Status.UNSTABLE: "error",
    Status.REGRESSED: "failure",
    Status.MISSING: "failure",
    Status.INCOMPARABLE: "skipped",
    Status.NEW: "skipped",
    Status.LEFT_OUT: "skipped",
    Status.SHOWN: "skipped",
}
# What XML 1.0 cannot hold, not even as a reference.
_IMPOSSIBLE = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(view: CompareView) -> str:
    """The whole document; ``view`` should list unchanged rows too, which are the tests that pass.

    Rows that a policy allows are skipped. Where the answer is no and no row says so, that is a failure of its own.
    """
    cases = [_case(line) for line in view.lines]
    elements = [_element(line) for line in view.lines]
    if view.answer is not Answer.PASSED and not {"error", "failure"} & set(elements):
        cases.insert(0, _testcase("comparison", "anything", "failure", view.headline, ""))
        elements.insert(0, "failure")
    numbers = (
        f'tests="{len(cases)}" failures="{elements.count("failure")}" errors="{elements.count("error")}" '
        f'skipped="{elements.count("skipped")}"'
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        f'<testsuites {numbers}>\n<testsuite name="connprof compare" {numbers}>\n'
        + "".join(cases)
        + f"<system-out>{_text(view.headline)}</system-out>\n</testsuite>\n</testsuites>\n"
    )


def _element(line: Line) -> str | None:
    element = _ELEMENTS.get(line.status)
    return "skipped" if element is not None and line.verdict != line.status.value else element


def _case(line: Line) -> str:
    figures = f"{line.baseline} -> {line.candidate}, ratio {line.ratio}" if line.baseline else ""
    message = "; ".join(part for part in (line.verdict, figures, line.reason) if part)
    return _testcase(line.case, line.metric, _element(line), message, f"paid at {line.place}" if line.place else "")


def _testcase(case: str, name: str, element: str | None, message: str, body: str) -> str:
    opening = f"<testcase classname={_attribute(case)} name={_attribute(name)}"
    if element is None:
        return f"{opening}/>\n"
    return f"{opening}><{element} message={_attribute(message)}>{_text(body)}</{element}></testcase>\n"


def _attribute(text: str) -> str:
    return quoteattr(_IMPOSSIBLE.sub("\ufffd", text))


def _text(text: str) -> str:
    return escape(_IMPOSSIBLE.sub("\ufffd", text))
