"""How a server of a probe talks to the probe: JSON lines, one in, one out. Standard library only.

The first line in is the configuration; the answer to it says ``port`` (and ``tls``, ``host`` where they are not true
and ``localhost``). Each line after that asks for an operation, ``{"op": "counts"}``. The end of input is the server's
end.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Operation = Callable[..., Awaitable[dict[str, Any]]]
    Start = Callable[[dict[str, Any]], Awaitable[tuple[dict[str, Any], dict[str, Operation]]]]

__all__ = ["run", "server_context"]


def server_context(certificate: str, *alpn: str) -> ssl.SSLContext:
    """A server's TLS context with the certificate and key of that file, and the protocols that ALPN may agree on."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


def run(start: Start) -> None:
    """Run a server: ``start`` takes the configuration and returns what to say when ready, and the operations."""
    try:
        asyncio.run(_serve(start))
    except KeyboardInterrupt:
        pass
    finally:
        os._exit(0)  # connections that hang must not keep it


async def _serve(start: Start) -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=1 << 20)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    try:
        ready, operations = await start(json.loads(await reader.readline()))
    except Exception as error:  # noqa: BLE001 - whatever it is, the probe is told in words
        _say({"error": f"{type(error).__name__}: {error}"})
        return
    _say(ready)
    while line := await reader.readline():
        asked = json.loads(line)
        try:
            _say(await operations[asked.pop("op")](**asked))
        except Exception as error:  # noqa: BLE001 - as above
            _say({"error": f"{type(error).__name__}: {error}"})


def _say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()
