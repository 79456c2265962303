"""What one run needs on disk: a private temporary folder, the hook in it, and the variables that lead to both."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import connprof
from connprof.errors import FileError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["environment", "is_alive", "run_folder"]

_PREFIX = "connprof-run-"
_PACKAGE = Path(connprof.__file__).resolve().parent
_HOOK = _PACKAGE / "observe" / "hook" / "sitecustomize.py"
_REMOVALS = 5


@contextlib.contextmanager
def run_folder() -> Iterator[Path]:
    """A folder that nobody else can read, gone when the block ends, however it ends.

    What earlier runs have left that were killed themselves goes with it.

    Raises:
        FileError: there is no place for temporary files.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-")).resolve()
    except OSError as error:
        raise FileError(f"no temporary folder can be made: {error.strerror or error}.") from None
    try:
        try:
            (folder / "hook").mkdir()
            shutil.copyfile(_HOOK, folder / "hook" / _HOOK.name)
            (folder / "trouble").touch(0o600)
        except OSError as error:
            raise FileError(f"{folder} cannot be written to: {error.strerror or error}.") from None
        yield folder
    finally:
        _remove(folder)
        _sweep(folder.parent)


def environment(
    folder: Path,
    variables: Mapping[str, str],
    *,
    live: bool = False,
    memory: bool = False,
    user_code: Iterable[str] = (),
) -> dict[str, str]:
    """The variables of an observed program: those given, and the way to the hook in front of ``PYTHONPATH``."""
    path = [str(folder / "hook"), *filter(None, [variables.get("PYTHONPATH")])]
    ours = {
        "PYTHONPATH": os.pathsep.join(path),
        "CONNPROF_RUN_FOLDER": str(folder),
        "CONNPROF_RUN_PACKAGE": str(_PACKAGE),
        "CONNPROF_RUN_LIVE": "1" if live else "0",
        "CONNPROF_RUN_MEMORY": "1" if memory else "0",
        "CONNPROF_RUN_USER_CODE": os.pathsep.join(user_code),
    }
    return {**variables, **ours}


def _remove(folder: Path) -> None:
    """Whoever is still writing into the folder by its name finds it no more."""
    gone = folder.with_name(f"{folder.name}-gone")
    with contextlib.suppress(OSError):
        folder.rename(gone)
    for _ in range(_REMOVALS):
        for each in (gone, folder):
            shutil.rmtree(each, ignore_errors=True)
        if not gone.exists() and not folder.exists():
            return


def _sweep(place: Path) -> None:
    """Remove folders of our own user whose run does not exist any more."""
    for folder in place.glob(f"{_PREFIX}*"):
        pid = folder.name.removeprefix(_PREFIX).partition("-")[0]
        with contextlib.suppress(OSError, ValueError):
            if folder.stat().st_uid == os.getuid() and not is_alive(int(pid)):
                _remove(folder)


def is_alive(pid: int) -> bool:
    """Whether a process of that number runs, whoever's it is: not one that has ended and waits for its parent."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    try:
        status = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:  # macOS has none
        return True
    return not status.rpartition(b")")[2].lstrip().startswith((b"Z", b"X"))
