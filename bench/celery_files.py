"""A broker and a result backend for Celery that need no installation: files, written whole or not at all.

Those that come with kombu and Celery do the same, but a reader may see half a file, which is then a task that nobody
runs or a result that cannot be read; and they make the worker wait for messages without its event loop, which it then
leaves only seconds after it was asked to.
"""

from __future__ import annotations

import json
import os
import queue as queues
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from celery.backends.filesystem import FilesystemBackend
from kombu.transport import filesystem

__all__ = ["LOOK_EVERY_S", "Channel", "Results", "Transport", "settings"]

LOOK_EVERY_S = 0.005
"""How often either side looks for something new: it is part of every call's latency."""


class Channel(filesystem.Channel):
    """kombu's, whose messages appear at once."""

    def _put(self, queue: str, payload: dict[str, Any], **_options: Any) -> None:  # type: ignore[override]
        _write(Path(self.data_folder_out), f"{time.monotonic_ns():020}_{uuid4()}.{queue}.msg", json.dumps(payload))


class Transport(filesystem.Transport):
    """kombu's, for a worker that runs on an event loop, as it does with a broker on a network."""

    Channel = Channel
    implements = filesystem.Transport.implements.extend(asynchronous=True)

    def register_with_event_loop(self, _connection: Any, loop: Any) -> None:
        """Look for messages at short intervals."""

        def look() -> None:
            assert self.cycle is not None, "the transport makes it with itself"
            with suppress(queues.Empty):
                self.cycle.get(self._deliver, timeout=0)  # type: ignore[no-untyped-call]

        loop.call_repeatedly(LOOK_EVERY_S, look)


class Results(FilesystemBackend):
    """Celery's, whose results appear at once."""

    def set(self, key: str | bytes, value: str | bytes) -> None:
        """Store ``value``."""
        _write(Path(os.fsdecode(self.path)), os.fsdecode(key), value)


def settings(folder: Path) -> dict[str, Any]:
    """What a project would keep in its ``celeryconfig.py``; all files are below ``folder``, which has these folders."""
    return {
        "broker_url": "filesystem://",
        "broker_transport": f"{__name__}:Transport",
        "broker_transport_options": {
            "data_folder_in": str(folder / "queue"),
            "data_folder_out": str(folder / "queue"),
            "control_folder": str(folder / "control"),
            "polling_interval": LOOK_EVERY_S,
        },
        "result_backend": f"{__name__}:Results+file://{folder / 'results'}",
        "task_serializer": "json",
        "result_serializer": "json",
        "accept_content": ["json"],
        "worker_enable_remote_control": False,
        "worker_hijack_root_logger": False,
        "broker_connection_retry_on_startup": True,
    }


def _write(folder: Path, name: str, content: str | bytes) -> None:
    unfinished = folder / f"{uuid4()}.unfinished"
    unfinished.write_bytes(content.encode() if isinstance(content, str) else content)
    unfinished.replace(folder / name)
