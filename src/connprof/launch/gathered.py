"""Reads what the processes of a run have left in its folder."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from connprof.errors import FileError
from connprof.launch.folder import is_alive
from connprof.store import load_process_profile

if TYPE_CHECKING:
    from pathlib import Path

    from connprof.profile import ProcessProfile

__all__ = ["Gathered", "gather", "process_profiles"]

_NAMED_MAX = 5


@dataclass(frozen=True, slots=True)
class Gathered:
    """What was left.

    Attributes:
        processes: those that used anything which was observed, in order of their start.
        python_count: Python processes that began and could be observed, whether or not anything was to be seen in them.
        notes: what a reader must know of them, in sentences.
    """

    processes: tuple[ProcessProfile, ...]
    python_count: int
    notes: tuple[str, ...]

    @property
    def quiet_count(self) -> int:
        """Those in which nothing was to be seen."""
        return max(self.python_count - sum(not each.is_fork for each in self.processes), 0)


def process_profiles(folder: Path) -> tuple[tuple[ProcessProfile, ...], tuple[str, ...]]:
    """What can be read, and for each file that cannot a sentence."""
    found, problems = [], []
    for file in sorted(folder.glob("process-*.json")):
        try:
            found.append(load_process_profile(file))
        except FileError as error:
            problems.append(f"A process is left out: {str(error).replace(f'{folder}{os.sep}', '')}")
    return tuple(sorted(found, key=lambda each: (each.started_at_ns, each.pid))), tuple(problems)


def gather(folder: Path, name: str) -> Gathered:
    """Everything in the folder of a run of the program ``name``."""
    processes, problems = process_profiles(folder)
    began = [_words(file) for file in sorted(folder.glob("python-*"))]
    notes = [
        *_about_none(name, began),
        *_about_old(began),
        *_about_failed(began),
        *_about_running(processes),
        *_about_blind(folder),
        *problems,
    ]
    observed_count = sum(not each.is_too_old and not each.failure for each in began)
    return Gathered(processes, observed_count, tuple(notes))


@dataclass(frozen=True, slots=True)
class _Words:
    """What a process said when it began: its version, its interpreter, and what went wrong, if anything did."""

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
    return _Words(version, executable, failure)


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


def _about_running(processes: tuple[ProcessProfile, ...]) -> list[str]:
    alive = [each.pid for each in processes if each.ended == "running" and is_alive(each.pid)]
    lost = (each for each in processes if each.ended == "running" and not each.is_told)
    killed = [each.pid for each in lost if each.pid not in alive]
    notes = []
    if alive:
        notes.append(f"{_named(alive)} still running when the program had ended, and counted up to then.")
    if killed:
        notes.append(f"{_named(killed)} killed or crashed: what happened in the last moment may be missing.")
    return notes


def _named(pids: list[int]) -> str:
    shown = ", ".join(map(str, pids[:_NAMED_MAX])) + (" and more" if len(pids) > _NAMED_MAX else "")
    return f"Process {shown} was" if len(pids) == 1 else f"{len(pids)} processes ({shown}) were"
