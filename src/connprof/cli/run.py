"""``connprof run``: any program, observed from outside; its summary comes on standard error when it has ended."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from msgspec.structs import replace

from connprof.assemble import assemble
from connprof.cli.exits import PROFILE_EXIT_CODES_HELP, ExitCode
from connprof.cli.numbers import COUNT, RATIO
from connprof.cli.paths import ANYTHING, FILE
from connprof.cli.printing import drop
from connprof.codes import BY_CODE
from connprof.errors import ConnprofError, UsageError
from connprof.launch import hot, memory
from connprof.launch.child import end_alike, follow
from connprof.launch.folder import environment, run_folder
from connprof.launch.gathered import gather
from connprof.launch.limits import ANY, Limits, broken, held
from connprof.launch.live import Counters
from connprof.launch.program import command, interpreter, module, script
from connprof.lint import lint, load_lint_settings
from connprof.observe.own import whole_names
from connprof.observe.sites import take_for_user_code
from connprof.report.profile import render
from connprof.store import write_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connprof.launch.child import Ended
    from connprof.launch.gathered import Gathered
    from connprof.launch.program import Program
    from connprof.lint import Outcome
    from connprof.profile import Profile
    from connprof.report.profile import Kind

__all__ = ["run"]

_EXAMPLES = """\b
Examples:
  connprof run app.py --port 8000      a script, as python would run it
  connprof run -m package              a module
  connprof run -- gunicorn app:app     a command that starts Python
  connprof run --fail-on any --max-handshakes 5 --json profile.json app.py
"""
_NARROWEST, _WIDEST = 60, 160


class _RunCommand(click.Command):
    """One that remembers whether ``--`` stood before the program: then it is a command and no script."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Split our options from the program's words, which begin with the first that is no option."""
        options, _, _ = self.make_parser(ctx).parse_args(list(args))
        words = options.get("words")
        words_count = len(words) if isinstance(words, tuple) else 0
        ctx.meta["is_command"] = 0 < words_count < len(args) and args[-words_count - 1] == "--"
        return super().parse_args(ctx, args)


@click.command(
    cls=_RunCommand,
    short_help="Find the lines of a program that make contexts, handshakes and connections.",
    context_settings={"allow_interspersed_args": False},
    epilog=f"{_EXAMPLES}\n{PROFILE_EXIT_CODES_HELP}",
)
@click.option("-m", "as_module", is_flag=True, help="PROGRAM is a module or package, as for python -m.")
@click.option("--json", type=FILE, help="Write all figures as JSON.")
@click.option("--html", type=FILE, help="Write a page.")
@click.option("--sarif", type=FILE, help="Write the findings as SARIF, for code scanning.")
@click.option("--markdown", type=FILE, help="Write Markdown, for a pull request or a job's summary.")
@click.option("--fail-on", metavar="CODE,...", multiple=True, help="Exit with 1 if one of these is found; any for all.")
@click.option(
    "--max-contexts",
    "--max-ssl-contexts",
    "max_contexts",
    metavar="N",
    type=COUNT,
    help="Exit with 1 above N SSL contexts.",
)
@click.option("--max-handshakes", metavar="N", type=COUNT, help="Exit with 1 above N TLS handshakes.")
@click.option("--max-connections", metavar="N", type=COUNT, help="Exit with 1 above N TCP connections.")
@click.option("--min-requests-per-connection", metavar="X", type=RATIO, help="Exit with 1 below X on average.")
@click.option("--memory", "with_memory", is_flag=True, help="Also record SSL bytes by line, with memray: slow.")
@click.option("--live", is_flag=True, help="Show counters every few seconds while the program runs, on standard error.")
@click.option(
    "--lint",
    "lint_path",
    metavar="PATH",
    type=ANYTHING,
    help="Also check this source, and say which of its findings ran.",
)
@click.option(
    "--user-code",
    metavar="NAME",
    multiple=True,
    help="An installed package that is yours, as it is imported, or a folder: its lines are told. May be repeated.",
)
@click.option("--python", metavar="INTERPRETER", help="Python for a script or module.  [default: the one of connprof]")
@click.option("--quiet", is_flag=True, help="No summary, nothing of --lint; broken limits are told all the same.")
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="PROGRAM [ARGUMENTS]...")
@click.pass_context
def run(  # noqa: PLR0917 - click passes them by name
    context: click.Context,
    as_module: bool,
    json: Path | None,
    html: Path | None,
    sarif: Path | None,
    markdown: Path | None,
    fail_on: tuple[str, ...],
    max_contexts: int | None,
    max_handshakes: int | None,
    max_connections: int | None,
    min_requests_per_connection: float | None,
    with_memory: bool,
    live: bool,
    lint_path: Path | None,
    user_code: tuple[str, ...],
    python: str | None,
    quiet: bool,
    words: tuple[str, ...],
) -> int:
    """Run PROGRAM unmodified, and say which of its lines make SSL contexts, TLS handshakes and connections.

    Our options come before the program; all that follows is the program's. Its input, output, signals and exit code
    are passed through. The summary comes on standard error when it has ended; its forks, workers and subprocesses are
    in it. No body, header, cookie, key or argument is recorded.
    """
    folder = _current_folder()
    request = _Request(
        folder=folder,
        program=_program(words, python, as_module=as_module, is_command=bool(context.meta["is_command"])),
        files={"json": json, "html": html, "sarif": sarif, "markdown": markdown},
        limits=Limits(
            codes=_codes(fail_on),
            contexts_max=max_contexts,
            handshakes_max=max_handshakes,
            connections_max=max_connections,
            requests_per_connection_min=min_requests_per_connection,
        ),
        with_memory=with_memory,
        live=live,
        lint_path=lint_path,
        user_code=_user_code(user_code),
        quiet=quiet,
        misplaced=_misplaced(words),
    )
    outcome = None if lint_path is None else _linted(lint_path)
    _check_outputs(request)
    if with_memory:
        is_command = context.meta["is_command"]
        memory.check_memray(None if is_command else interpreter(python), os.environ)
    profile, left = _observe(request)
    if outcome is not None:
        profile = replace(profile, lint=hot.marked(outcome, profile, folder))
    return _tell(profile, request, left)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    """What was asked for, in which folder: the program may have removed it at the end."""

    folder: Path
    program: Program
    files: dict[Kind, Path | None]
    limits: Limits
    with_memory: bool
    live: bool
    lint_path: Path | None
    user_code: tuple[str, ...]
    quiet: bool
    misplaced: tuple[str, ...]


_GATES: Final = frozenset({
    "--fail-on", "--max-contexts", "--max-ssl-contexts", "--max-handshakes", "--max-connections",
    "--min-requests-per-connection",
})  # fmt: skip
"""Options that are most likely meant for us wherever they stand: others' programs have an ``--html`` of their own."""


def _misplaced(words: Sequence[str]) -> tuple[str, ...]:
    """Limits that stand behind the program, which hold nothing there; another run of ours has them with reason."""
    names = [word.partition("=")[0] for word in words[1:]]
    return () if "connprof" in names else tuple(dict.fromkeys(name for name in names if name in _GATES))


def _current_folder() -> Path:
    try:
        return Path.cwd()
    except OSError:
        raise UsageError("the current folder is not there any more.") from None


def _program(words: Sequence[str], python: str | None, *, as_module: bool, is_command: bool) -> Program:
    if not words:
        raise UsageError("name the program to run: connprof run app.py, -m package, or -- command.")
    name, *arguments = words
    if as_module:
        return module(name, arguments, interpreter(python))
    if not is_command:
        return script(name, arguments, interpreter(python))
    if python is not None:
        raise UsageError("--python is for a script or a module: a command has its own.")
    return command(name, arguments)


def _codes(given: Sequence[str]) -> frozenset[str]:
    codes = [code.strip() for each in given for code in each.split(",") if code.strip()]
    if given and not codes:
        raise UsageError("--fail-on: no code is named.")
    wanted = frozenset(ANY if code.lower() == ANY else code.upper() for code in codes)
    measured = [code for code, each in BY_CODE.items() if "run" in each.sources]
    for code in sorted(wanted - {ANY}):
        if code not in BY_CODE:
            hint = " Commas stand between codes." if " " in code else ""
            raise UsageError(f"--fail-on: there is no code {code!r}; a run finds {', '.join(measured)}.{hint}")
        if code not in measured:
            raise UsageError(f"--fail-on: a run reports {code} as {BY_CODE[code].measured_as}.")
    return wanted


def _user_code(names: Sequence[str]) -> tuple[str, ...]:
    """What was named; here, too, where it tells whose the bytes of ``--memory`` are."""
    try:
        found = whole_names(names)
    except ValueError as error:
        raise UsageError(f"--user-code: {error}.") from None
    take_for_user_code(found)
    return found


def _linted(path: Path) -> Outcome:
    """Before the program starts, so that a wrong path is told at once and the source is that which runs."""
    return lint([path], load_lint_settings(None))


def _check_outputs(request: _Request) -> None:
    """Say before a long run what would keep its result from being written, or what that would overwrite."""
    files = request.files
    paths = [path for path in files.values() if path is not None]
    for path in paths:
        folder = path.parent
        if str(path) == "-":
            raise UsageError("standard output is the program's own: name a file instead of '-'.")
        if path.is_dir():
            raise UsageError(f"{path} is a folder.")
        if (folder.exists() and not folder.is_dir()) or (folder.is_dir() and not os.access(folder, os.W_OK)):
            raise UsageError(f"{path} cannot be written.")
        if path.is_file():
            _check_overwritten(path, request)
    regular = [os.path.realpath(path) for path in paths if not path.exists() or path.is_file()]
    if len(set(regular)) < len(regular):
        raise UsageError("two outputs would be written into one file.")
    if files["html"] is not None:
        render(assemble((), command=(), started_at="", duration_ns=0, exit_code=0), "html")


def _check_overwritten(path: Path, request: _Request) -> None:
    """Refuse an output in the place of a file that is the program's, or that is read for it."""
    real = Path(os.path.realpath(path))
    if any(real == Path(os.path.realpath(file)) for file in request.program.files):
        raise UsageError(f"{path} would be overwritten, and it is the program's: name another file.")
    if request.lint_path is not None:
        source = Path(os.path.realpath(request.lint_path))
        if real == source or (real.suffix in {".py", ".pyi", ".ipynb"} and source in real.parents):
            raise UsageError(f"{path} would be overwritten, and --lint reads it: name another file.")
    for number in range(3):
        with contextlib.suppress(OSError):
            if os.path.samestat(os.fstat(number), path.stat()):
                raise UsageError(f"{path} would be overwritten, and the program reads or writes it: name another file.")


def _observe(request: _Request) -> tuple[Profile, Gathered]:
    """Run the program, and make a profile of what its processes left."""
    with run_folder() as folder:
        variables = environment(
            folder, os.environ, live=request.live, memory=request.with_memory, user_code=request.user_code
        )
        if request.live:
            counters = Counters(folder)
            ended = follow(request.program, variables, counters.tick)
            counters.tick(is_last=True)
        else:
            ended = follow(request.program, variables)
        return _profile(folder, ended, request)


def _profile(folder: Path, ended: Ended, request: _Request) -> tuple[Profile, Gathered]:
    left = gather(folder, request.program.name)
    notes = [
        f"{name} stands behind the program and was given to it: what is for connprof comes before the program."
        for name in request.misplaced
    ] + [*left.notes, *_about_unmet(request.user_code, left)]
    captured = memory.read_captures(folder) if request.with_memory else None
    if captured is not None:
        notes += [*([memory.NOTE] if captured.by_line else []), *captured.notes]
    profile = assemble(
        left.processes,
        command=request.program.shown,
        started_at=ended.started_at,
        duration_ns=ended.duration_ns,
        exit_code=ended.exit_code,
        notes=notes,
        memory=request.with_memory,
        ssl_bytes={} if captured is None else captured.by_line,
        quiet_processes_count=left.quiet_count,
        is_incomplete=left.is_incomplete,
    )
    limits = held(profile, request.limits, was_observed=left.python_count > 0, losses=left.losses)
    return replace(profile, limits=limits), left


def _about_unmet(names: Sequence[str], left: Gathered) -> list[str]:
    """Packages named by ``--user-code`` that none of the processes has imported: a slip of the pen, perhaps."""
    met = {name for process in left.processes for name in process.own_names}
    unmet = [name for name in dict.fromkeys(names) if name not in met and not os.path.isabs(name)]  # noqa: PTH117 - a string is kept
    if not left.processes or not unmet:
        return []
    return [f"--user-code {name}: no process in which anything was to be seen imported it." for name in unmet]


def _tell(profile: Profile, request: _Request, left: Gathered) -> int:
    """Print and write everything, and give back the exit code. What goes wrong here never hides the program's own."""
    if not request.quiet:
        width = max(_NARROWEST, min(shutil.get_terminal_size((100, 24)).columns, _WIDEST))
        is_seen = _is_terminal()  # what is piped is searched for whole sentences, or wrapped by who shows it
        is_colored = is_seen and "NO_COLOR" not in os.environ
        _print(render(profile, "text", color=is_colored, width=width, wraps=is_seen, folder=request.folder))
        if profile.lint is not None:
            _print("\n" + "\n".join(hot.sentences(profile.lint)) + "\n")
    failed = False
    for kind, path in request.files.items():
        if path is not None:
            try:
                write_atomically(path, render(profile, kind, folder=request.folder).encode())
            except ConnprofError as error:
                failed = True
                _print(f"Error: {error}\n")
    sentences = broken(profile.limits, was_observed=left.python_count > 0, losses=left.losses)
    for sentence in sentences:
        _print(f"Limit: {sentence}\n")
    if profile.exit_code:
        return end_alike(profile.exit_code)
    if failed:
        return ExitCode.USAGE
    return ExitCode.NEGATIVE if sentences else ExitCode.PASS


def _is_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


def _print(text: str) -> None:
    """To standard error as it is, if anybody is left to read it; a question mark for what it cannot say."""
    stream: Any = sys.stderr
    if stream is None:
        return
    encoding = stream.encoding or "utf-8"
    try:
        stream.write(text.encode(encoding, "replace").decode(encoding))
        stream.flush()
    except (OSError, ValueError):
        drop(stream)
