"""What servers and networks do to clients: each probe on a strategy that must break and one that must hold."""

import contextlib
import socket
import ssl
import sys
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import h2.config
import h2.connection
import h2.events
import httpx
import pytest

from bench.hazards import dials
from bench.hazards import h17_alpn_on_a_shared_context as h17
from bench.hazards.runner import as_expected
from bench.hazards.stage import Scripted
from bench.hazards.subject import Subject
from bench.registry import load as load_strategy

pytestmark = pytest.mark.once

SCRIPTED = "bench.hazards.servers.scripted"
BREAKS_AND_HOLDS = {
    "H5": ("one-client", "broke 10 of 20: RemoteProtocolError", "per-call-async"),
    "H6": ("one-client", "broke 4 of 6: ReadTimeout", "per-call-async"),
    "H7": ("one-client", "broke 20 of 30: PoolTimeout", "per-call-async"),
    "H7b": ("one-client", "broke", "thread-local"),
    "H9": ("lazy-service", "silent harm 8 of 12: ConnectError", "per-call-async"),
    "H10": ("one-client", "silent harm 19 of 20", "per-call-async"),
    "H12": ("one-client", "broke 20 of 20: RemoteProtocolError", "per-call-async"),
    "H12c": ("one-client", "hung", "per-call-async"),
    # In a process that the strategy starts: with its own expiry of 5 s it would hold, did dials not reach it.
    "H14": ("process-pool", "broke", "lazy-service"),
}


@pytest.mark.parametrize("hazard", BREAKS_AND_HOLDS)
def test_a_probe_breaks_what_must_break_and_spares_what_must_hold(prober, hazard):
    breaks, signature, holds = BREAKS_AND_HOLDS[hazard]
    broken = prober.probe(hazard, breaks)
    assert broken.signature == signature, broken.symptom
    assert as_expected(broken)
    held = prober.probe(hazard, holds)
    assert held.signature == "held", held.symptom


def test_a_graceful_end_harms_even_a_call_on_a_connection_of_its_own(prober):
    """No client on httpcore 1.0.9 holds; that the server did finish them is shown by a client of h2 below."""
    shared = prober.probe("H12b", "one-client")
    assert (shared.signature, shared.observed["executed"]) == ("silent harm 20 of 20: RemoteProtocolError", 20)
    alone = prober.probe("H12b", "per-call-async")
    assert (alone.signature, alone.observed["executed"]) == ("silent harm 1 of 20: RemoteProtocolError", 20)
    assert as_expected(shared)
    assert as_expected(alone)


@pytest.mark.parametrize(
    ("hazard", "strategy", "attempts_count"), [("H5s", "one-client", 200), ("H17", "per-call-shared-context", 160)]
)
def test_a_statistical_probe_counts_attempts_and_is_never_unexpected(prober, hazard, strategy, attempts_count):
    cell = prober.probe(hazard, strategy)
    assert cell.attempts_count == attempts_count, cell.symptom
    assert cell.expected is None
    assert as_expected(cell)


@pytest.mark.parametrize(
    ("hazard", "strategy"), [("H7", "sync-client"), ("H14", "per-call-client"), ("H12", "floor"), ("H17", "one-client")]
)
def test_what_cannot_meet_a_hazard_says_so(prober, hazard, strategy):
    cell = prober.probe(hazard, strategy)
    assert (cell.signature, cell.attempts_count) == ("does not apply", 0)
    assert cell.symptom


@pytest.fixture
def scripted(prober):
    """Starts scripted servers, and ends them."""
    with contextlib.ExitStack() as stack:

        def start(**options):
            materials = prober._materials
            server = Scripted(SCRIPTED, {"certificate": materials["certificate"]} | options, ca=materials["ca"])
            stack.callback(server.stop)
            return server

        yield start


@pytest.fixture
def dials_here(monkeypatch):
    """Lets a probe that turns dials run in this process, which is as it was afterwards."""
    monkeypatch.setenv(dials.VARIABLE, "")
    for transport, handle in (
        (httpx.HTTPTransport, "handle_request"),
        (httpx.AsyncHTTPTransport, "handle_async_request"),
    ):
        monkeypatch.setattr(transport, handle, getattr(transport, handle))
    interval = sys.getswitchinterval()
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("dials_here")
@pytest.mark.parametrize("outcome", ["silent harm", "held"])
def test_protocols_of_a_shared_context_are_mixed_up_where_calls_overlap(scripted, prober, monkeypatch, outcome):
    """What is chance elsewhere is made certain here, by a pause between the offer and the handshake."""
    ca = prober._materials["ca"]
    one_at_a_time = threading.Lock() if outcome == "held" else contextlib.nullcontext()
    offer = ssl.SSLContext.set_alpn_protocols

    def offer_and_pause(context, protocols):
        offer(context, protocols)
        time.sleep(0.002)

    @contextlib.contextmanager
    def enter(target):
        context = ssl.create_default_context(cafile=ca)

        def send(call):
            with one_at_a_time, httpx.Client(verify=context) as client:
                return client.get(target.url(call.path, call.origin))

        yield send

    monkeypatch.setattr(ssl.SSLContext, "set_alpn_protocols", offer_and_pause)
    monkeypatch.setattr(h17, "CALLS_COUNT", 10)
    subject = Subject(replace(load_strategy("per-call-client"), enter=enter))
    found = h17.probe(subject, SimpleNamespace(start=lambda _module, **options: scripted(**options)))
    assert (found.outcome, found.attempts_count, found.failed_count) == (outcome, 40, 0), found.symptom
    assert found.harmed_count == sum(found.observed.values())


def connect(server, ca, *alpn):
    context = ssl.create_default_context(cafile=ca)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    sock = socket.create_connection(("127.0.0.1", server.ready["port"]), timeout=5)
    return context.wrap_socket(sock, server_hostname="localhost")


def get(tls, word):
    tls.sendall(f"GET /api/x/{word}/ HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return tls.recv(65536)


def test_a_second_request_is_dropped_without_an_answer(scripted, prober):
    server = scripted(drops_after_count=1)
    with connect(server, prober._materials["ca"]) as tls:
        assert get(tls, "a").startswith(b"HTTP/1.1 200")
        assert get(tls, "b") == b""
    counts = server.ask("counts")
    assert (counts["requests"], counts["executed"], counts["dropped"]) == (2, 1, 1)


def test_an_idle_connection_is_closed_after_its_time_and_not_before(scripted, prober):
    server = scripted(keep_alive_s=0.3)
    with connect(server, prober._materials["ca"]) as tls:
        began = time.monotonic()
        assert get(tls, "a").startswith(b"HTTP/1.1 200")
        assert tls.recv(1) == b""
        assert 0.3 <= time.monotonic() - began < 2


def test_swallowed_connections_are_silent_and_new_ones_are_not(scripted, prober):
    server = scripted(swallows=True)
    with connect(server, prober._materials["ca"]) as old:
        assert get(old, "a").startswith(b"HTTP/1.1 200")
        assert server.ask("swallow") == {"count": 1}
        old.settimeout(0.3)
        with pytest.raises(TimeoutError):
            get(old, "b")
        with connect(server, prober._materials["ca"]) as new:
            assert get(new, "c").startswith(b"HTTP/1.1 200")


def test_a_server_can_show_another_certificate_and_listens_at_two_addresses(scripted, prober):
    materials = prober._materials
    server = scripted(addresses_count=2, other_certificate=materials["other_certificate"])
    connect(server, materials["ca"]).close()
    server.ask("present", certificate="other")
    with pytest.raises(ssl.SSLCertVerificationError):
        connect(server, materials["ca"])
    connect(server, materials["other_ca"]).close()
    assert len(set(server.ready["addresses"])) == 2


def http2_events(tls, client, until):
    events = []
    while not until(events):
        received = tls.recv(65536)
        assert received, f"the server ended the connection after {events}"
        events += client.receive_data(received)
        tls.sendall(client.data_to_send())
    return events


@pytest.mark.parametrize("action", ["goaway", "lower"])
def test_a_client_that_reads_on_gets_every_answer(scripted, prober, action):
    """What the server does is allowed by RFC 9113: who fails or hangs on it does so by himself."""
    server = scripted(protocols=["h2"])
    server.ask("arm", action=action, requests_count=8)
    client = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
    client.initiate_connection()
    for number in range(8):
        path = f"/api/x/{number}/"
        headers = [(":method", "GET"), (":path", path), (":scheme", "https"), (":authority", "localhost")]
        client.send_headers(2 * number + 1, headers, end_stream=True)
    with connect(server, prober._materials["ca"], "h2") as tls:
        tls.sendall(client.data_to_send())
        # h2 takes a GOAWAY for the end of everything, so that frames after it are looked at by hand.
        answered = raw_end_streams(tls, 8) if action == "goaway" else None
        if answered is None:
            events = http2_events(
                tls, client, lambda events: sum(isinstance(e, h2.events.StreamEnded) for e in events) == 8
            )
            limits = [e for e in events if isinstance(e, h2.events.RemoteSettingsChanged)]
            assert [list(e.changed_settings.values())[-1].new_value for e in limits][-1] == 2
        else:
            assert answered == {2 * number + 1 for number in range(8)}
    assert len(server.ask("executed")["paths"]) == 8


def raw_end_streams(tls, count):
    """The streams that end after a GOAWAY without an error, read frame by frame (RFC 9113, section 4.1)."""
    received, ended, leaving = b"", set(), False
    while len(ended) < count:
        piece = tls.recv(65536)
        assert piece, f"the server ended the connection after {ended}"
        received += piece
        while len(received) >= 9 and len(received) >= 9 + int.from_bytes(received[:3]):
            length, kind, flags, stream = (
                int.from_bytes(received[:3]), received[3], received[4], int.from_bytes(received[5:9])
            )  # fmt: skip
            if kind == 7:
                leaving = True
                assert received[13:17] == b"\0\0\0\0"
            elif kind == 0 and flags & 1:
                assert leaving
                ended.add(stream)
            received = received[9 + length :]
    return ended


def test_a_scripted_server_ends_with_whoever_started_it(scripted):
    server = scripted()
    server._process.stdin.close()
    assert server._process.wait(5) == 0
