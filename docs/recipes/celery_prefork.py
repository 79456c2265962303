"""Celery prefork: one synchronous client for each worker process, made after the fork.

    UPSTREAM=https://api.example.org celery --workdir docs/recipes -A celery_prefork worker

(CELERY_CONFIG_MODULE names the module with the broker's address.)
A client that was used before the fork would share its TLS connections with every child. One that is asynchronous would
outlive the event loop of the task that used it first.
"""

import os

import httpx
from celery import Celery
from celery.signals import worker_process_init, worker_process_shutdown

app = Celery("calls")
clients: list[httpx.Client] = []


@worker_process_init.connect
def open_client(**_: object) -> None:
    """Runs in each child, after the fork."""
    clients.append(httpx.Client(base_url=os.environ["UPSTREAM"], limits=httpx.Limits(keepalive_expiry=4)))


@worker_process_shutdown.connect
def close_client(**_: object) -> None:
    """Runs in each child, before it ends."""
    while clients:
        clients.pop().close()


@app.task
def fetch(path: str) -> int:
    """The size of the answer to one call."""
    response = clients[0].get(path)
    response.raise_for_status()
    return len(response.content)
