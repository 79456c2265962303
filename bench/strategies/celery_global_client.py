from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx
from celery import Celery

from bench.celery_worker import SETTINGS, working
from bench.registry import strategy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.registry import Send
    from connprof_server import Target

app = Celery("bench.strategies.celery_global_client")
app.conf.update(SETTINGS)

client = httpx.AsyncClient()


async def get(method: str, url: str) -> httpx.Response:
    """One call over the client that every task shares."""
    return await client.request(method, url)


@app.task
def fetch(method: str, url: str) -> tuple[int, str]:
    """Ask for ``url`` on an event loop of the task's own."""
    response = asyncio.run(get(method, url))
    return response.status_code, response.text


@strategy(
    "celery-global-client",
    contexts="one",
    handshakes="calls",
    fixes="celery-client-per-task",
    scope="process",
    world="celery",
    fails="RuntimeError: Event loop is closed",
)
def celery_global_client(target: Target) -> Iterator[Send]:
    """A global AsyncClient under asyncio.run in each Celery task.

    Known bad: the first task leaves a connection in the pool that belongs to its event loop. Every other task to the
    same origin finds it and fails, though its request has been sent; the next one gets a new connection, and so on.
    """
    with working(app, fetch, target) as send:
        yield send
