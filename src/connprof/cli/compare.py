"""``connprof compare``: a candidate's report held against a baseline's."""

from __future__ import annotations

import gc
import os
from typing import TYPE_CHECKING

import click
from msgspec.structs import replace

from connprof.cli.exits import GATE_EXIT_CODES_HELP, ExitCode, gate_exit_code
from connprof.cli.paths import ANYTHING, FILE
from connprof.cli.printing import is_colored, say, tell
from connprof.compare import compare as put_beside
from connprof.errors import FileError, UsageError
from connprof.gate import judge
from connprof.merge import merge
from connprof.report.comparing import build
from connprof.settings import load_policy
from connprof.store import abridge, load_abridged, load_found, load_report, report_files, write_together
from connprof.verdict import contradictory_verdict

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from connprof.abridged import AbridgedReport
    from connprof.gate import Policy
    from connprof.report.comparing import CompareView

__all__ = ["compare"]

_FORMATS = ("text", "markdown", "json", "html", "junit", "github")


@click.command(short_help="Hold one report against another: a gate for CI.", epilog=GATE_EXIT_CODES_HELP)
@click.argument("base", type=ANYTHING)
@click.argument("head", type=ANYTHING)
@click.option(
    "--format", "kind", type=click.Choice(_FORMATS), default="text", show_default=True, help="What is printed."
)
@click.option("-o", "--output", type=FILE, help="Print into this file instead.")
@click.option("--markdown", type=FILE, help="Also write Markdown, for a pull request or a job's summary.")
@click.option("--html", type=FILE, help="Also write a page.")
@click.option("--json", type=FILE, help="Also write all figures as JSON.")
@click.option("--junit", type=FILE, help="Also write JUnit XML.")
@click.option("--annotations", is_flag=True, help="Also print GitHub annotations at the lines of code that pay.")
@click.option("--all", "show_all", is_flag=True, help="List unchanged figures too.")
@click.option(
    "--config",
    type=FILE,
    help="File with [tool.connprof.gate].  [default: pyproject.toml of the current folder, if there is one]",
)
@click.option("--allow-missing", metavar="CASE", multiple=True, help="Let this case be missing. Can be repeated.")
@click.option(
    "--allow-failed", metavar="CASE", multiple=True, help="Let this case fail or be invalid. Can be repeated."
)
def compare(  # noqa: PLR0917 - click passes them by name
    base: Path,
    head: Path,
    kind: str,
    output: Path | None,
    markdown: Path | None,
    html: Path | None,
    json: Path | None,
    junit: Path | None,
    annotations: bool,
    show_all: bool,
    config: Path | None,
    allow_missing: tuple[str, ...],
    allow_failed: tuple[str, ...],
) -> ExitCode:
    """Hold the report HEAD against the report BASE, figure by figure, worst first.

    Each is a report file, a folder with a report.json, or a folder of several reports, which are merged. Counts must be
    equal; bytes may move within limits, which [tool.connprof.gate] in pyproject.toml can set; times are shown as ratios
    within each run.
    """
    # A hundred thousand rows hold no cycle: looking for one again and again is a sixth of all work.
    collects = gc.isenabled()
    gc.disable()
    try:
        return _compare((base, head), kind, output, {"markdown": markdown, "html": html, "json": json, "junit": junit},
            _policy(config, allow_missing, allow_failed), annotations=annotations, show_all=show_all,
        )  # fmt: skip
    finally:
        if collects:
            gc.enable()


def _policy(config: Path | None, allow_missing: tuple[str, ...], allow_failed: tuple[str, ...]) -> Policy:
    policy = load_policy(config)
    return replace(
        policy,
        allow_missing=policy.allow_missing | set(allow_missing),
        allow_failed=policy.allow_failed | set(allow_failed),
    )


def _compare(
    sides: tuple[Path, Path],
    kind: str,
    output: Path | None,
    also: dict[str, Path | None],
    policy: Policy,
    *,
    annotations: bool,
    show_all: bool,
) -> ExitCode:
    _check_outputs(sides, [path for path in (output, *also.values()) if path is not None])
    baseline, candidate = ((str(side), _loaded(side)) for side in sides)
    comparison = put_beside(baseline[1], candidate[1])
    judgement = judge(comparison, policy)
    code = gate_exit_code(judgement.answer)
    view = build(judgement, comparison, baseline, candidate, show_all=show_all)

    def rendered(name: str, *, color: bool = False) -> str:
        # Each is imported when it is wanted: a page needs packages that the others do not.
        from connprof.report.comparing import github, junit, markdown, text
        from connprof.report.comparing import json as figures

        if name == "json":
            return figures.render(judgement, comparison, baseline, candidate, exit_code=code).decode()
        if name == "html":
            from connprof.report.comparing import html

            return html.render(view)
        if name == "text":
            return text.render(view, color=color)
        if name == "junit":
            return junit.render(build(judgement, comparison, baseline, candidate, show_all=True))
        by_name: dict[str, Callable[[CompareView], str]] = {
            "markdown": markdown.render,
            "github": github.render,
        }
        return by_name[name](view)

    # All is rendered before anything is written: an absent package leaves no half of the answer.
    written = {path: rendered(name) for name, path in also.items() if path is not None}
    if output is not None:
        written[output] = rendered(kind)
    # Before the answer is printed: it is none where a file that was asked for cannot be written.
    write_together({path: content.encode() for path, content in written.items()})
    if output is None:
        say(rendered(kind, color=is_colored()))
    if annotations and not (kind == "github" and output is None):
        say(rendered("github"))
    return code


def _check_outputs(sides: tuple[Path, Path], outputs: list[Path]) -> None:
    """By what the names lead to: one file has many names. What is no file, a terminal say, can take several."""
    try:
        files = [os.path.realpath(path) for path in outputs if not path.exists() or path.is_file()]
    except OSError as error:
        raise FileError(f"{error.filename} cannot be written: {error.strerror}.") from None
    if len(set(files)) < len(files):
        raise UsageError("two outputs would be written into one file.")
    for side in sides:
        if not set(files).isdisjoint(map(os.path.realpath, report_files(side))):
            raise UsageError(f"an output would be written over the report {side}.")


def _loaded(path: Path) -> AbridgedReport:
    files = report_files(path)
    if len(files) == 1:
        report = load_abridged(files[0])
        if (why := contradictory_verdict(report)) is not None:
            raise FileError(f"{files[0]} contradicts itself: {why}")
        return report
    reports, passed_over = load_found(files, load_report)
    tell(*passed_over)
    return abridge(merge(reports), name=str(path))
