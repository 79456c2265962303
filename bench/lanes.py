"""Where jobs run: lanes beside each other, each with servers of its own, and how a run in them ends."""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

from bench.axes import server_options
from bench.children import Stopped
from bench.reserve import end_if_interrupted
from bench.workloads import ORIGINS
from connprof.errors import RunError
from connprof_server import RunningServer, ServerError, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from bench.children import Workers
    from connprof.model import Case, Ended

__all__ = ["Ending", "Lane", "Listener", "ServerKind", "lanes", "run_alone", "run_beside", "run_to_its_end", "wait_for"]

_LANES_COUNT = 2
_LOOK_UP_EVERY_S = 0.25

T = TypeVar("T")


class Listener(Protocol):
    """Is told how far a run has come."""

    def planned(self, jobs_count: int) -> None:
        """So many jobs will be run."""

    def started(self, label: str) -> None:
        """A job begins."""

    def finished(self, label: str, failure: str | None) -> None:
        """It has ended, well or with this sentence."""


@dataclass(frozen=True, slots=True)
class ServerKind:
    """What a case asks of its server: the arguments of :func:`connprof_server.serve` beside the origins."""

    rtt_ms: float = 0.0
    http_version: str = "1.1"
    system_store: bool = False
    keep_alive_s: float = 5.0

    @classmethod
    def of(cls, case: Case) -> ServerKind:
        """The kind that ``case`` needs.

        Raises:
            AxisError: its axes contradict each other, or do not exist.
        """
        return cls(**server_options(case))


@dataclass(slots=True)
class Lane:
    """Runs one job at a time, against servers of its own: jobs beside each other never meet in one ledger."""

    _stack: ExitStack
    _running: dict[ServerKind, RunningServer] = field(default_factory=dict)

    def server(self, kind: ServerKind) -> RunningServer:
        """The server of that kind, started now if there is none yet; it runs until the lane is closed.

        Raises:
            ServerError: it cannot be started.
        """
        if kind not in self._running:
            self._running[kind] = self._stack.enter_context(serve(origins=ORIGINS, **asdict(kind)))
        return self._running[kind]


@contextmanager
def lanes() -> Iterator[list[Lane]]:
    """Two lanes where there are two cores, else one; their servers end with the block."""
    with ExitStack() as stack:
        yield [Lane(stack.enter_context(ExitStack())) for _number in range(min(_LANES_COUNT, os.cpu_count() or 1))]


def run_beside(work: Callable[[T, Lane], None], jobs: Sequence[T], where: Sequence[Lane], workers: Workers) -> None:
    """Do ``work`` for all ``jobs`` in their order, each in the lane that is free next.

    For what comes out the same whatever else the machine does. The first exception stops ``workers`` and is raised.
    """
    waiting = deque(jobs)

    def one_after_another(lane: Lane) -> None:
        while waiting:
            try:
                job = waiting.popleft()
            except IndexError:  # the other lane was faster
                return
            try:
                work(job, lane)
            except Stopped:
                return

    with ThreadPoolExecutor(len(where)) as pool:
        try:
            wait_for([pool.submit(one_after_another, lane) for lane in where])
        except BaseException:
            waiting.clear()
            workers.stop()
            raise


def wait_for(futures: Iterable[Future[None]]) -> None:
    """Wait for all ``futures``; the first exception of one of them is raised at once.

    Now and then the main thread looks up: a Ctrl-C that the kernel hands to another thread would not wake it.
    """
    pending = set(futures)
    while pending:
        end_if_interrupted()
        done, pending = wait(pending, timeout=_LOOK_UP_EVERY_S, return_when=FIRST_EXCEPTION)
        for future in done:
            future.result()


def run_alone(work: Callable[[T, Lane], None], jobs: Sequence[T], where: Sequence[Lane]) -> None:
    """Do ``work`` for all ``jobs`` in their order, with nothing beside them: for what is timed."""
    for job in jobs:
        end_if_interrupted()
        work(job, where[0])


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run came to its end.

    Attributes:
        ended: in a word.
        sentence: in a sentence, unless it is complete.
        stage: the stage at which cases that lack a pass have failed.
        message: why they have.
    """

    ended: Ended = "complete"
    sentence: str | None = None
    stage: str = ""
    message: str = ""


def run_to_its_end(work: Callable[[], None], *, has_begun: Callable[[], bool], how_far: Callable[[], str]) -> Ending:
    """Do ``work``; Ctrl-C, or the loss of a server, ends it early and well.

    Args:
        work: the run.
        has_begun: whether there is anything yet that is worth a report; if not, the exception is passed on.
        how_far: how far it has come, ``3 of 12 jobs``.

    Raises:
        RunError: a server could not be started.
        KeyboardInterrupt: nothing had begun.
    """
    try:
        work()
    except KeyboardInterrupt:
        if not has_begun():
            raise
        return Ending(
            "interrupted",
            f"Interrupted after {how_far()}; what they measured is kept.",
            "interrupted",
            "the run was interrupted before this case was complete",
        )
    except ServerError as error:
        if not has_begun():
            raise RunError(str(error)) from None
        return Ending(
            "server-lost",
            f"The server was lost after {how_far()}: {error}",
            "server",
            f"not complete when the server was lost: {error}",
        )
    return Ending()
