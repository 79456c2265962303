"""``connprof duel``: time across two commits. The suite of the checkout does it; this only starts it there."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

import click

from connprof.errors import MissingPackageError, UsageError

__all__ = ["duel"]

_SUITE = Path("bench") / "duel.py"


@click.command(
    short_help="Time two commits, or two dependencies, in one job.",
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
    add_help_option=False,
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[BASE_REF [HEAD_REF]] [OPTIONS]")
def duel(arguments: tuple[str, ...]) -> None:
    """Is HEAD_REF slower than BASE_REF? In paired processes, in the suite's checkout.

    `connprof duel --help`, in the checkout, tells all options and exit codes.
    """
    project = next((folder for folder in (Path.cwd(), *Path.cwd().parents) if (folder / _SUITE).is_file()), None)
    if project is None:
        raise UsageError("a duel needs the suite: run it in a checkout of connprof, which holds bench/duel.py.")
    if find_spec("rich") is None or find_spec("uvicorn") is None:
        raise MissingPackageError("the suite", extra="bench", purpose="run a duel")
    paths = [str(project / part) for part in ("", "src", "server")]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join([*paths, *filter(None, [os.environ.get("PYTHONPATH")])])}
    os.chdir(project)
    # It takes this process's place: a child would go on, unseen, where only its parent is killed.
    os.execve(sys.executable, [sys.executable, "-m", "bench.duel", *arguments], variables)  # noqa: S606
