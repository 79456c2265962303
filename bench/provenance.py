"""Which state of the project a run was made from."""

from __future__ import annotations

import subprocess
from pathlib import Path

__all__ = ["commit"]

_PROJECT = Path(__file__).resolve().parent.parent


def commit() -> tuple[str | None, bool | None]:
    """The commit of the suite and whether its tree was changed; nothing where there is no git."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=_PROJECT, capture_output=True, text=True, check=True, timeout=10
        )
        status = subprocess.run(
            ["git", "status", "--porcelain"], cwd=_PROJECT, capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None, None
    return done.stdout.strip(), bool(status.stdout.strip())
