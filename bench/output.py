"""Standard output of a command that has something more important to do than to print."""

from __future__ import annotations

import errno
import sys
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, cast

from rich.console import Console

from connprof.cli.printing import drop
from connprof.errors import FileError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["console_on_stdout"]


@contextmanager
def console_on_stdout() -> Iterator[Console]:
    """A console on standard output; whatever becomes of that, the block is run to its end.

    Whoever reads it may stop doing so (``| head``, a closed terminal): the rest is not printed, and nothing is said.

    Raises:
        FileError: at the end of the block: something could not be written.
    """
    output = _Output(sys.stdout)
    yield Console(file=cast("IO[str]", output), highlight=False)
    if output.failure is not None:
        raise FileError(f"standard output cannot be written: {output.failure}.")


class _Output:
    """Writes to ``stream`` for as long as that can be written; why it no longer could is ``failure``."""

    def __init__(self, stream: IO[str] | None) -> None:
        self._stream = stream
        self._is_terminal = stream is not None and stream.isatty()
        self.failure = "it is closed" if stream is None else None  # the shell's >&-

    @property
    def encoding(self) -> str:
        """That of the stream."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    def isatty(self) -> bool:
        """Whether the stream is a terminal."""
        return self._is_terminal

    def write(self, text: str) -> int:
        """Write ``text``; a question mark stands for what the encoding cannot say."""
        if self._stream is not None:
            try:
                self._stream.write(text.encode(self.encoding, "replace").decode(self.encoding))
            except OSError as error:
                self._give_up(self._stream, error)
        return len(text)

    def flush(self) -> None:
        """Hand on what is in the stream's buffer."""
        if self._stream is not None:
            try:
                self._stream.flush()
            except OSError as error:
                self._give_up(self._stream, error)

    def _give_up(self, stream: IO[str], error: OSError) -> None:
        self._stream = None
        drop(stream)
        is_without_reader = error.errno == errno.EPIPE or (error.errno == errno.EIO and self._is_terminal)
        if not is_without_reader:
            self.failure = error.strerror or str(error)
