"""The client-side observer: contexts, CA loads, handshakes, connections and requests, by the line that pays.

It imports the standard library only, so that it can be loaded by other interpreters and environments::

    from connprof.observe import observe

    with observe() as observation:
        run()
    print(observation.counts.handshakes_full_count, observation.sites)

The module itself can be called in the function's place, after a mere ``import connprof``::

    with connprof.observe() as observation:
        run()

How it works: methods of :mod:`ssl`, :mod:`socket` and a few libraries are replaced while at least one window
is open, and put back exactly when the last one closes. The calls themselves are never changed, and nothing
that goes wrong in here reaches the code under observation (see :attr:`Observation.errors`).

What it cannot see, by construction:

- TLS and sockets below Python: see :attr:`Observation.blind_spots`;
- a handshake that OpenSSL does inside ``read`` or ``write``, because nobody called ``do_handshake``;
- other processes: after a fork the child counts from zero, a spawned child is not observed.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from connprof.observe.figures import CallSite, Counts, Errors, Event, Handshake, OriginCounts, SiteCounts
from connprof.observe.observation import Observation
from connprof.observe.window import Window, observe

__all__ = [
    "CallSite",
    "Counts",
    "Errors",
    "Event",
    "Handshake",
    "Observation",
    "OriginCounts",
    "SiteCounts",
    "Window",
    "observe",
]


class _CallableModule(ModuleType):
    def __call__(self, *function: Any, **options: Any) -> Any:
        """What :func:`connprof.observe.observe` does."""
        return observe(*function, **options)


sys.modules[__name__].__class__ = _CallableModule
