"""Standing calls, see ``test_standing_calls``, amid what a program does besides: it all has to come out as counted."""

from __future__ import annotations

import asyncio
import gc
import signal
import ssl
import sys
import time

import httpx
import pytest

from connprof.observe import observe
from connprof.observe.originals import HOOK_FILE
from connprof.observe.recorder import RECORDER
from connprof.observe.sites import CARRIED, Carrier, current

from .test_standing_calls import MORE, USUAL, only, process_of, requests_by_origin, standing_requests
from .tls_server import Server


class Alarm(Exception):  # noqa: N818 - as programs call it
    """What a signal's handler raises."""


def test_a_task_that_is_started_and_waited_for_works_for_itself_on_trio(plain_server):
    trio = pytest.importorskip("trio")
    made = []

    async def background(task_status):
        task_status.started()
        while True:
            await trio.sleep(0.005)
            made.append(ssl.create_default_context())

    async def wait(_request):
        await trio.sleep(0.02 if made else 0)

    async def main():
        async with httpx.AsyncClient(event_hooks={"request": [wait]}) as client, trio.open_nursery() as nursery:
            for _ in range(USUAL + 1):
                await client.get(plain_server.url)
            await nursery.start(background)
            await trio.sleep(0.01)
            for _ in range(5):
                await client.get(plain_server.url)
            nursery.cancel_scope.cancel()

    with observe() as seen:
        trio.run(main)
    process = process_of(seen)
    assert len(made) > 5
    assert only(process.clients).counts.contexts_count == 1
    assert process.counts.contexts_count == 1 + len(made)


def test_a_client_that_is_made_anew_in_the_same_place_has_calls_of_its_own(plain_server):
    with observe() as seen:
        client = httpx.Client()
        for _ in range(USUAL + 1):
            client.get(plain_server.url)
        client._transport.close()  # nobody else would
        client.__init__()
        for _ in range(USUAL + 2):
            client.get(plain_server.url)
        client.close()
    assert [each.counts.requests_count for each in process_of(seen).clients] == [USUAL + 1, USUAL + 2]


def test_a_window_that_opens_amid_a_standing_call_counts_all_that_follows_there(plain_server):
    first, second, seen = observe(), observe(), []

    class Insisting(httpx.Auth):
        def auth_flow(self, request):
            yield request
            if len(calls) == USUAL + 1:
                first.__exit__(None, None, None)
                seen.append(second.__enter__())
                for _ in range(4):
                    yield request

    calls = []
    first.__enter__()
    with httpx.Client(auth=Insisting()) as client:
        for number in range(USUAL + 2):
            calls = [None] * number
            client.get(plain_server.url)
    second.__exit__(None, None, None)
    assert process_of(seen[0]).counts.requests_count == 4


def test_what_a_client_in_this_process_leaves_unread_is_not_on_the_connection_of_the_call_before(server):
    def answer(_request):
        return httpx.Response(200, stream=httpx.ByteStream(b"x"))

    with observe() as seen, httpx.Client(mounts={"all://local": httpx.MockTransport(answer)}) as client:

        def call(url, *, stream=False):
            return client.send(client.build_request("GET", url), stream=stream)

        for _ in range(USUAL + 2):
            call(server.url)
        call("http://local/", stream=True)
        gc.collect()
        call(server.url)
        group = only(process_of(seen).clients)
        assert group.unread_count == 1
        assert [each.spent_count for each in group.origins] == [0]


def test_calls_stand_in_the_task_of_a_loop_that_is_run_until_that_is_complete(plain_server):
    async def main():
        async with httpx.AsyncClient() as client:
            for _ in range(USUAL):
                await client.get(plain_server.url)
            before = standing_requests()
            for _ in range(MORE):
                await client.get(plain_server.url)
            return standing_requests() - before

    with observe():
        loop = asyncio.new_event_loop()
        assert loop.run_until_complete(main()) == MORE
        loop.close()


@pytest.mark.parametrize("cookies", [{}, {"with": "cookies"}], ids=["standing", "usual"])
@pytest.mark.parametrize("nth", [1, 2], ids=["begins", "ends"])
def test_a_signal_that_raises_as_a_call_begins_or_ends_is_the_programs_and_leaves_nothing_behind(cookies, nth):
    def handler(_number, _frame):
        raise Alarm

    def profile(frame, event, function):
        if event == "c_return" and function is time.perf_counter_ns and frame.f_code.co_filename == HOOK_FILE:
            returned.append(1)
            if len(returned) == nth:
                signal.raise_signal(signal.SIGINT)

    def call():
        client.get("http://local/")

    returned, before = [], signal.signal(signal.SIGINT, handler)
    transport = httpx.MockTransport(lambda _request: httpx.Response(200))
    try:
        with observe() as seen, httpx.Client(transport=transport, cookies=cookies) as client:
            for _ in range(USUAL + 2):
                call()
            sys.setprofile(profile)
            try:
                with pytest.raises(Alarm):
                    call()
            finally:
                sys.setprofile(None)
            followed, carried = only(RECORDER.clients.values()), current()
            assert followed.calls_now() == 0
            assert carried is None or not carried.live
            call()
            call()
            assert isinstance(CARRIED.get(), Carrier) or cookies
            assert seen.errors.errors_count == 0
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(returned) >= nth


def test_a_signal_that_raises_amid_the_observer_is_the_programs(monkeypatch):
    def handler(_number, _frame):
        raise Alarm

    def interrupted(*_):
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, handler)
    try:
        with observe() as seen:
            monkeypatch.setattr(RECORDER, "settle_dead", interrupted)
            with pytest.raises(Alarm):
                ssl.create_default_context()
            monkeypatch.undo()
            ssl.create_default_context()
    finally:
        signal.signal(signal.SIGINT, before)
    assert process_of(seen).counts.contexts_count == 1


def test_requests_of_aiohttp_on_uvloop_go_to_whom_they_were_sent(plain_server):
    """uvloop's transports are closed below Python, and a new one may be where the one before was."""
    aiohttp, uvloop = pytest.importorskip("aiohttp"), pytest.importorskip("uvloop")
    other = Server()

    async def main():
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
            for number in range(USUAL + 60):
                async with session.get((plain_server, other)[number % 2].url) as response:
                    await response.read()

    try:
        with observe() as seen:
            uvloop.run(main())
    finally:
        other.close()
    counted = requests_by_origin(process_of(seen))
    assert counted == {each.origin: each.seen.requests_count for each in (plain_server, other)}
