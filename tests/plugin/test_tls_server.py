"""The fixture tls_server: what it tells of one test, and what it changes while a test runs."""

import functools
import os
from contextlib import contextmanager

import httpx
import pytest

from connprof.plugin.server import running, share
from connprof_server import serve


@pytest.fixture(scope="module")
def server():
    yield from running()


@pytest.fixture
def tls_server(server):
    yield from share(server)


def test_it_tells_of_one_test_alone(server):
    for calls in (1, 3):
        with contextmanager(share)(server) as one, httpx.Client() as client:
            for _ in range(calls):
                client.get(one.url("api/x"))
            client.post(one.url("/executions/key", "other"))
            open_now = one.seen()
            client.close()
            seen = one.settled(timeout_s=10)
        assert (open_now.connections_open_count, seen.connections_open_count) == (2, 0)
        assert (seen.handshakes_count, seen.handshakes_full_count, seen.connections_count) == (2, 2, 2)
        assert (seen.requests_count, seen.requests_per_connection) == (calls + 1, (calls, 1))
        assert seen.executions == {"key": 1}
        assert seen.ledger.disagreements == ()


def test_a_connection_left_by_an_earlier_test_is_not_this_ones(server):
    with contextmanager(share)(server) as first:
        client = httpx.Client()
        client.get(first.url())
        assert first.settled(timeout_s=0.0).connections_open_count == 1
        with contextmanager(share)(server) as second:
            assert second.seen().connections_open_count == 0
            client.get(second.url())
            seen = second.seen()
            assert (seen.connections_open_count, seen.connections_count, seen.requests_count) == (0, 0, 1)
        client.close()
        first.settled(timeout_s=10)


def test_a_post_that_is_sent_twice_is_executed_twice(tls_server):
    with httpx.Client() as client:
        for _ in range(2):
            client.post(tls_server.url("/executions/order"))
    assert tls_server.settled(timeout_s=10).executions == {"order": 2}


def test_cookies_are_told_by_name(tls_server):
    with httpx.Client() as client:
        client.get(tls_server.url("/cookies/set?session=secret"))
        client.get(tls_server.url())
        client.get(tls_server.url())
    seen = tls_server.settled(timeout_s=10)
    assert seen.cookies == {"session": 2}
    assert "secret" not in repr(seen)


def test_a_client_that_was_made_before_takes_a_context(tls_server):
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("SSL_CERT_FILE")
        with httpx.Client() as stranger, pytest.raises(httpx.ConnectError):
            stranger.get(tls_server.url())
        with httpx.Client(verify=tls_server.ssl_context()) as client:
            assert client.get(tls_server.url()).status_code == 200
    seen = tls_server.settled(timeout_s=10)
    assert (seen.handshakes_full_count, seen.handshakes_failed_count) == (1, 1)


def test_connections_may_be_cut_off(tls_server):
    with httpx.Client() as client:
        client.get(tls_server.url())
        assert tls_server.drop_connections() >= 1
        assert tls_server.settled(timeout_s=10).connections_open_count == 0


def test_the_environment_is_changed_for_the_test_alone(server, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.test")
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere")
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    before = dict(os.environ)
    with contextmanager(share)(server) as one:
        assert os.environ["SSL_CERT_FILE"] == os.environ["REQUESTS_CA_BUNDLE"] == one.ca_file
        assert "HTTPS_PROXY" not in os.environ
    assert dict(os.environ) == before


def test_a_server_that_does_not_start_is_told_in_a_sentence(monkeypatch):
    monkeypatch.setattr("connprof.plugin.server.serve", functools.partial(serve, start_timeout_s=0.0))
    with pytest.raises(pytest.fail.Exception, match=r"^tls_server: .+") as caught:
        next(running())
    assert caught.value.__suppress_context__ is True
    assert caught.value.pytrace is False


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("https://example.org/api",), "'https://example.org/api' is an address, and tls_server.url takes a path"),
        (("/api/", "third"), "'third' is no origin of the server; it has main and other"),
    ],
)
def test_what_is_no_path_or_origin_of_its_is_said(tls_server, arguments, says):
    with pytest.raises(ValueError, match=says):
        tls_server.url(*arguments)
    assert tls_server.url("/api/?of=https://example.org/").endswith("/api/?of=https://example.org/")
