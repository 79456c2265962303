"""Names of files and folders on the command line."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from connprof.errors import FileError

if TYPE_CHECKING:
    from click import Context, Parameter

__all__ = ["ANYTHING", "FILE", "FOLDER"]


_OUT_OF_REACH = frozenset({errno.EACCES, errno.ENAMETOOLONG})


class _Named(click.Path):
    """A path that is not empty: an unset variable of a script must not stand for the current folder.

    Nor is it one of which the system does not even say whether it is there.
    """

    def convert(self, value: str | os.PathLike[str], param: Parameter | None, ctx: Context | None) -> Any:
        if not os.fspath(value):
            self.fail("it is empty; is a variable unset?", param, ctx)
        try:
            Path(os.fsdecode(value)).stat()
        except OSError as error:
            if error.errno in _OUT_OF_REACH:
                raise FileError(f"{os.fsdecode(value)} cannot be reached: {error.strerror}.") from None
        return super().convert(value, param, ctx)


ANYTHING = _Named(path_type=Path)
FILE = _Named(path_type=Path, dir_okay=False)
FOLDER = _Named(path_type=Path, file_okay=False)
