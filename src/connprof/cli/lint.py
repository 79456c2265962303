"""``connprof lint``: clients and contexts that the source makes again and again."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec.structs import replace

from connprof.cli.exits import LINT_EXIT_CODES_HELP, ExitCode
from connprof.cli.paths import ANYTHING, FILE
from connprof.cli.printing import is_colored, say
from connprof.codes import BY_CODE
from connprof.errors import UsageError
from connprof.lint import Sureness, json, sarif, text
from connprof.lint import lint as check
from connprof.lint.settings import checked_codes, load_lint_settings
from connprof.plain import inert, plain
from connprof.store import write_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connprof.explained import Look
    from connprof.lint import LintSettings

__all__ = ["lint"]

_PAGE_WIDTH = 100
_FORMATS = {"text": text.render, "json": json.render, "sarif": sarif.render}


@click.command(short_help="Find clients and SSL contexts made per call.", epilog=LINT_EXIT_CODES_HELP)
@click.argument("paths", type=ANYTHING, nargs=-1)
@click.option("--format", "kind", type=click.Choice(list(_FORMATS)), default="text", show_default=True)
@click.option("-o", "--output", type=FILE, help="Print into this file instead.")
@click.option("--select", metavar="CODE,...", multiple=True, help="Look for these codes only. Can be repeated.")
@click.option("--ignore", metavar="CODE,...", multiple=True, help="Leave these codes out. Can be repeated.")
@click.option("--exclude", metavar="GLOB", multiple=True, help="Leave these files or folders out. Can be repeated.")
@click.option(
    "--level",
    type=click.Choice(list(map(str, Sureness))),
    help="The least sure findings that are shown and count.  [default: guess]",
)
@click.option(
    "--config",
    type=FILE,
    help="File with [tool.connprof.lint].  [default: pyproject.toml of the current folder, if there is one]",
)
@click.option("--explain", metavar="CODE", help="Say what a code means, and what to do about it.")
def lint(  # noqa: PLR0917 - click passes them by name
    paths: tuple[Path, ...],
    kind: str,
    output: Path | None,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    exclude: tuple[str, ...],
    level: str | None,
    config: Path | None,
    explain: str | None,
) -> ExitCode:
    """Find HTTP clients and SSL contexts that the source makes again and again, in files and folders.

    Nothing is imported or run. Each finding says how sure it is: certain, likely or a guess. A comment "# noqa: CP001"
    on its line keeps it away. An option given here replaces that key of [tool.connprof.lint] in pyproject.toml.
    """
    if explain is not None:
        return _explain(explain)
    if not paths:
        raise UsageError("name at least one file or folder to check.")
    settings = _settings(config, select, ignore, exclude, level)
    if output is not None:
        _check_overwritten(output, paths, config)
    outcome = check(paths, settings)
    rendered = _FORMATS[kind](outcome)
    if output is not None:
        write_atomically(output, rendered.encode())
    else:
        say(rendered)
    for sentence in (*outcome.notes, *(problem.sentence for problem in outcome.problems)):
        click.echo(inert(plain(sentence)), err=True)
    if not outcome.findings and outcome.below_count:
        left_out = f"{outcome.below_count} less sure finding{'' if outcome.below_count == 1 else 's'} left out"
        click.echo(f"{left_out} (--level guess shows all).", err=True)
    if outcome.problems:
        return ExitCode.USAGE
    return ExitCode.NEGATIVE if outcome.findings else ExitCode.PASS


_SOURCES = frozenset({".ipynb", ".py", ".pyi", ".toml"})


def _check_overwritten(output: Path, paths: Sequence[Path], config: Path | None) -> None:
    """Refuse to write over what is read."""
    if not output.is_file():
        return
    real = Path(os.path.realpath(output))
    sources = [Path(os.path.realpath(path)) for path in (*paths, *([config] if config is not None else []))]
    if real in sources or (real.suffix in _SOURCES and any(each in real.parents for each in sources)):
        raise UsageError(f"{output} would be overwritten, and it is read: name another file.")


def _explain(code: str) -> ExitCode:
    if code.upper() not in BY_CODE:
        raise UsageError(f"there is no code {code!r}; there are: {', '.join(BY_CODE)}.")
    width = shutil.get_terminal_size().columns if sys.stdout is not None and sys.stdout.isatty() else _PAGE_WIDTH
    say(text.explain(code.upper(), width=width, styled=_styled if is_colored() else None))
    return ExitCode.PASS


def _styled(said: str, look: Look) -> str:
    if look == "code":
        return click.style(said, fg="cyan")
    return click.style(said, italic=True) if look == "slanted" else click.style(said, bold=True)


def _settings(
    config: Path | None,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    exclude: tuple[str, ...],
    level: str | None,
) -> LintSettings:
    settings = load_lint_settings(config)
    if select:
        settings = replace(settings, select=_codes(select, "select"))
    if ignore:
        settings = replace(settings, ignore=_codes(ignore, "ignore"))
    if exclude:
        settings = replace(settings, exclude=exclude)
    return replace(settings, level=Sureness(level)) if level is not None else settings


def _codes(given: tuple[str, ...], what: str) -> tuple[str, ...]:
    codes = [code.strip().upper() for each in given for code in each.split(",") if code.strip()]
    if not codes:
        raise UsageError(f"{what}: no code is named.")
    return checked_codes(codes, what)
