"""The call that a client makes again and again, from one place: one object for all of them, and all of it together.

What the hooks add to a request is mostly memory to be fetched. So what the next call of the same kind needs to know,
and what it leaves to be counted, is in one object, and nothing is made for it: no call of its own, and no change of the
context.
It is counted off when somebody asks, or when it becomes another call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connprof.observe.sites import NO_SPOT, NOTHING, UNKNOWN_CALLER, Carried

if TYPE_CHECKING:
    from types import CodeType

    from connprof.observe.owners import Client
    from connprof.observe.sites import Spot
    from connprof.observe.tallies import Lane, Tally

__all__ = ["StandingCall", "connection_of"]


class StandingCall(Carried):
    """A client's calls, one at a time, that come from the place at which it is aimed.

    Whoever sets ``live`` from false to true owns it until it is false again. What it counts is never set back.

    Attributes:
        code: the user's code that calls,
        at: and by which of its instructions;
        below: the code that was called from there; ``None`` if that is the hook.
        depth: how many frames above the hook that is, or else the user's.
        home: the event loop of an asynchronous client's, as a reference.
        thread: of a client's that is bound to one; else 0.
        seat: the thread in which it was found last that it stands.
        is_off: whether other calls of the client's are under way, or it is not to be used.
        connection: the one that its requests go out on; ``None`` where the next one has to be looked for.
        socket_identity: of the socket below that connection, for what is known by that; else 0.
        has_sent: whether a request has been sent since this call began.
        requests: on that connection.
        spent_ns: time of calls that have sent one.
        end_ns: when the last of those ended.
    """

    __slots__ = (
        "_requests_told",
        "_spent_told_ns",
        "at",
        "below",
        "code",
        "depth",
        "end_ns",
        "has_sent",
        "home",
        "is_off",
        "requests",
        "seat",
        "socket_identity",
        "spent_ns",
        "thread",
    )

    client: Client
    lane: Lane
    tally: Tally

    def __init__(self, client: Client, lane: Lane) -> None:
        super().__init__(lane.lines, client, UNKNOWN_CALLER, lane.certainty)
        self.live = self.has_sent = self.is_off = False
        self.home: Any = NOTHING
        self.thread = self.seat = self.end_ns = self.requests = self.spent_ns = self.socket_identity = 0
        self._requests_told = self._spent_told_ns = 0
        self.aim(lane, NO_SPOT)

    def aim(self, lane: Lane, spot: Spot) -> None:
        """Let it stand for the calls from another place. It is counted off; the recorder's lock is held."""
        self.lane, self.lines, self.certainty = lane, lane.lines, lane.certainty
        self.code: CodeType | None = spot.code
        self.at, self.depth = spot.at, len(spot.between) or 1
        self.below: CodeType | None = spot.between[-1] if spot.between else None
        self.goes_out_on(self.connection)

    def goes_out_on(self, connection: Any) -> None:
        """Let its requests be counted for that connection; it is counted off, and the recorder's lock is held."""
        if connection is not self.connection:
            self.connection, self.socket_identity = connection, 0
        self.tally = self.lane.tally(None if connection is None else connection.origin)

    def goes_nowhere(self) -> None:
        """Let the connection of its next request be looked for. Nobody has to hold the lock, nor is it counted off."""
        self.socket_identity, self.connection = 0, None

    @property
    def begun_ns(self) -> int:
        """When the last one began; of ``http.client``, which leaves that out, when it ended."""
        return max(self.start_ns, self.end_ns) if self.client.kind.library == "http" else self.start_ns

    def settle(self) -> None:
        """Count off what has been left here; the recorder's lock is held."""
        requests = self.requests - self._requests_told
        spent_ns = self.spent_ns - self._spent_told_ns
        self._requests_told += requests
        self._spent_told_ns += spent_ns
        self.tally.requests += requests
        self.tally.spent_ns += spent_ns
        connection, client = self.connection, self.client
        if connection is not None:
            connection.requests += requests
            connection.last_ns = max(connection.last_ns, self.start_ns if self.has_sent else self.end_ns)
        client.last_ns = max(client.last_ns, self.end_ns)


def connection_of(call: Carried) -> Any:
    """The connection that this very call has sent on: a standing one knows that of the call before, too."""
    return call.connection if type(call) is not StandingCall or call.has_sent else None
