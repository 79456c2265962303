from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from multiprocessing.util import Finalize
from typing import TYPE_CHECKING, NamedTuple

import httpx

from bench import offspring
from bench.registry import strategy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.registry import Send
    from bench.workloads import Call
    from connprof_server import Target

_PROCESSES_COUNT = 2

client: httpx.Client


class Reply(NamedTuple):
    """What a job returns of an answer."""

    status_code: int
    content: bytes


def start() -> None:
    """Make this process's client, before its first job, and close it when the process ends."""
    global client  # noqa: PLW0603 - each process has one
    offspring.enter()
    Finalize(None, offspring.leave, exitpriority=1)
    client = httpx.Client()
    Finalize(None, client.close, exitpriority=2)


def fetch(method: str, url: str) -> Reply:
    """One job: ask for ``url`` over the process's client."""
    response = client.request(method, url)
    return Reply(response.status_code, response.content)


@strategy(
    "process-pool",
    contexts="processes",
    handshakes="origins",
    fixes="per-call-client",
    scope="process",
    world="processes",
)
def process_pool(target: Target) -> Iterator[Send]:
    """An httpx.Client for each process of a pool, dealt out by origin.

    Each origin's jobs always go to the same process, so that its connection is used again. The processes are spawned:
    a fork would hand them what their parent has open.
    """
    spawn = multiprocessing.get_context("spawn")
    with ExitStack() as stack:
        shards = [
            stack.enter_context(ProcessPoolExecutor(1, mp_context=spawn, initializer=start))
            for _number in range(_PROCESSES_COUNT)
        ]
        shard_of = {origin: shards[number % len(shards)] for number, origin in enumerate(target.origins)}

        def send(call: Call) -> Reply:
            return shard_of[call.origin].submit(fetch, call.method, target.url(call.path, call.origin)).result()

        yield send
