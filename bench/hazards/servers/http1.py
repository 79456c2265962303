"""HTTP/1.1 for a scripted server."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from bench.hazards.servers.site import Request

if TYPE_CHECKING:
    from bench.hazards.servers.site import Answer, Site

__all__ = ["serve_http1"]


async def serve_http1(site: Site, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the requests on one connection until it ends."""
    address = writer.get_extra_info("sockname")[0]
    answered_count = 0
    with contextlib.suppress(TimeoutError, asyncio.IncompleteReadError, OSError):
        while True:
            # The timeout is what uvicorn's timeout_keep_alive is: an idle connection is closed without a word.
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), site.keep_alive_s)
            request_line, *lines = head.decode("latin-1").rstrip().split("\r\n")
            headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines if ": " in line)}
            if length := int(headers.get("content-length", "0")):
                await reader.readexactly(length)
            method, path, _ = request_line.split(" ")
            request = Request(method, path, headers.get("cookie", ""), address, "HTTP/1.1", number)
            site.read(request)
            if answered_count == site.drops_after_count:
                site.counts["dropped"] += 1
                break
            answer = await site.execute(request)
            writer.write(_written(answer))
            await writer.drain()
            answered_count += 1
            if headers.get("connection") == "close":
                break


def _written(answer: Answer) -> bytes:
    headers = [*answer.headers, ("content-length", str(len(answer.body)))]
    head = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"HTTP/1.1 200 OK\r\n{head}\r\n".encode() + answer.body
