"""A busy neighbour: burns a core in bursts of random length, for a bounded time. ``python -m bench.neighbour 60 1``.

It ends when its time is over or when standard input, held open by whoever started it, ends.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from bench.worker import die_with_parent

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["busy", "main"]

_PROJECT = Path(__file__).resolve().parent.parent
_BURST_S = (0.05, 3.0)
_PAUSE_S = (0.05, 1.0)


@contextmanager
def busy(neighbours_count: int, *, seconds: float, seed: int) -> Iterator[None]:
    """Have so many neighbours for as long as the block lasts, and never for longer than ``seconds``."""
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "bench.neighbour", str(seconds), str(seed + number)],
            cwd=_PROJECT,
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        for number in range(neighbours_count)
    ]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()
            assert process.stdin is not None
            with suppress(BrokenPipeError):
                process.stdin.close()


def main() -> None:
    """Burn and pause in turn."""
    seconds, draw = float(sys.argv[1]), random.Random(int(sys.argv[2]))
    die_with_parent(sys.stdin)
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        burst_end_s = time.monotonic() + draw.uniform(*_BURST_S)
        while time.monotonic() < burst_end_s:
            sum(range(1000))
        time.sleep(draw.uniform(*_PAUSE_S))


if __name__ == "__main__":
    main()
