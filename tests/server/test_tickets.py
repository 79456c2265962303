"""When session tickets reach a client: a read of its own for them would be chance, and cost bytes."""

import select
import ssl
from types import SimpleNamespace

import pytest

from connprof_server import serve
from connprof_server.protocol import _send_tickets_with_first_answer
from tests.server.raw_client import client_context, tcp

SILENCE_S = 0.3
REQUEST = b"GET /api/x HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Client:
    """A TLS client that sees which bytes arrive together."""

    def __init__(self, sock, context):
        self.sock = sock
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                self.send()
                self.receive()
            else:
                break
        self.send()

    def send(self, plain=b""):
        if plain:
            self.tls.write(plain)
        self.sock.sendall(self.outgoing.read())

    def receive(self):
        self.incoming.write(self.sock.recv(1 << 20))

    def hears(self):
        return bool(select.select([self.sock], [], [], SILENCE_S)[0])


@pytest.fixture(scope="module", params=["1.1", "2"])
def served(request):
    with serve(http_version=request.param) as running:
        yield running


def test_tickets_come_with_the_answer_however_late_the_request_is(served):
    with tcp(served.target) as sock:
        client = Client(sock, client_context(served.target, tls=ssl.TLSVersion.TLSv1_3))
        assert not client.hears(), "the tickets came by themselves"
        assert client.tls.session is None or not client.tls.session.has_ticket
        client.send(REQUEST)
        client.receive()
        assert client.tls.read(1 << 20).startswith(b"HTTP/1.1 200 "), "the answer needed a read more than its own"
        assert client.tls.session.has_ticket
        client.send(REQUEST)
        assert client.hears()


def test_before_tls_1_3_the_end_of_the_handshake_does_not_wait(served):
    with tcp(served.target) as sock:
        client = Client(sock, client_context(served.target, tls=ssl.TLSVersion.TLSv1_2))
        assert client.tls.session.has_ticket
        client.send(REQUEST)
        client.receive()
        assert client.tls.read(1 << 20).startswith(b"HTTP/1.1 200 ")


def test_a_connection_without_a_request_says_goodbye_all_the_same():
    with serve() as server:
        with tcp(server.target) as sock:
            client = Client(sock, client_context(server.target, tls=ssl.TLSVersion.TLSv1_3))
            with pytest.raises(ssl.SSLWantReadError):
                client.tls.unwrap()
            client.send()
            client.receive()
            client.tls.unwrap()
        total = server.settled_ledger(timeout_s=10).total
        assert (total.handshakes_full_count, total.handshakes_failed_count, total.connections_open_count) == (1, 0, 0)


@pytest.mark.parametrize(
    "connection",
    [
        None,
        SimpleNamespace(),
        SimpleNamespace(_outgoing=SimpleNamespace(pending=9)),
        SimpleNamespace(_process_outgoing=print),
    ],
)
def test_where_asyncio_has_other_names_tickets_go_at_once(connection):
    before = dict(vars(connection)) if connection else {}
    _send_tickets_with_first_answer(SimpleNamespace(_ssl_protocol=connection))
    assert (dict(vars(connection)) if connection else {}) == before
