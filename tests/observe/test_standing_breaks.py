"""Standing calls, see ``test_standing_calls``: what each look before one begins is for."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import os
import time
import warnings

import httpx
import pytest

from connprof.observe import observe, recorder
from connprof.observe.originals import now_ns
from connprof.observe.recorder import RECORDER

from .test_standing_calls import MORE, USUAL, only, process_of, requests_by_function
from .test_usual_calls import Plain, in_thread, the_connection

CLOSE = {"connection": "close"}


def connections_of(observation):
    return only(process_of(observation).clients).counts.connections_count


def test_what_a_call_in_a_copied_context_opens_in_another_thread_is_its_clients(plain_server):
    with observe() as seen, httpx.Client(headers=CLOSE) as client:
        for _ in range(USUAL + 2):
            client.get(plain_server.url)
        context = contextvars.copy_context()
        for _ in range(3):
            in_thread(lambda: context.run(client.get, plain_server.url))
        client.get(plain_server.url)
    assert connections_of(seen) == USUAL + 6


def test_a_connection_is_noticed_to_change_threads_where_others_stand(plain_server):
    def elsewhere():
        other = Plain(plain_server).calls().calls()
        first.call()
        other.connection.close()

    with observe() as seen:
        first = Plain(plain_server).calls().calls()
        in_thread(elsewhere)
        first.connection.close()
    assert sum(group.second_thread_count for group in process_of(seen).clients) == 1


def test_what_a_task_opens_that_was_made_past_its_loop_is_its_clients(plain_server):
    async def main():
        async with httpx.AsyncClient(headers=CLOSE) as client:
            for _ in range(USUAL + 2):
                await client.get(plain_server.url)
            for _ in range(3):
                await asyncio.Task(client.get(plain_server.url), loop=asyncio.get_running_loop())

    with observe() as seen:
        asyncio.run(main())
    assert connections_of(seen) == USUAL + 5


def test_a_call_that_sends_nothing_is_a_use_of_its_client_all_the_same():
    with observe(), httpx.Client(transport=httpx.MockTransport(lambda _request: httpx.Response(200))) as client:
        for _ in range(USUAL + MORE):
            before_ns = now_ns()
            client.get("http://local/")
            assert only(RECORDER.clients.values()).last_ns > before_ns


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_what_a_client_that_stands_calls_in_a_forked_child_is_counted_there(plain_server):
    reading, writing = os.pipe()
    with observe() as seen, httpx.Client(headers=CLOSE) as client:
        pid = -1
        for number in range(USUAL + 4):
            if number == USUAL + 2:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", DeprecationWarning)  # there are threads of the server's
                    pid = os.fork()
            try:
                client.get(plain_server.url)
                if not pid and number == USUAL + 3:
                    group = only(process_of(seen).clients)
                    os.write(writing, bytes([group.counts.requests_count, group.second_process_count]))
            finally:
                if not pid and number == USUAL + 3:
                    os._exit(0)
        os.waitpid(pid, 0)
    os.close(writing)
    with os.fdopen(reading, "rb") as told:
        assert told.read() == bytes([2, 1])


def test_a_cookie_that_a_standing_call_got_is_that_of_the_task_that_called(server):
    async def users(client):
        for _ in range(USUAL + 2):
            await client.get(server.url)
        await asyncio.create_task(calls(client, "/set-cookie"))
        await asyncio.create_task(calls(client, "/"))

    async def calls(client, path):
        for _ in range(2):
            await client.get(server.url + path)

    async def main():
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
            await users(client)

    def answer(request):
        return httpx.Response(200, headers={"set-cookie": "one=1"} if request.url.path.endswith("cookie") else {})

    with observe() as seen:
        asyncio.run(main())
    assert only(process_of(seen).clients).foreign_cookie_requests_count == 2


def drop(plain):
    """Close what is below, as a server's answer would: the next call connects anew."""
    plain.connection.sock.close()
    plain.connection.sock = None


def test_a_connection_is_not_idle_whose_last_uses_have_yet_to_be_counted_off(plain_server, monkeypatch):
    monkeypatch.setattr(recorder, "_IDLE_NS", 100_000_000)
    with observe() as seen:
        plain = Plain(plain_server).calls()
        for number in range(USUAL):
            if number >= USUAL - 2:
                time.sleep(0.15)
            plain.call()
        drop(plain)
        plain.call()
        plain.connection.close()
    assert only(process_of(seen).clients).expired_count == 0


def test_what_is_sent_over_a_socket_where_another_one_was_is_on_its_own_connection(plain_server):
    with observe():
        plain = Plain(plain_server).calls().calls()
        for _ in range(9):
            drop(plain)
            plain.call()
            assert the_connection().requests == 1
        plain.connection.close()


def test_a_client_of_another_loop_that_a_standing_call_uses_takes_nothing_from_it(plain_server):
    async def several(client):
        for _ in range(USUAL + 2):
            await client.get(plain_server.url)

    async def outer(inner):
        async def ask(_request):
            if len(asked) == 3:
                await inner.get(plain_server.url, headers=CLOSE)
            asked.append(1)

        asked = [1] * 20
        async with httpx.AsyncClient(event_hooks={"request": [ask]}) as client:
            await several(client)
            asked.clear()
            for _ in range(6):
                await client.get(plain_server.url)
        await inner.aclose()

    with observe() as seen, asyncio.Runner() as first, asyncio.Runner() as second:
        inner = httpx.AsyncClient(headers=CLOSE)
        first.run(several(inner))
        second.run(outer(inner))
        counts = sorted(group.counts.requests_count for group in process_of(seen).clients)
    assert counts == [USUAL + 3, USUAL + 8]
    assert requests_by_function(process_of(seen)) == {"several": 2 * USUAL + 4, "outer": 6, "ask": 1}


def test_calls_that_another_client_of_this_ones_connection_stands_for_keep_it_from_being_idle(
    plain_server, monkeypatch
):
    monkeypatch.setattr(recorder, "_IDLE_NS", 100_000_000)
    transport = httpx.HTTPTransport()
    with observe() as seen:
        first, second = httpx.Client(transport=transport), httpx.Client(transport=transport)
        first.get(plain_server.url)
        for _ in range(USUAL + 3):
            second.get(plain_server.url)
        time.sleep(0.15)
        second.get(plain_server.url)
        only(transport._pool.connections).close()
        first.get(plain_server.url)
        assert sum(group.expired_count for group in process_of(seen).clients) == 0
        first.close()
        second.close()


def test_a_call_that_comes_to_nothing_as_it_begins_is_not_under_way(plain_server, monkeypatch):
    with observe() as seen, httpx.Client() as client:
        gc.collect()  # what dies while the clock is broken would be told with it
        gc.disable()
        try:
            monkeypatch.setattr(recorder, "now_ns", None)
            client.get(plain_server.url)
        finally:
            monkeypatch.undo()
            gc.enable()
        assert only(RECORDER.clients.values()).calls_now() == 0
    assert seen.errors.errors_count > 0


@pytest.mark.parametrize("name", ["httpx", "aiohttp"])
def test_a_tunnel_that_is_asked_for_where_calls_stand_is_no_request(plain_server, name):
    library = pytest.importorskip(name)

    async def call(client, method):
        answer = await client.request(method, plain_server.url)
        if name == "aiohttp":
            await answer.read()

    async def main():
        async with library.AsyncClient() if name == "httpx" else library.ClientSession() as client:
            for number in range(USUAL + 4):
                await call(client, "CONNECT" if number == USUAL + 2 else "GET")

    with observe() as seen:
        asyncio.run(main())
    assert requests_by_function(process_of(seen)) == {"call": USUAL + 3}
