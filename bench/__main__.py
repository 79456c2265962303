"""``python -m bench``: deaf to nothing from its first moment on; everything else is in :mod:`bench.command`."""

from __future__ import annotations

import os
import signal
import sys


def _leave(_number: int, _frame: object) -> None:
    """Nothing has been measured yet, so there is nothing to keep."""
    sys.stderr.write("Interrupted.\n")
    sys.stderr.flush()
    os._exit(130)


def leave_at_once() -> None:
    """Be interruptible while the imports, which take a second, are made."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _leave)


def main() -> None:
    """Run the suite."""
    leave_at_once()
    from bench.command import main as run

    run()


if __name__ == "__main__":
    main()
