"""The model of a round trip. Lower bounds only: a busy machine may always be slower."""

import socket
import struct
import time

import pytest

from connprof_server import OriginLedger, serve
from connprof_server.control import ChildProcess
from tests.server.raw_client import RawConnection, client_context, tcp

RTT_MS = 30.0
RTT_S = RTT_MS / 1_000


@pytest.fixture(scope="module")
def shaped():
    with serve(("a", "b"), rtt_ms=RTT_MS) as running:
        yield running


@pytest.fixture
def since(shaped):
    before = shaped.settled_ledger(timeout_s=10)

    def taken():
        now = shaped.settled_ledger(timeout_s=10)
        assert now.notes == now.disagreements == ()
        return now.minus(before).total

    return taken


def test_connecting_shaking_hands_and_asking_take_a_round_trip_each(shaped, since):
    assert shaped.target.rtt_ms == RTT_MS
    start = time.perf_counter()
    with RawConnection(shaped.target, client_context(shaped.target)) as connection:
        assert connection.get("/api/x")[0] == 200
        first = time.perf_counter()
        assert first - start >= 3 * RTT_S
        assert connection.get("/api/x")[0] == 200
        assert time.perf_counter() - first >= RTT_S
    assert since().requests_per_connection == (2,)


def test_bytes_arrive_whole_and_in_order(shaped, since):
    with RawConnection(shaped.target, client_context(shaped.target), origin="b") as connection:
        assert connection.get("/bytes/20000000")[2] == b"x" * 20_000_000
        assert len(connection.get("/stream/200/1000")[2]) == 200_000
        for number in range(3):
            assert f'"/api/{number}"'.encode() in connection.get(f"/api/{number}")[2]
    assert since().requests_per_connection == (5,)


def test_a_reset_by_the_client_reaches_the_server(shaped, since):
    connection = RawConnection(shaped.target, client_context(shaped.target))
    connection.get("/api/x")
    connection.tls.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    assert since().connections_opened_count == 1


def test_a_cut_by_the_server_reaches_the_client(shaped, since):
    with RawConnection(shaped.target, client_context(shaped.target)) as connection:
        connection.get("/api/x")
        assert shaped.drop_connections() == 1
        with pytest.raises(OSError):  # noqa: PT011 - an end without a TLS goodbye, or a reset
            connection.get("/api/x")
    assert since().connections_opened_count == 1


def test_a_connection_without_a_byte_is_seen_by_the_server(shaped, since):
    tcp(shaped.target).close()
    assert since() == OriginLedger(tcp_accepts_count=1, tcp_accepts_without_bytes_count=1)


# The proxy alone, before a server that is not TLS: what TCP can do besides bytes.


@pytest.fixture
def through_proxy(tmp_path):
    """A client's and a server's end of one TCP connection with the proxy between them."""
    proxy = ChildProcess("proxy", "connprof_server.shaping", log=tmp_path / "log")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10)
        ports = {"main": listening.getsockname()[1]}
        ready = proxy.start({"ports": ports, "listen_ports": [0], "rtt_ms": RTT_MS}, 20)
        address = ("127.0.0.1", ready["ports"]["main"])
        with socket.create_connection(address, timeout=10) as client, listening.accept()[0] as server:
            server.settimeout(10)
            yield client, server
    proxy.stop()


def received_until_end(sock):
    received = b""
    while more := sock.recv(65536):
        received += more
    return received


def test_a_half_closed_connection_still_carries_the_other_direction(through_proxy):
    client, server = through_proxy
    client.sendall(b"question")
    client.shutdown(socket.SHUT_WR)
    assert received_until_end(server) == b"question"
    server.sendall(b"answer")
    server.close()
    assert received_until_end(client) == b"answer"


@pytest.mark.parametrize("who", ["client", "server"])
def test_a_reset_is_a_reset_on_the_other_side(through_proxy, who):
    near, far = through_proxy if who == "client" else reversed(through_proxy)
    near.sendall(b"last words")
    assert far.recv(10) == b"last words"  # a reset would throw away what the proxy has not read yet
    near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    near.close()
    with pytest.raises(ConnectionResetError):
        far.recv(10)


def test_what_was_sent_first_waits_for_the_modelled_connect(through_proxy):
    client, server = through_proxy
    start = time.perf_counter()
    client.sendall(b"a")
    assert server.recv(1) == b"a"
    # The connection was made just before: half a round trip is sure, the modelled connect may be partly over.
    assert time.perf_counter() - start >= RTT_S / 2
    start = time.perf_counter()
    server.sendall(b"b")
    assert client.recv(1) == b"b"
    assert time.perf_counter() - start >= RTT_S / 2


def test_a_server_that_is_not_there_is_a_reset(tmp_path):
    proxy = ChildProcess("proxy", "connprof_server.shaping", log=tmp_path / "log")
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    ready = proxy.start({"ports": {"main": port}, "listen_ports": [0], "rtt_ms": 1}, 20)
    with (
        pytest.raises(ConnectionResetError),
        socket.create_connection(("127.0.0.1", ready["ports"]["main"]), timeout=10) as client,
    ):
        client.recv(1)
    proxy.stop()
