"""The counts of a real server against counts made by hand and by OpenSSL's key log."""

import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from connprof_server import LedgerSnapshot, OriginLedger, counting
from connprof_server.sockets import bind_loopback, has_ipv6_loopback
from tests.server.raw_client import RawConnection, client_context, handshakes_in, tcp

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


def test_nothing_was_seen_where_nothing_was_done(seen):
    assert seen() == LedgerSnapshot({"first": OriginLedger(), "second": OriginLedger()})


def test_handshakes_equal_the_key_logs_client_randoms(server, seen, tmp_path):
    keylog = tmp_path / "keys"
    context = client_context(server.target, keylog=keylog)
    for requests in (1, 3, 0, 2):
        with RawConnection(server.target, context) as connection:
            for _ in range(requests):
                assert connection.get("/api/x")[0] == 200
            # Without a request nothing was waited for, so that the handshake's end may still be on its way.
            server.ledger()
    total = seen().total
    assert handshakes_in(keylog) == 4
    assert total.handshakes_full_count == 4
    assert total.handshakes_resumed_count == 0
    assert total.tcp_accepts_count == total.connections_opened_count == 4
    assert total.requests_per_connection == (1, 3, 0, 2)
    assert total.requests_count == 6
    assert sum(total.tls_versions.values()) == sum(total.ciphers.values()) == sum(total.alpn.values()) == 4


def test_counts_hold_with_many_clients_at_once(server, seen, tmp_path):
    keylog = tmp_path / "keys"
    ready = threading.Barrier(8)

    def client(number):
        context = client_context(server.target, keylog=keylog)
        ready.wait(20)
        for _ in range(4):
            with RawConnection(server.target, context, origin=("first", "second")[number % 2]) as connection:
                for _ in range(number):
                    connection.get(f"/api/{number}")
                connection.get("/status/200")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(client, range(8)))
    snapshot = seen()
    assert handshakes_in(keylog) == snapshot.total.handshakes_full_count == 32
    assert sorted(snapshot.origins["first"].requests_per_connection) == sorted([1, 3, 5, 7] * 4)
    assert sorted(snapshot.origins["second"].requests_per_connection) == sorted([2, 4, 6, 8] * 4)


@pytest.mark.parametrize("version", VERSIONS)
def test_resumed_handshakes_are_told_from_full_ones(server, seen, version):
    context = client_context(server.target, tls=version)
    session = None
    for number in range(3):
        with RawConnection(server.target, context, session=session) as connection:
            connection.get("/api/x")  # in TLS 1.3 the session comes after the handshake, with the first read
            assert connection.tls.session_reused is (number > 0)
            session = connection.tls.session
    total = seen().total
    assert (total.handshakes_full_count, total.handshakes_resumed_count) == (1, 2)
    assert total.tls_versions == {version.name.replace("_", "."): 3}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_resumption_broken_off_is_failed_and_not_resumed(server, seen, version):
    """OpenSSL's own ``hits`` counts it; we must not."""
    context = client_context(server.target, tls=version)
    with RawConnection(server.target, context) as connection:
        connection.get("/api/x")
        session = connection.tls.session
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname="localhost", session=session)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    with tcp(server.target) as sock:
        sock.sendall(outgoing.read())
        assert sock.recv(65536)
    total = seen().total
    assert (total.handshakes_full_count, total.handshakes_resumed_count, total.handshakes_failed_count) == (1, 0, 1)


def test_a_session_of_one_origin_is_not_resumed_at_another(server, seen):
    context = client_context(server.target)
    with RawConnection(server.target, context, origin="first") as connection:
        connection.get("/api/x")
        session = connection.tls.session
    with RawConnection(server.target, context, origin="second", session=session) as connection:
        connection.get("/api/x")
        assert not connection.tls.session_reused
    assert {name: ledger.handshakes_full_count for name, ledger in seen().origins.items()} == {"first": 1, "second": 1}


def test_plain_http_on_the_tls_port_is_a_failed_handshake(server, seen):
    with tcp(server.target) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        sock.recv(1024)
    total = seen().total
    assert total == OriginLedger(tcp_accepts_count=1, handshakes_failed_count=1)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_that_refuses_our_authority_is_a_failed_handshake(server, seen, version):
    with pytest.raises(ssl.SSLCertVerificationError):
        RawConnection(server.target, client_context(server.target, tls=version, trust=False))
    assert seen().total == OriginLedger(tcp_accepts_count=1, handshakes_failed_count=1)


def test_a_connection_without_a_byte_is_an_accept_and_no_handshake(server, seen):
    tcp(server.target).close()
    assert seen().total == OriginLedger(tcp_accepts_count=1, tcp_accepts_without_bytes_count=1)


def test_half_a_client_hello_is_a_failed_handshake(server, seen):
    with tcp(server.target) as sock:
        sock.sendall(b"\x16\x03\x01\x02\x00\x01")
    assert seen().total == OriginLedger(tcp_accepts_count=1, handshakes_failed_count=1)


def test_what_is_under_way_is_neither_finished_nor_failed(server, seen):
    before = server.ledger()
    with tcp(server.target):
        now = server.ledger().minus(before).total
        assert now == OriginLedger(tcp_accepts_count=1, handshakes_in_progress_count=1)
        assert server.ledger().disagreements == ()
    with RawConnection(server.target, client_context(server.target)) as connection:
        connection.get("/api/x")
        assert server.ledger().total.connections_open_count == 1
    assert seen().total.connections_open_count == 0


def test_a_connection_that_stays_open_is_noted(server):
    with RawConnection(server.target, client_context(server.target)) as connection:
        connection.get("/api/x")
        assert server.settled_ledger(timeout_s=0.1).notes == ("1 connections were still open after 0.1 s",)
    assert server.settled_ledger(timeout_s=10).notes == ()


@pytest.mark.parametrize(("offered", "agreed"), [(["h2", "http/1.1"], "http/1.1"), (["h2"], "none"), (None, "none")])
def test_alpn_is_what_the_client_got(server, seen, offered, agreed):
    context = client_context(server.target)
    if offered:
        context.set_alpn_protocols(offered)
    with RawConnection(server.target, context) as connection:
        connection.get("/api/x")
        assert (connection.tls.selected_alpn_protocol() or "none") == agreed
    assert seen().total.alpn == {agreed: 1}


def test_version_and_cipher_are_what_the_client_got(server, seen):
    with RawConnection(server.target, client_context(server.target)) as connection:
        connection.get("/api/x")
        version, cipher = connection.tls.version(), connection.tls.cipher()[0]
    total = seen().total
    assert (total.tls_versions, total.ciphers) == ({version: 1}, {cipher: 1})


def test_a_client_on_ipv6_is_counted_at_the_same_origin(server, seen):
    if not has_ipv6_loopback():
        pytest.skip("no IPv6 on loopback here")
    with RawConnection(server.target, client_context(server.target), address="::1") as connection:
        connection.get("/api/x")
    assert seen().origins["first"].requests_per_connection == (1,)


def test_bad_requests_and_every_path_are_counted_as_requests(server, seen):
    with RawConnection(server.target, client_context(server.target)) as connection:
        for path in ("/nothing", "/bytes/x", "/api/x", "/redirect/1"):
            connection.get(path)
        connection.get("/api/x", "HEAD")
        connection.get("/api/x", "DELETE")
    assert seen().total.requests_per_connection == (6,)


def test_pipelined_requests_are_each_counted_and_answered_in_order(server, seen):
    with RawConnection(server.target, client_context(server.target)) as connection:
        paths = ["/delay/50", *(f"/api/{number}" for number in range(30)), "/bytes/3"]
        connection.tls.sendall(b"".join(f"GET {path} HTTP/1.1\r\nHost: l\r\n\r\n".encode() for path in paths))
        bodies = [connection.receive()[2] for _ in paths]
    assert bodies[-1] == b"xxx"
    assert [
        path for path, body in zip(paths[1:-1], bodies[1:-1], strict=True) if f'"{path}"'.encode() in body
    ] == paths[1:-1]
    assert seen().total.requests_per_connection == (32,)


# The counting itself, on real sockets and real handshakes, but without a server around it: so that it can be broken.


class Bench:
    def __init__(self, server_context):
        self.counts = counting.OriginCounts(server_context)
        self._clients = []
        bound, *others = bind_loopback()
        for other in others:
            other.close()
        self._listening = counting.ListeningSocket(bound, self.counts)
        self._listening.settimeout(10)

    def accept(self):
        client = socket.create_connection(self._listening.getsockname(), timeout=10)
        self._clients.append(client)
        return self._listening.accept()[0]

    def open(self, client_context, session=None):
        sock = self.accept()
        client, server = shake_hands(self.counts.context, client_context, session)
        self.counts.opened(sock.fileno(), server)
        return sock, client

    def disagreements(self):
        return list(counting.snapshot({"main": self.counts}).disagreements)

    def close(self):
        for sock in [*self._clients, *self.counts.open_sockets.values(), self._listening]:
            sock.close()


def shake_hands(server_context, client_context, session=None):
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, session=session)
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    for side in (client, server, client, server, client, server):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    server.write(b"x")
    client.read(1)  # brings the session along
    return client, server


@pytest.fixture
def trusting():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@pytest.fixture
def bench(tmp_path):
    from connprof_server.certs import make_certificates

    made = Bench(make_certificates(tmp_path, contexts_count=1, host="localhost").contexts[0])
    yield made
    made.close()


def test_the_views_agree_on_an_ordinary_life(bench, trusting):
    silent = bench.accept()
    opened, _ = bench.open(trusting)
    opened.close()
    opened.close()
    assert bench.disagreements() == []
    assert bench.counts.ledger().handshakes_in_progress_count == 1
    assert bench.counts.ledger().connections_open_count == 0
    silent.close()


def test_a_resumption_after_a_hello_retry_counts_once(bench, trusting):
    """OpenSSL counts such a hit twice: once for each ClientHello."""
    bench.counts.context.set_ecdh_curve("secp384r1")
    _, client = bench.open(trusting)
    bench.open(trusting, session=client.session)
    assert bench.counts.context.session_stats()["hits"] == 2
    assert bench.counts.ledger().handshakes_resumed_count == 1
    assert bench.counts.ledger().handshakes_full_count == 1
    assert bench.disagreements() == []


def test_a_handshake_that_no_protocol_saw_is_a_disagreement(bench, trusting):
    shake_hands(bench.counts.context, trusting)
    assert "main: OpenSSL finished 1 handshakes, but 0 connections were opened" in bench.disagreements()


def test_an_accept_that_is_unaccounted_for_is_a_disagreement(bench, trusting):
    bench.open(trusting)
    bench.counts.accepts_count += 1
    assert bench.disagreements() == ["main: 2 TCP connections were accepted, but 1 are accounted for"]


def test_a_resumption_that_openssl_did_not_see_is_a_disagreement(bench, trusting):
    bench.open(trusting)
    bench.counts.resumed_count += 1
    assert bench.disagreements() == ["main: OpenSSL found 0 sessions again, but 1 handshakes were resumed"]


def test_a_failure_that_openssl_did_not_see_is_a_disagreement(bench, trusting):
    bench.open(trusting)
    bench.counts.failed_count += 1
    assert "main: OpenSSL did not finish 0 handshakes, but 1 connections closed without one and 0 are in progress" in (
        bench.disagreements()
    )


class Stats:
    """A TLS context with these counters."""

    def __init__(self, **stats):
        self.stats = stats

    def session_stats(self):
        return self.stats


class Underway:
    """A socket whose handshake is not finished."""

    is_connection = False


def differing(**stats):
    """What is wrong where OpenSSL counted so beside 3 connections, 1 of them resumed, 2 that failed, 1 in progress."""
    counts = counting.OriginCounts(Stats(**{"accept_good": 3, "accept": 6, "hits": 1} | stats))
    counts.accepts_count = 6
    counts.connections = [counting.Connection() for _ in range(3)]
    counts.resumed_count = counts.failed_count = counts.without_bytes_count = 1
    counts.open_sockets = {7: Underway()}
    return " ".join(counts.disagreements("main"))


@pytest.mark.parametrize(("finished", "agrees"), [(2, False), (3, True), (4, False)])
def test_openssls_handshakes_are_neither_more_nor_fewer_than_the_connections(finished, agrees):
    said = f"main: OpenSSL finished {finished} handshakes, but 3 connections were opened"
    assert (said not in differing(accept_good=finished, accept=finished + 3)) is agrees


@pytest.mark.parametrize(("begun", "agrees"), [(4, False), (5, True), (6, True), (7, False)])
def test_openssls_unfinished_handshakes_are_within_both_bounds(begun, agrees):
    """Two did not finish, and one in progress may have reached OpenSSL or not."""
    assert (f"OpenSSL did not finish {begun - 3} handshakes" not in differing(accept=begun)) is agrees


@pytest.mark.parametrize(("hits", "agrees"), [(0, False), (1, True), (8, True), (9, False)])
def test_openssls_hits_are_within_both_bounds(hits, agrees):
    """At most two for each resumed handshake and for each that did not finish."""
    assert (f"OpenSSL found {hits} sessions again" not in differing(hits=hits)) is agrees
