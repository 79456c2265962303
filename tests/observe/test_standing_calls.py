"""The calls that a client makes again and again share one object: what that may not mix up, miss, or keep.

A call stands once its client has made as many as are counted one by one, see ``test_usual_calls``.
"""

from __future__ import annotations

import asyncio
import contextvars
import http.client
import ssl
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import msgspec
import pytest

from connprof.observe import observe
from connprof.observe.owners import CALLS_COUNTED_MAX
from connprof.observe.recorder import RECORDER
from connprof.observe.sites import CARRIED, Carrier, carried_now
from connprof.observe.standing import StandingCall
from connprof.profile import ProcessProfile

USUAL = CALLS_COUNTED_MAX + 1
MORE = 20


def process_of(observation):
    assert observation.errors.errors_count == 0, observation.errors.first
    return msgspec.convert(observation.snapshot(), ProcessProfile)


def only(groups):
    (group,) = groups
    return group


def requests_by_function(process):
    counted = Counter()
    for each in process.sites:
        counted[each.site.function.rpartition(".")[2]] += each.counts.requests_count
    return {function: count for function, count in counted.items() if count}


def requests_by_origin(process):
    return {each.origin: each.counts.requests_count for each in process.origins if each.counts.requests_count}


def standing_requests():
    """How many requests the standing calls of all clients have counted."""
    return sum(call.requests for call in RECORDER._standing_calls)


@pytest.mark.parametrize("kind", ["sync", "async", "http.client"])
def test_calls_stand_once_they_are_usual(server, plain_server, kind):
    counts = []

    async def use_async():
        async with httpx.AsyncClient() as client:
            for _ in range(USUAL + MORE):
                await client.get(server.url)
                counts.append(standing_requests())

    with observe() as seen:
        if kind == "sync":
            with httpx.Client() as client:
                for _ in range(USUAL + MORE):
                    client.get(server.url)
                    counts.append(standing_requests())
        elif kind == "async":
            asyncio.run(use_async())
        else:
            connection = http.client.HTTPConnection("127.0.0.1", plain_server.port)
            for _ in range(USUAL + MORE):
                connection.request("GET", "/")
                connection.getresponse().read()
                counts.append(standing_requests())
            connection.close()
    assert counts[0] == 0
    assert counts[-1] - counts[USUAL - 1] == MORE
    group = only(process_of(seen).clients)
    assert (group.counts.requests_count, group.counts.connections_count) == (USUAL + MORE, 1)


def test_calls_of_tasks_stand_in_each_task(server):
    async def main():
        async with httpx.AsyncClient() as client:

            async def call():
                await client.get(server.url)

            for _ in range(USUAL):
                await call()
            before = standing_requests()
            for _ in range(MORE):
                await asyncio.create_task(call())
            return standing_requests() - before

    with observe() as seen:
        assert asyncio.run(main()) == MORE
    assert requests_by_function(process_of(seen)) == {"call": USUAL + MORE}


def test_calls_from_two_lines_by_turns_stand(server):
    with observe() as seen, httpx.Client() as client:

        def one():
            client.get(server.url)

        def two():
            client.post(server.url, content=b"x")

        for _ in range(USUAL):
            one()
            two()
        before = standing_requests()
        for _ in range(MORE):
            one()
            two()
        assert standing_requests() - before == 2 * MORE
    process = process_of(seen)
    assert requests_by_function(process) == {"one": USUAL + MORE, "two": USUAL + MORE}
    times = [each.costs.request_wall_ns for each in process.sites if each.counts.requests_count]
    assert min(times) > 0
    assert sum(times) == process.costs.request_wall_ns


def test_two_clients_by_turns_stand(server, plain_server):
    with observe() as seen, httpx.Client() as one, httpx.Client() as two:
        for number in range(USUAL + MORE):
            if number == USUAL:
                before = standing_requests()
            one.get(server.url)
            two.get(plain_server.url)
        assert standing_requests() - before == 2 * MORE
    assert sorted(requests_by_origin(process_of(seen)).values()) == [USUAL + MORE, USUAL + MORE]


def test_requests_to_two_peers_by_turns_are_each_ones_own(server, plain_server):
    with observe() as seen, httpx.Client() as client:
        for _ in range(USUAL + MORE):
            for url in (server.url, plain_server.url):
                client.get(url)
    process = process_of(seen)
    assert set(requests_by_origin(process).values()) == {USUAL + MORE}
    assert min(each.costs.request_wall_ns for each in process.origins) > 0
    assert sum(each.costs.request_wall_ns for each in process.origins) == process.costs.request_wall_ns


def test_a_standing_call_that_connects_anew_is_that_clients(server):
    with observe() as seen, httpx.Client() as client:
        for number in range(USUAL + MORE):
            client.get(server.url, headers={"connection": "close"} if number % 2 else {})
    group = only(process_of(seen).clients)
    connections = (USUAL + MORE) // 2
    assert group.counts.connections_count == group.counts.handshakes_full_count + group.counts.handshakes_resumed_count
    assert (group.counts.requests_count, group.counts.connections_count) == (USUAL + MORE, connections)


def test_a_standing_call_that_finds_nobody_counts_nothing_and_the_next_one_stands(server, refused_port):
    with observe() as seen, httpx.Client() as client:

        def call(url):
            client.get(url)

        for _ in range(USUAL):
            call(server.url)
        before = standing_requests()
        with pytest.raises(httpx.ConnectError):
            call(f"http://127.0.0.1:{refused_port}/")
        assert standing_requests() == before
        call(server.url)
        assert standing_requests() == before + 1
        assert only(RECORDER.clients.values()).calls_now() == 0
    process = process_of(seen)
    assert process.counts.connections_failed_count == 1
    assert list(requests_by_origin(process).values()) == [USUAL + 1]
    assert process.costs.request_wall_ns > sum(each.costs.request_wall_ns for each in process.origins)


def test_requests_of_threads_that_share_a_client_are_all_counted(server):
    threads_count, calls_count = 4, 60
    with observe() as seen, httpx.Client() as client:

        def call():
            client.get(server.url)

        def calls():
            for _ in range(calls_count):
                call()

        for _ in range(USUAL):
            call()
        threads = [threading.Thread(target=calls) for _ in range(threads_count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        followed = only(RECORDER.clients.values())
        assert (followed.calls_now(), followed.in_flight) == (0, 0)
        assert 1 <= followed.in_flight_peak <= threads_count
    assert requests_by_function(process_of(seen)) == {"call": USUAL + threads_count * calls_count}


def test_requests_of_tasks_at_once_are_all_counted(server):
    async def main():
        async with httpx.AsyncClient() as client:

            async def call():
                await client.get(server.url)

            for _ in range(USUAL):
                await call()
            for _ in range(5):
                await asyncio.gather(*(call() for _ in range(4)))
                await call()
            assert only(RECORDER.clients.values()).calls_now() == 0

    with observe() as seen:
        asyncio.run(main())
    process = process_of(seen)
    assert requests_by_function(process) == {"call": USUAL + 25}
    assert only(process.clients).in_flight_peak_count == 4


def test_a_callback_of_the_task_that_calls_works_for_nobody(server):
    """It was registered before the call, and runs while the task waits in it: it has the same context."""
    made = []

    async def other():
        async with httpx.AsyncClient() as client:
            await client.get(server.url)

    async def main():
        async def wait(_request):
            await asyncio.sleep(0.05 if made else 0)

        async with httpx.AsyncClient(event_hooks={"request": [wait]}) as client:
            for _ in range(USUAL + 2):
                await client.get(server.url)
            loop = asyncio.get_running_loop()
            before = standing_requests()
            loop.call_later(0.01, lambda: made.append(loop.create_task(other())))
            made.append(None)
            await client.get(server.url)
            assert standing_requests() == before + 1
            await made[1]

    with observe() as seen:
        asyncio.run(main())
    process = process_of(seen)
    assert sorted(
        (each.site.function.rpartition(".")[2], each.counts.connections_count) for each in process.clients
    ) == [
        ("main", 1),
        ("other", 1),
    ]
    assert requests_by_function(process) == {"main": USUAL + 3, "other": 1}


def test_callbacks_that_connect_for_a_standing_call_work_for_it(server):
    """asyncio shakes hands in callbacks, which have no stack: the line is carried there."""
    trusting = ssl.create_default_context()

    async def main():
        calls = []

        async def dial(_request):
            calls.append(1)
            if len(calls) == USUAL + 2:
                _reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=trusting)
                writer.close()
                await writer.wait_closed()

        async with httpx.AsyncClient(event_hooks={"request": [dial]}) as client:
            for _ in range(USUAL + 3):
                await client.get(server.url)

    with observe() as seen:
        asyncio.run(main())
    process = process_of(seen)
    group = only(process.clients)
    assert (group.counts.connections_count, group.counts.handshakes_full_count) == (2, 2)
    shaken = {each.site.function.rpartition(".")[2] for each in process.sites if each.counts.handshakes_full_count}
    assert shaken <= {"dial", "main"}
    assert group.counts.requests_count == USUAL + 3


def test_a_copied_context_in_another_thread_has_calls_of_its_own(server):
    """It has the carrier of the thread that waits in a call of another client's."""
    with observe() as seen, httpx.Client() as inner:

        def call_inner():
            inner.get(server.url)

        for _ in range(USUAL):
            call_inner()

        def elsewhere(_request):
            if len(calls) >= USUAL:
                thread = threading.Thread(target=contextvars.copy_context().run, args=(call_inner,))
                thread.start()
                thread.join()
            calls.append(1)

        calls = []
        with httpx.Client(event_hooks={"request": [elsewhere]}) as client:
            for _ in range(USUAL + 3):
                client.get(server.url)
    process = process_of(seen)
    counted = {each.counts.requests_count: each.counts.connections_count for each in process.clients}
    assert counted == {USUAL + 3: 1}
    assert sum(requests_by_function(process).values()) == 2 * (USUAL + 3)
    assert requests_by_function(process)["call_inner"] == USUAL + 3


def test_work_of_a_pool_stands_and_is_its_submitters(server):
    with observe() as seen, httpx.Client() as client, ThreadPoolExecutor(1) as pool:

        def call():
            client.get(server.url)

        for _ in range(USUAL):
            call()
        before = standing_requests()
        for _ in range(MORE):
            pool.submit(call).result()
        assert standing_requests() - before == MORE
    assert requests_by_function(process_of(seen)) == {"call": USUAL + MORE}


def test_what_is_read_in_the_middle_is_all_that_has_happened(server):
    with observe() as seen, httpx.Client() as client:
        for number in range(1, USUAL + MORE):
            client.get(server.url)
            assert process_of(seen).counts.requests_count == number
            assert only(only(process_of(seen).clients).origins).requests_count == number


def test_a_second_window_with_other_user_code_ends_what_stands_and_counts_the_same(server):
    with observe() as seen, httpx.Client() as client:
        for _ in range(USUAL + 1):
            client.get(server.url)
        with observe(user_code=lambda _file: True) as second:
            for _ in range(MORE):
                client.get(server.url)
        for _ in range(MORE):
            client.get(server.url)
    assert process_of(seen).counts.requests_count == USUAL + 1 + 2 * MORE
    assert process_of(second).counts.requests_count == MORE


def test_nothing_stands_when_the_window_is_closed(server):
    with observe():
        client = httpx.Client()
        for _ in range(USUAL + 2):
            client.get(server.url)
        assert RECORDER.standing
        carrier = CARRIED.get()
        assert isinstance(carrier, Carrier)
    client.get(server.url)
    assert not RECORDER.standing
    assert not RECORDER._standing_calls
    assert carrier.call is None
    with observe() as seen:
        client.get(server.url)
    client.close()
    assert process_of(seen).counts.requests_count == 1


def test_a_client_that_is_closed_or_gone_stands_no_more(server):
    with observe() as seen:
        for close in (True, False):
            client = httpx.Client()
            for _ in range(USUAL + 2):
                client.get(server.url)
            assert len(RECORDER.standing) == 1
            if close:
                client.close()
            else:
                client._transport.close()  # as it is dropped, nobody else would
            del client
            assert not RECORDER.standing
        assert process_of(seen).counts.requests_count == 2 * (USUAL + 2)
        assert not RECORDER._standing_calls


def test_a_standing_call_is_not_that_of_a_copied_context_in_another_thread(server):
    found = []

    def look(_request):
        thread = threading.Thread(target=contextvars.copy_context().run, args=(lambda: found.append(carried_now()),))
        thread.start()
        thread.join()
        found.append(carried_now())

    with observe(), httpx.Client(event_hooks={"request": [look]}) as client:
        for _ in range(USUAL + 2):
            client.get(server.url)
    elsewhere, here = found[-2:]
    assert isinstance(here, StandingCall)
    assert not isinstance(elsewhere, StandingCall)


def test_a_connection_that_expires_is_lost_idle_within_a_standing_call(plain_server):
    with observe() as seen, httpx.Client(limits=httpx.Limits(keepalive_expiry=0.2)) as client:
        for number in range(USUAL + 3):
            if number == USUAL + 2:
                before = only(process_of(seen).clients).expired_count
                time.sleep(0.3)
            client.get(plain_server.url)
    assert only(process_of(seen).clients).expired_count == before + 1


@pytest.mark.parametrize("is_new_line", [False, True])
def test_no_call_stands_beside_one_of_another_thread(server, is_new_line):
    begun, may_end = threading.Event(), threading.Event()

    def wait(_request):
        if threading.current_thread() is not threading.main_thread():
            begun.set()
            assert may_end.wait(5)

    with observe() as seen, httpx.Client(event_hooks={"request": [wait]}) as client:

        def call():
            client.get(server.url)

        def other_call():
            client.get(server.url)

        for _ in range(USUAL + 2):
            call()
        thread = threading.Thread(target=other_call if is_new_line else call)
        thread.start()
        assert begun.wait(5)
        call()
        may_end.set()
        thread.join()
    assert only(process_of(seen).clients).in_flight_peak_count == 2


def test_a_standing_call_is_not_that_of_a_callback_of_its_task(server):
    found = []

    async def look(_request):
        asyncio.get_running_loop().call_soon(lambda: found.append(carried_now()))
        await asyncio.sleep(0.01)
        found.append(carried_now())

    async def main():
        async with httpx.AsyncClient(event_hooks={"request": [look]}) as client:
            for _ in range(USUAL + 2):
                await client.get(server.url)

    with observe():
        asyncio.run(main())
    callback, here = found[-2:]
    assert isinstance(here, StandingCall)
    assert not isinstance(callback, StandingCall)


def test_requests_of_http_client_are_told_while_calls_stand(plain_server, monkeypatch):
    events = []
    with observe():
        connection = http.client.HTTPConnection("127.0.0.1", plain_server.port)
        for number in range(USUAL + MORE):
            if number == USUAL + 2:
                monkeypatch.setattr(RECORDER, "on_event", lambda: events.append(1))
            connection.request("GET", "/")
            connection.getresponse().read()
        monkeypatch.undo()
        connection.close()
    assert len(events) >= MORE - 2


def test_a_standing_client_of_http_client_that_connects_anew_is_counted_there(plain_server):
    # Without a close in between: another socket is put in the place of the first.
    with observe() as seen:
        connection = http.client.HTTPConnection("127.0.0.1", plain_server.port)
        other = http.client.HTTPConnection("localhost", plain_server.port)
        other.connect()
        for number in range(USUAL + MORE):
            if number == USUAL + 2:
                kept, connection.sock = connection.sock, other.sock
            connection.request("GET", "/")
            connection.getresponse().read()
        connection.close()
        kept.close()
    assert sorted(requests_by_origin(process_of(seen)).values()) == sorted([USUAL + 2, MORE - 2])


def test_a_second_window_stops_what_stands(server):
    with observe(), httpx.Client() as client:
        for _ in range(USUAL + 2):
            client.get(server.url)
        assert RECORDER.standing
        with observe():
            assert not RECORDER.standing
            client.get(server.url)
        assert not RECORDER.standing


def test_a_client_with_cookies_stands_no_more():
    def answer(request):
        return httpx.Response(200, headers={"set-cookie": "login=x"} if request.url.path == "/login" else {})

    with observe(), httpx.Client(transport=httpx.MockTransport(answer)) as client:

        def call(path="/"):
            client.get(f"https://host{path}")

        for _ in range(USUAL + 2):
            call()
        assert RECORDER.standing
        call("/login")
        for _ in range(3):
            call()
            assert not RECORDER.standing
