"""What a usual call's short way must leave to the long one: each condition, in a case that only it catches.

A call is usual once its client has made as many as are counted one by one, from a place that was the last one to call.
"""

from __future__ import annotations

import _thread
import asyncio
import contextlib
import contextvars
import gc
import http.client
import threading
import time

import h11
import httpx
import msgspec
import pytest

from connprof.observe import observe, recorder
from connprof.observe.owners import CALLS_COUNTED_MAX
from connprof.observe.recorder import RECORDER
from connprof.observe.sites import THREAD_LINES, carried_now
from connprof.profile import ProcessProfile

USUAL = CALLS_COUNTED_MAX + 1


def process_of(observation):
    assert observation.errors.errors_count == 0, observation.errors.first
    return msgspec.convert(observation.snapshot(), ProcessProfile)


def only(groups):
    (group,) = groups
    return group


def group_of(observation):
    return only(process_of(observation).clients)


def requests_by_function(observation):
    return {
        each.site.function.rpartition(".")[2]: each.counts.requests_count
        for each in process_of(observation).sites
        if each.counts.requests_count
    }


def the_connection():
    """The only one, after what calls have left to be counted was counted."""
    RECORDER.settle()
    return only(RECORDER._connections.values())


def requests_at(observation):
    return [each.site.line for each in process_of(observation).sites if each.counts.requests_count]


class Plain:
    """A client of ``http.client``, and the one line that calls with it."""

    def __init__(self, server):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port)

    def call(self):
        self.connection.request("GET", "/")
        return self.connection.getresponse().read()

    def calls(self):
        for _ in range(USUAL):
            self.call()
        return self


def in_thread(function):
    failures = []

    def work():
        try:
            function()
        except BaseException as error:  # noqa: BLE001 - it is raised below
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert not failures


def test_usual_calls_are_counted_with_their_line(server):
    with observe() as seen, httpx.Client() as client:
        for _ in range(USUAL + 2):
            client.get(server.url)
        client.get(server.url)
    process = process_of(seen)
    group = only(process.clients)
    assert (group.made_count, group.used_once_count, group.counts.requests_count) == (1, 0, USUAL + 3)
    requests = [(each.counts.requests_count, each.costs.request_wall_ns > 0) for each in process.sites]
    assert sorted(requests) == [(0, False), (1, True), (USUAL + 2, True)]
    assert {each.site.certainty for each in process.sites} == {"stack"}


@pytest.fixture
def long_ways(monkeypatch):
    """Counts the calls that take the long way."""
    counted, original = [], recorder.Recorder.call_begins

    def call_begins(self, owner, frame):
        counted.append(frame.f_code.co_name)
        return original(self, owner, frame)

    monkeypatch.setattr(recorder.Recorder, "call_begins", call_begins)
    return counted


@pytest.mark.parametrize("kind", ["sync", "async", "plain"])
def test_usual_calls_take_the_short_way(server, plain_server, long_ways, kind):
    """Without that nothing here tests what it is for."""

    async def call_async():
        async with httpx.AsyncClient() as client:
            for number in range(USUAL + 5):
                await client.get(server.url)
                yield number

    async def use_async():
        return [len(long_ways) async for _ in call_async()]

    with observe() as seen:
        if kind == "sync":
            with httpx.Client() as client:
                counts = [client.get(server.url) and len(long_ways) for _ in range(USUAL + 5)]
        elif kind == "async":
            counts = asyncio.run(use_async())
        else:
            plain = Plain(plain_server)
            counts = [plain.call() and len(long_ways) for _ in range(USUAL + 5)]
            plain.connection.close()
    assert counts[USUAL - 1] > counts[0] > 0
    assert len(set(counts[USUAL:])) == 1
    assert group_of(seen).counts.requests_count == USUAL + 5


def test_a_like_place_in_another_function_is_another_line(server):
    with observe() as seen, httpx.Client() as client:

        def one():
            client.get(server.url)

        def two():
            client.get(server.url)

        assert one.__code__.co_code == two.__code__.co_code
        for _ in range(USUAL):
            one()
        two()
    assert requests_by_function(seen) == {"one": USUAL, "two": 1}


def test_a_users_function_on_the_way_is_the_line(server):
    """As many frames above as before there is the line that was the last one."""
    with observe() as seen, httpx.Client() as client:

        def inner(url):
            client.send(client.build_request("GET", url))

        def outer(url):
            inner(url)

        def call(each):
            each(server.url)

        for _ in range(USUAL):
            call(client.get)
        call(outer)
    assert requests_by_function(seen) == {"call": USUAL, "inner": 1}


def test_a_stack_that_ends_early_is_no_failure():
    """As in a thread that the system has started; the calls before it came through more of a library."""
    called = threading.Semaphore(0)

    def answer(_request):
        called.release()
        return httpx.Response(200)

    with observe() as seen, httpx.Client(transport=httpx.MockTransport(answer)) as client:

        def call():
            with contextlib.ExitStack() as stack:
                stack.callback(client.get, "https://host/")

        for _ in range(USUAL):
            call()
            assert called.acquire(timeout=5)
        _thread.start_new_thread(client.get, ("https://host/",))
        assert called.acquire(timeout=5)
        assert seen.errors.errors_count == 0, seen.errors.first


@pytest.mark.parametrize("count", [2, 4])
def test_more_calls_at_once_than_before_are_noticed(plain_server, count):
    async def main():
        async with httpx.AsyncClient() as client:

            async def call():
                await client.get(plain_server.url)

            for _ in range(USUAL):
                await call()
            before = group_of(seen).in_flight_peak_count
            await asyncio.gather(*(call() for _ in range(count)))
            for _ in range(USUAL):
                await call()
        return before

    with observe() as seen:
        assert asyncio.run(main()) == 1
    assert group_of(seen).in_flight_peak_count == count


def test_a_client_that_is_used_after_its_closing_is_noticed(plain_server):
    with observe() as seen:
        plain = Plain(plain_server).calls()
        plain.connection.close()
        assert (group_of(seen).closed_count, group_of(seen).alive_count) == (1, 0)
        plain.call()
        assert (group_of(seen).closed_count, group_of(seen).alive_count) == (0, 1)
        plain.connection.close()


def test_a_client_that_never_got_through_before_is_found_to_be_plain(plain_server, refused_port):
    with observe() as seen, httpx.Client() as client:
        for number in range(USUAL + 2):
            try:
                client.get(f"http://127.0.0.1:{refused_port}/" if number < USUAL else plain_server.url)
            except httpx.ConnectError:
                assert number < USUAL
            assert group_of(seen).plain_only_count == (number >= USUAL)


def test_a_second_event_loop_is_noticed(plain_server):
    async def call(client, count):
        for _ in range(count):
            await client.get(plain_server.url, headers={"connection": "close"})

    with observe() as seen:
        client = httpx.AsyncClient()
        with asyncio.Runner() as first, asyncio.Runner() as second:
            first.run(call(client, USUAL))
            assert (group_of(seen).second_loop_count, group_of(seen).loops_count) == (0, 1)
            second.run(call(client, 1))
            assert (group_of(seen).second_loop_count, group_of(seen).loops_count) == (1, 2)
            second.run(client.aclose())


def test_a_second_thread_is_noticed(plain_server):
    with observe() as seen:
        plain = Plain(plain_server).calls()
        assert (group_of(seen).second_thread_count, group_of(seen).threads_count) == (0, 1)
        in_thread(plain.call)
        assert (group_of(seen).second_thread_count, group_of(seen).threads_count) == (1, 2)
        plain.connection.close()


def test_threads_are_counted_though_the_system_gives_their_numbers_again(plain_server):
    numbers = []

    def call():
        numbers.append(threading.get_ident())
        for _ in range(2):
            plain = Plain(plain_server)
            plain.call()
            plain.connection.close()

    with observe() as seen:
        for _ in range(4):
            in_thread(call)
        assert group_of(seen).threads_count == 4
    assert len(set(numbers)) < 4  # else this shows nothing


def test_threads_that_use_one_client_in_turn_are_counted_too(plain_server):
    with observe() as seen:
        plain = Plain(plain_server)
        for _ in range(5):
            in_thread(plain.call)
        assert (group_of(seen).second_thread_count, group_of(seen).threads_count) == (1, 5)
        plain.connection.close()


def test_calls_of_threads_work_for_their_threads():
    """Two threads of one starter: what one of them was sent is foreign to the other."""

    def answer(request):
        return httpx.Response(200, headers={"set-cookie": "login=x"} if request.url.path == "/login" else {})

    with observe() as seen, httpx.Client(transport=httpx.MockTransport(answer)) as client:

        def call(path="/"):
            client.get(f"https://host{path}")

        for _ in range(USUAL):
            call()
        in_thread(lambda: call("/login"))
        assert group_of(seen).foreign_cookie_requests_count == 0
        in_thread(call)
        assert group_of(seen).foreign_cookie_requests_count == 1


def test_what_was_carried_to_a_usual_call_is_its_caller():
    """The same of two tasks, where it is carried and not the thread's."""

    def answer(request):
        return httpx.Response(200, headers={"set-cookie": "login=x"} if request.url.path == "/login" else {})

    async def main():
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:

            async def call(path="/"):
                await client.get(f"https://host{path}")

            for _ in range(USUAL):
                await call()
            await asyncio.create_task(call("/login"))
            await asyncio.create_task(call())

    with observe() as seen:
        asyncio.run(main())
    assert group_of(seen).foreign_cookie_requests_count == 1


@pytest.mark.parametrize("usual_count", [0, USUAL])
def test_a_connection_is_idle_from_the_end_of_its_last_call_on(server, usual_count):
    """The long way, and the short one: a response that takes its time is no time of idleness."""
    answered_ns = []

    def answer(_response):
        answered_ns.append(time.perf_counter_ns())

    with observe() as seen, httpx.Client(event_hooks={"response": [answer]}) as client:
        for _ in range(usual_count + 1):
            client.get(server.url)
            assert the_connection().last_ns > answered_ns[-1]
    assert only(process_of(seen).clients).in_flight_peak_count == 1


def test_the_time_of_usual_calls_is_counted_and_their_connection_in_use(server):
    asked_ns, answered_ns, used_ns, ended_ns = [], [], [], [0]

    def ask(_request):
        asked_ns.append(time.perf_counter_ns())

    def answer(_response):
        answered_ns.append(time.perf_counter_ns())
        used_ns.append(the_connection().last_ns)

    with observe() as seen, httpx.Client(event_hooks={"request": [ask], "response": [answer]}) as client:
        for _ in range(USUAL + 2):
            before = process_of(seen)
            client.get(server.url)
            spent_ns = process_of(seen).costs.request_wall_ns - before.costs.request_wall_ns
            assert spent_ns >= answered_ns[-1] - asked_ns[-1] > 0
            ended_ns.append(the_connection().last_ns)
            assert ended_ns[-2] < used_ns[-1] < ended_ns[-1]


def test_what_usual_calls_leave_unread_has_their_line(server):
    with observe() as seen, httpx.Client() as client:
        for _ in range(USUAL + 2):
            request = client.build_request("GET", server.url)
            client.send(request, stream=True)
            gc.collect()
    group = group_of(seen)
    assert group.unread_count == USUAL + 2
    place = only(group.unread_sites)
    assert (place.certainty, place.line) == ("stack", only(requests_at(seen)))


def test_outside_windows_neither_way_is_taken(server, long_ways):
    with httpx.Client() as client:
        with observe():
            kept = httpx.Client.send
            client.get(server.url)
        count = len(long_ways)
        assert kept(client, client.build_request("GET", server.url)).status_code == 200
        assert len(long_ways) == count > 0


def test_usual_calls_leave_nothing_behind_them(server):
    with observe() as seen, httpx.Client() as client:
        for number in range(USUAL + 2):
            client.get(server.url)
            last_ns = the_connection().last_ns
            followed = only(RECORDER.clients.values())
            assert (followed.calls_now(), followed.in_flight_peak) == (0, 1)
            assert followed.last_ns >= last_ns > 0, number
            assert carried_now() is None
        request = only(process_of(seen).origins)
        assert request.costs.request_wall_ns == process_of(seen).costs.request_wall_ns > 0


# --- h11, where a usual call's request is counted ------------------------------------------------------------


def by_hand(connection):
    """A request that the user writes on a connection of a client's."""
    protocol = h11.Connection(h11.CLIENT)
    protocol._connprof_connection = connection
    protocol.send(h11.Request(method="GET", target="/", headers=[("host", "x")]))


def test_what_is_sent_after_a_usual_call_is_not_that_calls(server):
    contexts = []

    def keep(_request):
        contexts.append(contextvars.copy_context())

    with observe() as seen, httpx.Client(event_hooks={"request": [keep]}) as client:
        for _ in range(USUAL + 1):
            client.get(server.url)
        contexts[-1].run(by_hand, the_connection())
        assert the_connection().requests == USUAL + 2
    lines = {each.site.function: each.counts.requests_count for each in process_of(seen).sites}
    assert lines["by_hand"] == 1


def test_a_window_that_opens_within_a_usual_call_sees_its_request(server):
    windows = []

    def change(_request):
        calls.append(1)
        if len(calls) == USUAL + 1:
            windows[0].__exit__(None, None, None)
            windows.append(observe())
            opened.append(windows[1].__enter__())

    calls, opened = [], []
    windows.append(observe())
    opened.append(windows[0].__enter__())
    with httpx.Client(event_hooks={"request": [change]}) as client:
        for _ in range(USUAL + 1):
            client.get(server.url)
    windows[1].__exit__(None, None, None)
    assert [each.counts.requests_count for each in opened] == [USUAL, 1]


def test_whoever_is_told_of_events_is_told_of_usual_requests(server, monkeypatch):
    events = []
    with observe(), httpx.Client() as client:
        for number in range(USUAL + 2):
            if number == USUAL:
                monkeypatch.setattr(RECORDER, "on_event", lambda: events.append(1))
            client.get(server.url)
        monkeypatch.undo()
    assert len(events) >= 2


# --- what must not grow ----------------------------------------------------------------------------------------


def test_the_lanes_of_clients_that_are_gone_do_not_pile_up(monkeypatch):
    monkeypatch.setattr(recorder, "_LANES_MAX", 10)
    lanes_counts = []
    with observe() as seen:
        for number in range(100):
            with httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200))) as client:
                client.get("https://host/")
            del client
            if number % 10 == 0:
                gc.collect()
            lanes_counts.append(len(RECORDER._lanes))
    assert max(lanes_counts) < 60
    assert group_of(seen).made_count == 100


def test_lines_of_threads_are_forgotten_with_the_last_window():
    is_over = threading.Event()
    with observe():
        thread = threading.Thread(target=is_over.wait)
        thread.start()
        assert THREAD_LINES
    try:
        assert not THREAD_LINES
    finally:
        is_over.set()
        thread.join()
