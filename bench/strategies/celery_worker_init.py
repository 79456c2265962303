from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
from celery import Celery, signals

from bench.celery_worker import SETTINGS, working
from bench.registry import strategy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.registry import Send
    from connprof_server import Target

app = Celery("bench.strategies.celery_worker_init")
app.conf.update(SETTINGS)

client: httpx.Client


@signals.worker_process_init.connect
def start(**_: object) -> None:
    """Make this process's client, after the fork."""
    global client  # noqa: PLW0603 - each process has one
    client = httpx.Client()


@signals.worker_process_shutdown.connect
def stop(**_: object) -> None:
    """Close it when the process ends."""
    client.close()


@app.task
def fetch(method: str, url: str) -> tuple[int, str]:
    """Ask for ``url`` over the process's client."""
    response = client.request(method, url)
    return response.status_code, response.text


@strategy(
    "celery-worker-init",
    contexts="processes",
    handshakes="origins",
    fixes="celery-client-per-task",
    scope="process",
    world="celery",
)
def celery_worker_init(target: Target) -> Iterator[Send]:
    """An httpx.Client made in worker_process_init of a Celery prefork worker."""
    with working(app, fetch, target) as send:
        yield send
