"""The program that is observed: it opens connections with one client library, in the ways that it is told.

It takes its case as JSON and leaves a line for each of its processes in a file: contexts as the interpreter counts
them, and clients as it has made them. It runs in the library's own environment, by the standard library and that
library alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import http.client
import importlib
import json
import multiprocessing
import os
import socket
import ssl
import subprocess
import sys
import threading
import urllib.request
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from bench.libraries import trust_everywhere
from bench.oracle.contexts import ca_loads_count, contexts_count, follow, forget

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

THREADS_COUNT = 4
PROCESSES_COUNT = 2
AT_ONCE_COUNT = 10
ROUNDS_COUNT = 3
_OK = 200

_clients_made: list[None] = []
_case: dict[str, Any] = {}
"""Empty where a spawned child comes in."""


class AnswerError(Exception):
    """An answer was not what it ought to be."""


def library() -> Any:
    """The client library, imported."""
    return importlib.import_module(_case["module"])


# --- one client of each library, and one call ---------------------------------------------------------------


class StandardClient:
    """http.client: a connection for each host, made when it is needed."""

    def __init__(self) -> None:
        self.connections: dict[str, http.client.HTTPSConnection] = {}

    def get(self, url: str) -> int:
        """The status of a GET, the answer read."""
        parts = urlsplit(url)
        if parts.netloc not in self.connections:
            _clients_made.append(None)  # with http.client, a connection is the client
            self.connections[parts.netloc] = http.client.HTTPSConnection(parts.netloc, timeout=20)
        self.connections[parts.netloc].request("GET", parts.path)
        answer = self.connections[parts.netloc].getresponse()
        answer.read()
        return answer.status

    def close(self) -> None:
        """Close all of them."""
        for connection in self.connections.values():
            connection.close()


class UrllibClient:
    """urllib.request, which makes a connection for each call."""

    def get(self, url: str) -> int:
        """The status of a GET, the answer read."""
        _clients_made.append(None)
        with urllib.request.urlopen(url, timeout=20) as answer:  # noqa: S310 - the suite's own server
            answer.read()
            return int(answer.status)

    def close(self) -> None:
        """There is nothing to close."""


class SocketClient:
    """A socket and a context by hand, http.client on top of them."""

    def __init__(self) -> None:
        self.context = ssl.create_default_context()
        self.session: ssl.SSLSession | None = None

    def get(self, url: str) -> int:
        """The status of a GET, the answer read."""
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 0
        plain = socket.create_connection((host, port), timeout=20)
        with self.context.wrap_socket(plain, server_hostname=host, session=self.session) as tls:
            _clients_made.append(None)
            connection = http.client.HTTPConnection(host, port)
            connection.sock = tls
            connection.request("GET", parts.path)
            answer = connection.getresponse()
            answer.read()
            if _case["resumes"]:
                self.session = tls.session
            connection.close()
        return answer.status

    def close(self) -> None:
        """There is nothing to close."""


BARE: dict[str, Any] = {"http.client": StandardClient, "urllib.request": UrllibClient, "ssl": SocketClient}
"""Of the standard library; each counts its clients itself, where it has any."""


class BotocoreClient:
    """botocore's HTTP session, as all of its clients use it."""

    def __init__(self) -> None:
        from botocore.httpsession import URLLib3Session

        self.session = URLLib3Session(verify=_case["bundle"])

    def get(self, url: str) -> int:
        """The status of a GET, the answer read."""
        from botocore.awsrequest import AWSRequest

        answer = self.session.send(AWSRequest("GET", url).prepare())
        _ = answer.content
        return int(answer.status_code)

    def close(self) -> None:
        """Close it."""
        self.session.close()


@contextlib.contextmanager
def client(**settings: Any) -> Iterator[Callable[[str], int]]:
    """A synchronous client, as a function that gets a URL and returns the status."""
    name = _case["module"]
    if name in BARE:
        with contextlib.closing(BARE[name]()) as bare:
            yield bare.get
        return
    _clients_made.append(None)
    if name == "botocore":
        with contextlib.closing(BotocoreClient()) as made:
            yield made.get
    elif name == "urllib3":
        with library().PoolManager(**settings) as pool:
            yield lambda url: int(pool.request("GET", url, retries=False).status)
    elif name in {"requests", "niquests"}:
        with library().Session() as session:
            yield lambda url: int(session.get(url, timeout=20).status_code)
    else:
        with library().Client(**settings) as thin:
            yield lambda url: int(thin.get(url).status_code)


async def stream_get(context: ssl.SSLContext, url: str) -> int:
    """A GET written by hand onto asyncio's streams: no client, and no library that knows of a request."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, ssl=context)
    try:
        writer.write(f"GET {parts.path} HTTP/1.1\r\nhost: {parts.netloc}\r\nconnection: close\r\n\r\n".encode())
        return int((await reader.read()).split(maxsplit=2)[1])
    finally:
        writer.close()
        await writer.wait_closed()


@contextlib.asynccontextmanager
async def async_client(**settings: Any) -> AsyncIterator[Callable[[str], Awaitable[int]]]:
    """An asynchronous client, likewise."""
    name = _case["module"]
    if name == "asyncio":
        yield functools.partial(stream_get, ssl.create_default_context())
        return
    _clients_made.append(None)
    if name == "aiohttp":
        async with library().ClientSession() as session:

            async def get(url: str) -> int:
                async with session.get(url) as answer:
                    await answer.read()
                    return int(answer.status)

            yield get
    elif name == "niquests":
        async with library().AsyncSession() as session:

            async def get(url: str) -> int:
                return int((await session.get(url, timeout=20)).status_code)

            yield get
    else:
        async with library().AsyncClient(**settings) as made:

            async def get(url: str) -> int:
                return int((await made.get(url)).status_code)

            yield get


def expect_ok(code: int) -> None:
    """Only what succeeded can be compared."""
    if code != _OK:
        raise AnswerError(f"the server answered {code}")


# --- ways to open connections -------------------------------------------------------------------------------


def per_call(count: int) -> None:
    """A client for each call."""
    for number in range(count):
        with client() as get:
            expect_ok(get(f"{_case['urls'][number % 2]}/api/{number}"))


def closing(count: int) -> None:
    """One client; the server closes each connection."""
    with client() as get:
        for number in range(count):
            expect_ok(get(f"{_case['urls'][number % 2]}/close"))


def kept(count: int) -> None:
    """One client, whose connections are kept."""
    with client() as get:
        for number in range(count):
            expect_ok(get(f"{_case['urls'][number % 2]}/api/{number}"))


def in_threads(count: int) -> None:
    """Threads, each with a client of its own."""
    threads = [threading.Thread(target=closing, args=(count // THREADS_COUNT,)) for _ in range(THREADS_COUNT)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def untrusted(count: int) -> None:
    """A server whose CA nobody here knows: handshakes that fail."""
    for _ in range(count):
        with client() as get:
            try:
                get(f"{_case['untrusted']}/api/0")
            except Exception as error:
                if "CERTIFICATE_VERIFY_FAILED" not in repr(error) + repr(error.__cause__) + repr(error.__context__):
                    raise
            else:
                raise AnswerError("a certificate of an unknown CA was taken")


def resumed(count: int) -> None:
    """Sessions that are taken up again, as nobody does who does not ask for it by hand."""
    _case["resumes"] = True
    with client() as get:
        for _ in range(count):
            expect_ok(get(f"{_case['urls'][0]}/api/resumed"))
    _case["resumes"] = False


async def async_per_call(count: int) -> None:
    """An async client for each call."""
    for number in range(count):
        async with async_client() as get:
            expect_ok(await get(f"{_case['urls'][number % 2]}/api/{number}"))


async def async_closing(count: int) -> None:
    """One async client; the server closes each connection."""
    async with async_client() as get:
        for number in range(count):
            expect_ok(await get(f"{_case['urls'][number % 2]}/close"))


async def gather(count: int) -> None:
    """One async client, and calls that are in flight at once."""
    async with async_client() as get:
        for number in range(max(count // AT_ONCE_COUNT, 1)):
            url = f"{_case['urls'][0]}/gate/{AT_ONCE_COUNT}/{os.getpid()}-{number}"
            for code in await asyncio.gather(*(get(url) for _ in range(AT_ONCE_COUNT))):
                expect_ok(code)


async def async_untrusted(count: int) -> None:
    """Handshakes that fail, on an event loop."""
    for _ in range(count):
        async with async_client() as get:
            try:
                await get(f"{_case['untrusted']}/api/0")
            except Exception as error:
                if "CERTIFICATE_VERIFY_FAILED" not in repr(error) + repr(error.__cause__) + repr(error.__context__):
                    raise
            else:
                raise AnswerError("a certificate of an unknown CA was taken")


async def http2(count: int) -> None:
    """HTTP/2: many calls on few connections."""
    settings = {} if _case["module"] == "niquests" else {"http2": True}
    for _ in range(count):
        async with async_client(**settings) as get:
            expect_ok(await get(f"{_case['http2']}/api/first"))
            for code in await asyncio.gather(*(get(f"{_case['http2']}/api/{number}") for number in range(5))):
                expect_ok(code)


def on_uvloop(count: int) -> None:
    """The same on uvloop, which connects below Python."""
    import uvloop

    uvloop.run(async_closing(count))


def on_trio(count: int) -> None:
    """The same on trio."""
    import trio

    trio.run(async_closing, count)


def _one_process(case: dict[str, Any], count: int) -> None:
    """What a child process does; a spawned one comes here with nothing."""
    if not _case:
        begin(case)  # its contexts begin here, those of the import among them
    else:
        forget()
        _clients_made.clear()
    if _case["is_async"]:
        asyncio.run(async_closing(count))
    else:
        closing(count)
    leave_tally()


def _processes(method: str, count: int) -> None:
    context = multiprocessing.get_context(method)
    children = [
        context.Process(target=_one_process, args=(_case, count // PROCESSES_COUNT))  # type: ignore[attr-defined]
        for _ in range(PROCESSES_COUNT)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join()
        if child.exitcode:
            raise AnswerError(f"a child ended with {child.exitcode}")


def forked(count: int) -> None:
    """Children by fork."""
    _processes("fork", count)


def spawned(count: int) -> None:
    """Children by spawn."""
    _processes("spawn", count)


def subprocesses(count: int) -> None:
    """Programs that this program starts."""
    way = "async-closing" if _case["is_async"] else "closing"
    case = json.dumps({**_case, "ways": {way: count // PROCESSES_COUNT}})
    children = [subprocess.Popen([sys.executable, "-m", "bench.oracle.program", case]) for _ in range(PROCESSES_COUNT)]
    for child in children:
        if child.wait():
            raise AnswerError(f"a child ended with {child.returncode}")


WAYS: dict[str, Callable[[int], Any]] = {
    "per-call": per_call,
    "closing": closing,
    "kept": kept,
    "threads": in_threads,
    "untrusted": untrusted,
    "resumed": resumed,
    "async-per-call": async_per_call,
    "async-closing": async_closing,
    "gather": gather,
    "async-untrusted": async_untrusted,
    "http2": http2,
    "uvloop": on_uvloop,
    "trio": on_trio,
    "fork": forked,
    "spawn": spawned,
    "subprocess": subprocesses,
}


def begin(case: dict[str, Any]) -> None:
    """Take the case, and import the library as a program does when it starts."""
    _case.update(case)
    follow()
    if bundle := os.environ.get("SSL_CERT_FILE"):
        trust_everywhere(bundle)
    library()


def leave_tally() -> None:
    """A line for this process."""
    counts = {"contexts": contexts_count(), "ca_loads": ca_loads_count(), "clients": len(_clients_made)}
    line = json.dumps(counts) + "\n"
    with open(_case["tally"], "a", encoding="utf-8") as tally:  # noqa: PTH123 - appended to in one write
        tally.write(line)


def main() -> None:
    """Run the ways of the case, one after another."""
    begin(json.loads(sys.argv[1]))
    for name, count in _case["ways"].items():
        made = WAYS[name](count)
        if made is not None:
            asyncio.run(made)
    leave_tally()


if __name__ == "__main__":
    main()
