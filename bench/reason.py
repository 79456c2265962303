"""An exception in one line. By itself, so that whoever needs it depends on nothing else; standard library only."""

from __future__ import annotations

import traceback
from pathlib import Path

__all__ = ["reason"]


def reason(error: BaseException) -> str:
    """``error`` in one line: its type and message, and the line of the strategy that it came from."""
    message = " ".join(str(error).split()) or "no message"
    frames = [(Path(frame.filename), frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    places = [f" at {file.name}:{line}" for file, line in frames if file.parent.name in {"strategies", "helpers"}]
    place = places[-1] if places else ""
    return f"{type(error).__name__}{place}: {message}"
