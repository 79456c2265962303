"""Reads what the processes of a run have left in its folder."""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from connprof.errors import FileError
from connprof.launch.folder import is_alive
from connprof.store import load_process_profile

if TYPE_CHECKING:
    from connprof.profile import ProcessProfile

__all__ = ["Gathered", "gather", "process_profiles"]

_NAMED_MAX = 5
_ENDING_S = 0.3


@dataclass(frozen=True, slots=True)
class Gathered:
    """What was left.

    Attributes:
        processes: those that used anything which was observed, in order of their start.
        python_count: Python processes that began and could be observed, whether or not anything was to be seen in them.
        notes: what a reader must know of them, in sentences.
        losses: those of the notes that say that something was seen and is missing here.
        is_incomplete: whether there are losses, or processes that were not observed, or not to their end.
        quiet_count: Python processes in which nothing was to be seen.
    """

    processes: tuple[ProcessProfile, ...]
    python_count: int
    notes: tuple[str, ...]
    losses: tuple[str, ...] = ()
    is_incomplete: bool = False
    quiet_count: int = 0


def process_profiles(folder: Path) -> tuple[tuple[ProcessProfile, ...], tuple[str, ...]]:
    """What can be read, and for each file that cannot a sentence."""
    found, problems = _read(folder)
    return tuple(process for process, _ in found), problems


def _read(folder: Path) -> tuple[list[tuple[ProcessProfile, bool]], tuple[str, ...]]:
    """As :func:`process_profiles`, and whether all that a process had seen was written by then."""
    found, problems = [], []
    for file in sorted(folder.glob("process-*.json")):
        try:
            process = load_process_profile(file)
            found.append((process, process.ended != "running" or not file.stat().st_mode & stat.S_IXUSR))
        except (FileError, OSError) as error:
            problems.append(f"A process is left out: {str(error).replace(f'{folder}{os.sep}', '')}")
    return sorted(found, key=lambda each: (each[0].started_at_ns, each[0].pid)), tuple(problems)


def gather(folder: Path, name: str) -> Gathered:
    """Everything in the folder of a run of the program ``name``."""
    found, problems = _read(folder)
    processes = tuple(_looked_after(process, is_whole=is_whole) for process, is_whole in found)
    began = [_words(file) for file in sorted(folder.glob("python-*"))]
    unwritten = _unwritten(folder)
    losses = [
        *_about_removed(folder),
        *_about_failed(began),
        *_about_cut_off(found, unwritten),
        *_about_unwritten(folder, unwritten),
        *problems,
    ]
    missing = [*_about_old(began), *_about_alive(folder, found), *_about_blind(folder), *losses]
    notes = [*([] if losses else _about_none(name, began)), *_about_killed(found), *missing]
    observed = [each for each in began if not each.is_too_old and not each.failure]
    return Gathered(
        processes,
        python_count=len(observed),
        notes=tuple(notes),
        losses=tuple(losses),
        is_incomplete=bool(missing),
        quiet_count=_quiet_count(folder, observed, processes),
    )


def _looked_after(process: ProcessProfile, *, is_whole: bool) -> ProcessProfile:
    """With what it could not say itself: whether it goes on, and whether it had seen more than it wrote."""
    if process.ended != "running":
        return process
    return replace(process, is_alive=is_alive(process.pid), is_told=process.is_told and is_whole)


def _quiet_count(folder: Path, observed: list[_Words], processes: tuple[ProcessProfile, ...]) -> int:
    """Those that have left nothing, and no word that they had something to leave."""
    known = Counter(process.pid for process in processes if not process.is_fork)
    left = (*folder.glob("process-*.json"), *folder.glob("unwritten-*"))
    lost = {each.name.split("-")[1] for each in left}.difference(map(str, known))
    return max(sum(each.pid not in lost for each in observed) - known.total(), 0)


@dataclass(frozen=True, slots=True)
class _Words:
    """What a process said when it began: its version, its interpreter, and what went wrong, if anything did."""

    pid: str
    version: str
    executable: str
    failure: str

    @property
    def is_too_old(self) -> bool:
        with contextlib.suppress(ValueError):
            return tuple(int(part) for part in self.version.split(".")[:2]) < (3, 11)
        return False


def _words(file: Path) -> _Words:
    try:
        lines = file.read_text("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    version, executable, failure = (*lines[:3], "", "", "")[:3]
    return _Words(file.name.split("-")[1], version, executable, failure)


def _about_removed(folder: Path) -> list[str]:
    if (folder / "trouble").exists():
        return []
    return ["What processes had left for connprof was removed from its temporary folder before it was read."]


def _about_none(name: str, began: list[_Words]) -> list[str]:
    if not began:
        ignored = "python -I, -E or -S, a frozen program, or an emptied environment"
        return [f"{name} started no Python process, or one that ignores PYTHONPATH ({ignored})."]
    return []


def _about_old(began: list[_Words]) -> list[str]:
    old = sorted({(each.version, each.executable) for each in began if each.is_too_old})
    return [
        f"Python {version} ({executable}) was left alone: connprof observes 3.11 and later."
        for version, executable in old[:_NAMED_MAX]
    ]


def _about_failed(began: list[_Words]) -> list[str]:
    failures = dict.fromkeys(each.failure for each in began if each.failure)
    return [f"A process could not be observed: {failure}" for failure in list(failures)[:_NAMED_MAX]]


def _about_blind(folder: Path) -> list[str]:
    reasons: Counter[str] = Counter()
    for file in sorted(folder.glob("blind-*[0-9]")):
        with contextlib.suppress(OSError):
            reasons[file.read_text("utf-8", "replace")] += 1
    return [
        f"{count:,} Python process{' was' if count == 1 else 'es were'} started with {reason}, and not observed:"
        " connprof is reached by way of PYTHONPATH and site."
        for reason, count in sorted(reasons.items())
    ]


def _about_alive(folder: Path, found: list[tuple[ProcessProfile, bool]]) -> list[str]:
    alive = [process.pid for process, _ in found if process.ended == "running" and is_alive(process.pid)]
    silent = _silent_pids(folder, {process.pid for process, _ in found})
    return [
        *([f"{_named(alive)} still running when the program had ended, and counted up to then."] if alive else []),
        *([f"{_named(silent)} still running when the program had ended, with nothing seen by then."] if silent else []),
    ]


def _silent_pids(folder: Path, known: set[int]) -> list[int]:
    """Python processes of the run that go on and have left nothing, as a fork that is to become a daemon.

    Told by their environment, where the system shows it. One that is just ending is given the time for that.
    """
    found = _pids_in(folder, known)
    deadline = time.monotonic() + _ENDING_S
    while found and time.monotonic() < deadline:
        time.sleep(_ENDING_S / 10)
        found = [pid for pid in found if is_alive(pid)]
    return found


def _pids_in(folder: Path, known: set[int]) -> list[int]:
    variable = b"CONNPROF_RUN_FOLDER=" + os.fsencode(folder)
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError):
            is_of_run = variable in (each / "environ").read_bytes().split(b"\0")
            if is_of_run and (each / "exe").resolve().name.startswith("python") and int(each.name) not in known:
                found.append(int(each.name))
    return sorted(found)


def _about_killed(found: list[tuple[ProcessProfile, bool]]) -> list[str]:
    killed = [
        process.pid
        for process, is_whole in found
        if process.ended == "running" and is_whole and not process.is_told and not is_alive(process.pid)
    ]
    if not killed:
        return []
    return [
        f"{_named(killed)} killed or crashed, or ended by the parent: what happened in the last moment may be missing."
    ]


def _about_cut_off(found: list[tuple[ProcessProfile, bool]], unwritten: dict[str, list[int]]) -> list[str]:
    told = {pid for pids in unwritten.values() for pid in pids}
    cut_off = [
        process.pid
        for process, is_whole in found
        if not is_whole and process.pid not in told and not is_alive(process.pid)
    ]
    if not cut_off:
        return []
    return [f"{_named(cut_off)} killed or crashed, or ended by the parent, before the last that was seen was written."]


def _unwritten(folder: Path) -> dict[str, list[int]]:
    """Processes that could not write what they saw, by the reason."""
    pids: dict[str, list[int]] = {}
    for link in sorted(folder.glob("unwritten-*")):
        with contextlib.suppress(OSError, ValueError):
            those = pids.setdefault(str(link.readlink()), [])
            if (pid := int(link.name.split("-")[1])) not in those:
                those.append(pid)
    return pids


def _about_unwritten(folder: Path, pids: dict[str, list[int]]) -> list[str]:
    sentences = [f"{_named(those)} not able to write what was seen there: {reason}." for reason, those in pids.items()]
    if not sentences and _is_marked(folder):
        sentences.append("A process was not able to write what was seen there.")
    return sentences


def _is_marked(folder: Path) -> bool:
    """Whether a process could leave no name either, and has changed the file that is there for that."""
    with contextlib.suppress(OSError):
        status = (folder / "trouble").stat()
        return bool(status.st_mode & stat.S_IXUSR or status.st_size)
    return False


def _named(pids: list[int]) -> str:
    shown = ", ".join(map(str, pids[:_NAMED_MAX])) + (" and more" if len(pids) > _NAMED_MAX else "")
    return f"Process {shown} was" if len(pids) == 1 else f"{len(pids)} processes ({shown}) were"
