"""The child's end of the control channel: JSON lines over two pipes, stdin and one for answers.

The parent writes ``{"id": 1, "op": "snapshot"}`` and is answered ``{"id": 1, ...}``. The first line it
writes is the configuration; the first line it reads is ``{"ready": ...}`` or ``{"error": "one sentence"}``.
An end of file means that the parent is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

from connprof_server.errors import ServerError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import NoReturn

__all__ = ["Channel", "EndOfParent", "run_child"]

_PARENT_CHECK_S = 0.5
# The package's extra that brings what the server is made of.
_EXTRA = "pip install 'connprof[server]'"


class EndOfParent(Exception):  # noqa: N818 - it is an event, not an error
    """The parent is gone, or does not want this process any more."""


class Channel:
    """Reads lines from the parent and writes answers."""

    def __init__(self, reader: asyncio.StreamReader, answers_fd: int) -> None:
        self._reader = reader
        self._answers_fd = answers_fd
        self._parent_pid = os.getppid()

    @classmethod
    async def open(cls, answers_fd: int) -> Channel:
        """The channel over stdin and the pipe ``answers_fd``."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=1 << 20)
        pipe = os.fdopen(os.dup(0), "rb", 0)
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
        return cls(reader, answers_fd)

    async def read(self) -> dict[str, Any]:
        """The parent's next line.

        Raises:
            EndOfParent: there will be none.
        """
        next_line = asyncio.ensure_future(self._reader.readline())
        while not next_line.done():
            # A process forked from the parent may keep the pipe open after the parent's death.
            await asyncio.wait({next_line}, timeout=_PARENT_CHECK_S)
            if os.getppid() != self._parent_pid and not next_line.done():
                next_line.cancel()
                raise EndOfParent
        line = next_line.result()
        if not line.endswith(b"\n"):
            raise EndOfParent
        parsed: dict[str, Any] = json.loads(line)
        return parsed

    async def write(self, answer: dict[str, Any]) -> None:
        """Sends one line. In a thread, since the parent may not be reading.

        Raises:
            EndOfParent: nobody reads any more.
        """
        line = json.dumps(answer).encode() + b"\n"
        await asyncio.get_running_loop().run_in_executor(None, _write_all, self._answers_fd, line)

    async def serve(self, ops: dict[str, Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]]) -> NoReturn:
        """Answers the parent's lines with ``ops`` (name -> what answers it) for as long as there is a parent.

        Raises:
            EndOfParent: the parent is gone, or has closed the channel because it is done.
        """
        while True:
            line = await self.read()
            op = ops.get(line["op"])
            answer = await op(line) if op else {"error": f"there is no operation {line['op']}"}
            await self.write({"id": line["id"], **answer})


def _write_all(file_descriptor: int, line: bytes) -> None:
    rest = memoryview(line)
    try:
        while rest:
            rest = rest[os.write(file_descriptor, rest) :]
    except BrokenPipeError as error:
        raise EndOfParent from error


def run_child(
    main: Callable[[Channel, dict[str, Any]], Awaitable[None]],
    *,
    new_loop: Callable[[], asyncio.AbstractEventLoop] | None = None,
    at_end_of_parent: Callable[[], None] = lambda: None,
) -> None:
    """Opens the channel, reads the configuration, runs ``main``, and ends the process.

    Args:
        main: called with the channel and the configuration.
        new_loop: makes the event loop; by default asyncio's usual one.
        at_end_of_parent: called when the parent is gone and cannot clean up itself.
    """
    # Ctrl-C in a terminal goes to every process there; the parent decides when to stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The parent adds it to whatever arguments the module takes.
    answers_fd = int(sys.argv[-1])
    try:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(_opened(main, answers_fd))
    except (EndOfParent, asyncio.CancelledError):
        at_end_of_parent()
    # What threads or transports are left has no one to serve any more.
    sys.stderr.flush()
    os._exit(0)


async def _opened(main: Callable[[Channel, dict[str, Any]], Awaitable[None]], answers_fd: int) -> None:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    channel = await Channel.open(answers_fd)
    config = await channel.read()
    sentence = None
    try:
        await main(channel, config)
    except ServerError as error:
        sentence = str(error)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("connprof_server"):
            raise
        sentence = f"{error.name} is needed to run the TLS server: {_EXTRA}"
    if sentence is not None:
        with contextlib.suppress(EndOfParent):
            await channel.write({"error": sentence})
