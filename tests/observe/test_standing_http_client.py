"""Standing calls of ``http.client``, of which nobody is told while they are under way: what that may not lose."""

from __future__ import annotations

import http.client
import threading

import httpx
import pytest

from connprof.observe import observe
from connprof.observe.recorder import RECORDER
from connprof.observe.sites import CARRIED, Carrier

from .test_standing_calls import USUAL, only, process_of, requests_by_function, requests_by_origin, standing_requests
from .test_usual_calls import Plain, in_thread, the_connection


@pytest.fixture
def long_ways(monkeypatch):
    """Counts the requests that take the long way."""
    counted, original = [], RECORDER.request_sent

    def sent(connection):
        counted.append(connection)
        return original(connection)

    monkeypatch.setattr(RECORDER, "request_sent", sent)
    return counted


@pytest.mark.parametrize("is_by_hand", [False, True])
def test_every_call_counts_one_request_with_its_time(plain_server, is_by_hand, long_ways):
    def call():
        if is_by_hand:
            plain.connection.putrequest("GET", "/")
            plain.connection.endheaders()
        else:
            plain.connection.request("GET", "/")
        return plain.connection.getresponse().read()

    with observe() as seen:
        plain = Plain(plain_server)
        for _ in range(USUAL + 3):
            call()
        usual_count, spent_ns = len(long_ways), spent_on_requests_ns(seen)
        for _ in range(40):
            call()
        assert spent_on_requests_ns(seen) > spent_ns
        assert the_connection().requests == USUAL + 43
        assert RECORDER.standing
        plain.connection.close()
    process = process_of(seen)
    assert requests_by_function(process) == {"call": USUAL + 43}
    assert only(process.clients).counts.requests_count == USUAL + 43
    assert len(long_ways) == usual_count


def spent_on_requests_ns(observation):
    return sum(each.costs.request_wall_ns for each in process_of(observation).sites)


def test_each_line_that_calls_has_its_own_requests(plain_server):
    def one():
        plain.connection.request("GET", "/")
        plain.connection.getresponse().read()

    def two():
        plain.connection.request("GET", "/")
        plain.connection.getresponse().read()

    with observe() as seen:
        plain = Plain(plain_server)
        for _ in range(USUAL):
            one()
        for _ in range(10):
            one()
            two()
            two()
        plain.connection.close()
    assert requests_by_function(process_of(seen)) == {"one": USUAL + 10, "two": 20}


def test_two_lines_of_one_function_are_told_apart(plain_server):
    with observe() as seen:
        plain = Plain(plain_server)
        for number in range(USUAL + 10):
            plain.connection.request("GET", "/")
            plain.connection.getresponse().read()
            if number >= USUAL:
                plain.connection.request("GET", "/")
                plain.connection.getresponse().read()
        plain.connection.close()
    counted = sorted(each.counts.requests_count for each in process_of(seen).sites if each.counts.requests_count)
    assert counted == [10, USUAL + 10]


def test_one_place_that_calls_in_two_ways_keeps_its_requests(plain_server):
    def call(ask):
        ask("GET", "/")
        plain.connection.getresponse().read()

    class Longer(http.client.HTTPConnection):
        def request(self, *args):
            super().request(*args)

    with observe() as seen:
        plain = Plain(plain_server)
        plain.connection = Longer("127.0.0.1", plain_server.port)
        for _ in range(USUAL + 3):
            call(plain.connection.request)
            call(lambda *args: http.client.HTTPConnection.request(plain.connection, *args))
        plain.connection.close()
    counted = requests_by_function(process_of(seen))
    assert sum(counted.values()) == 2 * (USUAL + 3)
    assert counted == {"request": USUAL + 3, "<lambda>": USUAL + 3}


def test_a_users_functions_on_the_way_are_the_line(plain_server):
    """As many frames above as before there is the line that was the last one."""
    with observe() as seen:
        plain = Plain(plain_server)

        def inner(method, path):
            plain.connection.putrequest(method, path)
            plain.connection.endheaders()

        def outer(method, path):
            inner(method, path)

        def call(ask):
            ask("GET", "/")
            plain.connection.getresponse().read()

        for _ in range(USUAL + 3):
            call(plain.connection.request)
        call(outer)
        plain.connection.close()
    assert requests_by_function(process_of(seen)) == {"call": USUAL + 3, "inner": 1}


def test_another_thread_is_seen(plain_server):
    with observe() as seen:
        plain = Plain(plain_server).calls()
        plain.call()
        in_thread(plain.call)
        plain.call()
        plain.connection.close()
    group = only(process_of(seen).clients)
    assert (group.counts.requests_count, group.second_thread_count) == (USUAL + 3, 1)


def test_a_context_that_was_copied_for_another_thread_carries_no_call_there(plain_server):
    with observe() as seen:
        plain = Plain(plain_server).calls()
        carrier = CARRIED.get()
        assert isinstance(carrier, Carrier)

        def call():
            CARRIED.set(carrier)
            plain.call()

        in_thread(call)
        plain.connection.close()
    assert only(process_of(seen).clients).second_thread_count == 1


def test_a_request_that_is_not_sent_is_not_counted(plain_server):
    class Broken(http.client.HTTPConnection):
        def send(self, data):
            if is_broken:
                raise OSError("broken on purpose")
            super().send(data)

    is_broken = []
    with observe() as seen:
        plain = Plain(plain_server)
        plain.connection = Broken("127.0.0.1", plain_server.port)
        plain.calls().call()
        is_broken.append(True)
        for _ in range(3):
            with pytest.raises(OSError, match="on purpose"):
                plain.connection.request("GET", "/")
            plain.connection.close()
            is_broken.clear()
            plain.call()
            is_broken.append(True)
        plain.connection.close()
    assert requests_by_function(process_of(seen)) == {"call": USUAL + 1 + 3}


def test_a_body_that_makes_requests_itself_has_its_own(plain_server):
    def body():
        with httpx.Client() as client:
            client.get(plain_server.url)
        other.call()
        yield b"x"

    with observe() as seen:
        other, plain = Plain(plain_server), Plain(plain_server)
        other.calls()
        plain.calls()
        for _ in range(4):
            plain.connection.request("GET", "/", body(), {"Content-Length": "0"})
            plain.connection.getresponse().read()
            plain.connection.close()
        other.connection.close()
    process = process_of(seen)
    by_kind = {each.kind: each.counts for each in process.clients}
    assert by_kind["httpx.Client"].requests_count == 4
    assert by_kind["http.client.HTTPConnection"].requests_count == 2 * USUAL + 8
    assert sum(requests_by_function(process).values()) == 2 * USUAL + 12


def test_a_socket_that_cannot_be_asked_for_is_the_users_affair(plain_server):
    class Shy(http.client.HTTPConnection):
        @property
        def sock(self):
            if asked and asked.pop():
                raise LookupError("not now")
            return vars(self).get("kept")

        @sock.setter
        def sock(self, value):
            vars(self)["kept"] = value

    asked = []
    with observe() as seen:
        plain = Plain(plain_server)
        plain.connection = Shy("127.0.0.1", plain_server.port)
        plain.calls()
        for _ in range(3):
            asked.append(True)  # it is the observer that asks first
            plain.call()
        plain.connection.close()
    assert requests_by_function(process_of(seen)) == {"call": USUAL + 3}


def test_another_connection_of_the_same_client_is_told_apart(plain_server):
    with observe() as seen:
        plain = Plain(plain_server).calls()
        plain.call()
        plain.connection.close()
        plain.connection.host, plain.connection.port = "localhost", plain_server.port
        for _ in range(5):
            plain.call()
        plain.connection.close()
    assert sorted(requests_by_origin(process_of(seen)).values()) == [5, USUAL + 1]


def test_it_stands_no_more_where_it_was_closed_for_good(plain_server):
    with observe():
        plain = Plain(plain_server).calls()
        plain.call()
        assert standing_requests() > 0
        plain.connection.close()
        assert not RECORDER.standing


def test_calls_in_many_threads_at_once_are_all_counted(plain_server):
    def work():
        plain = Plain(plain_server)
        for _ in range(USUAL + 30):
            plain.call()
        plain.connection.close()

    with observe() as seen:
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert requests_by_function(process_of(seen)) == {"call": 4 * (USUAL + 30)}
