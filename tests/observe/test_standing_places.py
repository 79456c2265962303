"""Standing calls, see ``test_standing_calls``: what may not be taken for another place, client, socket or context."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import http.client
import signal
import socket
import ssl
import sys
import threading
import types
import warnings
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from connprof.observe import observe
from connprof.observe.recorder import RECORDER
from connprof.observe.sites import CARRIED, Carrier, current

from .test_standing_attack import Alarm
from .test_standing_calls import USUAL, only, process_of, requests_by_function, requests_by_origin, standing_requests
from .test_usual_calls import Plain, in_thread, the_connection


def test_a_call_within_another_one_is_not_taken_for_that_ones_place(plain_server):
    def nest(_request):
        if is_outer:
            is_outer.clear()
            inner()

    def inner():
        client.get(plain_server.url)

    def outer():
        is_outer.append(True)
        client.get(plain_server.url)

    is_outer, outer_count, inner_count = [], 0, 0
    with observe() as seen:
        for count in range(USUAL - 2, USUAL + 3):  # one of them is the first after which calls could stand
            with httpx.Client(event_hooks={"request": [nest]}) as client:
                for _ in range(count):
                    outer()
                for _ in range(3):
                    inner()
            outer_count += count
            inner_count += count + 3
    assert requests_by_function(process_of(seen)) == {"outer": outer_count, "inner": inner_count}


def test_a_call_with_nothing_of_the_users_above_it_does_not_take_the_place_of_the_one_before(plain_server):
    with observe() as seen, httpx.Client() as client, ThreadPoolExecutor(1) as pool:

        def call():
            client.get(plain_server.url)

        def submit():
            pool.submit(client.get, plain_server.url).result()

        def call_twice():
            call()
            call()

        for _ in range(USUAL + 2):
            call()
        for _ in range(5):
            submit()
            pool.submit(call_twice).result()
    assert requests_by_function(process_of(seen)) == {"call": USUAL + 12, "submit": 5}


def test_a_socket_object_that_is_used_again_is_another_connection(plain_server):
    with observe():
        plain = Plain(plain_server).calls().calls()
        for _ in range(3):
            sock = plain.connection.sock
            sock.close()
            socket.socket.__init__(sock)
            sock.connect(("127.0.0.1", plain_server.port))
            plain.call()
            assert the_connection().requests == 1
        plain.connection.close()


def test_a_connection_that_the_user_writes_on_within_calls_keeps_its_requests(server, plain_server):
    def write(_request):
        other.putrequest("GET", "/")
        other.endheaders()
        other.getresponse().read()

    with observe() as seen, httpx.Client(event_hooks={"request": [write]}) as client:
        other = http.client.HTTPConnection("127.0.0.1", plain_server.port)
        for _ in range(USUAL + 5):
            client.get(server.url)
        other.close()
    assert list(requests_by_origin(process_of(seen)).values()) == [USUAL + 5, USUAL + 5]


def test_a_connection_from_before_the_window_is_no_part_of_the_client_that_calls(server, plain_server):
    def ask(_request):
        before.call()

    before = Plain(plain_server)
    with observe() as seen, httpx.Client(event_hooks={"request": [ask]}) as client:
        for _ in range(USUAL + 5):
            client.get(server.url)
    before.connection.close()
    assert only(process_of(seen).clients).counts.requests_count == USUAL + 5


def test_a_context_that_comes_late_has_its_client_found_to_be_plain(plain_server):
    class Late(http.client.HTTPConnection):
        def connect(self):
            if is_late:
                ssl.create_default_context()
            super().connect()

    is_late = []
    with observe() as seen:
        connection = Late("127.0.0.1", plain_server.port)
        for number in range(USUAL + 4):
            is_late[:] = [True] if number == USUAL + 2 else []
            if is_late:
                connection.close()
            connection.request("GET", "/")
            connection.getresponse().read()
        connection.close()
        assert only(process_of(seen).clients).plain_only_count == 1


def test_a_task_that_shares_its_context_takes_no_standing_call_away(plain_server):
    async def main():
        is_waiting, may_go_on = asyncio.Event(), asyncio.Event()

        async def wait(_request):
            if len(calls) == USUAL + 2:
                is_waiting.set()
                await may_go_on.wait()

        async def first(client):
            for _ in range(USUAL + 2):
                calls.append(1)
                await client.get(plain_server.url)

        async def second(client):
            await is_waiting.wait()
            for _ in range(USUAL + 2):
                await client.get(plain_server.url)
            may_go_on.set()

        calls, context = [], contextvars.copy_context()
        async with contextlib.AsyncExitStack() as stack:
            one = await stack.enter_async_context(httpx.AsyncClient(event_hooks={"request": [wait]}))
            two = await stack.enter_async_context(httpx.AsyncClient())
            await asyncio.gather(
                asyncio.create_task(first(one), context=context), asyncio.create_task(second(two), context=context)
            )

    with observe() as seen:
        asyncio.run(main())
    assert [each.counts.requests_count for each in process_of(seen).clients] == [USUAL + 2, USUAL + 2]


def test_no_call_stands_beside_one_that_begins_as_it_is_made_to_stand(plain_server, monkeypatch):
    begun, may_end = threading.Event(), threading.Event()

    def wait(_request):
        if threading.current_thread() is not threading.main_thread():
            begun.set()
            assert may_end.wait(5)

    with observe(), httpx.Client(event_hooks={"request": [wait]}) as client:

        def call():
            client.get(plain_server.url)

        def call_elsewhere():
            thread = threading.Thread(target=call)
            thread.start()
            assert begun.wait(5)
            return thread

        for _ in range(USUAL + 2):
            call()
        thread = call_elsewhere()
        call()  # from now on two at once are nothing new
        may_end.set()
        thread.join()
        followed = only(RECORDER.clients.values())
        RECORDER.unseat(followed)
        begun.clear()
        may_end.clear()
        threads = []

        def settled(_client):
            if not threads:
                threads.append(call_elsewhere())

        original = type(followed.standing).aim
        followed.standing.code = None  # as after a call from elsewhere: it is aimed anew
        monkeypatch.setattr(
            type(followed.standing), "aim", lambda self, *place: (original(self, *place), settled(self))[0]
        )
        call()
        monkeypatch.undo()
        assert followed.standing.is_off
        may_end.set()
        threads[0].join()
        assert followed.calls_now() == 0


@pytest.mark.parametrize("where", ["thread", "task"])
def test_calls_stand_again_where_a_context_was_copied(plain_server, where):
    """The carrier that is copied with it is of the thread or task that it was made in."""

    def calls(client):
        before = standing_requests()
        for _ in range(5):
            client.get(plain_server.url)
        counts.append(standing_requests() - before)

    async def async_calls(client, calls_count):
        before = standing_requests()
        for _ in range(calls_count):
            await client.get(plain_server.url)
        counts.append(standing_requests() - before)

    async def main():
        async with httpx.AsyncClient() as client:
            await async_calls(client, USUAL + 2)
            await asyncio.Task(async_calls(client, 5), loop=asyncio.get_running_loop())

    counts = []
    with observe():
        if where == "task":
            asyncio.run(main())
        else:
            with httpx.Client() as client:
                for _ in range(USUAL + 2):
                    client.get(plain_server.url)
                context = contextvars.copy_context()
                in_thread(lambda: context.run(calls, client))
    assert counts[-1] >= 3  # of five


def test_calls_stand_after_one_that_ended_in_another_context():
    """As those of asynchronous generators do that the loop has to finish."""

    @types.coroutine
    def pause():
        yield

    async def answer(_request):
        if is_slow:
            await pause()
        return httpx.Response(200)

    def step(coroutine):
        try:
            coroutine.send(None)
        except StopIteration:
            return
        assert is_slow

    def main():
        with observe():
            client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
            for _ in range(USUAL - 4):
                step(client.get("http://local/"))
            is_slow.append(True)
            begun = client.get("http://local/")
            step(begun)
            contextvars.copy_context().run(step, begun)
            is_slow.clear()
            for _ in range(6):
                step(client.get("http://local/"))
            assert isinstance(CARRIED.get(), Carrier)
            step(client.aclose())

    is_slow = []
    contextvars.copy_context().run(main)  # what is left behind there is the call's that was torn in two


def test_a_client_that_is_made_anew_amid_a_call_has_calls_of_its_own(plain_server):
    def make_anew(_request):
        if is_last:
            is_last.clear()
            client.__init__()

    is_last = []
    with observe() as seen:
        for count in range(USUAL - 2, USUAL + 3):  # one of them is the first after which calls could stand
            client = httpx.Client(event_hooks={"request": [make_anew]})
            first_transport = client._transport
            for number in range(count + 5):
                is_last[:] = [True] if number == count - 1 else []
                client.get(plain_server.url)
            client.close()
            first_transport.close()
    counted = sorted(each.counts.requests_count for each in process_of(seen).clients)
    assert counted == [5 * 5, sum(range(USUAL - 2, USUAL + 3))]


def test_a_signal_that_raises_as_a_first_call_ends_leaves_nothing_under_way():
    def handler(_number, _frame):
        raise Alarm

    def profile(frame, event, _argument):
        if event == "call" and frame.f_code.co_name == "call_ends" and not raised:
            raised.append(1)
            signal.raise_signal(signal.SIGINT)

    raised, before = [], signal.signal(signal.SIGINT, handler)
    transport = httpx.MockTransport(lambda _request: httpx.Response(200))
    try:
        with observe(), httpx.Client(transport=transport) as client:
            sys.setprofile(profile)
            try:
                with pytest.raises(Alarm):
                    client.get("http://local/")
            finally:
                sys.setprofile(None)
            carried = current()
            assert raised
            assert only(RECORDER.clients.values()).calls_now() == 0
            assert carried is None or not carried.live
    finally:
        signal.signal(signal.SIGINT, before)


# --- libraries that are not always there ---------------------------------------------------------------------


def test_a_pool_of_the_users_within_a_sessions_calls_has_calls_of_its_own(plain_server):
    requests, urllib3 = pytest.importorskip("requests"), pytest.importorskip("urllib3")

    def ask(*_args, **_kwargs):
        if RECORDER.standing:
            asked.append(1)
            pool.request("GET", "/").read()

    asked = []
    with observe() as seen, requests.Session() as session:
        pool = urllib3.HTTPConnectionPool("127.0.0.1", plain_server.port)
        session.hooks["response"] = [ask]
        for _ in range(USUAL + 5):
            session.get(plain_server.url)
        pool.close()
    counted = {each.library: each.counts.requests_count for each in process_of(seen).clients}
    assert counted == {"requests": USUAL + 5, "urllib3": len(asked)}


def test_what_a_standing_call_of_aiohttp_leaves_unread_is_its_lines():
    aiohttp = pytest.importorskip("aiohttp")

    async def answer(reader, writer):
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n" + (b"" if b"/left" in head else b"ok"))
        writer.close()

    async def main():
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server, aiohttp.ClientSession() as session:

            async def read():
                async with session.get(url) as response:
                    await response.read()

            async def leave():
                return await session.get(f"{url}/left")

            for _ in range(USUAL + 2):
                await read()
            left = await leave()
            await read()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ResourceWarning)
                left.__del__()  # as once nothing of the connection refers to it any more

    with observe() as seen:
        asyncio.run(main())
    place = only(only(process_of(seen).clients).unread_sites)
    assert place.function.rpartition(".")[2] == "leave"


def test_requests_of_aiohttp_are_told_while_calls_stand(plain_server, monkeypatch):
    aiohttp = pytest.importorskip("aiohttp")
    events = []

    async def main():
        async with aiohttp.ClientSession() as session:
            for number in range(USUAL + 12):
                if number == USUAL + 2:
                    monkeypatch.setattr(RECORDER, "on_event", lambda: events.append(1))
                async with session.get(plain_server.url) as response:
                    await response.read()
            monkeypatch.undo()

    with observe():
        asyncio.run(main())
    assert len(events) >= 10
