"""The server's temporary folder, which must be gone whatever happens.

Each folder holds a lock file on which parent and server hold one ``flock`` together. Whoever survives the
other removes the folder; where both were killed at once, the kernel has freed the lock, and the next start
sweeps the folder away.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from pathlib import Path

from connprof_server.errors import ServerError

__all__ = ["PREFIX", "make_folder", "remove_folder", "sweep"]

PREFIX = "connprof-server-"
_LOCK = "lock"
# A folder without a lock file is one that is being made at this moment, or whose maker was killed just then.
_UNLOCKED_AGE_S = 60.0
_TRIES_COUNT = 10


def make_folder() -> tuple[Path, int]:
    """A new private folder and the file descriptor that holds its lock; stale folders are swept first.

    Raises:
        ServerError: the temporary folder cannot be written to.
    """
    parent = Path(tempfile.gettempdir())
    sweep(parent)
    for _ in range(_TRIES_COUNT):
        try:
            folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            continue  # swept by another start between the two lines
        except OSError as error:
            raise ServerError(f"no folder could be made in {parent}: {error.strerror}") from error
        if _hold(lock) and (folder / _LOCK).exists():
            return folder, lock
        os.close(lock)  # swept by another start before the lock was held
    raise ServerError(f"no folder could be made in {parent} in {_TRIES_COUNT} tries")


def sweep(parent: Path) -> None:
    """Removes the folders of servers that were killed together with their parents.

    Only folders of this user whose lock nobody holds are touched.
    """
    for folder in parent.glob(PREFIX + "*"):
        with contextlib.suppress(OSError):
            status = folder.lstat()
            if status.st_uid != os.getuid() or folder.is_symlink():
                continue
            try:
                lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC)
            except FileNotFoundError:
                if time.time() - status.st_mtime > _UNLOCKED_AGE_S:
                    remove_folder(folder)
                continue
            try:
                if _hold(lock):
                    remove_folder(folder)
            finally:
                os.close(lock)


def remove_folder(folder: Path) -> None:
    """Removes the folder with all that is in it; one that is gone already is no error."""
    shutil.rmtree(folder, ignore_errors=True)


def _hold(lock: int) -> bool:
    import fcntl  # not on Windows, where this package can be imported but not be used

    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
