"""``python -m bench.oracle``: interruptible from its first moment on; all else is in :mod:`bench.oracle.command`."""

from bench.__main__ import leave_at_once

leave_at_once()

from bench.oracle.command import main  # noqa: E402 - imports take a second, in which Ctrl-C must work

main()
