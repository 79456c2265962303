"""What the recorder does where the system seldom gives an occasion for it."""

from __future__ import annotations

import contextlib
import errno
import http.client
import os
import socket
import ssl
import sys
from concurrent.futures import ThreadPoolExecutor

import httpx
import msgspec
import pytest

from connprof.observe import observation as observation_module
from connprof.observe import observe, owners, recorder
from connprof.observe.recorder import RECORDER
from connprof.profile import Costs, ProcessProfile

HOST = "127.0.0.1"


def answers(*addresses):
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in addresses]


def test_the_names_that_are_remembered_are_bounded(monkeypatch):
    monkeypatch.setattr(recorder, "_NAMES_MAX", 10)
    with observe() as observation:
        for number in range(200):
            RECORDER.name_resolved(f"host-{number}", answers(f"10.0.0.{number}"))
            assert len(RECORDER._names) <= 11
            assert len(RECORDER._names_seen) <= 11
    assert observation.errors.errors_count == 0


def test_many_names_of_one_address_are_bounded_too(monkeypatch):
    monkeypatch.setattr(recorder, "_NAMES_MAX", 10)
    with observe():
        for number in range(200):
            RECORDER.name_resolved(f"host-{number}", answers("10.0.0.1"))
            assert len(RECORDER._names_seen) <= 11


def test_a_name_that_was_forgotten_gives_way_to_the_address(monkeypatch, plain_server):
    monkeypatch.setattr(recorder, "_NAMES_MAX", 2)
    address = (HOST, plain_server.port)
    with observe() as observation:
        RECORDER.name_resolved("old.example", [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address)])
        with socket.socket() as sock:
            sock.connect(address)
        for number in range(5):
            RECORDER.name_resolved(f"host-{number}", answers(f"10.0.0.{number}"))
        with socket.socket() as sock:
            sock.connect(address)
    assert set(observation.origins) == {f"old.example:{plain_server.port}", plain_server.origin}


def test_peers_beyond_a_bound_are_one(monkeypatch, server, plain_server):
    monkeypatch.setattr(observation_module, "_ORIGINS_MAX", 2)
    context = ssl.create_default_context()
    with observe() as observation, contextlib.ExitStack() as stack:
        for _ in range(2):
            socket.create_connection((HOST, plain_server.port)).close()
        for _ in range(4):
            unused = stack.enter_context(socket.socket())
            unused.bind((HOST, 0))  # and nobody listens there
            with socket.socket() as sock:
                assert sock.connect_ex(unused.getsockname())
        with socket.create_connection((HOST, server.port)) as sock, context.wrap_socket(sock, server_hostname=HOST):
            pass
        socket.create_connection((HOST, plain_server.port)).close()
        found = observation.snapshot()["origins"]
    names = [each["origin"] for each in found]
    assert names[0] == plain_server.origin
    assert names[2:] == ["…"]
    counts = [each["counts"] for each in found]
    assert [each["connections_count"] for each in counts] == [3, 0, 1]
    assert [each["connections_failed_count"] for each in counts] == [0, 1, 3]
    assert [each["handshakes_full_count"] for each in counts] == [0, 0, 1]
    assert found[2]["alpn"] == {"none": 1}
    assert observation.counts.connections_failed_count == 4


def counts_of(observation):
    counts = observation.counts
    return counts.connection_attempts_count, counts.connections_count, counts.connections_failed_count


PENDING = [getattr(errno, name) for name in ("EINPROGRESS", "EWOULDBLOCK", "EALREADY", "EINTR")]


@pytest.mark.parametrize("code", PENDING)
def test_an_error_that_says_not_yet_is_no_outcome(plain_server, code):
    with observe() as observation, socket.socket() as sock:
        address = (HOST, plain_server.port)
        attempt = RECORDER.connect_begins(sock, address, sys._getframe())
        assert attempt is not None
        RECORDER.socket_error_read(sock, code)
        assert counts_of(observation) == (1, 0, 0)
        sock.connect(address)
        assert counts_of(observation) == (1, 1, 0)
    assert counts_of(observation) == (1, 1, 0)
    assert observation.errors.errors_count == 0


def test_an_error_read_from_a_socket_that_is_not_connected_yet_is_no_connection(plain_server):
    with observe() as observation, socket.socket() as sock:
        address = (HOST, plain_server.port)
        RECORDER.connect_begins(sock, address, sys._getframe())
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
        assert counts_of(observation) == (1, 0, 0)
        sock.connect(address)
    assert counts_of(observation) == (1, 1, 0)


@pytest.mark.parametrize("error", [InterruptedError(errno.EINTR, "x"), BlockingIOError(errno.EINPROGRESS, "x")])
def test_a_connect_that_was_only_begun_has_not_failed(plain_server, error):
    with observe() as observation, socket.socket() as sock:
        address = (HOST, plain_server.port)
        attempt = RECORDER.connect_begins(sock, address, sys._getframe())
        RECORDER.connect_raised(attempt, error)
        assert counts_of(observation) == (1, 0, 0)
        sock.connect(address)
        assert counts_of(observation) == (1, 1, 0)
    assert counts_of(observation) == (1, 1, 0)


def test_a_connect_that_found_its_socket_connected_has_succeeded(plain_server):
    with observe() as observation, socket.socket() as sock:
        attempt = RECORDER.connect_begins(sock, (HOST, plain_server.port), sys._getframe())
        RECORDER.connect_raised(attempt, OSError(errno.EISCONN, "x"))
        assert counts_of(observation) == (1, 1, 0)


def test_a_connect_that_raised_anything_else_has_failed(plain_server):
    with observe() as observation, socket.socket() as sock:
        attempt = RECORDER.connect_begins(sock, (HOST, plain_server.port), sys._getframe())
        RECORDER.connect_raised(attempt, KeyboardInterrupt())
        assert counts_of(observation) == (1, 0, 1)


def test_a_connection_whose_close_was_not_seen_ends_when_its_number_is_given_out_again(plain_server):
    address = (HOST, plain_server.port)
    with observe() as observation:
        first = socket.socket()
        first.connect(address)
        number = first.detach()  # nobody closes it through a socket object from here on
        second = socket.socket()
        os.dup2(second.fileno(), number)  # closes the first connection below Python, in one step
        renumbered = socket.socket(fileno=number)
        second.close()
        renumbered.connect(address)
        renumbered.close()
    before, after = sorted(
        (event for event in observation.events if event.kind == "connection"), key=lambda event: event.start_ns
    )
    assert before.end_ns <= after.start_ns
    assert counts_of(observation) == (2, 2, 0)


def test_a_connect_under_way_whose_close_was_not_seen_has_failed(plain_server):
    address = (HOST, plain_server.port)
    with observe() as observation:
        first = socket.socket()
        RECORDER.connect_begins(first, address, sys._getframe())
        number = first.detach()
        with socket.socket() as second:
            os.dup2(second.fileno(), number)
        with socket.socket(fileno=number) as renumbered:
            renumbered.connect(address)
            assert counts_of(observation) == (2, 1, 1)
    assert counts_of(observation) == (2, 1, 1)


def profile_of(observation):
    return msgspec.convert(observation.snapshot(), ProcessProfile)


def test_a_context_and_its_time_are_those_of_the_peer_that_it_is_first_used_with(server, plain_server, ca_file):
    with observe() as observation:
        context = ssl.create_default_context(cafile=ca_file)
        with observe() as later:  # has seen it used, but not made
            for _ in range(2):
                httpx.get(server.url, verify=context)
            httpx.get(plain_server.url, verify=context)
    profile = profile_of(observation)
    costs = {each.origin: (each.counts, each.costs) for each in profile.origins}
    counts, spent = costs[server.origin]
    assert (counts.contexts_count, counts.ca_loads_count) == (1, 1)
    assert spent.context_cpu_ns == profile.costs.context_cpu_ns > 0
    assert spent.context_wall_ns == profile.costs.context_wall_ns > 0
    assert costs[plain_server.origin][1].context_wall_ns == 0
    (of_later,) = [each for each in profile_of(later).origins if each.origin == server.origin]
    assert (of_later.counts.contexts_count, of_later.costs.context_wall_ns) == (0, 0)


# --- whose an event is, and which time ------------------------------------------------------------------------------


def test_times_of_an_event_go_where_they_belong():
    key = ("/app.py", 7, "main", "stack")
    with observe() as observation:
        observation.add_timed(observation_module.Field.FULL, key, "api:443", owners.Expense.HANDSHAKE_CPU, 3, 50)
        observation.add_timed(observation_module.Field.CONTEXTS, key, None, owners.Expense.CONTEXT_CPU, 700, 9_000)
    profile = profile_of(observation)
    both = Costs(handshake_cpu_ns=3, handshake_wall_ns=50, context_cpu_ns=700, context_wall_ns=9_000)
    assert profile.costs == both
    assert [each.costs for each in profile.sites] == [both]
    assert [each.costs for each in profile.origins] == [Costs(handshake_cpu_ns=3, handshake_wall_ns=50)]


def client_of(*stories):
    kind = owners.Kind("httpx", "httpx.Client", is_async=False, is_thread_bound=False)
    place = ("/app.py", 7, "main", "stack")
    groups = [story.client_group(place, kind, "", observation_module.Field.SIZE) for story in stories]
    client = owners.Client(kind, (), groups, 0)
    client.made([()] * len(groups))
    return client


def test_times_of_a_clients_event_go_where_they_belong():
    client = client_of(owners.Story(), owners.Story())
    client.count_timed(observation_module.Field.FULL, owners.Expense.HANDSHAKE_CPU, 3, 50)
    for group in client.groups:
        costs = dict(zip(owners.Expense.NAMES, group.costs, strict=True))
        assert {name: spent for name, spent in costs.items() if spent} == {
            "handshake_cpu_ns": 3,
            "handshake_wall_ns": 50,
        }


def test_connections_that_a_closed_client_left_are_none_of_its_next_ones():
    client = client_of(owners.Story())
    share = client.groups[0].share("api:443")
    for closed in (1, 2):  # closed, and used again
        client.connected("api:443")
        client.closing(closed)
        client.reopened()
    for _ in range(2):
        client.connected("api:443")
        client.disconnected("api:443")  # of those that were left, as far as anybody can tell
    assert (client.open_count("api:443"), share.open_now, share.open_peak) == (2, 2, 2)
    client.disconnected("api:443")
    assert (client.open_count("api:443"), share.open_now, share.open_peak) == (1, 1, 2)


def test_a_client_has_met_whom_it_failed_to_shake_hands_with(server, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    with observe() as observation:
        socket.create_connection((HOST, server.port)).close()  # now it is known under its number
        with httpx.Client() as client, pytest.raises(httpx.ConnectError):
            client.get(f"https://localhost:{server.port}", extensions={"sni_hostname": HOST})
    (group,) = profile_of(observation).clients
    assert [each.connections_count for each in group.origins if each.origin == f"{HOST}:{server.port}"] == [1]


class Lower:
    """A client of ``http.client`` that is asked as one of httpx is."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection(HOST, port)

    def get(self, _url):
        self.connection.request("GET", "/")
        return self.connection.getresponse().read()

    def close(self):
        self.connection.close()


@pytest.mark.parametrize("calls_count", [0, owners.CALLS_COUNTED_MAX, owners.CALLS_COUNTED_MAX + 4])
@pytest.mark.parametrize("library", ["httpx", "http.client"])
@pytest.mark.parametrize("is_elsewhere", [True, False])
def test_only_calls_of_its_own_thread_came_between_the_making_of_a_client_and_its_call(
    plain_server, is_elsewhere, library, calls_count
):
    """However it is called: as one that is counted, as a usual one, and as a standing one."""

    def work():
        other.get(plain_server.url)

    with observe(), ThreadPoolExecutor(1) as pool:
        do = (lambda: pool.submit(work).result()) if is_elsewhere else work
        with contextlib.closing(httpx.Client() if library == "httpx" else Lower(plain_server.port)) as other:
            for _ in range(calls_count):
                do()
            with httpx.Client() as client:
                do()
                client.get(plain_server.url)
                assert RECORDER.clients[id(client)].has_waited is not is_elsewhere
