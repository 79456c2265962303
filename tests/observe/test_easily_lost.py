"""What a single line of the observer keeps right, and no other: each in a program that shows it."""

from __future__ import annotations

import asyncio
import contextvars
import http.client
import socket
import ssl
import threading
import time
import types

import httpx
import pytest

from connprof.observe import libraries, observe
from connprof.observe.recorder import RECORDER
from connprof_server import serve

from .test_counts import unknown_counts
from .test_standing_calls import MORE, USUAL, only, process_of, requests_by_function, requests_by_origin
from .test_usual_calls import in_thread
from .test_window import run_python

# --- time of libraries that are built on others ---------------------------------------------------------------

ON_HTTP_CLIENT = """
import http.client
import httpx

class Transport(httpx.BaseTransport):
    connection = None

    def handle_request(self, request):
        if self.connection is None:
            self.connection = http.client.HTTPConnection(request.url.host, request.url.port)
        self.connection.request("GET", "/")
        answer = self.connection.getresponse()
        return httpx.Response(answer.status, content=answer.read())

    def close(self):
        self.connection.close()
"""

AS_AIOHTTP_DOES = """
import asyncio
import httpx

class Request:
    method = "GET"

    async def send(self, conn):
        conn.write(b"GET / HTTP/1.1\\r\\nhost: x\\r\\n\\r\\n")

class Transport(httpx.AsyncBaseTransport):
    conn = None

    async def handle_async_request(self, request):
        if self.conn is None:
            self.reader, self.conn = await asyncio.open_connection(request.url.host, request.url.port)
        await Request().send(self.conn)
        await self.reader.readuntil(b"ok")
        return httpx.Response(200)

    async def aclose(self):
        self.conn.close()
        await self.conn.wait_closed()
"""


def library_of(source):
    """A module that is a library's, by the name of its file."""
    module = types.ModuleType("library")
    exec(compile(source, "<library>", "exec"), vars(module))
    return module


@pytest.fixture
def spent_ns():
    """The time of each call as its client's hooks see it, which is a little less than all of it."""
    return []


def timing(spent_ns):
    def ask(_request):
        spent_ns.append(-time.perf_counter_ns())
        time.sleep(0.005 if len(spent_ns) > 2 * USUAL else 0)  # of calls that stand

    def answer(_response):
        spent_ns.append(time.perf_counter_ns())

    return ask, answer


def test_the_time_of_a_library_above_http_client_is_its_peers(plain_server, spent_ns):
    ask, answer = timing(spent_ns)
    with (
        observe() as seen,
        httpx.Client(
            transport=library_of(ON_HTTP_CLIENT).Transport(), event_hooks={"request": [ask], "response": [answer]}
        ) as client,
    ):
        for _ in range(USUAL + MORE):
            client.get(plain_server.url)
    process = process_of(seen)
    assert requests_by_origin(process) == {plain_server.origin: USUAL + MORE}
    assert only(process.origins).costs.request_wall_ns >= sum(spent_ns) > 0


def test_the_time_of_calls_of_aiohttp_is_their_peers(plain_server, spent_ns, monkeypatch):
    ask, answer = timing(spent_ns)
    library = library_of(AS_AIOHTTP_DOES)
    monkeypatch.setattr(library.Request, "send", libraries.aiohttp_send(library.Request.send))

    async def asked(request):
        ask(request)

    async def answered(response):
        answer(response)

    async def main():
        async with httpx.AsyncClient(
            transport=library.Transport(), event_hooks={"request": [asked], "response": [answered]}
        ) as client:
            for _ in range(USUAL + MORE):
                await client.get(plain_server.url)

    with observe() as seen:
        asyncio.run(main())
    process = process_of(seen)
    assert requests_by_origin(process) == {plain_server.origin: USUAL + MORE}
    assert only(process.origins).costs.request_wall_ns >= sum(spent_ns) > 0


# --- standing and usual calls ---------------------------------------------------------------------------------


def test_a_window_with_other_user_code_has_lines_of_its_own_for_usual_calls(plain_server):
    with observe() as seen, httpx.Client() as client:

        def call():
            client.get(plain_server.url)

        for _ in range(USUAL + 2):
            call()
        with observe(user_code=[__file__]) as inner:
            for _ in range(MORE):
                call()
    assert requests_by_function(process_of(inner)) == {"call": MORE}
    assert requests_by_function(process_of(seen)) == {"call": USUAL + 2 + MORE}


def test_a_usual_call_over_http2_that_times_out_ends_its_connection(monkeypatch):
    with serve(http_version="2") as server:
        monkeypatch.setenv("SSL_CERT_FILE", server.target.bundle)
        with observe() as seen:
            client = httpx.Client(http2=True)
            for _ in range(USUAL + 2):
                client.get(server.target.url("/bytes/1"))
            with pytest.raises(httpx.ReadTimeout):
                client.get(server.target.url("/delay/2000"), timeout=httpx.Timeout(10, read=0.05))
            client.get(server.target.url("/bytes/1"))
            client.close()
    assert only(only(process_of(seen).clients).origins).spent_count == 1


def test_a_context_that_comes_late_is_noticed_to_be_for_nothing(plain_server):
    kept = []

    def make(_request):
        if len(kept) == 1:
            kept.append(ssl.create_default_context())

    transport = httpx.HTTPTransport(verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    with observe() as seen, httpx.Client(transport=transport, event_hooks={"request": [make]}) as client:
        for _ in range(USUAL + 2):
            client.get(plain_server.url)
        assert only(process_of(seen).clients).plain_only_count == 0
        kept.append(None)
        for _ in range(2):
            client.get(plain_server.url)
    group = only(process_of(seen).clients)
    assert (group.counts.contexts_count, group.plain_only_count) == (1, 1)


def test_what_is_noticed_of_a_client_ends_no_calls_of_the_one_that_was_made_in_its_place(plain_server):
    with observe():
        client = httpx.Client()
        for _ in range(USUAL + 2):
            client.get(plain_server.url)
        first = only(RECORDER.clients.values())
        client._transport.close()  # nobody else would
        client.__init__()
        for _ in range(USUAL + 2):
            client.get(plain_server.url)
        stands = dict(RECORDER.standing)
        assert only(stands.values()).client is not first
        RECORDER.unseat(first)
        assert stands == RECORDER.standing
        client.close()


def test_requests_of_usual_calls_that_do_not_stand_are_told(plain_server, monkeypatch):
    events = []
    with observe(), httpx.Client() as client:
        RECORDER.clients[id(client)].may_stand = False
        for number in range(USUAL + MORE):
            if number == USUAL:
                monkeypatch.setattr(RECORDER, "on_event", lambda: events.append(1))
            client.get(plain_server.url)
        monkeypatch.undo()
        assert not RECORDER.standing
    assert len(events) >= MORE


def test_no_call_stands_beside_one_that_stands_in_another_thread(plain_server):
    begun, may_end, waits = threading.Event(), threading.Event(), []

    def wait(_request):
        if waits and waits.pop():
            begun.set()
            assert may_end.wait(5)

    def work():
        call()
        call()
        waits.append(True)
        call()

    with observe() as seen, httpx.Client(event_hooks={"request": [wait]}) as client:

        def call():
            client.get(plain_server.url)

        for _ in range(USUAL + 2):
            call()
        thread = threading.Thread(target=work)
        thread.start()
        assert begun.wait(5)
        call()
        may_end.set()
        thread.join()
        assert only(RECORDER.clients.values()).calls_now() == 0
    assert only(process_of(seen).clients).in_flight_peak_count == 2
    assert requests_by_function(process_of(seen)) == {"call": USUAL + 6}


def test_a_call_of_another_client_within_a_standing_one_takes_nothing_from_it(plain_server):
    def nest(_request):
        if nests:
            call(inner)

    def call(client):
        client.get(plain_server.url)

    nests = []
    with (
        observe() as seen,
        httpx.Client() as inner,
        httpx.Client(event_hooks={"request": [nest]}) as outer,
    ):
        for _ in range(USUAL + 2):
            call(inner)
            call(outer)
        nests.append(True)
        for _ in range(MORE):
            call(outer)
    process = process_of(seen)
    assert [group.counts.requests_count for group in process.clients] == [USUAL + 2 + MORE] * 2
    assert requests_by_function(process) == {"call": 2 * (USUAL + 2 + MORE)}


def test_kept_replacements_tell_of_no_request_outside_windows(plain_server, monkeypatch):
    told = []
    monkeypatch.setattr(RECORDER, "request_sent", told.append)
    with observe():
        kept = http.client.HTTPConnection.endheaders
    connection = http.client.HTTPConnection("127.0.0.1", plain_server.port)
    connection.putrequest("GET", "/")
    kept(connection)
    assert connection.getresponse().read() == b"ok"
    connection.close()
    assert not told


# --- sockets --------------------------------------------------------------------------------------------------


def test_a_connection_goes_on_with_the_number_that_its_socket_gave_away(plain_server):
    with observe() as seen:
        connection = http.client.HTTPConnection("127.0.0.1", plain_server.port)
        for number in range(6):
            connection.request("GET", "/")
            connection.getresponse().read()
            connection.sock = socket.socket(fileno=connection.sock.detach())
            assert requests_by_origin(process_of(seen)) == {plain_server.origin: number + 1}
        connection.close()
    process = process_of(seen)
    assert (process.counts.connections_count, process.counts.requests_count) == (1, 6)


def test_a_connection_that_was_open_before_a_window_is_not_unknown_there(plain_server):
    with observe() as seen:
        sock = socket.create_connection(("127.0.0.1", plain_server.port))
        with observe() as inner:
            sock.close()
    assert (unknown_counts(seen), unknown_counts(inner)) == ([1] * 3, [0] * 3)


def test_a_connect_that_makes_no_sense_ends_no_connection(plain_server):
    with observe() as seen, socket.create_connection(("127.0.0.1", plain_server.port)) as sock:
        with pytest.raises(TypeError):
            sock.connect("nowhere")
        assert unknown_counts(seen) == [1] * 3
    assert (seen.counts.connections_count, seen.counts.connections_failed_count) == (1, 0)
    assert unknown_counts(seen) == [1] * 3


@pytest.mark.parametrize("is_asyncio", [True, False])
def test_only_what_may_be_shaken_unasked_is_followed_before_its_handshake(server, monkeypatch, is_asyncio):
    async def main():
        _reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=context)
        writer.close()
        await writer.wait_closed()

    def ask():
        with socket.create_connection(("127.0.0.1", server.port)) as sock:
            tls = context.wrap_socket(sock, server_hostname="127.0.0.1", do_handshake_on_connect=False)
            with tls:
                tls.do_handshake()

    followed, original = [], RECORDER.handshake_left

    def left(tls, frame):
        followed.append(tls)
        return original(tls, frame)

    context = ssl.create_default_context()
    monkeypatch.setattr(RECORDER, "handshake_left", left)
    with observe() as seen:
        if is_asyncio:
            asyncio.run(main())
        else:
            ask()
    assert seen.counts.handshakes_full_count == 1
    assert len(followed) == (not is_asyncio)


# --- lines and windows ----------------------------------------------------------------------------------------


def test_what_a_dataclass_makes_in_a_program_without_a_file_is_the_line_of_whoever_calls_it():
    program = """
        import ssl
        from dataclasses import dataclass, field
        from connprof.observe import observe

        @dataclass
        class Settings:
            context: ssl.SSLContext = field(default_factory=ssl.create_default_context)

        def ask():
            return Settings()

        with observe() as seen:
            ask()
        print(*((each.site.function, each.site.line) for each in seen.sites))
    """
    assert run_python(program) == "('ask', 11)"


def test_a_generator_that_is_finished_from_another_context_closes_the_window_of_its_thread():
    window, opened = observe(), []

    def work():
        with window as seen:
            opened.append(seen)
            yield

    generator = work()
    contextvars.copy_context().run(next, generator)
    in_thread(lambda: opened.append(window.__enter__()))
    generator.close()
    ssl.create_default_context()
    window.__exit__(None, None, None)
    assert [each.counts.contexts_count for each in opened] == [0, 1]
    assert RECORDER.windows == ()
