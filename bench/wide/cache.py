"""What has been measured, kept from run to run: a file for each case and each hazard cell, named by what it depends on.

A case is written again after each of its passes, so that a run that is killed loses the pass that it was in.

What failed is not kept, unless just so as its strategy says of itself: a process that was killed, a full disk or a
missing network are of the moment, and a result that would come out the same costs one more try. Nor are cases kept
whose figures contradict each other, nor probes that did not work, or hung where that was not declared, nor what was
measured after its source was edited in the same run.
"""

from __future__ import annotations

import hashlib
import os
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import msgspec

from connprof.errors import FileError
from connprof.model import CountsPass, MemoryPass, SafetyCell, TimingPass  # noqa: TC001 - read by msgspec
from connprof.store import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["Cache", "KeptCase", "KeptCell", "key_of"]

_FORMAT = 2
_OLDEST_S = 60 * 24 * 3600.0


class KeptCase(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The passes of one case. ``timing`` is by number of the process; ``measured_at`` an ISO time, of the first.

    ``failure`` is the pass and the message of a failure that the strategy foresees: no further pass will come.
    """

    measured_at: str
    failure: tuple[str, str] | None = None
    counts: CountsPass | None = None
    memory: MemoryPass | None = None
    timing: dict[int, TimingPass] = {}


class KeptCell(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One hazard cell."""

    measured_at: str
    cell: SafetyCell


T = TypeVar("T", KeptCase, KeptCell)


def key_of(depends_on: object) -> str:
    """A file's name for a result: another one as soon as anything in ``depends_on`` changes.

    Args:
        depends_on: anything that JSON can take.
    """
    text = msgspec.json.encode([_FORMAT, depends_on], order="deterministic")
    return hashlib.sha256(text).hexdigest()[:40]


@dataclass(slots=True)
class Cache:
    """A folder of results. May be shared by runs, also by several at once.

    Attributes:
        folder: where they lie.
        say: is told in a sentence of each that is damaged, and of a folder that cannot be written.
        fresh: keep results, but use none from before.
    """

    folder: Path
    say: Callable[[str], None]
    fresh: bool = False
    _is_closed: bool = field(default=False)

    def load(self, key: str, kind: type[T]) -> T | None:
        """The result ``key``, or nothing: it is absent, damaged, of another kind or kept under another name."""
        file = self.folder / f"{key}.json"
        if self.fresh:
            return None
        try:
            text = file.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            self.say(f"{file.name} in the cache cannot be read ({error.strerror}); it is measured again.")
            return None
        digest, _, content = text.partition(b"\n")
        kept = None
        if _digest(key, content) == digest:
            with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                kept = msgspec.json.decode(content, type=kind)
        if kept is None:
            self.say(f"{file.name} in the cache is damaged or another's copy; it is measured again.")
            return None
        with suppress(OSError):
            os.utime(file)  # so that what is in use is not swept away
        return kept

    def keep(self, key: str, kept: KeptCase | KeptCell) -> None:
        """Write a result, whole or not at all. A folder that cannot be written is said once, and costs nothing else."""
        content = msgspec.json.encode(kept)
        if self._is_closed:
            return
        try:
            write_atomically(self.folder / f"{key}.json", _digest(key, content) + b"\n" + content)
        except FileError as error:
            self._is_closed = True
            self.say(f"Nothing more is kept for a later run: {error}")

    def forget(self, key: str) -> None:
        """Remove a result that is not to be used again."""
        with suppress(OSError):
            (self.folder / f"{key}.json").unlink(missing_ok=True)

    def sweep(self) -> None:
        """Remove results that no run has asked for in two months."""
        oldest = time.time() - _OLDEST_S
        try:
            files = list(self.folder.glob("*.json"))
        except OSError as error:
            self.say(f"{self.folder} cannot be swept: {error.strerror}.")
            return
        for file in files:
            try:
                if _last_used_s(file) < oldest:
                    file.unlink(missing_ok=True)
            except FileNotFoundError:
                continue  # another run has swept it
            except OSError as error:
                self.say(f"{file.name} in the cache cannot be swept: {error.strerror}.")


def _digest(key: str, content: bytes) -> bytes:
    """What tells a whole entry that lies under its own name."""
    return hashlib.sha256(key.encode() + b"\n" + content).hexdigest().encode()


def _last_used_s(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return file.lstat().st_mtime  # a link that leads nowhere
