"""The server's process: ``python -m connprof_server.child FOLDER ANSWERS_FD``, started by `process.serve`."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connprof_server import counting
from connprof_server.channel import run_child
from connprof_server.errors import ServerError
from connprof_server.folder import remove_folder
from connprof_server.sockets import BACKLOG, bind_loopback

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    import uvicorn

    from connprof_server.app import Application
    from connprof_server.channel import Channel
    from connprof_server.hashed import SystemStore

# Passes of the event loop before a snapshot. What a client did before it asked (connected, sent, closed) is
# waiting in the kernel, and takes a few passes to be accepted, started, read and counted.
_PASSES_COUNT = 8

_FULL = (errno.ENOSPC, errno.EDQUOT)


class _Origin:
    """One origin: its counts and its uvicorn server."""

    def __init__(
        self, counts: counting.OriginCounts, server: uvicorn.Server, port: int, serving: asyncio.Task[None]
    ) -> None:
        self.counts = counts
        self.server = server
        self.port = port
        self.serving = serving  # kept, since asyncio itself holds tasks only weakly

    def drop_connections(self) -> int:
        """Cuts all open connections off; returns how many."""
        dropped = list(self.server.server_state.connections)
        for connection in dropped:
            connection.transport.abort()
        return len(dropped)


async def _main(channel: Channel, config: dict[str, Any]) -> None:
    # Not at the top: what is missing is told to the parent in one sentence.
    from connprof_server.app import Application
    from connprof_server.certs import make_certificates

    try:
        certificates = make_certificates(
            Path(config["folder"]),
            contexts_count=len(config["origins"]),
            host=config["host"],
            http_version=config["http_version"],
            system_store=config["system_store"],
            expires=datetime.fromisoformat(config["expires"]) if config["expires"] else None,
            allow_expired=config["allow_expired"],
        )
    except OSError as error:
        if error.errno not in _FULL:
            raise
        # Not left to the log, which lies in the same folder.
        raise ServerError(f"the server could not start ({config['folder']}: {error.strerror})") from None
    app = Application(keep_cookies=config["keep_cookies"])
    origins: dict[str, _Origin] = {}
    for name, port, context in zip(config["origins"], config["ports"], certificates.contexts, strict=True):
        counts = counting.OriginCounts(context)
        sockets: list[socket.socket] = [counting.ListeningSocket(sock, counts) for sock in bind_loopback(port)]
        bound_port: int = sockets[0].getsockname()[1]
        server = _uvicorn_server(app, counts, config)
        serving = asyncio.create_task(server.serve(sockets))
        await _started(server, serving)
        origins[name] = _Origin(counts, server, bound_port, serving)
    await channel.write(
        {
            "ready": {
                "ports": {name: origin.port for name, origin in origins.items()},
                "bundle": str(certificates.bundle),
                "ca": str(certificates.ca),
                "bundle_certificates_count": certificates.bundle_certificates_count,
                "bundle_sha256": certificates.bundle_sha256,
                **_system_store(certificates.system_store),
            }
        }
    )
    await channel.serve(_operations(origins, app))


def _system_store(store: SystemStore | None) -> dict[str, Any]:
    if store is None:
        return {}
    return {
        "system_file": str(store.file),
        "system_directory": str(store.directory),
        "system_certificates_count": store.certificates_count,
        "system_sha256": store.sha256,
    }


def _operations(origins: dict[str, _Origin], app: Application) -> dict[str, Any]:
    async def snapshot(_line: dict[str, Any]) -> dict[str, Any]:
        for _ in range(_PASSES_COUNT):
            await asyncio.sleep(0)
        taken = counting.snapshot({name: origin.counts for name, origin in origins.items()})
        return {"snapshot": taken.to_dict()}

    async def drop_connections(_line: dict[str, Any]) -> dict[str, Any]:
        return {"dropped": sum(origin.drop_connections() for origin in origins.values())}

    async def executions(_line: dict[str, Any]) -> dict[str, Any]:
        return {"executions": dict(app.executions)}

    async def cookies(_line: dict[str, Any]) -> dict[str, Any]:
        return {"cookies": dict(app.cookies)}

    async def open_connections(_line: dict[str, Any]) -> dict[str, Any]:
        for _ in range(_PASSES_COUNT):
            await asyncio.sleep(0)
        return {"open": {name: origin.counts.open_numbers() for name, origin in origins.items()}}

    return {
        "snapshot": snapshot,
        "drop_connections": drop_connections,
        "executions": executions,
        "cookies": cookies,
        "open_connections": open_connections,
    }


def _uvicorn_server(app: Application, counts: counting.OriginCounts, wanted: dict[str, Any]) -> uvicorn.Server:
    import uvicorn

    if wanted["http_version"] == "2":
        from connprof_server.multiplexing import multiplexing_protocol as protocol
    else:
        from connprof_server.protocol import counting_protocol as protocol

    class Server(uvicorn.Server):
        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            """Leaves the process's signals alone: they are the channel's business."""
            yield

    config = uvicorn.Config(
        app,
        loop="asyncio",
        http=protocol(counts, app),
        ws="none",
        interface="asgi3",
        lifespan="off",
        log_config=None,
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=wanted["keep_alive_s"],  # an int by its type, a delay in seconds by its use
    )
    config.load()
    # uvicorn would load key and certificate from files, which are gone by now.
    config.ssl = counts.context
    return Server(config)


async def _started(server: uvicorn.Server, task: asyncio.Task[None]) -> None:
    while not server.started:
        await asyncio.sleep(0.002)
        if task.done():
            task.result()
            raise RuntimeError("uvicorn ended at its start")


if __name__ == "__main__":
    run_child(_main, at_end_of_parent=lambda: remove_folder(Path(sys.argv[1])))
