"""Every count against the server's own, and against the TLS key log."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import http.client
import select
import socket
import ssl
import sys
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import anyio
import h11
import httpx
import msgspec
import pytest

from connprof.observe import observe
from connprof.observe.recorder import RECORDER
from connprof.profile import ProcessProfile

from .tls_server import ANSWER, keylog_handshakes_count


def eventually(condition, timeout_s=3):
    deadline = time.monotonic() + timeout_s
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.002)


def agree(observation, server, *, contexts, full, resumed=0, connections=None, requests):
    """The observer, what the test knows, and the server say the same."""
    counts = observation.counts
    connections = full + resumed if connections is None else connections
    assert (contexts, full, resumed, connections, requests) == (
        counts.contexts_count,
        counts.handshakes_full_count,
        counts.handshakes_resumed_count,
        counts.connections_count,
        counts.requests_count,
    )
    eventually(lambda: server.full_count + server.resumed_count == full + resumed)  # it is a message behind us
    assert (full, resumed) == (server.full_count, server.resumed_count)
    assert connections == server.seen.connections_count
    assert (requests or 0) == server.seen.requests_count
    assert observation.errors.errors_count == 0, observation.errors.first
    assert observation.blind_spots == ()


def test_httpx_per_call(server, keylog):
    with observe() as observation:
        for _ in range(5):
            with httpx.Client() as client:
                client.get(server.url)
    agree(observation, server, contexts=5, full=5, requests=5)
    assert observation.counts.ca_loads_count == 5
    assert keylog_handshakes_count(keylog) == 5


def test_httpx_shared(server, keylog):
    with observe() as observation, httpx.Client() as client:
        for _ in range(5):
            client.get(server.url)
    agree(observation, server, contexts=1, full=1, requests=5)
    assert keylog_handshakes_count(keylog) == 1


def test_httpx_async_per_call(server, keylog):
    async def main():
        for _ in range(4):
            async with httpx.AsyncClient() as client:
                await client.get(server.url)

    with observe() as observation:
        asyncio.run(main())
    agree(observation, server, contexts=4, full=4, requests=4)
    assert keylog_handshakes_count(keylog) == 4


def test_httpx_async_shared(server):
    async def main():
        async with httpx.AsyncClient() as client:
            for _ in range(4):
                await client.get(server.url)

    with observe() as observation:
        asyncio.run(main())
    agree(observation, server, contexts=1, full=1, requests=4)


def test_shared_context_saves_contexts_only(server):
    with observe() as observation:
        context = ssl.create_default_context()
        for _ in range(3):
            with httpx.Client(verify=context) as client:
                client.get(server.url)
    agree(observation, server, contexts=1, full=3, requests=3)


def test_http_client_reuses_its_connection(server):
    with observe() as observation:
        connection = http.client.HTTPSConnection("127.0.0.1", server.port)
        for _ in range(3):
            connection.request("GET", "/")
            connection.getresponse().read()
        connection.close()
    agree(observation, server, contexts=1, full=1, requests=3)


def test_urllib(server, monkeypatch):
    monkeypatch.setattr(urllib.request, "_opener", None)  # it is made once, and from 3.12 on keeps its context
    with observe() as observation:
        for _ in range(2):
            with urllib.request.urlopen(server.url) as response:
                response.read()
    counts = observation.counts
    assert (1 if sys.version_info >= (3, 12) else 2) == counts.contexts_count
    assert (counts.handshakes_full_count, counts.connections_count, counts.requests_count) == (2, 2, 2)
    assert server.full_count == 2


def test_raw_tls_sockets_know_no_requests(server):
    context = ssl.create_default_context()
    with observe() as observation:
        for _ in range(3):
            with (
                socket.create_connection(("127.0.0.1", server.port)) as plain,
                context.wrap_socket(plain, server_hostname="127.0.0.1") as tls,
            ):
                tls.sendall(b"x")
    agree(observation, server, contexts=0, full=3, requests=None)


def talk(tls):
    tls.sendall(REQUEST)
    assert tls.recv(99)


def by_hand_through_h11(tls):
    connection = h11.Connection(h11.CLIENT)
    tls.sendall(connection.send(h11.Request(method="GET", target="/", headers=[("host", "x")])))
    assert tls.recv(99)


def unknown_counts(observation):
    """Of all, of the lines, and of the peers."""
    profile = observation.snapshot()
    return [
        sum(part["counts"]["connections_unknown_count"] for part in parts)
        for parts in ([profile], profile["sites"], profile["origins"])
    ]


def test_connections_of_nothing_known_are_told_apart(server):
    context = ssl.create_default_context()
    with observe() as observation:
        with tls_socket(server, context) as kept, observe() as inner:
            talk(kept)
            for _ in range(3):
                with tls_socket(server, context) as tls:
                    talk(tls)
            with httpx.Client() as client:
                client.get(server.url)
                client.get(server.url)
                assert unknown_counts(observation) == [4] * 3
                assert unknown_counts(inner) == [3] * 3
                assert unknown_counts(observation) == [4] * 3
        assert unknown_counts(observation) == [4] * 3
        tls_socket(server, context).close()
    assert (unknown_counts(observation), unknown_counts(inner)) == ([5] * 3, [3] * 3)
    counts = observation.counts
    assert (counts.connections_count, counts.connections_unknown_count, counts.requests_count) == (6, 5, 2)
    profile = msgspec.convert(observation.snapshot(), ProcessProfile)
    assert profile.counts.requests_per_connection == 2
    assert observation.errors.errors_count == 0, observation.errors.first


def test_connections_on_which_known_libraries_sent_nothing_are_known(server, monkeypatch):
    shaken = ssl.create_default_context()
    monkeypatch.delenv("SSL_CERT_FILE")
    with observe() as observation:
        with pytest.raises(httpx.ConnectError):
            httpx.get(server.url)
        with pytest.raises(ssl.SSLCertVerificationError):
            tls_socket(server, ssl.create_default_context())
        with tls_socket(server, shaken) as tls:
            by_hand_through_h11(tls)
    counts = observation.counts
    assert (counts.connections_count, counts.handshakes_failed_count, counts.requests_count) == (3, 2, 1)
    assert unknown_counts(observation) == [0] * 3


def test_tls_socket_that_connects_by_itself(server):
    context = ssl.create_default_context()
    with observe() as observation, context.wrap_socket(socket.socket(), server_hostname="127.0.0.1") as tls:
        tls.connect(("127.0.0.1", server.port))
    agree(observation, server, contexts=0, full=1, requests=None)


def test_asyncio_streams(server):
    context = ssl.create_default_context()

    async def main():
        for _ in range(3):
            _, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=context)
            writer.close()
            with contextlib.suppress(ssl.SSLError, OSError):
                await writer.wait_closed()

    with observe() as observation:
        asyncio.run(main())
    agree(observation, server, contexts=0, full=3, requests=None)
    assert {server.origin} == set(observation.origins)


def test_two_hundred_connections_on_eight_threads(server, keylog):
    context = ssl.create_default_context()

    def call(_):
        connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=context)
        connection.request("GET", "/")
        connection.getresponse().read()
        connection.close()

    with observe() as observation, ThreadPoolExecutor(8) as pool:
        list(pool.map(call, range(200)))
    agree(observation, server, contexts=0, full=200, requests=200)
    assert keylog_handshakes_count(keylog) == 200
    assert sum(entry.counts.handshakes_full_count for entry in observation.sites) == 200


def test_plain_http_builds_contexts_for_nothing(plain_server):
    with observe() as observation:
        for _ in range(3):
            with httpx.Client() as client:
                client.get(plain_server.url)
    counts = observation.counts
    assert (
        counts.contexts_count,
        counts.handshakes_full_count + counts.handshakes_resumed_count + counts.handshakes_failed_count,
        counts.connections_count,
        counts.requests_count,
    ) == (3, 0, 3, 3)


def test_mock_transport_builds_nothing():
    transport = httpx.MockTransport(lambda _: httpx.Response(200))
    with observe() as observation, httpx.Client(transport=transport) as client:
        client.get("https://example.test/")
    assert observation.counts.contexts_count == 0
    assert observation.counts.connections_count == 0


# --- CA loads ---------------------------------------------------------------------------------------------


def test_each_way_of_loading_is_one_load(ca_file):
    with observe() as observation:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        assert observation.counts.ca_loads_count == 0
        context.load_verify_locations(str(ca_file))
        assert observation.counts.ca_loads_count == 1
        context.set_default_verify_paths()
        assert observation.counts.ca_loads_count == 2
        context.load_default_certs()
        assert observation.counts.ca_loads_count == 3


def test_a_load_that_fails_is_none(tmp_path):
    with observe() as observation:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        with pytest.raises(FileNotFoundError):
            context.load_verify_locations(str(tmp_path / "absent.pem"))
        context.set_default_verify_paths()
    assert observation.counts.ca_loads_count == 1


def test_subclass_counts_as_itself():
    class Own(ssl.SSLContext):
        pass

    with observe() as observation:
        Own(ssl.PROTOCOL_TLS_CLIENT)
    assert observation.counts.contexts_count == 1


# --- handshakes -------------------------------------------------------------------------------------------


def tls_socket(server, context, session=None):
    plain = socket.create_connection(("127.0.0.1", server.port))
    return context.wrap_socket(plain, server_hostname="127.0.0.1", session=session)


def test_resumption(tls12_server):
    context = ssl.create_default_context()
    with observe() as observation:
        with tls_socket(tls12_server, context) as first:
            session = first.session
        with tls_socket(tls12_server, context, session) as second:
            assert second.session_reused
    agree(observation, tls12_server, contexts=0, full=1, resumed=1, requests=None)
    assert [handshake.resumed for handshake in observation.handshakes] == [False, True]
    assert {"TLSv1.2"} == {handshake.tls_version for handshake in observation.handshakes}


def test_handshake_particulars(server):
    with observe() as observation, httpx.Client() as client:
        client.get(server.url)
    (handshake,) = observation.handshakes
    assert handshake.ok
    assert handshake.tls_version == "TLSv1.3"
    assert handshake.cipher.startswith("TLS_")
    assert handshake.alpn is None
    assert handshake.error is None
    assert handshake.origin == server.origin
    assert handshake.duration_ns > 100_000


def test_alpn(server):
    server.context.set_alpn_protocols(["http/1.1"])
    with observe() as observation, httpx.Client() as client:
        client.get(server.url)
    assert observation.handshakes[0].alpn == "http/1.1"


def test_unknown_ca_fails_the_handshake(server, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    with observe() as observation:
        with pytest.raises(httpx.ConnectError), httpx.Client() as client:
            client.get(server.url)
        with pytest.raises(ssl.SSLCertVerificationError):
            tls_socket(server, ssl.create_default_context())
    counts = observation.counts
    assert (counts.handshakes_full_count, counts.handshakes_failed_count, counts.connections_count) == (0, 2, 2)
    assert [handshake.ok for handshake in observation.handshakes] == [False, False]
    assert "CertVerification" in observation.handshakes[0].error


def test_unknown_ca_fails_the_handshake_on_asyncio(server, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")

    async def main():
        async with httpx.AsyncClient() as client:
            with pytest.raises(httpx.ConnectError):
                await client.get(server.url)
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.open_connection("127.0.0.1", server.port, ssl=ssl.create_default_context())

    with observe() as observation:
        asyncio.run(main())
    counts = observation.counts
    assert (counts.handshakes_full_count, counts.handshakes_failed_count, counts.connections_count) == (0, 2, 2)


def test_handshake_given_up_by_closing():
    """The peer never answers the ClientHello: closing is the outcome."""
    context = ssl.create_default_context()
    listener = socket.create_server(("127.0.0.1", 0))
    with listener, observe() as observation:
        plain = socket.create_connection(listener.getsockname())
        plain.setblocking(False)
        tls = context.wrap_socket(plain, server_hostname="127.0.0.1", do_handshake_on_connect=False)
        with pytest.raises(ssl.SSLWantReadError):
            tls.do_handshake()
        assert observation.counts.handshakes_failed_count == 0
        tls.close()
        assert observation.counts.handshakes_failed_count == 1
    assert observation.counts.handshakes_full_count == 0


def test_asyncio_handshake_timeout_is_a_failure():
    context = ssl.create_default_context()
    listener = socket.create_server(("127.0.0.1", 0))

    async def main():
        async with asyncio.timeout(0.1):
            await asyncio.open_connection(*listener.getsockname(), ssl=context)

    with listener, observe() as observation, pytest.raises(TimeoutError):
        asyncio.run(main())
    counts = observation.counts
    assert (
        counts.connections_count,
        counts.handshakes_failed_count,
        counts.handshakes_full_count,
    ) == (1, 1, 0)


def test_memory_objects_dropped_half_way():
    context = ssl.create_default_context()
    with observe() as observation:
        tls = context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="localhost")
        with pytest.raises(ssl.SSLWantReadError):
            tls.do_handshake()
        assert observation.counts.handshakes_failed_count == 0
        del tls
        gc.collect()  # the exception's traceback holds it in a cycle
        assert observation.counts.handshakes_failed_count == 1
    assert {"localhost:?"} == set(observation.origins)


def test_handshake_called_again_is_one(server):
    context = ssl.create_default_context()
    with observe() as observation, tls_socket(server, context) as tls:
        tls.do_handshake()
        tls.do_handshake()
    assert observation.counts.handshakes_full_count == 1


def test_handshake_made_before_the_window_is_none(server):
    context = ssl.create_default_context()
    with tls_socket(server, context) as tls:
        with observe() as observation:
            tls.do_handshake()
        assert observation.counts.handshakes_full_count == 0


REQUEST = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


def unasked_by_wrapping(server, context):
    sock = socket.create_connection(("127.0.0.1", server.port))
    return context.wrap_socket(sock, server_hostname="127.0.0.1", do_handshake_on_connect=False)


def unasked_by_connecting(server, context):
    tls = context.wrap_socket(socket.socket(), server_hostname="127.0.0.1", do_handshake_on_connect=False)
    tls.connect(("127.0.0.1", server.port))
    return tls


def close(tls):
    tls.close()


def drop(_tls):
    """The caller lets go of it."""


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.parametrize("end", [close, drop])
@pytest.mark.parametrize("begin", [unasked_by_wrapping, unasked_by_connecting])
def test_a_handshake_that_a_write_makes_is_counted(server, keylog, begin, end):
    with observe() as observation:
        context = ssl.create_default_context()
        for _ in range(3):
            tls = begin(server, context)
            tls.sendall(REQUEST)
            assert tls.recv(99)
            end(tls)
            del tls
    counts = observation.counts
    assert (counts.contexts_count, counts.handshakes_full_count, counts.connections_count) == (1, 3, 3)
    assert (counts.handshakes_resumed_count, counts.handshakes_failed_count, counts.requests_count) == (0, 0, None)
    assert observation.errors.errors_count == 0, observation.errors.first
    assert keylog_handshakes_count(keylog) == server.full_count == 3
    assert set(observation.origins) == {server.origin}
    assert [(each.ok, each.tls_version, each.site.function) for each in observation.handshakes] == [
        (True, "TLSv1.3", begin.__name__)
    ] * 3
    (group,) = observation.snapshot()["contexts"]
    assert (group["unused_count"], group["handshakes_count"]) == (0, 3)


@pytest.mark.parametrize("asked", ["never", "afterwards", "first"])
def test_a_handshake_is_counted_once_while_its_socket_lives(server, asked):
    context = ssl.create_default_context()
    with observe() as observation:
        with unasked_by_wrapping(server, context) as tls:
            assert observation.counts.handshakes_full_count == 0
            if asked == "first":
                tls.do_handshake()
            tls.sendall(REQUEST)
            if asked == "afterwards":
                tls.do_handshake()
            assert observation.counts.handshakes_full_count == 1
        assert observation.counts.handshakes_full_count == 1
    assert observation.counts.handshakes_failed_count == 0


@pytest.mark.parametrize("by", ["asyncio", "anyio"])
@pytest.mark.parametrize("kind", ["an object", "a context"])
def test_a_handshake_by_a_class_of_ones_own_is_counted_once(server, by, kind):
    class OwnObject(ssl.SSLObject):
        def do_handshake(self):
            self._sslobj.do_handshake()

    class OwnContext(ssl.SSLContext):
        def wrap_bio(self, *args, **kwargs):
            return super().wrap_bio(*args, **kwargs)

    context = (OwnContext if kind == "a context" else ssl.SSLContext)(ssl.PROTOCOL_TLS_CLIENT)
    context.load_default_certs()
    if kind == "an object":
        context.sslobject_class = OwnObject

    async def call():
        if by == "asyncio":
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=context)
            writer.write(REQUEST)
            assert await reader.read(9)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        else:
            async with await anyio.connect_tcp(
                "127.0.0.1", server.port, ssl_context=context, tls_standard_compatible=False
            ) as stream:
                await stream.send(REQUEST)
                assert await stream.receive()

    with observe() as observation:
        asyncio.run(call())
    assert (observation.counts.handshakes_full_count, observation.counts.connections_count) == (1, 1)
    assert observation.counts.handshakes_failed_count == 0
    assert observation.errors.errors_count == 0, observation.errors.first


def test_a_handshake_that_a_write_makes_over_memory_is_counted(server):
    context = ssl.create_default_context()
    with observe() as observation:
        with socket.create_connection(("127.0.0.1", server.port)) as sock:
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = context.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
            while True:
                try:
                    tls.write(REQUEST)
                    break
                except ssl.SSLWantReadError:
                    sock.sendall(outgoing.read())
                    incoming.write(sock.recv(65536))
            sock.sendall(outgoing.read())
        del tls
        gc.collect()
        assert observation.counts.handshakes_full_count == 1
    assert (observation.counts.handshakes_full_count, observation.counts.handshakes_failed_count) == (1, 0)


def test_a_handshake_that_nobody_makes_is_none_and_one_that_fails_is_one(server, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    context = ssl.create_default_context()
    with observe() as observation:
        unasked_by_wrapping(server, context).close()
        assert observation.counts.handshakes_failed_count == 0
        with unasked_by_wrapping(server, context) as tls, pytest.raises(ssl.SSLCertVerificationError):
            tls.sendall(REQUEST)
    counts = observation.counts
    assert (counts.handshakes_full_count, counts.handshakes_failed_count) == (0, 1)
    assert (counts.connections_count, counts.connections_unknown_count) == (2, 1)
    assert observation.errors.errors_count == 0, observation.errors.first


def test_server_side_is_not_counted(ca):
    """Both ends in one process, over memory: one handshake, the client's."""
    from .conftest import server_context

    client_context, accepting_context = ssl.create_default_context(), server_context(ca)
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    with observe() as observation:
        accepting = accepting_context.wrap_bio(to_server, to_client, server_side=True)
        client = client_context.wrap_bio(to_client, to_server, server_hostname="localhost")
        ends = [client, accepting]
        while ends:
            for end in list(ends):
                with contextlib.suppress(ssl.SSLWantReadError):
                    end.do_handshake()
                    ends.remove(end)
    assert accepting.version() == "TLSv1.3"
    assert observation.counts.handshakes_full_count == 1
    assert observation.counts.handshakes_failed_count == 0


# --- connects ---------------------------------------------------------------------------------------------


def test_refused(refused_port):
    with observe() as observation:
        with pytest.raises(httpx.ConnectError), httpx.Client() as client:
            client.get(f"https://127.0.0.1:{refused_port}/")
        with pytest.raises(ConnectionRefusedError):
            http.client.HTTPConnection("127.0.0.1", refused_port).request("GET", "/")
    counts = observation.counts
    assert (
        counts.connections_count,
        counts.connections_failed_count,
        counts.connection_attempts_count,
    ) == (0, 2, 2)
    assert counts.requests_count == 0 or counts.requests_count is None  # none was written
    assert [(event.kind, event.ok) for event in observation.events] == [("connect", False)] * 2


def test_refused_on_asyncio(refused_port):
    async def main():
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", refused_port)

    with observe() as observation:
        asyncio.run(main())
    counts = observation.counts
    assert (counts.connections_count, counts.connections_failed_count) == (0, 1)
    assert {f"127.0.0.1:{refused_port}"} == set(observation.origins)


def test_connect_ex(plain_server, refused_port):
    with observe() as observation, socket.socket() as good, socket.socket() as bad:
        assert good.connect_ex(("127.0.0.1", plain_server.port)) == 0
        assert bad.connect_ex(("127.0.0.1", refused_port)) == errno.ECONNREFUSED
    counts = observation.counts
    assert (
        counts.connections_count,
        counts.connections_failed_count,
        counts.connection_attempts_count,
    ) == (1, 1, 2)


def nonblocking(port):
    sock = socket.socket()
    sock.setblocking(False)
    assert sock.connect_ex(("127.0.0.1", port)) in (0, errno.EINPROGRESS, errno.EWOULDBLOCK)
    select.select([], [sock], [], 5)
    return sock


def test_nonblocking_outcome_read_from_the_socket(plain_server, refused_port):
    with observe() as observation:
        with nonblocking(plain_server.port) as sock:
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
            assert observation.counts.connections_count == 1
        with nonblocking(refused_port) as sock:
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0
    counts = observation.counts
    assert (
        counts.connections_count,
        counts.connections_failed_count,
        counts.connection_attempts_count,
    ) == (1, 1, 2)


def test_nonblocking_outcome_never_asked_for(plain_server, refused_port):
    """A socket that was used was connected; one that was closed unconnected had failed."""
    with observe() as observation:
        with nonblocking(plain_server.port) as sock:
            sock.send(b"x")
        with nonblocking(refused_port):
            pass
    counts = observation.counts
    assert (counts.connections_count, counts.connections_failed_count) == (1, 1)


def test_nonblocking_still_open_at_the_end(plain_server):
    with observe() as observation:
        sock = nonblocking(plain_server.port)
        sock.send(b"x")
    sock.close()
    assert observation.counts.connections_count == 1


def test_nonblocking_connect_asked_again(plain_server):
    with observe() as observation, nonblocking(plain_server.port) as sock:
        assert sock.connect_ex(("127.0.0.1", plain_server.port)) in (0, errno.EISCONN)
        assert sock.connect_ex(("127.0.0.1", plain_server.port)) == errno.EISCONN
    counts = observation.counts
    assert (counts.connections_count, counts.connections_failed_count) == (1, 0)


def test_connect_with_a_timeout_that_passes():
    """Connects to a full accept queue hang: a timeout is a failed connect, by either method."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        with observe() as observation, socket.socket() as first, socket.socket() as second:
            first.settimeout(0.05)
            second.settimeout(0.05)
            with contextlib.suppress(TimeoutError):
                first.connect(address)
            second.connect_ex(address)
        for filler in fillers:
            filler.close()
    counts = observation.counts
    assert counts.connection_attempts_count == 2
    assert counts.connections_count + counts.connections_failed_count == 2


def test_datagram_and_unix_sockets_are_not_counted(tmp_path):
    with observe() as observation:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram:
            datagram.connect(("127.0.0.1", 9))
        left, right = socket.socketpair()
        left.close()
        right.close()
        if hasattr(socket, "AF_UNIX"):
            with (
                socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener,
                socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock,
            ):
                listener.bind(str(tmp_path / "s"))
                listener.listen()
                sock.connect(str(tmp_path / "s"))
    counts = observation.counts
    assert (
        counts.connections_count,
        counts.connections_failed_count,
        counts.connection_attempts_count,
    ) == (0, 0, 0)
    assert observation.errors.errors_count == 0


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="there are no such sockets")
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.parametrize("is_told", [True, False], ids=["collected", "about to be"])
@pytest.mark.parametrize("by", ["http.client", "httpx"])
def test_the_number_of_a_dropped_connection_is_not_that_connection(plain_server, monkeypatch, tmp_path, by, is_told):
    path = str(tmp_path / "s")

    def answer(sock):
        with sock:
            while sock.recv(65536):
                sock.sendall(ANSWER)

    def accept():
        sock, _ = listener.accept()
        answer(sock)

    class Unix(http.client.HTTPConnection):
        def connect(self):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.connect(path)

    def ask_with(connection):
        connection.request("GET", "/")
        connection.getresponse().read()
        return connection.sock.fileno()

    def ask_over_unix():
        if by == "http.client":
            with contextlib.closing(Unix("host")) as unix:
                return ask_with(unix)
        with (
            httpx.Client(transport=httpx.HTTPTransport(uds=path)) as client,
            client.stream("GET", "http://host/") as response,
        ):
            return response.extensions["network_stream"].get_extra_info("socket").fileno()

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        thread = threading.Thread(target=accept)
        thread.start()
        with observe() as observation:
            dropped = http.client.HTTPConnection("127.0.0.1", plain_server.port)
            number = ask_with(dropped)
            if not is_told:  # as where another thread collects it right now
                monkeypatch.setattr(RECORDER.connection_numbered(number).owner, "dead", [])
            del dropped
            assert ask_over_unix() == number
            (origin,) = msgspec.convert(observation.snapshot(), ProcessProfile).origins
        thread.join()
    assert observation.errors.errors_count == 0, observation.errors.first
    assert (origin.counts.connections_count, origin.counts.requests_count) == (1, 1)
    assert observation.counts.requests_count == 2


def test_the_same_with_a_stream_socket_is_counted(plain_server):
    with observe() as observation, socket.create_connection(("127.0.0.1", plain_server.port)):
        pass
    assert observation.counts.connections_count == 1


def test_accepting_is_not_connecting():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sock = socket.socket()
        thread = threading.Thread(target=sock.connect, args=(listener.getsockname(),))
        thread.start()
        thread.join()  # before the window: only the accept is in it
        with observe() as observation:
            accepted, _ = listener.accept()
            accepted.close()
        sock.close()
    assert observation.counts.connections_count == 0


# --- events and origins -----------------------------------------------------------------------------------


def test_timeline_of_one_call(server):
    with observe() as observation, httpx.Client() as client:
        client.get(server.url)
    kinds = {event.kind: event for event in observation.events}
    assert {"connect", "handshake", "connection"} == set(kinds)
    assert {server.origin} == {event.origin for event in observation.events}
    assert all(event.ok and 0 <= event.start_ns <= event.end_ns for event in observation.events)
    connect, handshake, connection = kinds["connect"], kinds["handshake"], kinds["connection"]
    assert connection.start_ns == connect.start_ns
    assert connect.end_ns <= handshake.start_ns
    assert handshake.end_ns < connection.end_ns < observation.ended_ns - observation.started_ns


@pytest.mark.parametrize("asynchronous", [False, True])
def test_connection_ends_with_its_close_or_with_the_window(server, asynchronous):
    async def main():
        async with httpx.AsyncClient() as client:
            await client.get(server.url)

    with observe() as observation:
        if asynchronous:
            asyncio.run(main())
        else:
            with httpx.Client() as client:
                client.get(server.url)
        closed_by_ns = observation.ended_ns or 0
        left_open = tls_socket(server, ssl.create_default_context())
        threading.Event().wait(0.02)
    first, second = (event for event in observation.events if event.kind == "connection")
    window_ns = observation.ended_ns - observation.started_ns
    assert closed_by_ns == 0
    assert first.end_ns < second.start_ns
    assert second.end_ns == window_ns
    left_open.close()
    assert observation.events[-1].end_ns <= window_ns


def test_connection_dropped_without_close_ends_when_it_is_collected(plain_server):
    with observe() as observation:
        sock = socket.create_connection(("127.0.0.1", plain_server.port))
        with pytest.warns(ResourceWarning):
            del sock
        dropped_by_ns = time.perf_counter_ns() - observation.started_ns
        threading.Event().wait(0.02)
    (connection,) = (event for event in observation.events if event.kind == "connection")
    assert connection.end_ns <= dropped_by_ns


def test_origin_is_named_as_it_was_asked_for(server):
    with observe() as observation, httpx.Client() as client:
        client.get(f"https://localhost:{server.port}/")
        client.get(f"https://127.0.0.1:{server.port}/")
    named, numbered = f"localhost:{server.port}", server.origin
    assert observation.origins[named].handshakes_full_count == 1
    assert observation.origins[named].connections_count == 1
    assert observation.origins[numbered].handshakes_full_count == 1
    assert observation.origins[numbered].connections_count == 1


@pytest.mark.parametrize("looks", [False, True])
def test_a_connection_goes_to_the_name_in_its_handshake(server, looks):
    """Where another name has led to its address since, as beside a client that keeps the answers for itself."""
    named, numbered = f"localhost:{server.port}", server.origin

    def connect(_address, *how):
        sock = socket.create_connection(("127.0.0.1", server.port), *how)  # asks by the number
        if looks:  # between the two, so that nobody can tell by then what it is for
            observation.snapshot()
        later.append(inner.enter_context(observe()))
        return sock

    later = []
    with observe() as observation, contextlib.ExitStack() as inner:
        socket.getaddrinfo("localhost", server.port)
        client = http.client.HTTPSConnection("localhost", server.port)
        client._create_connection = connect
        for _ in range(2):
            client.request("GET", "/")
            client.getresponse().read()
        alone = msgspec.convert(observation.snapshot(), ProcessProfile)
        with httpx.Client() as other:
            other.get(server.url)
        both = msgspec.convert(observation.snapshot(), ProcessProfile)
        client.close()
    assert observation.errors.errors_count == 0, observation.errors.first
    (origin,), (group,) = alone.origins, alone.clients
    assert (origin.origin, origin.costs.connect_wall_ns) == (named, alone.costs.connect_wall_ns)
    counts = origin.counts
    assert (counts.connections_count, counts.handshakes_full_count, counts.requests_count) == (1, 1, 2)
    (share,) = group.origins
    assert (share.origin, share.connections_count, share.open_peak_count) == (named, 1, 1)
    assert (share.handshakes_count, share.requests_count) == (1, 2)
    assert {each.origin: each.counts.connections_count for each in both.origins} == {named: 1, numbered: 1}
    assert observation.origins[named].connection_attempts_count == 1
    assert [event.origin for event in observation.events if event.ok] == [named] * 3 + [numbered] * 3
    assert {name: each.connections_count for name, each in later[0].origins.items()} == {named: 0, numbered: 1}


def test_a_name_that_nothing_is_left_of_has_no_row_though_somebody_has_looked_meanwhile(server):
    """Of a connection that no known client has opened nobody could tell by then what it is for."""
    with observe() as seen:
        socket.getaddrinfo("localhost", server.port)
        plain = socket.create_connection(("127.0.0.1", server.port))
        assert set(seen.origins) == {server.origin}
        with ssl.create_default_context().wrap_socket(plain, server_hostname="localhost") as sock:
            assert set(seen.origins) == {f"localhost:{server.port}"}
            sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert sock.recv(1)
    assert seen.counts.connections_unknown_count == 1
    assert set(seen.origins) == {f"localhost:{server.port}"}


def test_a_peer_has_no_more_connections_at_once_than_it_has_had(server):
    """Those of another name were taken for its own until they shook hands."""
    amid = []

    def connect(_address, *how):
        sock = socket.create_connection(("127.0.0.1", server.port), *how)  # asks by the number
        if amid:
            ask(amid.pop())
        return sock

    def ask(client):
        client.request("GET", "/")
        client.getresponse().read()

    with observe() as seen:
        socket.getaddrinfo("localhost", server.port)
        hosts = ("localhost", "localhost", "127.0.0.1")
        clients = [http.client.HTTPSConnection(host, server.port) for host in hosts]
        for client in clients[:2]:
            client._create_connection = connect
        ask(clients[2])
        amid.append(clients[1])
        ask(clients[0])
        (group,) = msgspec.convert(seen.snapshot(), ProcessProfile).clients
        for client in clients:
            client.close()
    shares = {each.origin: (each.connections_count, each.open_peak_count) for each in group.origins}
    assert shares == {f"localhost:{server.port}": (2, 2), server.origin: (1, 1)}


def test_concurrent_handshakes_go_to_their_own_origin(ca):
    from .conftest import server_context
    from .tls_server import Server

    servers = [Server(server_context(ca)) for _ in range(4)]

    async def main():
        async with httpx.AsyncClient() as client:
            await asyncio.gather(*(client.get(server.url) for server in servers for _ in range(3)))

    with observe() as observation:
        asyncio.run(main())
    for server in servers:
        server.close()
    assert {server.origin for server in servers} == set(observation.origins)
    for server in servers:
        counts = observation.origins[server.origin]
        assert server.full_count == counts.handshakes_full_count == counts.connections_count == 3


def test_timeline_is_bounded_and_says_so(plain_server):
    with observe(events_max=4) as observation:
        for _ in range(5):
            socket.create_connection(("127.0.0.1", plain_server.port)).close()
    assert len(observation.events) == 4
    assert observation.counts.connections_count == 5
    assert any("6 more" in sentence for sentence in observation.blind_spots)


def test_timeline_at_its_bound_says_nothing(plain_server):
    with observe(events_max=10) as observation:
        for _ in range(5):
            socket.create_connection(("127.0.0.1", plain_server.port)).close()
    assert len(observation.events) == 10
    assert observation.blind_spots == ()
