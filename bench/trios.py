"""Fresh processes that take turns: the parent's side of :mod:`bench.turns`."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.children import JobFailed

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping, Sequence

    from connprof_server import RunningServer

__all__ = ["FEWEST_TURNS", "MOST_TURNS", "Sample", "Seat", "Sitting", "partners", "take_turns"]

_TURNS = Path(__file__).resolve().with_name("turns.py")
_TAIL_CHARACTERS = 300

FEWEST_TURNS = 2
"""Sessions in each process, however little time there is: a trio's own noise is told from these."""
MOST_TURNS = 60
"""Sessions in each process, however much time there is: more would add little."""
_ENDING_S = 0.05  # what it takes to end the processes of a group


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """What one process of a group runs.

    Attributes:
        name: how it is called in results and messages, ``head`` say.
        tree: the checkout whose suite it imports.
        python: the interpreter, and so the environment, that it runs under.
        options: what :func:`bench.turns.slowed` is given; empty outside the calibration.
    """

    name: str
    tree: Path
    python: Path = Path(sys.executable)
    options: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sitting:
    """What all processes of a group are to do.

    Attributes:
        case: strategy, workload and number of calls of a session.
        target: the server, as JSON.
        variables: environment variables for the worker, without ``PYTHONPATH``, which each seat sets for itself.
        partners: processes that a worker waits for, the server's: what they wait for a core is told beside its own.
        turns_count: at least so many sessions in each process.
        seconds: from the start of the processes to their end, for more sessions, up to :data:`MOST_TURNS`: no round is
            begun that would end later, were it as long as the longest one before.
        limit_s: after that long without an answer a worker is stopped and the group has failed.
    """

    case: Mapping[str, Any]
    target: Mapping[str, Any]
    variables: Mapping[str, str]
    partners: tuple[int, ...] = ()
    turns_count: int = FEWEST_TURNS
    seconds: float = 1.0
    limit_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One process: an entry for each of its sessions, in nanoseconds."""

    wall_ns: tuple[int, ...]
    thread_time_ns: tuple[int, ...]
    delay_ns: tuple[int, ...]


def partners(server: RunningServer) -> tuple[int, ...]:
    """The processes that a worker waits for."""
    return tuple(pid for pid in (server.pid, server.proxy_pid) if pid is not None)


def take_turns(seats: Sequence[Seat], sitting: Sitting, draw: random.Random) -> dict[str, Sample]:
    """Start a fresh process for each seat, let them take turns, end them; one sample for each seat's name.

    Only one of them works at any time. Both the order in which they are started and the order within each round of
    turns are drawn, so that no seat is always the first.

    Raises:
        JobFailed: one of them raised, died, hung, or measured another checkout than its own.
    """
    answers: dict[str, list[dict[str, int]]] = {seat.name: [] for seat in seats}
    end_s, rounds_count, longest_s = time.monotonic() + sitting.seconds - _ENDING_S, 0, 0.0
    with ExitStack() as stack:
        players = [_Player(seat, sitting, stack) for seat in draw.sample(seats, k=len(seats))]
        for player in players:
            player.wait_until_ready()
        round_s = time.monotonic()
        while rounds_count < sitting.turns_count or (rounds_count < MOST_TURNS and round_s + longest_s <= end_s):
            for player in draw.sample(players, k=len(players)):
                answers[player.seat.name].append(player.turn())
            begun_s, round_s = round_s, time.monotonic()
            longest_s = max(longest_s, round_s - begun_s)
            rounds_count += 1
    return {
        name: Sample(
            wall_ns=tuple(answer["wall_ns"] for answer in given),
            thread_time_ns=tuple(answer["thread_time_ns"] for answer in given),
            delay_ns=tuple(answer["delay_ns"] for answer in given),
        )
        for name, given in answers.items()
    }


class _Player:
    """One process of a group; killed, with all that it started, when the group's stack ends."""

    def __init__(self, seat: Seat, sitting: Sitting, stack: ExitStack) -> None:
        self.seat = seat
        self._limit_s = sitting.limit_s
        self._unread = b""
        self._complaints = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
        path = os.pathsep.join(str(seat.tree / part) for part in ("", "src", "server"))
        # -P: nothing beside the instrument's file is imported from there, only the seat's own suite.
        self._process = subprocess.Popen(
            [str(seat.python), "-P", str(_TURNS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            env={**sitting.variables, "PYTHONPATH": path},
            cwd=seat.tree,
            bufsize=0,
            start_new_session=True,
        )
        stack.callback(self._end)
        self._say(
            json.dumps(
                {
                    "case": sitting.case,
                    "target": sitting.target,
                    "options": dict(seat.options),
                    "partners": sitting.partners,
                }
            )
        )

    def wait_until_ready(self) -> None:
        """Return once it has warmed up."""
        tree = Path(self._answer()["ready"])
        if tree != self.seat.tree.resolve():
            raise JobFailed(f"{self.seat.name}: it imported the suite of another checkout than its own")

    def turn(self) -> dict[str, Any]:
        """Let it run one session."""
        self._say("")
        return self._answer()

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it died; what it left unanswered tells more
            self._process.stdin.write(line.encode() + b"\n")

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        end_s = time.monotonic() + self._limit_s
        while b"\n" not in self._unread:
            readable, _, _ = select.select([self._process.stdout], [], [], max(0.0, end_s - time.monotonic()))
            if not readable:
                raise JobFailed(f"{self.seat.name}: no answer within {self._limit_s:g} s; it was stopped")
            piece = os.read(self._process.stdout.fileno(), 65_536)
            if not piece:
                raise JobFailed(f"{self.seat.name}: {self._obituary()}")
            self._unread += piece
        line, _, self._unread = self._unread.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        if "failed" in answer:
            raise JobFailed(f"{self.seat.name}: {answer['failed']}")
        return answer

    def _obituary(self) -> str:
        code = self._process.wait(self._limit_s)
        self._complaints.seek(0)
        lines = self._complaints.read().decode(errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")[:_TAIL_CHARACTERS]
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return f"its process {how} without an answer" + (f"; its last words: {last}" if last else "")

    def _end(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with suppress(BrokenPipeError):
                pipe.close()
