"""Calls of ``http.client`` that stand: what may happen while a head, or the body behind it, is being written."""

from __future__ import annotations

import gc
import http.client
import socket
import ssl
import sys
import time

import pytest

from connprof.observe import observe
from connprof.observe.recorder import RECORDER

from .test_standing_calls import USUAL, only, process_of, requests_by_function
from .test_usual_calls import Plain

FEW_AND_MANY = pytest.mark.parametrize("calls_count", [3, USUAL + 3])
"""Before a call stands, and when it does."""


def ask(plain, body=None, headers=None):
    """The one line that calls."""
    plain.connection.request("POST", "/", body, headers or {})
    return plain.connection.getresponse().read()


def warm(plain, calls_count):
    for _ in range(calls_count):
        ask(plain)


@FEW_AND_MANY
def test_what_a_method_of_the_users_does_is_its_clients(plain_server, calls_count):
    class Resending(http.client.HTTPConnection):
        def send(self, data):
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            try:
                super().send(data)
            except OSError:
                self.sock.close()
                self.connect()
                super().send(data)

    with observe() as seen:
        plain = Plain(plain_server)
        plain.connection = Resending("127.0.0.1", plain_server.port)
        warm(plain, calls_count)
        for _ in range(3):
            plain.connection.sock.shutdown(socket.SHUT_WR)
            ask(plain)
        plain.connection.close()
    counts = only([each.counts for each in process_of(seen).clients if each.counts.requests_count])
    assert (counts.connections_count, counts.requests_count) == (4, calls_count + 3)
    assert counts.contexts_count == calls_count + 3
    assert [each.maker for each in process_of(seen).contexts] == ["http.client.HTTPConnection"]


@FEW_AND_MANY
def test_a_method_that_one_object_alone_has_is_the_users_too(plain_server, calls_count):
    with observe() as seen:
        plain = Plain(plain_server)
        send = plain.connection.send

        def sending(data):
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            send(data)

        plain.connection.send = sending
        warm(plain, calls_count)
        plain.connection.close()
    assert only(process_of(seen).clients).counts.contexts_count == calls_count


@FEW_AND_MANY
def test_a_socket_of_the_users_is_too(plain_server, calls_count):
    class Own(socket.socket):
        def sendall(self, data):
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            super().sendall(data)

    with observe() as seen:
        plain = Plain(plain_server)
        plain.connection.sock = Own()
        plain.connection.sock.connect(("127.0.0.1", plain_server.port))
        warm(plain, calls_count)
        plain.connection.close()
    assert only(process_of(seen).clients).counts.contexts_count == calls_count


@FEW_AND_MANY
def test_what_a_body_does_is_its_clients(plain_server, calls_count):
    def body():
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        yield b""

    with observe() as seen:
        plain = Plain(plain_server)
        warm(plain, calls_count)
        for _ in range(3):
            ask(plain, body(), {"Content-Length": "0"})
        plain.connection.close()
    assert only(process_of(seen).clients).counts.contexts_count == 3


@FEW_AND_MANY
@pytest.mark.parametrize("is_in_body", [False, True])
def test_the_time_of_a_call_that_fails_is_kept_and_its_head_is_counted_if_it_is_out(
    plain_server, calls_count, is_in_body, monkeypatch
):
    """The last of a few prints is the user's code that comes between."""
    sent = []

    def printing(*_words):
        sent.append(None)
        if len(sent) == 1 + is_in_body:
            time.sleep(0.2)
            raise OSError("broken on purpose")

    monkeypatch.setattr(http.client, "print", printing, raising=False)
    with observe() as seen:
        plain = Plain(plain_server)
        warm(plain, calls_count)
        plain.connection.debuglevel = 1
        with pytest.raises(OSError, match="on purpose"):
            ask(plain, b"x")
        plain.connection.debuglevel = 0
        plain.connection.close()
    process = process_of(seen)
    assert sum(requests_by_function(process).values()) == calls_count + is_in_body
    assert sum(each.costs.request_wall_ns for each in process.sites) >= 150_000_000


@FEW_AND_MANY
def test_a_head_that_the_peer_does_not_take_is_no_request(plain_server, calls_count):
    with observe() as seen:
        plain = Plain(plain_server)
        warm(plain, calls_count)
        plain.connection.sock.shutdown(socket.SHUT_WR)
        with pytest.raises(BrokenPipeError):
            ask(plain, b"x")
        plain.connection.close()
    assert sum(requests_by_function(process_of(seen)).values()) == calls_count


@pytest.mark.parametrize("body", [12, iter([b"", 12]), "a text that is ünsendbar ‽"])
def test_a_body_that_cannot_be_sent_comes_after_its_head(plain_server, body):
    with observe() as seen:
        plain = Plain(plain_server)
        plain.connection.putrequest("POST", "/")
        plain.connection.putheader("Content-Length", "0")
        with pytest.raises((TypeError, UnicodeEncodeError)):
            plain.connection.endheaders(body)
        plain.connection.close()
    assert seen.counts.requests_count == 1


@FEW_AND_MANY
def test_a_window_that_comes_while_a_head_is_written_has_the_request(plain_server, calls_count, monkeypatch):
    windows = []

    def changing(*_words):
        if len(windows) == 1:
            windows[0].__exit__(None, None, None)
            windows.append(observe())
            seen.append(windows[1].__enter__())

    monkeypatch.setattr(http.client, "print", changing, raising=False)
    windows.append(observe())
    seen = [windows[0].__enter__()]
    plain = Plain(plain_server)
    warm(plain, calls_count)
    plain.connection.debuglevel = 1
    ask(plain)
    plain.connection.debuglevel = 0
    windows[1].__exit__(None, None, None)
    plain.connection.close()
    assert [each.counts.requests_count for each in seen] == [calls_count, 1]


@FEW_AND_MANY
@pytest.mark.parametrize("fails", [False, True])
def test_whoever_waits_for_events_is_told_when_it_is_sent_and_not_before(plain_server, calls_count, fails, monkeypatch):
    """Whoever is there by then: it may have begun to wait after the call has."""
    told = []

    def waiting(*_words):
        RECORDER.on_event = lambda: told.append(only(process_of(seen).clients).counts.requests_count)
        if fails:
            raise OSError("broken on purpose")

    with observe() as seen:
        plain = Plain(plain_server)
        warm(plain, calls_count)
        monkeypatch.setattr(http.client, "print", waiting, raising=False)
        plain.connection.debuglevel = 1
        try:
            ask(plain)
        except OSError:
            assert fails
        RECORDER.on_event = None
        plain.connection.debuglevel = 0
        plain.connection.close()
    assert fails or told[-1] == calls_count + 1
    assert told or calls_count < USUAL


@pytest.mark.parametrize("by", ["a subclass", "a wrapper"])
def test_a_connect_that_is_refused_is_no_request_whoever_passes_the_head_on(refused_port, by, monkeypatch):
    class Passing(http.client.HTTPConnection):
        def send(self, *arguments):
            return super().send(*arguments)

    original = http.client.HTTPConnection.send
    if by == "a wrapper":

        def passing(*arguments):
            return original(*arguments)

        monkeypatch.setattr(http.client.HTTPConnection, "send", passing)
    with observe() as seen:
        for body in (None, b"x"):
            connection = (Passing if by == "a subclass" else http.client.HTTPConnection)("127.0.0.1", refused_port)
            with pytest.raises(ConnectionRefusedError):
                connection.request("POST", "/", body)
    assert (seen.counts.requests_count, seen.counts.connections_count) == (None, 0)


def test_a_connection_with_attributes_of_its_own_making_is_not_asked_for_them(plain_server):
    asked = []

    class Asking(http.client.HTTPConnection):
        def __getattribute__(self, name):
            asked.append(name)
            return super().__getattribute__(name)

    def ask_it():
        asked.clear()
        plain = Plain(plain_server)
        plain.connection = Asking("127.0.0.1", plain_server.port)
        warm(plain, USUAL + 3)
        plain.connection.close()
        return sum(name in {"send", "_send_output"} for name in asked)

    usual = ask_it()
    with observe():
        assert ask_it() == usual


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="from Python 3.13 on an object's dictionary costs it nothing")
def test_a_connection_is_not_asked_for_its_dictionary(plain_server):
    """One that was asked is slower to use ever after, for whoever uses it: that was more than the rest of the hook."""

    def has_dictionary(connection):
        return any(type(each) is dict and "sock" in each for each in gc.get_referents(connection))

    with observe():
        plain = Plain(plain_server)
        warm(plain, USUAL + 3)
        is_made = has_dictionary(plain.connection)
        assert vars(plain.connection)
        can_tell = has_dictionary(plain.connection)
        plain.connection.close()
    assert (is_made, can_tell) == (False, True)
