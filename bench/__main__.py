"""``python -m bench``: deaf to nothing from its first moment on; everything else is in :mod:`bench.command`."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress


def _leave(number: int, _frame: object) -> None:
    """Nothing has been measured yet, so there is nothing to keep."""
    with suppress(OSError):  # the terminal is gone
        sys.stderr.write("Interrupted.\n")
        sys.stderr.flush()
    os._exit(129 if number == signal.SIGHUP else 130)


def leave_at_once() -> None:
    """Be interruptible while the imports, which take a second, are made."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _leave)


def main() -> None:
    """Run the suite."""
    leave_at_once()
    from bench.command import main as run

    run()


if __name__ == "__main__":
    main()
