"""The application that the server serves; only the server's process imports this module.

`Application` answers ``/api/`` itself from prepared bytes, since that is what benchmarks ask for: the server must
never be what a client waits for. All the rest is an ordinary Starlette app.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import zlib
from collections import Counter
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from connprof_server.protocol import CONNECTION, END_CONNECTION
from connprof_server.target import json_size_bytes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.types import Message, Receive, Scope, Send

__all__ = ["Application", "json_body"]

_BODY_LIMIT_BYTES = 64 * 1024 * 1024
_DELAY_LIMIT_MS = 60_000
_REDIRECTS_LIMIT_COUNT = 100
_GATE_LIMIT_COUNT = 1_000
_GATE_LIMIT_S = 2.0
_CHUNKS_LIMIT_COUNT = 100_000
_CACHED_ANSWERS_COUNT = 2_048
_STATUSES = range(200, 600)
_WITHOUT_BODY = (204, 205, 304)
_BAD_REQUEST = 400

_WORDS = (
    "annual", "archive", "bicycle", "budget", "census", "climate", "commune", "energy", "forest", "harbour", "health",
    "housing", "index", "library", "market", "museum", "noise", "open", "parking", "quality", "rail", "register",
    "river", "road", "school", "sensor", "station", "survey", "tourism", "traffic", "water", "weather",
)  # fmt: skip
_FORMATS = ("csv", "json", "geojson", "xlsx")


@dataclass(frozen=True, slots=True)
class _Answer:
    """One prepared answer, as two ASGI messages and as the bytes of both."""

    start: Message
    body: Message
    raw: bytes


class _Gate:
    """Requests that are answered together."""

    __slots__ = ("opened", "waiting_count")

    def __init__(self) -> None:
        self.waiting_count = 0
        self.opened = asyncio.Event()


class Application:
    """The ASGI application. One serves all origins.

    Args:
        keep_cookies: count the cookies that requests send. All requests then take the long way.

    Attributes:
        executions: key -> how often it was POSTed to ``/executions/{key}``.
        cookies: name -> requests that sent it; values are never kept.
    """

    def __init__(self, *, keep_cookies: bool = False) -> None:
        self.executions: Counter[str] = Counter()
        self.cookies: Counter[str] = Counter()
        self._keep_cookies = keep_cookies
        self._answers: dict[tuple[bytes, bytes], _Answer] = {}
        self._gates: dict[str, _Gate] = {}
        self._routes = Starlette(
            routes=[
                Route("/bytes/{count}", _bytes),
                Route("/delay/{ms}", _delay),
                Route("/gate/{count}/{name}", self._gate),
                Route("/stream/{chunks}/{count}", _stream),
                Route("/redirect/{times}", _redirect),
                Route("/cookies/set", _set_cookies),
                Route("/cookies", _cookies),
                Route("/close", _close),
                Route("/status/{code}", _status, methods=_EVERY_METHOD),
                Route("/executions/{key}", self._count_execution, methods=["POST"]),
                Route("/executions/{key}", self._read_executions, methods=["GET"]),
            ],
            exception_handlers={_BadRequestError: _bad_request, 404: _not_found},
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; it is counted before anything else can go wrong."""
        scope["state"][CONNECTION].requests_count += 1
        if self._keep_cookies:
            self.cookies.update(_cookie_names(scope))
        if scope["method"] in {"GET", "HEAD"} and (answer := self._api_answer(scope)):
            await send(answer.start)
            await send(answer.body)
            return
        await self._routes(scope, receive, send)

    def raw_answer(self, scope: Scope) -> bytes | None:
        """The whole answer to a GET below ``/api/``, head and body, as sent on HTTP/1.1; ``None`` for all the rest."""
        if scope["method"] == "GET" and not self._keep_cookies and (answer := self._api_answer(scope)):
            return answer.raw
        return None

    def _api_answer(self, scope: Scope) -> _Answer | None:
        key = scope["raw_path"], scope["query_string"]
        answer = self._answers.get(key)
        if answer is None and scope["path"].startswith("/api/"):
            if len(self._answers) >= _CACHED_ANSWERS_COUNT:
                self._answers.clear()
            answer = self._answers[key] = _prepared(*key)
        return answer

    async def _gate(self, request: Request) -> Response:
        """Answers once as many requests of this name wait as were asked for, or the first has waited long enough.

        With it, calls that are in flight at once are so on every machine, however slow.
        """
        count = _number(request, "count", lowest=1, highest=_GATE_LIMIT_COUNT)
        name = request.path_params["name"]
        gate = self._gates.setdefault(name, _Gate())
        gate.waiting_count += 1
        if gate.waiting_count < count:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(gate.opened.wait(), _GATE_LIMIT_S)
        if self._gates.get(name) is gate:
            del self._gates[name]
        gate.opened.set()
        answer = _prepared(request.scope["raw_path"], request.scope["query_string"])
        return Response(answer.body["body"], answer.start["status"], headers=_text_headers(answer))

    async def _count_execution(self, request: Request) -> Response:
        key = request.path_params["key"]
        # The body is read first: a request that is broken off half-way was not executed.
        await request.body()
        self.executions[key] += 1
        return JSONResponse({"key": key, "executions": self.executions[key]})

    async def _read_executions(self, request: Request) -> Response:
        key = request.path_params["key"]
        return JSONResponse({"key": key, "executions": self.executions[key]})


def json_body(path: str) -> bytes:
    """The JSON that answers a GET of ``path``: exactly ``json_size_bytes(path)`` bytes, always the same ones.

    Raises:
        ValueError: the path is too long to be repeated in an answer of that size.
    """
    size_bytes = json_size_bytes(path)
    # Not for secrecy: the same path must give the same records on every machine.
    drawn = random.Random(zlib.crc32(path.encode()))  # noqa: S311
    body: dict[str, Any] = {"path": path, "page": 1, "records": [], "filler": ""}
    encoded = _encoded(body)
    if len(encoded) > size_bytes:
        raise ValueError(f"the path is too long: its answer has {size_bytes} bytes and must repeat it")
    rest_bytes = size_bytes - len(encoded)
    while True:
        record = _record(drawn, len(body["records"]) + 1)
        rest_bytes -= len(_encoded(record)) + bool(body["records"])
        if rest_bytes < 0:
            break
        body["records"].append(record)
    # What is left is shorter than one record.
    body["filler"] = "." * (size_bytes - len(_encoded(body)))
    return _encoded(body)


def _encoded(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _record(drawn: random.Random, number: int) -> dict[str, Any]:
    words = drawn.sample(_WORDS, 3)
    return {
        "id": f"{drawn.getrandbits(64):016x}",
        "number": number,
        "title": " ".join(words).capitalize(),
        "slug": "-".join(words),
        "tags": drawn.sample(_WORDS, drawn.randrange(1, 5)),
        "position": [round(drawn.uniform(-5, 9), 5), round(drawn.uniform(42, 51), 5)],
        "resources": [
            {"format": drawn.choice(_FORMATS), "size_bytes": drawn.randrange(1_000, 10_000_000)}
            for _ in range(drawn.randrange(1, 4))
        ],
        "updated": f"2024-{drawn.randrange(1, 13):02}-{drawn.randrange(1, 29):02}T{drawn.randrange(24):02}:00:00Z",
    }


def _prepared(raw_path: bytes, query: bytes) -> _Answer:
    path = raw_path + b"?" + query if query else raw_path
    try:
        status, kind, body = 200, b"application/json", json_body(path.decode("latin-1"))
    except ValueError as error:
        status, kind, body = _BAD_REQUEST, b"text/plain; charset=utf-8", str(error).encode()
    length = str(len(body)).encode()
    head = b"HTTP/1.1 %d %s\r\ncontent-type: %s\r\ncontent-length: %s\r\n\r\n"
    headers = [(b"content-type", kind), (b"content-length", length)]
    return _Answer(
        start={"type": "http.response.start", "status": status, "headers": headers},
        body={"type": "http.response.body", "body": body},
        raw=head % (status, HTTPStatus(status).phrase.encode(), kind, length) + body,
    )


def _cookie_names(scope: Scope) -> set[str]:
    return {
        pair.partition("=")[0].strip()
        for name, value in scope["headers"]
        if name == b"cookie"  # HTTP/2 may send one for each
        for pair in value.decode("latin-1").split(";")
        if pair.strip()
    }


def _text_headers(answer: _Answer) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in answer.start["headers"]}


_EVERY_METHOD = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


class _BadRequestError(Exception):
    """The message is a sentence for the client."""


def _number(request: Request, name: str, *, lowest: int, highest: int) -> int:
    text = request.path_params[name]
    if not (text.isascii() and text.isdigit() and lowest <= int(text[:20]) <= highest):
        raise _BadRequestError(f"{name} must be a whole number from {lowest} to {highest}, not {text[:100]!r}")
    return int(text)


async def _bad_request(_request: Request, error: Exception) -> Response:
    return PlainTextResponse(str(error), _BAD_REQUEST)


async def _not_found(request: Request, _error: Exception) -> Response:
    return PlainTextResponse(f"there is nothing at {request.url.path[:200]}", 404)


async def _bytes(request: Request) -> Response:
    count = _number(request, "count", lowest=0, highest=_BODY_LIMIT_BYTES)
    return Response(b"x" * count, media_type="application/octet-stream")


async def _delay(request: Request) -> Response:
    delay_ms = _number(request, "ms", lowest=0, highest=_DELAY_LIMIT_MS)
    await asyncio.sleep(delay_ms / 1_000)
    return JSONResponse({"delay_ms": delay_ms})


async def _stream(request: Request) -> Response:
    chunks = _number(request, "chunks", lowest=0, highest=_CHUNKS_LIMIT_COUNT)
    count = _number(request, "count", lowest=1, highest=_BODY_LIMIT_BYTES)
    if chunks * count > _BODY_LIMIT_BYTES:
        raise _BadRequestError(f"chunks times count must be at most {_BODY_LIMIT_BYTES} bytes, not {chunks * count}")

    async def body() -> AsyncIterator[bytes]:
        for _ in range(chunks):
            yield b"x" * count
            await asyncio.sleep(0)  # so that each chunk is written by itself

    return StreamingResponse(body(), media_type="application/octet-stream")


async def _redirect(request: Request) -> Response:
    times = _number(request, "times", lowest=0, highest=_REDIRECTS_LIMIT_COUNT)
    if times == 0:
        return JSONResponse({"ok": True})
    return RedirectResponse(f"/redirect/{times - 1}", 302)


async def _set_cookies(request: Request) -> Response:
    if not request.query_params:
        raise _BadRequestError("say which cookie to set: /cookies/set?name=value")
    response = JSONResponse({"set": dict(request.query_params)})
    for name, value in request.query_params.items():
        try:
            response.set_cookie(name, value)
        except Exception as error:
            # http.cookies raises its own error for a bad name, starlette another for a bad value.
            raise _BadRequestError(f"not a cookie: {name[:100]!r}={value[:100]!r}") from error
    return response


async def _cookies(request: Request) -> Response:
    return JSONResponse(request.cookies)


async def _close(request: Request) -> Response:
    if end_connection := request.scope["state"].get(END_CONNECTION):
        end_connection()  # HTTP/2 has no such header, but a frame that says goodbye
    return JSONResponse({"closing": True}, headers={"connection": "close"})


async def _status(request: Request) -> Response:
    code = _number(request, "code", lowest=_STATUSES.start, highest=_STATUSES.stop - 1)
    await request.body()
    if code in _WITHOUT_BODY:
        return Response(status_code=code)
    return JSONResponse({"status": code}, code)
