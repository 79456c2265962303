"""What the probes of HTTP/2's shared fate (H12) have in common. Standard library only."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.hazards.crowd import Crowd, at_once, crowd
from bench.hazards.dials import Dials
from bench.hazards.finding import Finding, Tally, does_not_apply
from bench.hazards.subject import call_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.hazards.stage import Scripted, Stage
    from bench.hazards.subject import Subject

__all__ = ["CALLS_COUNT", "Fate", "shared_fate"]

CALLS_COUNT = 20
TIMEOUT_S = 1.2
_HUNG_S = 2.4
_PATIENT_S = 6.0
_SETTLE_S = 3.0
# How long a thread's call may take to arrive before the next one starts all the same.
_ARRIVAL_S, _LOOK_EVERY_S = 1.0, 0.002


@dataclass(frozen=True, slots=True)
class Fate:
    """A strategy that speaks HTTP/2 with a server that can strike."""

    _server: Scripted
    _people: Crowd
    _impatient: bool

    def strike(self, action: str) -> Tally:
        """20 calls at once; once all of them have arrived, the server does ``action`` to one connection.

        Threads start their calls one after another: httpcore 1.0.9 numbers streams without a lock, so that two that
        start together may take the same number, and fail with KeyError or LocalProtocolError. That is chance.
        """
        self._server.ask("arm", action=action, requests_count=CALLS_COUNT)
        calls = [[call_of(f"{action}-{number}")] for number in range(CALLS_COUNT)]
        limit_s = _HUNG_S if self._impatient else _PATIENT_S
        if len(self._people.seats) == 1:
            return Tally(self._people.play(*calls, limit_s=limit_s))
        before_count = self._arrived_count()

        def arrived(count: int) -> None:
            deadline = time.monotonic() + _ARRIVAL_S
            while self._arrived_count() < before_count + count and time.monotonic() < deadline:
                time.sleep(_LOOK_EVERY_S)

        return Tally(self._people.play(*calls, limit_s=limit_s, started=arrived))

    def _arrived_count(self) -> int:
        count: int = self._server.ask("counts")["requests"]
        return count

    def executed(self) -> Counter[str]:
        """Path -> how often the server executed it; it has executed all calls soon, or is given 3 s."""
        deadline = time.monotonic() + _SETTLE_S
        while len(paths := self._server.ask("executed")["paths"]) <= CALLS_COUNT and time.monotonic() < deadline:
            time.sleep(_LOOK_EVERY_S)
        return Counter(paths)


@contextmanager
def shared_fate(subject: Subject, stage: Stage, *, impatient: bool = False) -> Iterator[Fate | Finding]:
    """``subject`` with HTTP/2 switched on and one call made; or why that does not apply.

    HTTP/2 is switched on by the probe, in every httpx transport of this process, whether or not the strategy asks for
    it: the question is what would happen if it did. For an ``impatient`` one every timeout is cut to 1.2 s, so that
    what has not ended long after that hangs past all of them.
    """
    if at_once(subject, CALLS_COUNT) < CALLS_COUNT:
        yield does_not_apply("Its users make one call at a time.")
        return
    Dials(http2=lambda: True, longest_s=dict.fromkeys(("read", "write", "pool"), TIMEOUT_S) if impatient else {})
    server = stage.start("bench.hazards.servers.scripted", protocols=["h2", "http/1.1"])
    with crowd(subject, server.target, CALLS_COUNT) as people:
        first = people.seats[0].ask("first", limit_s=_PATIENT_S)
        if not first.is_right:
            raise RuntimeError(f"the first call came out as {first.error or first.wrong or 'hung'}")
        if server.ask("seen")["requests"][0]["protocol"] != "HTTP/2":
            yield does_not_apply("It speaks no HTTP/2.")
            return
        yield Fate(server, people, impatient)
