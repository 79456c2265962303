"""Findings as SARIF 2.1.0 (OASIS, March 2020), which code scanning pages and editors read."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import msgspec

from connprof import __version__
from connprof.codes import BY_CODE
from connprof.lint.finding import Sureness
from connprof.lint.settings import LINT_CODES
from connprof.lint.text import sentence
from connprof.plain import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connprof.lint.finding import Finding, Outcome, Place

__all__ = ["ROOT", "artifact", "document", "fingerprint", "render"]

_LEVELS: Final = {Sureness.CERTAIN: "warning", Sureness.LIKELY: "warning", Sureness.GUESS: "note"}
ROOT: Final = "SRCROOT"
"""What relative addresses are relative to."""
_RANKS: Final = {Sureness.CERTAIN: 90.0, Sureness.LIKELY: 60.0, Sureness.GUESS: 30.0}


def render(outcome: Outcome) -> str:
    """One run, with a rule for each code that can be found and a notification for each file that was not checked."""
    invocation = {
        "executionSuccessful": not outcome.problems,
        "toolExecutionNotifications": [
            {
                "level": "error",
                "message": {"text": plain(problem.sentence)},
                "locations": [{"physicalLocation": {"artifactLocation": artifact(problem.path)}}],
            }
            for problem in outcome.problems
        ],
    }
    return document(LINT_CODES, invocation, _results(outcome), folder=Path.cwd())


def document(codes: Sequence[str], invocation: dict[str, Any], results: list[dict[str, Any]], *, folder: Path) -> str:
    """The whole document: one run, whose rules are ``codes`` and whose relative addresses lie below ``folder``."""
    run: dict[str, Any] = {
        "tool": {
            "driver": {
                "name": "connprof",
                "version": __version__,
                "semanticVersion": __version__,
                "rules": [_rule(code) for code in codes],
            }
        },
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {ROOT: {"uri": folder.as_uri().rstrip("/") + "/"}},
        "invocations": [invocation],
        "results": results,
    }
    content = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [run],
    }
    return msgspec.json.format(msgspec.json.encode(content), indent=2).decode() + "\n"


def _rule(code: str) -> dict[str, Any]:
    """What is said of ``code`` once for all its results."""
    known = BY_CODE.get(code)
    if known is None:  # of a newer connprof
        return {"id": code}
    return {
        "id": code,
        "name": "".join(part.capitalize() for part in known.name.split("-")),
        "shortDescription": {"text": known.title[:1].upper() + known.title[1:] + "."},
        "fullDescription": {"text": known.fix},
        "help": {"text": f"{known.fix} More: {known.command}."},
        "defaultConfiguration": {"level": "warning"},
        "properties": {"tags": ["performance", "tls"]},
    }


def _results(outcome: Outcome) -> list[dict[str, Any]]:
    seen: Counter[str] = Counter()
    results = []
    for finding in outcome.findings:
        identity = f"{finding.code}:{finding.place.path}:{finding.function}:{finding.what}"
        seen[identity] += 1
        results.append(_result(finding, f"{identity}:{seen[identity]}"))
    return results


def _result(finding: Finding, identity: str) -> dict[str, Any]:
    result = {
        "ruleId": finding.code,
        "ruleIndex": LINT_CODES.index(finding.code),
        "level": _LEVELS[finding.sureness],
        "rank": _RANKS[finding.sureness],
        "message": {"text": f"{sentence(finding)}. {finding.fix}"},
        "locations": [_location(finding.place)],
        "partialFingerprints": fingerprint(identity),
        "properties": {"sureness": finding.sureness.value, "measuredAs": finding.measured_as},
    }
    if finding.chain:
        result["relatedLocations"] = [
            {"id": number, "message": {"text": "made here"}, **_location(place)}
            for number, place in enumerate(finding.chain)
        ]
    return result


def _location(place: Place) -> dict[str, Any]:
    region = {
        "startLine": place.line,
        "startColumn": place.column,
        "endLine": place.end_line,
        "endColumn": place.end_column,
    }
    return {"physicalLocation": {"artifactLocation": artifact(place.path), "region": region}}


def fingerprint(identity: str) -> dict[str, str]:
    """``identity`` holds no line: what stands above a finding may change without making it another one."""
    return {"connprof/v1": hashlib.sha256(identity.encode(errors="backslashreplace")).hexdigest()[:32]}


def artifact(path: str) -> dict[str, Any]:
    """The address of the file ``path``; a relative one is below the root."""
    if Path(path).is_absolute():
        return {"uri": Path(path).as_uri()}
    return {"uri": quote(os.fsencode(path)), "uriBaseId": ROOT}
