"""The command line: one module for each command, exit codes in :mod:`connprof.cli.exits`."""

from __future__ import annotations

import sys

import click

from connprof import __version__
from connprof.cli.compare import compare
from connprof.cli.duel import duel
from connprof.cli.exits import ExitCode, exit_code, guarded
from connprof.cli.history import history
from connprof.cli.lint import lint
from connprof.cli.merge import merge
from connprof.cli.report import report
from connprof.cli.run import run

__all__ = ["ExitCode", "cli", "exit_code", "guarded", "main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="connprof")
def cli() -> None:
    """What a Python HTTP client costs in SSL contexts, TLS handshakes, connections, memory and time."""


for _command in (compare, duel, history, lint, merge, report, run):
    cli.add_command(_command)


def main(argv: list[str] | None = None) -> None:
    """Entry point of the ``connprof`` command."""
    sys.exit(guarded(cli, argv))
