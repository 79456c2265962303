"""``python -m bench.wide``: interruptible from its first moment on; everything else is in :mod:`bench.wide.command`."""

from bench.__main__ import leave_at_once

leave_at_once()

from bench.wide.command import main  # noqa: E402 - imports take a second, in which Ctrl-C must work

main()
