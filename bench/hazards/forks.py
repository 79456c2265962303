"""Children that a probe forks, and calls that they make with what they inherited. Standard library only."""

from __future__ import annotations

import json
import os
import select
import signal
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from bench.hazards.finding import Reply
from bench.hazards.subject import call_of

if TYPE_CHECKING:
    from bench.hazards.subject import Held

__all__ = ["Child"]

_PIECE_BYTES = 1 << 16


class Child:
    """A forked process that makes one call and reports its reply.

    Attributes:
        call: what it asks.
    """

    def __init__(self, held: Held, name: str, *, gate: tuple[int, int] | None = None) -> None:
        """Fork.

        Args:
            held: the strategy.
            name: of the resource that it asks for.
            gate: both ends of a pipe: it makes its call when the parent closes its own copy of the second one.
        """
        self.call = call_of(name)
        self._is_gone = False
        self._answers, answer = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            _be_the_child(held, name, answer, gate)
        os.close(answer)

    def suspend(self) -> None:
        """Take the processor from it, as the scheduler may at any time, and wait until that is done."""
        os.kill(self._pid, signal.SIGSTOP)
        _pid, status = os.waitpid(self._pid, os.WUNTRACED)
        self._is_gone = not os.WIFSTOPPED(status)  # it had its reply already

    def resume(self) -> None:
        """Let it go on."""
        if not self._is_gone:
            os.kill(self._pid, signal.SIGCONT)

    def reply(self, limit_s: float) -> Reply:
        """What came of its call; after ``limit_s`` it has hung. The process is gone then."""
        readable, _, _ = select.select([self._answers], [], [], limit_s)
        said = b""
        while readable and (piece := os.read(self._answers, _PIECE_BYTES)):
            said += piece
        if not self._is_gone:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
        os.close(self._answers)
        if not readable:
            return Reply(self.call, hung=True)
        if not said:
            return Reply(self.call, "the process died")
        answer: dict[str, Any] = json.loads(said)
        return Reply(self.call, answer["error"], answer["wrong"])


def _be_the_child(held: Held, name: str, answer: int, gate: tuple[int, int] | None) -> None:
    """Never returns, and leaves nothing to the interpreter's end: what was inherited is the parent's to end."""
    try:
        if gate is not None:
            os.close(gate[1])
            os.read(gate[0], 1)  # ends when nobody can write any more
        reply = asdict(held.call(name))
        os.write(answer, json.dumps({"error": reply["error"], "wrong": reply["wrong"]}).encode())
    finally:
        os._exit(0)
