"""The two sides of a duel: a git worktree and an environment for each, and nothing left of them afterwards."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import tomllib
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.environments import Requirements, last_line
from connprof.errors import RunError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = [
    "Checkout",
    "commit_of",
    "is_dirty",
    "requirements",
    "worktrees",
]

_PREFIX = "connprof-duel-"
_LOCK = "lock"
_REF = re.compile(r"[^\s-]\S*")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
# What a side's suite is run with but no timing worker imports; installing it would take minutes and time nothing.
_TOOLS = frozenset({"connprof", "memray", "pytest", "pytest-benchmark"})


@dataclass(frozen=True, slots=True)
class Checkout:
    """A worktree of one commit."""

    commit: str
    tree: Path


# --- git ------------------------------------------------------------------------------------------------------


def commit_of(project: Path, ref: str) -> str:
    """The full hash of ``ref``.

    Raises:
        UsageError: there is no such commit, or ``project`` is no git checkout.
    """
    if _REF.fullmatch(ref) is None:
        raise UsageError(f"{ref!r} is no name of a commit.")
    done = _git(project, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
    if done.returncode:
        if _git(project, "rev-parse", "--git-dir").returncode:
            raise UsageError(f"{project} is not a git checkout, so it has no commits to compare.")
        raise UsageError(f"there is no commit {ref!r} here (a shallow clone may lack it: git fetch --unshallow).")
    return done.stdout.strip()


def is_dirty(project: Path) -> bool:
    """Whether the checkout has changes to tracked files that no commit holds."""
    return bool(_git(project, "status", "--porcelain", "--untracked-files=no").stdout.strip())


@contextmanager
def worktrees(project: Path, commits: Mapping[str, str]) -> Iterator[dict[str, Checkout]]:
    """A worktree for each name in ``commits``, side by side in a temporary folder, gone when the block ends.

    Names should be equally long: the paths are, then, and what depends on their length is alike on all sides. What a
    run that was killed has left behind is removed first.

    Raises:
        RunError: git cannot make one.
    """
    _sweep()
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX)).resolve()
    lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = {}
        for name, commit in commits.items():
            done = _git(project, "worktree", "add", "--detach", "--quiet", str(folder / name), commit)
            if done.returncode:
                raise RunError(f"git could not make a worktree of {commit[:12]}: {last_line(done.stderr)}.")
            made[name] = Checkout(commit, folder / name)
        yield made
    finally:
        with _undisturbed():
            _remove(folder)
            os.close(lock)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Cleaning up takes a moment; a second Ctrl-C, or a terminal that is closed, must not cut it short."""
    before = {
        number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _sweep() -> None:
    """Remove the folders of duels that were killed: those of this user whose lock nobody holds."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if folder.lstat().st_uid != os.getuid() or folder.is_symlink():
                continue
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(folder)
            finally:
                os.close(lock)


def _remove(folder: Path) -> None:
    for tree in folder.iterdir():
        if (tree / ".git").is_file():  # which leads git to the repository that it is of
            _git(tree, "worktree", "remove", "--force", "--force", str(tree))
    shutil.rmtree(folder, ignore_errors=True)


def _git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run git to its end, also when a Ctrl-C comes meanwhile: half a worktree could not be removed."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        process = subprocess.Popen(
            ["git", *arguments],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=variables,
            start_new_session=True,
        )
    except FileNotFoundError:
        raise UsageError("git is needed to compare two commits, and is not on the path.") from None
    try:
        printed, complaints = process.communicate()
    except KeyboardInterrupt:
        process.communicate()
        raise
    return subprocess.CompletedProcess(process.args, process.returncode, printed, complaints)


# --- what they need -------------------------------------------------------------------------------------------


def requirements(tree: Path, asked_for: Sequence[str]) -> Requirements:
    """What a timing worker of the checkout ``tree`` needs: its clients, at its pins, or as ``asked_for``.

    Raises:
        UsageError: ``asked_for`` is no requirement, or the checkout declares no suite.
    """
    by_hand = {_name(text): text for text in asked_for}
    try:
        project = tomllib.loads((tree / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        declared = project["optional-dependencies"]["bench"]
        constraints = (tree / "constraints.txt").read_text(encoding="utf-8").splitlines()
    except (OSError, KeyError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        raise UsageError(f"the commit in {tree.name} has no pyproject.toml with a suite, or no pins.") from None
    clients = {_name(text): text for text in declared if _name(text) not in _TOOLS}
    return Requirements(
        packages=tuple(sorted((clients | by_hand).values())),
        constraints=tuple(line for line in constraints if _NAME.match(line) and _name(line) not in by_hand),
        python=".".join(map(str, sys.version_info[:3])),
    )


def _name(requirement: str) -> str:
    """The normalised name of the package in ``requirement``."""
    found = _NAME.match(requirement.strip())
    if found is None:
        raise UsageError(f"{requirement!r} is no requirement such as httpx==0.28.1.")
    return re.sub(r"[-_.]+", "-", found.group()).lower()
