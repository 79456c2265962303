"""Standard output, as a command that answers by its exit code needs it."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import Any

import click

from connprof.errors import FileError
from connprof.plain import inert, plain

__all__ = ["Held", "drop", "is_colored", "say", "tell"]


class Held(io.StringIO):
    """Stands for standard output before rich, which would stumble over what :func:`say` tells in a sentence."""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """That of standard output."""
        return getattr(sys.stdout, "encoding", None) or "utf-8"

    def isatty(self) -> bool:
        """Whether standard output is a terminal."""
        return sys.stdout is not None and sys.stdout.isatty()


def say(text: str) -> None:
    """Print ``text`` as it is; a question mark stands for what the output's encoding cannot say.

    Whoever reads it may stop doing so (``| head``): the rest is not printed, and the exit code is what it would have
    been. click would end with 1, which means something else here.

    Raises:
        FileError: it cannot be written.
    """
    if sys.stdout is None:  # the shell's >&-
        raise FileError("standard output cannot be written: it is closed.")
    encoding = sys.stdout.encoding or "utf-8"
    if not encoding.lower().startswith("utf"):
        text = text.encode(encoding, "replace").decode(encoding)
    try:
        click.echo(text, nl=False, color=True)
    except BrokenPipeError:
        drop(sys.stdout)
    except OSError as error:
        drop(sys.stdout)
        raise FileError(f"standard output cannot be written: {error.strerror}.") from None


def tell(*sentences: str) -> None:
    """Print each sentence on a line of its own on standard error.

    Names from files and of files are in them, which may hold anything: no line begins and no colour is set by them, as
    a terminal obeys the one and CI the other.
    """
    for sentence in sentences:
        with contextlib.suppress(OSError):  # where standard error is gone, nobody can be told
            click.echo(inert(plain(sentence)), err=True)


def is_colored() -> bool:
    """Whether standard output shows colours, and may."""
    return sys.stdout is not None and sys.stdout.isatty() and "NO_COLOR" not in os.environ


def drop(stream: Any) -> None:
    """Let what is left in the stream's buffer go nowhere: Python would stumble over it at its end, and end with 120."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
