"""HTTP/2 beside HTTP/1.1, counted as exactly."""

import asyncio
import socket
import ssl
import sys
import time

import h2.config
import h2.connection
import h2.events
import httpx
import pytest

from connprof_server import ServerError, serve
from connprof_server.target import json_size_bytes
from tests.server.raw_client import RawConnection, client_context, port_of


@pytest.fixture(scope="module")
def both():
    """A server that offers HTTP/2."""
    with serve(("first", "second"), http_version="2") as running:
        yield running


@pytest.fixture
def since(both):
    before = both.settled_ledger(timeout_s=10)

    def difference():
        taken = both.settled_ledger(timeout_s=10)
        assert taken.notes == taken.disagreements == ()
        return taken.minus(before).total

    return difference


def trusting(server):
    return ssl.create_default_context(cafile=server.target.ca)


@pytest.mark.parametrize(("asked", "alpn"), [(True, "h2"), (False, "http/1.1")])
def test_what_was_agreed_and_every_request_is_counted(both, since, asked, alpn):
    with httpx.Client(verify=trusting(both), http2=asked) as client:
        for number in range(7):
            path = f"/api/{number}"
            answer = client.get(both.target.url(path))
            assert (answer.status_code, len(answer.content)) == (200, json_size_bytes(path))
            assert answer.http_version == ("HTTP/2" if asked else "HTTP/1.1")
        client.get(both.target.url("/api/x", "second"))
    seen = since()
    assert seen.alpn == {alpn: 2}
    assert seen.requests_per_connection == (7, 1)
    assert (seen.tcp_accepts_count, seen.handshakes_full_count, seen.connections_open_count) == (2, 2, 0)


def test_a_client_without_alpn_is_served_as_ever(both, since):
    with RawConnection(both.target, client_context(both.target)) as connection:
        assert connection.get("/api/x")
    assert since().alpn == {"none": 1}


@pytest.mark.parametrize("http_version", ["1.1", "2"])
def test_every_kind_of_answer(http_version):
    with serve(http_version=http_version) as server:
        url = server.target.url
        with httpx.Client(verify=trusting(server), http2=True) as client:
            assert client.get(url("/bytes/200000")).content == b"x" * 200_000
            assert client.get(url("/stream/3/70000")).content == b"x" * 210_000
            assert client.get(url("/status/204")).content == b""
            assert client.get(url("/status/503")).json() == {"status": 503}
            assert client.head(url("/api/x")).content == b""
            assert client.post(url("/executions/once"), content=b"x" * 200_000).json()["executions"] == 1
            assert client.get(url("/nothing")).status_code == 404
        assert server.executions() == {"once": 1}
        seen = server.settled_ledger().total
        assert (seen.requests_count, seen.connections_opened_count) == (7, 1)


def test_a_hundred_streams_share_a_connection(both, since):
    async def calls():
        async with httpx.AsyncClient(verify=trusting(both), http2=True) as client:
            url = both.target.url("/delay/50")
            return await asyncio.gather(*[client.get(url) for _ in range(100)])

    assert {answer.http_version for answer in asyncio.run(calls())} == {"HTTP/2"}
    assert since().requests_per_connection == (100,)


def test_close_says_goodbye(both, since):
    with httpx.Client(verify=trusting(both), http2=True) as client:
        assert client.get(both.target.url("/close")).json() == {"closing": True}
        assert client.get(both.target.url("/api/x")).status_code == 200
    assert since().requests_per_connection == (1, 1)


def test_a_stream_is_counted_although_its_client_reset_it(both, since):
    context = client_context(both.target)
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection(("127.0.0.1", port_of(both.target)), timeout=10) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as tls,
    ):
        session = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        session.initiate_connection()
        head = [(":method", "GET"), (":scheme", "https"), (":authority", "localhost"), (":path", "/delay/200")]
        session.send_headers(1, head, end_stream=True)
        tls.sendall(session.data_to_send())
        session.reset_stream(1)
        session.send_headers(3, [*head[:3], (":path", "/api/x")], end_stream=True)
        tls.sendall(session.data_to_send())
        ended = False
        while not ended:
            events = session.receive_data(tls.recv(65_536))
            ended = any(isinstance(event, h2.events.StreamEnded) and event.stream_id == 3 for event in events)
    assert since().requests_per_connection == (2,)


def test_an_idle_connection_is_closed():
    with serve(http_version="2", keep_alive_s=0.1) as server, httpx.Client(verify=trusting(server), http2=True) as one:
        one.get(server.target.url("/api/x"))
        time.sleep(0.5)
        one.get(server.target.url("/api/x"))
        assert server.ledger().total.requests_per_connection == (1, 1)


def test_what_is_left_open_is_cut_off(both, since):
    with httpx.Client(verify=trusting(both), http2=True) as client:
        client.get(both.target.url("/api/x"))
        assert both.drop_connections() == 1
    assert since().connections_open_count == 0


def test_a_missing_parser_is_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "zttp.py").write_text("raise ModuleNotFoundError(name='zttp')\n")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{':'.join(filter(None, sys.path))}")
    with pytest.raises(ServerError, match=r"^zttp is needed to speak HTTP/2: pip install -U 'connprof\[server\]'$"):
        serve(http_version="2").__enter__()


@pytest.mark.parametrize("wrong", ["3", "2.0", "", "h2"])
def test_other_versions_are_refused(wrong):
    with pytest.raises(ValueError, match=r"^http_version must be 1.1 or 2, not "):
        serve(http_version=wrong).__enter__()
