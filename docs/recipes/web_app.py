"""A web app: one client for the application, made and closed by its lifespan.

    UPSTREAM=https://api.example.org uvicorn --app-dir docs/recipes web_app:app

Its cookie jar keeps nothing, as the client serves many users; it lets go of an idle connection before the other side
does (uvicorn closes after 5 s); and there are as many kept connections as calls at once.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """Open the client when the application starts, in its event loop, and close it when it ends."""
    async with httpx.AsyncClient(
        base_url=os.environ["UPSTREAM"],
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        limits=httpx.Limits(max_connections=50, max_keepalive_connections=50, keepalive_expiry=4),
        timeout=httpx.Timeout(10, pool=5),
    ) as client:
        app.state.client = client
        yield


async def forward(request: Request) -> Response:
    """Ask the other side for the same path."""
    client: httpx.AsyncClient = request.app.state.client
    answer = await client.get(request.url.path, params=dict(request.query_params))
    return Response(answer.content, answer.status_code, media_type=answer.headers.get("Content-Type"))


app = Starlette(routes=[Route("/{path:path}", forward)], lifespan=lifespan)
