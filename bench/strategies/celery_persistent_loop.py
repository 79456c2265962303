from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx
from celery import Celery, signals

from bench.celery_worker import SETTINGS, working
from bench.registry import strategy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.registry import Send
    from connprof_server import Target

app = Celery("bench.strategies.celery_persistent_loop")
app.conf.update(SETTINGS)

loop: asyncio.AbstractEventLoop
client: httpx.AsyncClient


@signals.worker_process_init.connect
def start(**_: object) -> None:
    """Make this process's loop and client, after the fork."""
    global client, loop  # noqa: PLW0603 - each process has one of each
    loop = asyncio.new_event_loop()
    client = httpx.AsyncClient()


@signals.worker_process_shutdown.connect
def stop(**_: object) -> None:
    """Close both when the process ends."""
    loop.run_until_complete(client.aclose())
    loop.close()


@app.task
def fetch(method: str, url: str) -> tuple[int, str]:
    """Ask for ``url`` on the process's loop."""
    response = loop.run_until_complete(client.request(method, url))
    return response.status_code, response.text


@strategy(
    "celery-persistent-loop",
    contexts="processes",
    handshakes="origins",
    fixes="celery-global-client",
    scope="process",
    world="celery",
)
def celery_persistent_loop(target: Target) -> Iterator[Send]:
    """One event loop and one AsyncClient for each process of a Celery prefork worker."""
    with working(app, fetch, target) as send:
        yield send
