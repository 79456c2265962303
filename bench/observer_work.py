"""One work under one tool, in a process of its own: blocks of requests with the tool off, on, and off again.

``{"work": "httpx-sync-pooled", "tool": "observer", "url": ..., "size_bytes": ..., "rounds_count": ..., "seed": ...}``
comes in as a line; ``{"outcome": {"off_ns": [...], "on_ns": [...], "again_ns": [...], "requests_count": ...}}`` goes
out: CPU time of each block, one of each kind for each round. What the kinds do is the same, in an order drawn anew.

With ``"is_on": true`` or ``false`` and ``"requests_count"`` instead of rounds, it makes that many requests with the
tool or without it, once and untimed, for whoever counts instructions from outside.

A tool is switched on before a block and off after it, and neither is in the block's time. Each block makes its own
client, so that the tool has seen it from its making on, and begins with some requests that are not timed: those pay for
the connection, and for what is paid once and not by every request, as replacing a method makes the interpreter forget
what it had learned about its callers. It needs httpx and the standard library, and the tool.
"""

from __future__ import annotations

import asyncio
import gc
import http.client
import json
import os
import random
import ssl
import sys
import tempfile
import time
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import httpx

from bench.reason import reason
from bench.worker import die_with_parent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from contextlib import AbstractContextManager

__all__ = ["TOOLS", "WORKS", "Work", "main"]

KINDS = ("off", "on", "again")


class WrongAnswerError(Exception):
    """The server answered something else than it was asked for."""


def _check(status: int, body: bytes, size_bytes: int) -> None:
    if status != http.client.OK or len(body) != size_bytes:
        raise WrongAnswerError(f"status {status} and {len(body)} bytes, not {size_bytes}")


# --- works: what is asked for is the same everywhere --------------------------------------------------------


@contextmanager
def _httpx_sync_pooled(url: str, size_bytes: int) -> Iterator[Callable[[int], None]]:
    with httpx.Client() as client:

        def ask(requests_count: int) -> None:
            for _request in range(requests_count):
                answer = client.get(url)
                _check(answer.status_code, answer.content, size_bytes)

        yield ask


@asynccontextmanager
async def _httpx_async_pooled(url: str, size_bytes: int) -> AsyncIterator[Callable[[int], Awaitable[None]]]:
    async with httpx.AsyncClient() as client:

        async def ask(requests_count: int) -> None:
            for _request in range(requests_count):
                answer = await client.get(url)
                _check(answer.status_code, answer.content, size_bytes)

        yield ask


@contextmanager
def _http_client_pooled(url: str, size_bytes: int) -> Iterator[Callable[[int], None]]:
    parts = urlsplit(url)
    target = f"{parts.path}?{parts.query}"
    connection = http.client.HTTPSConnection(parts.netloc, context=ssl.create_default_context())

    def ask(requests_count: int) -> None:
        for _request in range(requests_count):
            connection.request("GET", target)
            answer = connection.getresponse()
            _check(answer.status, answer.read(), size_bytes)

    try:
        yield ask
    finally:
        connection.close()


@contextmanager
def _httpx_sync_per_call(url: str, size_bytes: int) -> Iterator[Callable[[int], None]]:
    def ask(requests_count: int) -> None:
        for _request in range(requests_count):
            with httpx.Client() as client:
                answer = client.get(url)
            _check(answer.status_code, answer.content, size_bytes)

    yield ask


@asynccontextmanager
async def _httpx_async_per_call(url: str, size_bytes: int) -> AsyncIterator[Callable[[int], Awaitable[None]]]:
    async def ask(requests_count: int) -> None:
        for _request in range(requests_count):
            async with httpx.AsyncClient() as client:
                answer = await client.get(url)
            _check(answer.status_code, answer.content, size_bytes)

    yield ask


@dataclass(frozen=True, slots=True)
class Work:
    """What is timed.

    Attributes:
        enter: a context manager, sync or async, that yields a function which makes that many requests.
        requests_count: in a block.
        untimed_count: requests before that in the same block.
        limit: the most that the observer may cost, as a ratio of CPU times.
        is_async: whether it runs in an event loop, the same one for all blocks.
        uses_threads: whether it hands work to threads, so that CPU time is the process's and not the thread's.
        by_library: the library that makes the requests; not every tool knows every library.
    """

    enter: Callable[[str, int], Any]
    requests_count: int
    untimed_count: int
    limit: float
    is_async: bool = False
    uses_threads: bool = False
    by_library: str = "httpx"


# Long enough that what the opening of a window costs once, as the interpreter has to learn callers of what is replaced
# anew, is not most of what is timed: a program is observed once, and not for sixty requests at a time.
WORKS = {
    "httpx-sync-pooled": Work(_httpx_sync_pooled, 400, 100, 1.01),
    "httpx-async-pooled": Work(_httpx_async_pooled, 200, 60, 1.01, is_async=True),
    "http.client-pooled": Work(_http_client_pooled, 1_000, 100, 1.01, by_library="http.client"),
    "httpx-sync-per-call": Work(_httpx_sync_per_call, 20, 6, 1.02),
    # anyio asks for addresses in a thread of the loop's own pool
    "httpx-async-per-call": Work(_httpx_async_per_call, 20, 6, 1.02, is_async=True, uses_threads=True),
}


# --- tools: each yields while it is on ----------------------------------------------------------------------


@contextmanager
def _observer() -> Iterator[None]:
    from connprof.observe import observe

    with observe():
        yield


def _open_telemetry() -> Callable[[], AbstractContextManager[None]]:
    """Spans of httpx, each made and handed to a processor that keeps it in memory: nothing is sent anywhere."""
    from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))

    @contextmanager
    def on() -> Iterator[None]:
        HTTPXClientInstrumentor().instrument(tracer_provider=provider)
        try:
            yield
        finally:
            HTTPXClientInstrumentor().uninstrument()
            if not kept.get_finished_spans():
                raise RuntimeError("OpenTelemetry made no span")
            kept.clear()

    return on


@contextmanager
def _c_profile() -> Iterator[None]:
    import cProfile

    profile = cProfile.Profile()
    profile.enable()
    try:
        yield
    finally:
        profile.disable()


@contextmanager
def _memray() -> Iterator[None]:
    import memray

    with tempfile.TemporaryDirectory(prefix="connprof-capture-") as folder, memray.Tracker(Path(folder, "capture.bin")):
        yield


TOOLS: dict[str, Callable[[], Callable[[], AbstractContextManager[None]]]] = {
    "observer": lambda: _observer,
    "OpenTelemetry": _open_telemetry,
    "cProfile": lambda: _c_profile,
    "memray": lambda: _memray,
}
"""Each makes what it needs once, and returns what switches it on."""


_COLLECTED_AFTER: Final = 5
_YOUNG: Final = 1
"""The generations of Python's garbage collection up to this one hold what was made since all was collected."""

# --- measuring ----------------------------------------------------------------------------------------------


def measured(job: dict[str, Any]) -> dict[str, Any]:
    """Run the job: CPU times of all blocks by kind, in nanoseconds."""
    work, switch = WORKS[job["work"]], TOOLS[job["tool"]]()
    draw = random.Random(job["seed"])
    clock_ns = time.process_time_ns if work.uses_threads else time.thread_time_ns
    times: dict[str, list[int]] = {kind: [] for kind in KINDS}
    with _blocks(work, job["url"], job["size_bytes"], clock_ns, draw) as block:
        for warm in KINDS:  # the first round only warms up: what is imported, made and learned once
            with switch() if warm == "on" else nullcontext():
                block()
        for _round in range(job["rounds_count"]):
            order = list(KINDS)
            draw.shuffle(order)
            for kind in order:
                with switch() if kind == "on" else nullcontext():
                    times[kind].append(block())
    return {**{f"{kind}_ns": values for kind, values in times.items()}, "requests_count": work.requests_count}


@contextmanager
def _blocks(
    work: Work, url: str, size_bytes: int, clock_ns: Callable[[], int], draw: random.Random
) -> Iterator[Callable[[], int]]:
    """A function that runs one block and returns its CPU time, with that of dropping what it has left as garbage.

    A client's SSL context is garbage that takes about a millisecond to drop, and when Python does so depends on how
    many objects there are by then. A block that left some to others, as it had made fewer objects, would look cheap.

    How many contexts are there at once, and so how often memory is given back and asked for again, depends on when
    the first of those collections comes. In a program that is anywhere; blocks that are all alike would have it at the
    same request each time, and with a tool, that makes some objects more, at another. So each block draws it.
    """

    def some_objects() -> list[list[None]]:
        return [[] for _object in range(draw.randrange(gc.get_threshold()[0]))]

    if work.is_async:

        async def block() -> int:
            async with work.enter(url, size_bytes) as ask:
                await ask(work.untimed_count)
                gc.collect()
                kept = some_objects()
                start_ns = clock_ns()
                await ask(work.requests_count)
                gc.collect(_YOUNG)
                spent_ns = clock_ns() - start_ns
                kept.clear()
                return spent_ns

        with asyncio.Runner() as runner:
            yield lambda: runner.run(block())
        return

    def sync_block() -> int:
        with work.enter(url, size_bytes) as ask:
            ask(work.untimed_count)
            gc.collect()
            kept = some_objects()
            start_ns = clock_ns()
            ask(work.requests_count)
            gc.collect(_YOUNG)
            spent_ns = clock_ns() - start_ns
            kept.clear()
            return spent_ns

    yield sync_block


def walked(job: dict[str, Any]) -> dict[str, Any]:
    """Run the work once, with the tool or without it; how much it does is counted from outside.

    What it leaves as garbage is collected after every so many requests: when Python does that by itself depends on all
    that was made before, and where nobody does it memory grows, by steps that come at other moments with the tool.
    """
    work, switch = WORKS[job["work"]], TOOLS[job["tool"]]()
    requests_count = work.untimed_count + job["requests_count"]
    batches = [_COLLECTED_AFTER] * (requests_count // _COLLECTED_AFTER) + [requests_count % _COLLECTED_AFTER]
    gc.disable()
    with switch() if job["is_on"] else nullcontext():
        if work.is_async:

            async def ask_all() -> None:
                async with work.enter(job["url"], job["size_bytes"]) as ask:
                    for count in batches:
                        await ask(count)
                        gc.collect(_YOUNG)

            asyncio.run(ask_all())
        else:
            with work.enter(job["url"], job["size_bytes"]) as ask:
                for count in batches:
                    ask(count)
                    gc.collect(_YOUNG)
    return {"requests_count": requests_count}


def main() -> None:
    """Entry point: one job from standard input, one answer to standard output."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    job = json.loads(sys.stdin.readline())
    die_with_parent(sys.stdin)
    try:
        line: dict[str, Any] = {"outcome": walked(job) if "is_on" in job else measured(job)}
    except Exception as error:  # noqa: BLE001 - it goes to the parent, who says it
        line = {"failed": reason(error)}
    answers.write(json.dumps(line) + "\n")
    answers.flush()
    os._exit("failed" in line)


if __name__ == "__main__":
    main()
