"""A strategy in the hands of its users: probes call through this, and never ask what kind it is.

Standard library only: workers import this under other interpreters.
"""

from __future__ import annotations

import asyncio
import json
import queue
import threading
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING

from bench.hazards.finding import Reply
from bench.registry import AsyncStrategy, InParallel, Scope, Strategy, SyncStrategy, World, load
from bench.workloads import Call

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from bench.registry import Answer, AsyncSend, Send
    from connprof_server.target import Target

__all__ = ["Held", "Seat", "Subject", "ask", "ask_async", "call_of", "reply_to", "subject_of"]

_LEAVE_S = 2.0
_STATUS = 200


def call_of(name: str, *, method: str = "GET") -> Call:
    """A call whose answer repeats its path: of the resource ``name``, so that helper functions can make it too.

    Those helpers GET whatever ``method`` says, and so does the floor.
    """
    path = f"/api/2/datasets/resources/{name}/"
    return Call("datagouv", path, "get_resource", (name,), status=_STATUS, size_bytes=0, method=method)


def reply_to(call: Call, answer: Answer) -> Reply:
    """The caller got ``answer``; it is wrong unless it repeats the path of ``call``."""
    if answer.status_code != _STATUS:
        return Reply(call, wrong=f"status {answer.status_code}")
    try:
        path = json.loads(answer.content)["path"]
    except (ValueError, KeyError, TypeError):
        return Reply(call, wrong="an answer that cannot be read")
    return Reply(call, wrong=None if path == call.path else f"the answer to {path}")


def ask(send: Send, call: Call) -> Reply:
    """Make one call, whatever comes of it."""
    try:
        return reply_to(call, send(call))
    except Exception as error:  # noqa: BLE001 - what a caller sees is what is being looked at
        return Reply.failed(call, error)


async def ask_async(send: AsyncSend, call: Call) -> Reply:
    """Make one call, whatever comes of it. That this task is cancelled itself goes on to whoever did it."""
    try:
        return reply_to(call, await send(call))
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        return Reply.failed(call, error)
    except Exception as error:  # noqa: BLE001 - what a caller sees is what is being looked at
        return Reply.failed(call, error)


async def ask_all(send: InParallel, calls: Sequence[Call]) -> list[Reply]:
    """Make ``calls`` at once as the strategy does it itself. What that raises, all of their callers get."""
    try:
        answers = await send.send_all(calls)
    except Exception as error:  # noqa: BLE001 - what a caller sees is what is being looked at
        return [Reply.failed(call, error) for call in calls]
    return [reply_to(call, answer) for call, answer in zip(calls, answers, strict=True)]


def subject_of(strategy: str, client_library: str) -> Subject:
    """The strategy of that name, or one of the library's own; a library with httpx's interface may take its place.

    Raises:
        StrategyError: there is none, or it cannot be imported.
    """
    if client_library != "httpx":
        from bench.libraries import PER_CALL, SHARED, stand_in
        from bench.libraries import load as load_from_library

        if strategy in {PER_CALL, SHARED}:
            return Subject(load_from_library(client_library, strategy))
        stand_in(client_library)
    return Subject(load(strategy))


class Subject:
    """The strategy under test.

    Attributes:
        strategy: the strategy itself, for probes that need to enter it by hand.
    """

    def __init__(self, strategy: Strategy) -> None:
        self.strategy = strategy

    @property
    def name(self) -> str:
        """The strategy's name."""
        return self.strategy.name

    @property
    def scope(self) -> Scope:
        """How long its clients live."""
        return self.strategy.scope

    @property
    def world(self) -> World:
        """Where its calls are made."""
        return self.strategy.world

    @property
    def is_async(self) -> bool:
        """Whether its calls need an event loop."""
        return isinstance(self.strategy, AsyncStrategy)

    @property
    def hands_over(self) -> bool:
        """Whether its clients live in child processes, each of which runs one job at a time."""
        return self.world in {"celery", "processes"}

    @property
    def has_loops(self) -> bool:
        """Whether its calls meet event loops: its own, or those of the processes that it hands its calls to."""
        return self.is_async or self.world in {"loops", "asgi", "celery"}

    @asynccontextmanager
    async def entered_async(self, target: Target) -> AsyncIterator[AsyncSend]:
        """The strategy as a block around a batch in the running loop, whatever its scope."""
        assert isinstance(self.strategy, AsyncStrategy), "asked of an asynchronous strategy only"
        async with self.strategy.enter(target) as send:
            yield send

    @contextmanager
    def held(self, target: Target) -> Iterator[Held]:
        """The strategy as its users hold it for as long as their process lives.

        Scope ``batch`` is entered anew wherever calls are made; the others are entered once, here, in no event loop
        that calls are made in, as a module is imported. A failure to leave it in the end is no outcome.
        """
        strategy = self.strategy
        if strategy.scope == "batch":
            yield Held(strategy, target)
        elif isinstance(strategy, SyncStrategy):
            entered = strategy.enter(target)
            send = entered.__enter__()
            try:
                yield Held(strategy, target, send=send)
            finally:
                with suppress(Exception):
                    entered.__exit__(None, None, None)
        else:
            entered_async = strategy.enter(target)
            # Not asyncio.run: that ends all asynchronous generators, and so would leave the strategy at once.
            loop = asyncio.new_event_loop()
            send_async = loop.run_until_complete(entered_async.__aenter__())
            try:
                yield Held(strategy, target, send_async=send_async)
            finally:
                with suppress(Exception):
                    loop.run_until_complete(asyncio.wait_for(entered_async.__aexit__(None, None, None), _LEAVE_S))
                loop.close()


class Held:
    """A strategy that is held; made by :meth:`Subject.held`. May be used from any thread and any forked child."""

    def __init__(
        self, strategy: Strategy, target: Target, *, send: Send | None = None, send_async: AsyncSend | None = None
    ) -> None:
        self._strategy = strategy
        self._target = target
        self._send = send
        self._send_async = send_async

    def calls(self, calls: Sequence[Call]) -> list[Reply]:
        """Make ``calls`` one after another in one batch, here: in a new event loop, or in plain functions."""
        replies: list[Reply] = []
        try:
            if isinstance(self._strategy, AsyncStrategy):
                asyncio.run(self._calls_async(calls, replies))
            else:
                with self.sending() as send:
                    replies.extend(ask(send, call) for call in calls)
        except Exception as error:  # noqa: BLE001 - of entering or leaving the block: it costs the calls not made yet
            replies.extend(Reply.failed(call, error) for call in calls[len(replies) :])
        return replies

    def call(self, name: str, *, method: str = "GET") -> Reply:
        """Make one call in a batch of its own, see :meth:`calls`."""
        return self.calls([call_of(name, method=method)])[0]

    @contextmanager
    def seat(self) -> Iterator[Seat]:
        """A place to call from that stays for as long as the block lasts."""
        seat = Seat(self)
        try:
            yield seat
        finally:
            seat.leave()

    @contextmanager
    def sending(self) -> Iterator[Send]:
        """How to send, for plain functions: entered anew for scope ``batch``."""
        assert isinstance(self._strategy, SyncStrategy), "asked of a strategy of plain functions only"
        if self._send is not None:
            yield self._send
        else:
            with self._strategy.enter(self._target) as send:
                yield send

    @asynccontextmanager
    async def sending_async(self) -> AsyncIterator[AsyncSend]:
        """How to send, on an event loop: entered anew for scope ``batch``."""
        assert isinstance(self._strategy, AsyncStrategy), "asked of an asynchronous strategy only"
        if self._send_async is not None:
            yield self._send_async
        else:
            async with self._strategy.enter(self._target) as send:
                yield send

    @property
    def is_async(self) -> bool:
        """Whether its calls need an event loop."""
        return isinstance(self._strategy, AsyncStrategy)

    async def _calls_async(self, calls: Sequence[Call], replies: list[Reply]) -> None:
        async with self.sending_async() as send:
            replies.extend([await ask_async(send, call) for call in calls])


class Seat:
    """A thread that makes calls: with an event loop that runs on between them, or of plain functions."""

    def __init__(self, held: Held) -> None:
        self._held = held
        self._ready: Future[None] = Future()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._send_async: AsyncSend | None = None
        self._asked: queue.SimpleQueue[tuple[Call, Future[Reply]] | None] = queue.SimpleQueue()
        work = self._host_async if held.is_async else self._host
        self._thread = threading.Thread(target=work, name="seat", daemon=True)
        self._thread.start()
        self._ready.result()

    def start(self, call: Call) -> Future[Reply]:
        """Start ``call``; a seat with an event loop may have several under way."""
        if self._loop is not None:
            assert self._send_async is not None, "the seat is ready"
            return asyncio.run_coroutine_threadsafe(ask_async(self._send_async, call), self._loop)
        future: Future[Reply] = Future()
        self._asked.put((call, future))
        return future

    def start_all(self, calls: Sequence[Call]) -> Future[list[Reply]] | None:
        """Start ``calls`` at once in the strategy's own way, where it has one; else nothing."""
        if self._loop is None or not isinstance(self._send_async, InParallel):
            return None
        return asyncio.run_coroutine_threadsafe(ask_all(self._send_async, calls), self._loop)

    def ask(self, name: str, *, limit_s: float = 2.0) -> Reply:
        """Make one call of the resource ``name`` and wait for it for ``limit_s`` seconds; after that it has hung."""
        call = call_of(name)
        future = self.start(call)
        try:
            return future.result(limit_s)
        except TimeoutError:
            future.cancel()
            return Reply(call, hung=True)
        except BaseException as error:  # noqa: BLE001 - a cancelled future is an answer too
            return Reply.failed(call, error)

    def leave(self) -> None:
        """End the thread; one that hangs is left behind."""
        if self._loop is not None and self._stop is not None:
            with suppress(RuntimeError):  # the loop has ended by itself
                self._loop.call_soon_threadsafe(self._stop.set)
        self._asked.put(None)
        self._thread.join(_LEAVE_S)

    def _host(self) -> None:
        try:
            with self._held.sending() as send:
                self._ready.set_result(None)
                while (asked := self._asked.get()) is not None:
                    call, future = asked
                    reply = ask(send, call)
                    with suppress(Exception):  # it was given up in the meantime
                        future.set_result(reply)
        except BaseException as error:  # noqa: BLE001 - raised again by whoever wants to take the seat
            if not self._ready.done():
                self._ready.set_exception(error)

    def _host_async(self) -> None:
        async def host() -> None:
            self._stop = asyncio.Event()
            # One task enters and leaves, as a block in a coroutine would.
            async with self._held.sending_async() as send:
                self._loop, self._send_async = asyncio.get_running_loop(), send
                self._ready.set_result(None)
                await self._stop.wait()

        try:
            asyncio.run(host())
        except BaseException as error:  # noqa: BLE001 - raised again by whoever wants to take the seat
            if not self._ready.done():
                self._ready.set_exception(error)
