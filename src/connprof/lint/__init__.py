"""The static companion: clients and contexts that are made again and again, found in the source alone.

Needs the standard library and msgspec. What it says is a reading of the source; ``connprof.observe`` counts what
happens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connprof.lint import files
from connprof.lint.finding import Finding, Outcome, Place, Problem, Sureness
from connprof.lint.libraries import extra_clients
from connprof.lint.project import load
from connprof.lint.rules import check
from connprof.lint.settings import LintSettings, load_lint_settings
from connprof.lint.suppress import Suppressions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from connprof.lint.project import Project

__all__ = ["Finding", "LintSettings", "Outcome", "Place", "Problem", "Sureness", "lint", "load_lint_settings"]


def lint(paths: Sequence[Path], settings: LintSettings | None = None) -> Outcome:
    """Check files and folders.

    The rest of the project around them is read too, so that what is said of one file does not depend on which others
    are checked with it.

    Raises:
        FileError: a path does not exist.
        UsageError: a folder holds no Python file.
    """
    settings = settings or LintSettings()
    chosen, notes = files.found(paths, settings.exclude)
    if not chosen:
        return Outcome(findings=(), problems=(), files_count=0, suppressed_count=0, notes=tuple(notes))
    root = files.project_root(list(paths))
    project, problems = load(chosen, root, settings.exclude, settings.clients)
    wanted = {files.shown(file) for file in chosen}
    found = [each for each in check(project, extra_clients(settings.clients)) if each.place.path in wanted]
    found = [each for each in found if _is_selected(each, settings)]
    kept, suppressed_count = _without_suppressed(project, sorted(found, key=_order))
    shown = tuple(each for each in kept if each.sureness.rank <= settings.level.rank)
    return Outcome(
        findings=shown,
        problems=tuple(sorted((each for each in problems if each.path in wanted), key=lambda each: each.path)),
        files_count=len(chosen),
        suppressed_count=suppressed_count,
        below_count=len(kept) - len(shown),
        notes=tuple(notes),
    )


def _order(finding: Finding) -> tuple[Place, str]:
    return finding.place, finding.code


def _is_selected(finding: Finding, settings: LintSettings) -> bool:
    return finding.code not in settings.ignore and (not settings.select or finding.code in settings.select)


def _without_suppressed(project: Project, findings: list[Finding]) -> tuple[list[Finding], int]:
    texts = {module.shown: module.text for module in project.modules}
    by_path: dict[str, Suppressions] = {}
    kept = []
    for finding in findings:
        path = finding.place.path
        if path not in by_path:
            by_path[path] = Suppressions(texts[path])
        if not by_path[path].covers(finding.code, finding.place.line, finding.place.end_line):
            kept.append(finding)
    return kept, len(findings) - len(kept)
