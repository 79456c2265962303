from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

import httpx
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from bench.registry import strategy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, MutableMapping

    from starlette.requests import Request

    from bench.registry import AsyncSend
    from bench.workloads import Call
    from connprof_server import Target


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """Make the client when the application starts, close it when it stops."""
    async with httpx.AsyncClient() as client:
        app.state.client = client
        yield


async def proxy(request: Request) -> Response:
    """Answer with what the service behind answers."""
    client: httpx.AsyncClient = request.app.state.client
    answer = await client.request(request.method, request.query_params["url"])
    return Response(answer.content, answer.status_code)


class Reply(NamedTuple):
    """What the application answered."""

    status_code: int
    content: bytes


@strategy("asgi-lifespan", contexts="one", handshakes="origins", fixes="per-call-async", world="asgi")
async def asgi_lifespan(target: Target) -> AsyncIterator[AsyncSend]:
    """A Starlette application with a lifespan AsyncClient on app.state.

    The application is called through its ASGI interface, without a server in front: what is measured is its outbound
    client, and neither sockets nor a thread of another server.
    """
    every = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]
    app = Starlette(routes=[Route("/proxy", proxy, methods=every)], lifespan=lifespan)

    async def send(call: Call) -> Reply:
        return await _ask(app, call.method, urlencode({"url": target.url(call.path, call.origin)}))

    async with _started(app):
        yield send


@asynccontextmanager
async def _started(app: Starlette) -> AsyncIterator[None]:
    """What a server does around its life: start the application, and stop it."""
    to_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    from_app: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
    running = asyncio.create_task(app({"type": "lifespan"}, to_app.get, from_app.put))

    async def go_through(phase: str) -> None:
        await to_app.put({"type": f"lifespan.{phase}"})
        told = await from_app.get()
        if told["type"] != f"lifespan.{phase}.complete":
            raise RuntimeError(f"the application did not survive its {phase}: {told.get('message')}")

    await go_through("startup")
    try:
        yield
    finally:
        await go_through("shutdown")
        await running


async def _ask(app: Starlette, method: str, query: str) -> Reply:
    """What a server does with a request."""
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    async def answer(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http", "http_version": "1.1", "method": method, "scheme": "http", "path": "/proxy",
        "query_string": query.encode(), "headers": [],
    }  # fmt: skip
    await app(scope, receive, answer)
    return Reply(sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:]))
