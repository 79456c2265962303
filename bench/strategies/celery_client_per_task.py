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

app = Celery("bench.strategies.celery_client_per_task")
app.conf.update(SETTINGS)


async def get(method: str, url: str) -> httpx.Response:
    """One call, with a client of its own."""
    async with httpx.AsyncClient() as client:
        return await client.request(method, url)


@app.task
def fetch(method: str, url: str) -> tuple[int, str]:
    """Ask for ``url`` on an event loop of the task's own."""
    response = asyncio.run(get(method, url))
    return response.status_code, response.text


@strategy("celery-client-per-task", contexts="calls", handshakes="calls", scope="call", world="celery")
def celery_client_per_task(target: Target) -> Iterator[Send]:
    """An AsyncClient for each Celery task, under asyncio.run."""
    with working(app, fetch, target) as send:
        yield send
