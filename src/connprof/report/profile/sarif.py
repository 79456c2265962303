"""The findings of a run as SARIF 2.1.0, which code scanning pages and editors read."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from connprof.codes import CODES
from connprof.lint import sarif
from connprof.report import words
from connprof.report.profile.view import build, path_below

if TYPE_CHECKING:
    from connprof.profile import Chain, Finding, Frame, Place, Profile
    from connprof.report.profile.view import FindingView

__all__ = ["render"]

_KNOWN: Final = tuple(code.code for code in CODES if "run" in code.sources)


def render(profile: Profile, *, folder: Path) -> str:
    """One run, with a result for each finding; one whose line is not known has no location, and is there all the same.

    Files below ``folder`` are relative to it. What the counts leave out are notifications, and so are limits.
    """
    view = build(profile, folder=folder)
    codes = tuple(dict.fromkeys((*_KNOWN, *(each.code for each in view.findings))))
    seen: Counter[str] = Counter()
    results = []
    for finding, said in zip(profile.findings, view.findings, strict=True):
        place = finding.place
        path = path_below(place.file, folder) or place.file
        identity = f"run:{said.code}:{path}:{place.function}"
        seen[identity] += 1
        results.append(_result(finding, said, folder, codes.index(said.code), f"{identity}:{seen[identity]}"))
    invocation = {
        "executionSuccessful": view.state != "unobserved",
        "commandLine": words.plain(" ".join(profile.command)),
        "toolExecutionNotifications": [
            *(
                _notification(f"Limit {each.word}: {each.sentence}", "note" if each.state == "kept" else "warning")
                for each in view.limits
            ),
            *(_notification(sentence) for sentence in (() if view.lint is None else view.lint.sentences)),
            *(_notification(sentence) for sentence in (*view.blind_spots, *view.notes)),
        ],
    }
    return sarif.document(codes, invocation, results, folder=folder)


def _notification(text: str, level: str = "note") -> dict[str, Any]:
    return {"level": level, "message": {"text": text}}


def _result(finding: Finding, said: FindingView, folder: Path, rule: int, identity: str) -> dict[str, Any]:
    figures = "; ".join(f"{name}: {value}" for name, value in said.evidence)
    where = f" {said.place.sureness}" if said.place.sureness else ""
    message = (
        f"{said.what}{where}{f' ({figures})' if figures else ''}. It cost {said.cost}. {said.fix} "
        f"That leaves over: {said.leaves}."
    )
    result: dict[str, Any] = {
        "ruleId": said.code,
        "ruleIndex": rule,
        "level": "warning",
        "message": {"text": message},
        "partialFingerprints": sarif.fingerprint(identity),
        "properties": {"certainty": finding.place.certainty, "processesCount": finding.processes_count},
    }
    location = _location(finding.place, folder)
    if location:
        result["locations"] = [location]
    related = [(f"called from here ({chain.count:,}x)", frame) for chain in finding.chains for frame in _frames(chain)]
    places: list[tuple[str, Frame | Place]] = [*related, *(("belongs to it", place) for place in finding.related)]
    found = [(text, _location(place, folder)) for text, place in places]
    if any(where for _, where in found):
        result["relatedLocations"] = [
            {"id": number, "message": {"text": text}, **where} for number, (text, where) in enumerate(found) if where
        ]
    return result


def _frames(chain: Chain) -> tuple[Frame, ...]:
    return chain.frames if chain.started_at is None else (*chain.frames, chain.started_at)


def _location(place: Frame | Place, folder: Path) -> dict[str, Any]:
    """Nothing where the line is unknown, or is in no file: in ``<string>``, say."""
    if not place.file or not Path(place.file).is_absolute() or place.line < 1:
        return {}
    below = path_below(place.file, folder)
    location: dict[str, Any] = {
        "physicalLocation": {
            "artifactLocation": sarif.artifact(place.file if below is None else below),
            "region": {"startLine": place.line},
        }
    }
    if place.function:
        location["logicalLocations"] = [{"name": words.plain(place.function), "kind": "function"}]
    return location
