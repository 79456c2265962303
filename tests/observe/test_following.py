"""What becomes of clients, contexts and connections, against a real TLS server."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import socket
import ssl
import threading
import time
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from weakref import ref

import httpx
import msgspec
import pytest

from connprof.assemble import profile_of
from connprof.observe import observe, owners
from connprof.observe.recorder import RECORDER, Recorder, Watch, _Connection, _Handshake, _Unshaken
from connprof.profile import ProcessProfile
from connprof.report.profile import render
from connprof_server import serve

OK = "/status/200"


@pytest.fixture(scope="module")
def main_server():
    with serve() as running:
        yield running


@pytest.fixture
def target(main_server, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", main_server.target.bundle)
    return main_server.target


def process_of(observation, **how):
    return msgspec.convert(observation.snapshot(**how), ProcessProfile)


def only(groups):
    (group,) = groups
    return group


def codes(observation):
    return {finding.code for finding in profile_of(observation).findings}


def test_a_client_per_call(target):
    def call():
        with httpx.Client() as client:
            client.get(target.url(OK))

    with observe() as seen:
        for _ in range(4):
            call()
    group = only(process_of(seen).clients)
    assert (group.kind, group.site.function) == ("httpx.Client", "test_a_client_per_call.<locals>.call")
    assert (group.made_count, group.closed_count, group.used_once_count, group.alive_peak_count) == (4, 4, 4, 1)
    assert (group.counts.contexts_count, group.counts.handshakes_full_count, group.counts.requests_count) == (4, 4, 4)
    assert only(group.chains).count == 4
    assert only(group.origins).open_peak_count == 1
    assert group.gap_median_ns > 0
    assert codes(seen) == {"CP001"}


def test_connections_that_outlive_their_clients_are_not_open_at_once(target):
    held = []

    def call():  # as a response of requests, which is kept, holds the pool of a session that is closed
        client = httpx.Client()
        client.get(target.url(OK))
        held.append(client._transport)

    with observe() as seen:
        for _ in range(4):
            call()
            gc.collect()
        group = only(process_of(seen).clients)
        (finding,) = profile_of(seen).findings
    assert (group.counts.connections_count, only(group.origins).open_peak_count) == (4, 1)
    assert (finding.code, finding.leaves.handshakes_count) == ("CP001", 1)
    for transport in held:
        transport.close()


def test_calls_are_the_programs_and_not_the_redirects_that_they_follow(target):
    url = target.url("/redirect/2")
    with observe() as seen:
        for _ in range(3):
            httpx.get(url, follow_redirects=True)
        with httpx.Client(follow_redirects=True) as client:
            for _ in range(13):
                client.get(url)

        def refresh(_response):  # in the call that is running, as a session of requests sends what a redirect asks for
            if first:
                hooked.get(first.pop())

        first = [url]
        with httpx.Client(event_hooks={"response": [refresh]}) as hooked:
            hooked.get(url)
    shortcut, kept, nested = process_of(seen).clients
    assert (shortcut.calls_count, shortcut.used_once_count, shortcut.counts.requests_count) == (3, 3, 9)
    assert (kept.calls_count, kept.used_once_count, kept.counts.requests_count) == (11, 0, 39)
    assert (nested.calls_count, nested.used_once_count, nested.counts.requests_count) == (1, 1, 2)
    assert codes(seen) == {"CP002"}


class TokenAuth(httpx.Auth):
    def __init__(self, url):
        self.url = url

    def auth_flow(self, request):
        httpx.get(self.url)
        yield request


def test_a_client_in_another_clients_call_is_none_of_its_parts(target):
    url = target.url(OK)
    with observe() as seen, httpx.Client(auth=TokenAuth(url)) as client:
        for _ in range(4):
            client.get(url)
    groups = {group.site.function: group for group in process_of(seen).clients}
    inner = groups["TokenAuth.auth_flow"]
    outer = groups["test_a_client_in_another_clients_call_is_none_of_its_parts"]
    assert (inner.made_count, inner.used_once_count, inner.shortcut) == (4, 4, "httpx.get")
    assert (inner.counts.contexts_count, inner.counts.handshakes_full_count, inner.counts.requests_count) == (4, 4, 4)
    assert (outer.made_count, outer.counts.handshakes_full_count, outer.counts.requests_count) == (1, 1, 4)
    assert codes(seen) == {"CP002"}


def test_a_client_made_in_a_hook_or_a_transport_is_none_of_their_parts(target, monkeypatch):
    requests = pytest.importorskip("requests")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", target.bundle)
    url = target.url(OK)

    def audit(_response, **_kwargs):
        requests.post(url)

    class PerRequest(httpx.BaseTransport):
        def handle_request(self, request):
            response = requests.get(str(request.url))
            return httpx.Response(response.status_code, content=response.content)

    with observe() as seen:
        with requests.Session() as session:
            session.hooks["response"].append(audit)
            for _ in range(3):
                session.get(url)
        with httpx.Client(transport=PerRequest()) as client:
            for _ in range(3):
                client.get(url)
    made = {
        (group.site.function.rpartition(".")[2], group.kind): group.made_count for group in process_of(seen).clients
    }
    here = "test_a_client_made_in_a_hook_or_a_transport_is_none_of_their_parts"
    assert made == {
        (here, "requests.Session"): 1,
        ("audit", "requests.Session"): 3,
        (here, "httpx.Client"): 1,
        ("handle_request", "requests.Session"): 3,
    }


def test_adapters_of_the_users_own_make_parts(target, monkeypatch):
    requests = pytest.importorskip("requests")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", target.bundle)

    class Adapter(requests.adapters.HTTPAdapter):
        def init_poolmanager(self, *args, **kwargs):
            return super().init_poolmanager(*args, **kwargs)

        def send(self, *args, **kwargs):
            return super().send(*args, **kwargs)

    class Transport(httpx.HTTPTransport):
        def handle_request(self, request):
            return super().handle_request(request)

    with observe() as seen:
        with requests.Session() as session:
            session.mount("https://", Adapter())
            for _ in range(3):
                session.get(target.url(OK))
        with httpx.Client(transport=Transport()) as client:
            for _ in range(3):
                client.get(target.url(OK))
    groups = {group.kind: group for group in process_of(seen).clients}
    assert groups["requests.Session"].counts.requests_count == 3
    assert groups["httpx.Client"].counts.requests_count == 3
    assert "urllib3.HTTPConnectionPool" not in groups
    assert "http.client.HTTPConnection" not in groups
    assert not codes(seen)


class Unhashable(ssl.SSLContext):
    def __eq__(self, other):
        raise RuntimeError("on purpose")

    __hash__ = None


class HashRaises(ssl.SSLContext):
    def __hash__(self):
        raise RuntimeError("on purpose")


@pytest.mark.parametrize("kind", [Unhashable, HashRaises])
def test_contexts_that_cannot_be_hashed(target, kind):
    with observe() as seen:
        for _ in range(2):
            context = kind(ssl.PROTOCOL_TLS_CLIENT)
            context.load_verify_locations(target.bundle)
            with httpx.Client(verify=context) as client:
                client.get(target.url(OK))
    assert seen.errors.errors_count == 0, seen.errors.first
    group = only(process_of(seen).contexts)
    assert (group.made_count, group.ca_loads_count, group.handshakes_count, group.unused_count) == (2, 2, 2, 0)


def test_an_identity_that_is_given_again_is_another_handshake(target):
    context = ssl.create_default_context(cafile=target.bundle)
    address = (httpx.URL(target.url("/")).host, httpx.URL(target.url("/")).port)
    with observe() as seen, socket.create_connection(address) as plain:
        before = _Handshake("elsewhere:1", (), 0, done=True)
        before.owner = ref(context)  # of something that is not the socket
        with context.wrap_socket(plain, server_hostname=address[0], do_handshake_on_connect=False) as sock:
            RECORDER._handshakes[id(sock)] = before
            sock.do_handshake()
    assert seen.counts.handshakes_full_count == 1


def test_an_identity_that_is_given_again_is_another_client():
    class Second(httpx.Client):
        def __init__(self):
            (known,) = RECORDER.clients.values()
            RECORDER.clients[id(self)] = known  # as if nobody had told of its end
            super().__init__()

    with observe() as seen:
        first = httpx.Client()
        second = Second()
        groups = {group.site.function.rpartition(".")[2]: group.alive_count for group in process_of(seen).clients}
        assert groups == {"test_an_identity_that_is_given_again_is_another_client": 0, "__init__": 1}
        first.close()
        second.close()


def test_one_client_and_its_connections(target):
    with observe() as seen, httpx.Client() as client:
        for _ in range(5):
            client.get(target.url(OK))
    group = only(process_of(seen).clients)
    assert (group.made_count, group.used_once_count, group.unused_count) == (1, 0, 0)
    share = only(group.origins)
    assert (share.connections_count, share.handshakes_count, share.requests_count) == (1, 1, 5)
    origin = only(process_of(seen).origins)
    assert (origin.counts.contexts_count, origin.counts.requests_count, origin.alpn) == (1, 5, {"http/1.1": 1})
    assert not codes(seen)


@pytest.mark.parametrize("use", [httpx.get, httpx.Client])
def test_the_module_level_function_has_its_name(target, use):
    with observe() as seen:
        if use is httpx.get:
            httpx.get(target.url(OK))
        else:
            use().close()
    assert only(process_of(seen).clients).shortcut == ("httpx.get" if use is httpx.get else "")


def test_dropped_without_a_close(target):
    def forget():
        httpx.Client()
        httpx.Client().get(target.url(OK))

    with warnings.catch_warnings(), observe() as seen:
        warnings.simplefilter("ignore", ResourceWarning)
        forget()
        gc.collect()
    unused, group = process_of(seen).clients
    assert (unused.dropped_count, unused.dropped_unused_count) == (1, 1)
    assert (group.closed_count, group.dropped_count, group.dropped_unused_count, group.alive_count) == (0, 1, 0, 0)
    assert codes(seen) == {"CP007"}


def test_a_second_event_loop(target):
    async def call(client):
        with contextlib.suppress(RuntimeError):  # Event loop is closed
            await client.get(target.url(OK))

    with warnings.catch_warnings(), observe() as seen:
        warnings.simplefilter("ignore", ResourceWarning)
        client = httpx.AsyncClient()
        asyncio.run(call(client))
        first = process_of(seen)
        asyncio.run(call(client))
        del client
        gc.collect()
    assert only(first.clients).second_loop_count == 0
    group = only(process_of(seen).clients)
    assert (group.second_loop_count, group.loops_count) == (1, 2)
    assert "CP006" in codes(seen)


def test_connections_that_expire(target):
    limits = httpx.Limits(keepalive_expiry=0.5)
    with observe() as seen, httpx.Client(limits=limits) as client:
        for pause_s in (0, 0.6, 0, 0.6):
            time.sleep(pause_s)
            client.get(target.url(OK))
    group = only(process_of(seen).clients)
    assert (group.expired_count, group.expiry_ns, group.counts.handshakes_full_count) == (2, 500_000_000, 3)
    assert group.expired_gap_min_ns >= 500_000_000
    assert codes(seen) == {"CP010"}


@pytest.mark.parametrize(("kept", "reopened"), [(1, 2), (3, 0)])
def test_a_pool_that_keeps_fewer_than_are_used(target, kept, reopened):
    async def main():
        limits = httpx.Limits(max_keepalive_connections=kept)
        async with httpx.AsyncClient(limits=limits) as client:
            for number in range(2):
                gate = target.url(f"/gate/3/{kept}-{number}")
                await asyncio.gather(*(client.get(gate) for _ in range(3)))

    with observe() as seen:
        asyncio.run(main())
    group = only(process_of(seen).clients)
    assert (group.overflow_count, group.keepalive_limit_count, group.in_flight_peak_count) == (reopened, kept, 3)
    assert codes(seen) == ({"CP012"} if reopened else set())


def test_a_pool_that_is_too_small_for_calls_that_never_pause(target):
    """httpcore closes nearly each connection while more are open, or about to be, than it keeps."""

    async def main():
        at_once = asyncio.Semaphore(20)
        limits = httpx.Limits(max_keepalive_connections=5)
        async with httpx.AsyncClient(limits=limits) as client:

            async def call(number):
                async with at_once:
                    await client.get(target.url(f"/gate/20/never-pausing-{number // 20}"))

            await asyncio.gather(*(call(number) for number in range(100)))

    with observe() as seen:
        asyncio.run(main())
    group = only(process_of(seen).clients)
    finding = only(each for each in profile_of(seen).findings if each.code == "CP012")
    left = group.counts.handshakes_count - finding.cost.handshakes_count
    assert group.counts.handshakes_count > 60
    # What one pays that keeps twenty. A slow machine may leave connections idle for longer than a second.
    assert 20 <= left <= 20 + group.expired_count


def test_a_response_that_is_left(target):
    def left(client):
        client.send(client.build_request("GET", target.url("/bytes/100000")), stream=True)

    def read(client):
        with client.stream("GET", target.url("/bytes/100000")) as response:
            response.read()

    with warnings.catch_warnings(), observe() as seen:
        warnings.simplefilter("ignore", ResourceWarning)
        with httpx.Client() as client:
            read(client)
            assert only(process_of(seen).clients).unread_count == 0
            left(client)
            gc.collect()
    group = only(process_of(seen).clients)
    assert group.unread_count == 1
    assert only(group.unread_sites).function.endswith("left")


@pytest.mark.parametrize(("closed", "unread"), [(2, 0), (3, 3), (4, 4)])
def test_responses_closed_unread_count_from_the_third_on(target, closed, unread):
    with observe() as seen, httpx.Client() as client:
        for _ in range(closed):
            with client.stream("GET", target.url("/bytes/1000")):
                pass
        with client.stream("GET", target.url("/bytes/1000")) as response:
            response.read()
    assert only(process_of(seen).clients).unread_count == unread


def test_a_response_still_open_counts_when_the_program_ends(target):
    with observe() as seen, httpx.Client() as client, client.stream("GET", target.url("/bytes/100000")) as response:
        assert only(process_of(seen).clients).unread_count == 0
        assert only(process_of(seen, ended="exit").clients).unread_count == 1
        response.read()


def test_contexts_of_ones_own_and_unused_ones():
    with observe() as seen:
        context = ssl.create_default_context()
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    group = only(process_of(seen).contexts)
    assert (group.maker, group.made_count, group.unused_count, group.ca_loads_count) == ("", 1, 1, 1)
    assert context is not None
    assert codes(seen) == {"CP009"}


def unused_of(observation):
    """By function."""
    contexts = process_of(observation, ended="exit").contexts
    return {group.site.function.rpartition(".")[2]: group.unused_count for group in contexts}


@pytest.mark.parametrize("asked", [True, False])
def test_a_context_in_a_handshake_that_goes_on_at_the_end_is_used(asked):
    def handshake(port):
        sock = socket.create_connection(("127.0.0.1", port))
        context = ssl.create_default_context()
        tls = context.wrap_socket(sock, server_hostname="localhost", do_handshake_on_connect=False)
        tls.setblocking(False)
        if asked:
            with pytest.raises(ssl.SSLWantReadError):
                tls.do_handshake()
        return tls

    with socket.create_server(("127.0.0.1", 0)) as silent, observe() as seen:
        tls = handshake(silent.getsockname()[1])
        assert unused_of(seen) == {"handshake": 0}
    assert unused_of(seen) == {"handshake": 0}
    assert "CP009" not in codes(seen)
    tls.close()


def test_a_context_made_before_a_connect_that_goes_on_at_the_end_may_be_for_that(monkeypatch):
    monkeypatch.setattr("connprof.observe.recorder._is_connected", lambda _: False)  # a peer that is here answers soon

    def for_nothing():
        return ssl.create_default_context()

    def connect(port):
        context, sock = ssl.create_default_context(), socket.socket()
        sock.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            sock.connect(("127.0.0.1", port))
        return context, sock

    with socket.create_server(("127.0.0.1", 0)) as silent, observe() as seen:
        before = for_nothing()
        _context, sock = connect(silent.getsockname()[1])
        after = for_nothing()
        assert unused_of(seen) == {"for_nothing": 2, "connect": 0}
        sock.close()
        assert unused_of(seen) == {"for_nothing": 2, "connect": 1}
    assert before is not after


def test_contexts_of_a_client_in_its_first_call_at_the_end_are_not_unused(target, monkeypatch):
    asked, answer = threading.Event(), threading.Event()

    def wait(*_args, **_options):
        asked.set()
        answer.wait(9)
        raise socket.gaierror

    def call(url):
        with httpx.Client() as client, contextlib.suppress(httpx.ConnectError):
            client.get(url)

    with observe() as seen:
        call(target.url(OK))
        monkeypatch.setattr(socket, "getaddrinfo", wait)
        thread = threading.Thread(target=call, args=("https://example.invalid",))
        thread.start()
        assert asked.wait(9)
        assert unused_of(seen) == {"call": 0}
        assert "CP009" not in codes(seen)
        answer.set()
        thread.join()
        assert unused_of(seen) == {"call": 1}


def test_a_bundle_that_is_read_again(target):
    truststore = pytest.importorskip("truststore")
    with observe() as seen:
        context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        for _ in range(3):
            with httpx.Client(verify=context) as client:
                client.get(target.url(OK))
    group = only(process_of(seen).contexts)
    assert (group.made_count, group.unused_count, group.handshakes_count) == (2, 0, 3)  # one wraps the other
    assert (group.ca_loads_count, group.reread_count) == (3, 2)
    assert "CP014" in codes(seen)


def test_http2_asked_for(target):
    with observe() as seen, httpx.Client(http2=True) as client:
        client.get(target.url(OK))
    group = only(process_of(seen).clients)
    assert (group.asked_http2_count, group.http2_handshakes_count, group.not_http2_handshakes_count) == (1, 0, 1)
    assert codes(seen) == {"CP015"}


# --- what one client for all would have needed ---------------------------------------------------------------


def needed(observation):
    share = only(only(process_of(observation).clients).origins)
    return share.handshakes_count, share.needed_count, share.spent_count


def test_clients_that_nobody_closes_need_no_more_than_their_calls_do(target):
    kept = []

    def call():
        kept.append(httpx.Client())
        return kept[-1].get(target.url(OK))

    with observe() as seen:
        for _ in range(5):
            call()
        running = needed(seen)
    assert running == needed(seen) == (5, 1, 0)
    assert only(only(process_of(seen).clients).origins).open_peak_count == 5
    for client in kept:
        client.close()


class SlowHooks(dict):
    """Makes the making of a client take longer than some calls."""

    def get(self, _key, default=None):
        time.sleep(0.1)
        return default


def test_a_client_that_waited_for_another_call_was_not_made_for_its_own(target):
    with observe() as seen:
        clients = [httpx.Client(event_hooks=SlowHooks()) for _ in range(3)]
        for client in clients:
            client.get(target.url(OK))
        for client in clients:
            client.close()
    assert needed(seen) == (3, 1, 0)


def test_the_making_of_a_client_is_a_part_of_the_call_that_follows_it(target):
    def call(_number):
        with httpx.Client(event_hooks=SlowHooks()) as client:
            client.get(target.url(OK))

    with observe() as seen, ThreadPoolExecutor(2) as pool:
        list(pool.map(call, range(4)))
    assert needed(seen) == (4, 2, 0)


@pytest.mark.parametrize(("http2", "count"), [(False, 3), (True, 1)])
def test_calls_beside_each_other_need_a_connection_each_unless_it_carries_all(monkeypatch, http2, count):
    async def call(url):
        async with httpx.AsyncClient(http2=http2) as client:
            await client.get(url)

    async def main(target):
        for number in range(2):
            await asyncio.gather(*(call(target.url(f"/gate/3/needed-{number}")) for _ in range(3)))

    with serve(http_version="2" if http2 else "1.1") as server:
        monkeypatch.setenv("SSL_CERT_FILE", server.target.bundle)
        with observe() as seen:
            asyncio.run(main(server.target))
    assert needed(seen) == (6, count, 0)


def timed_out(client, target):
    with pytest.raises(httpx.ReadTimeout):
        client.get(target.url("/delay/2000"), timeout=httpx.Timeout(10, read=0.05))


def half_read(client, target):
    with client.stream("GET", target.url("/bytes/100000")) as response:
        next(response.iter_raw(10))


def left_unread(client, target):
    client.send(client.build_request("GET", target.url("/bytes/100000")), stream=True)


def sent_away(client, target):
    client.get(target.url("/close"))


@pytest.mark.parametrize("call", [timed_out, half_read, left_unread, sent_away])
def test_connections_that_are_ended_can_be_kept_by_nobody(target, call):
    with observe() as seen:
        for _ in range(4):
            with httpx.Client() as client:
                call(client, target)
    assert needed(seen) == (4, 4, 4)


@pytest.mark.parametrize("usual_count", [0, owners.CALLS_COUNTED_MAX + 1])
@pytest.mark.parametrize(("call", "count"), [(timed_out, 3), (half_read, 1), (left_unread, 1)])
def test_over_http2_a_response_that_is_left_ends_no_connection_and_a_timeout_does(
    monkeypatch, call, count, usual_count
):
    def calls(client, target):
        for _ in range(usual_count):
            client.get(target.url(OK))
        call(client, target)

    with serve(http_version="2") as server:
        monkeypatch.setenv("SSL_CERT_FILE", server.target.bundle)
        with observe() as seen:
            for _ in range(3):
                with httpx.Client(http2=True) as client:
                    calls(client, server.target)
        assert needed(seen)[:2] == (3, count)
        with observe() as seen, httpx.Client(http2=True) as client:
            for _ in range(3):
                calls(client, server.target)
        assert process_of(seen).counts.handshakes_count == count


def fail():
    raise httpx.ReadTimeout("of another call")


@pytest.mark.parametrize("calls_count", [1, owners.CALLS_COUNTED_MAX + 1])
def test_an_error_that_a_caller_handles_ends_no_connection(monkeypatch, calls_count):
    with serve(http_version="2") as server:
        monkeypatch.setenv("SSL_CERT_FILE", server.target.bundle)
        with observe() as seen:
            for _ in range(3):
                try:
                    fail()
                except httpx.ReadTimeout:
                    with httpx.Client(http2=True) as client:
                        for _ in range(calls_count):
                            client.get(server.target.url(OK))
    assert needed(seen) == (3, 1, 0)


def test_a_connection_that_a_long_call_ends_was_not_idle(target):
    limits = httpx.Limits(keepalive_expiry=0.05)
    with observe() as seen, httpx.Client(limits=limits) as client:
        for _ in range(2):
            with pytest.raises(httpx.ReadTimeout):
                client.get(target.url("/delay/2000"), timeout=httpx.Timeout(10, read=0.1))
    assert only(process_of(seen).clients).expired_count == 0


def test_calls_of_an_application_in_the_same_process_are_no_requests_and_take_none_of_their_time(target):
    async def app(_scope, _receive, send):
        async with httpx.AsyncClient() as client:
            await client.get(target.url("/delay/50"))
        await asyncio.sleep(0.2)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    async def main():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://app") as client:
            await asyncio.gather(*(client.get("/") for _ in range(3)))

    with observe() as seen:
        asyncio.run(main())
    process = process_of(seen)
    assert process.counts.requests_count == 3
    assert process.costs.request_wall_ns == only(process.origins).costs.request_wall_ns > 0


def test_calls_that_fail_before_they_send_take_time_all_the_same(refused_port):
    with observe() as seen, httpx.Client() as client, pytest.raises(httpx.ConnectError):
        client.get(f"https://127.0.0.1:{refused_port}/")
    process = process_of(seen)
    assert not process.counts.requests_count
    assert process.costs.request_wall_ns > 0


# --- whose cookies ------------------------------------------------------------------------------------------

SET = "/cookies/set?session=1"


async def user(client, target, path=SET):
    await client.get(target.url(path))
    await client.get(target.url("/cookies"))


async def users(client, target):
    for number in range(3):
        await asyncio.create_task(user(client, target, f"/cookies/set?session={number}"))


async def login_then_gather(client, target):
    await client.get(target.url(SET))
    await asyncio.gather(*(client.get(target.url("/cookies")) for _ in range(3)))


async def login_in_a_task(client, target):
    await asyncio.create_task(user(client, target))
    await client.get(target.url("/cookies"))


async def waits_with_a_limit(client, target):
    await asyncio.wait_for(client.get(target.url(SET)), 5)
    await asyncio.wait_for(client.get(target.url("/cookies")), 5)


@pytest.mark.parametrize(
    ("program", "foreign"),
    [(users, True), (login_then_gather, False), (login_in_a_task, False), (waits_with_a_limit, False)],
)
def test_whose_cookies_are_sent(target, program, foreign):
    async def main():
        async with httpx.AsyncClient() as client:
            await program(client, target)

    with observe() as seen:
        asyncio.run(main())
    group = only(process_of(seen).clients)
    assert (group.foreign_cookie_requests_count > 0) is foreign
    assert group.callers_with_cookies_count > 0
    assert ("CP013" in codes(seen)) is foreign


@pytest.mark.parametrize("by", ["pool", "thread"])
def test_threads_that_a_login_has_started_share_its_cookie(target, by):
    with observe() as seen, httpx.Client() as client:
        client.get(target.url(SET))
        if by == "pool":
            with ThreadPoolExecutor(2) as pool:
                list(pool.map(client.get, [target.url("/cookies")] * 2))
        else:
            thread = threading.Thread(target=client.get, args=(target.url("/cookies"),))
            thread.start()
            thread.join()
    assert only(process_of(seen).clients).foreign_cookie_requests_count == 0


def answer_with_cookies(request):
    """Sets what it is asked for."""
    return httpx.Response(200, headers=[("set-cookie", each) for each in request.url.params.get_list("set")])


@pytest.mark.parametrize(
    ("one", "given", "other", "is_foreign"),
    [
        ("https://a.test/", "name=1", "https://a.test/x", True),
        ("https://a.test/", "name=1", "https://b.test/", False),
        ("https://a.test/", "name=1; Domain=a.test", "https://sub.a.test/", True),
        ("https://sub.a.test/", "name=1; Domain=a.test", "https://a.test/", True),
        ("https://sub.a.test/", "name=1", "https://a.test/", True),  # the other's goes to both hosts
        ("https://a.test/", "name=1", "https://data.test/", False),
        ("https://a.test/one", "name=1; Path=/one", "https://a.test/one", True),
        ("https://a.test/one", "name=1; Path=/one", "https://a.test/one/x", True),
        ("https://a.test/one", "name=1; Path=/one", "https://a.test/oneself", False),
        ("https://host/", "name=1", "https://host/", True),
        ("https://127.0.0.1/", "name=1", "https://127.0.0.1:8443/", True),
        ("https://[::1]/", "name=1", "https://[::1]/", True),
        ("https://[::1]/", "name=1", "https://127.0.0.1/", False),
    ],
)
def test_a_cookie_is_held_against_those_of_its_host_and_path(one, given, other, is_foreign):
    async def main():
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer_with_cookies)) as client:
            is_given = asyncio.Event()

            async def ask():
                await client.get(one, params={"set": given})
                is_given.set()
                await asyncio.sleep(0.05)
                await client.get(one)

            async def ask_after():
                await is_given.wait()
                await client.get(other, params={"set": f"name=2; Path={httpx.URL(other).path}"})
                await client.get(other)

            await asyncio.gather(ask(), ask_after())

    with observe() as seen:
        asyncio.run(main())
    group = only(process_of(seen).clients)
    assert seen.errors.errors_count == 0, seen.errors.first
    assert (group.foreign_cookie_requests_count > 0) is is_foreign
    assert group.callers_with_cookies_count == 2


def test_a_cookie_is_theirs_whose_response_has_brought_it():
    """However long the rest of it takes: the client's jar has it by then, while others' calls end."""

    async def main():
        bodies = [asyncio.Event(), asyncio.Event()]

        async def body(number):
            bodies[number].set()
            await bodies[1 - number].wait()
            await asyncio.sleep(0.05 * number)
            yield b"ok"

        def answer(request):
            answered = answer_with_cookies(request)
            slow = request.url.params.get("slow")
            return answered if slow is None else httpx.Response(200, headers=answered.headers, content=body(int(slow)))

        async def ask(client, number):
            url = "https://host/"
            await client.get(url, params={"set": f"name-{number}=x; Path=/{number}", "slow": number})
            await asyncio.sleep(0.1)
            await client.get(f"{url}{number}")

        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
            await asyncio.gather(ask(client, 0), ask(client, 1))

    with observe() as seen:
        asyncio.run(main())
    group = only(process_of(seen).clients)
    assert seen.errors.errors_count == 0, seen.errors.first
    assert (group.foreign_cookie_requests_count, group.callers_with_cookies_count) == (0, 2)


def test_a_cookie_that_all_are_given_alike_is_nobodys():
    async def ask(client):
        client.cookies.clear()
        await client.get("https://host/?set=lang%3Den")
        await client.get("https://host/")

    async def main():
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer_with_cookies)) as client:
            for _ in range(3):
                await asyncio.create_task(ask(client))

    with observe() as seen:
        asyncio.run(main())
    assert only(process_of(seen).clients).foreign_cookie_requests_count == 0


def test_cookies_of_responses_on_the_way_are_the_callers():
    def answer(request):
        if request.url.path == "/login":
            return httpx.Response(302, headers={"location": "/", "set-cookie": "name=1"})
        return httpx.Response(200)

    async def main():
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer), follow_redirects=True) as client:

            async def wait(_request):
                await asyncio.sleep(0.05)

            async def ask(path):
                await client.get(f"https://host{path}")

            client.event_hooks = {"request": [wait]}
            await asyncio.gather(ask("/login"), *(ask("/") for _ in range(3)))
            await asyncio.create_task(ask("/"))

    with observe() as seen:
        asyncio.run(main())
    group = only(process_of(seen).clients)
    assert seen.errors.errors_count == 0, seen.errors.first
    assert (group.foreign_cookie_requests_count, group.callers_with_cookies_count) == (1, 1)


@pytest.mark.parametrize("when", ["made", "before", "within"])
def test_a_cookie_that_no_response_has_brought_is_nobodys(when):
    """The program has set it, and so for all."""

    async def ask(client, name=""):
        if name:
            client.cookies.set(name, "2", domain="host.local")
        await client.get("https://host/")

    async def main():
        cookies = {"one": "1"} if when == "made" else {}
        transport = httpx.MockTransport(answer_with_cookies)
        async with httpx.AsyncClient(cookies=cookies, transport=transport) as client:
            if when == "before":
                client.cookies.set("one", "1", domain="host.local")
            await asyncio.create_task(ask(client, "one" if when == "within" else ""))
            await asyncio.create_task(ask(client))

    with observe() as seen:
        asyncio.run(main())
    group = only(process_of(seen).clients)
    assert (group.foreign_cookie_requests_count, group.callers_with_cookies_count) == (0, 0)


def test_what_the_program_puts_in_a_cookies_place_is_nobodys():
    async def ask(client, url, cookie=""):
        if cookie:
            client.cookies.clear()
            client.cookies.set("one", cookie, domain="host.local", path="/")
        await client.get(url)

    async def main():
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer_with_cookies)) as client:
            await asyncio.create_task(ask(client, "https://host/?set=one%3D1%3B+path%3D/"))
            await ask(client, "https://host/", "2")
            await asyncio.create_task(ask(client, "https://host/"))
            assert dict(client.cookies) == {"one": "2"}

    with observe() as seen:
        asyncio.run(main())
    group = only(process_of(seen).clients)
    assert (group.foreign_cookie_requests_count, group.callers_with_cookies_count) == (0, 1)


# --- forks --------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize("used", [False, True])
def test_a_client_that_was_used_before_the_fork(target, used):
    reading, writing = os.pipe()
    with observe() as seen:
        client = httpx.Client()
        if used:
            client.get(target.url(OK))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # this process has threads of the server's control
            pid = os.fork()
        if not pid:
            try:
                client.get(target.url(OK))
            except httpx.HTTPError:
                pass
            finally:
                count = sum(group.second_process_count for group in process_of(seen).clients)
                os.write(writing, bytes([count]))
                os._exit(0)
        os.waitpid(pid, 0)
        assert os.read(reading, 1) == bytes([1 if used else 0])
        client.close()
    os.close(reading)
    os.close(writing)


def test_a_snapshot_is_the_same_before_and_after_the_end(target):
    with observe() as seen:
        kept = []
        for _ in range(12):
            kept.append(httpx.Client())
            kept[-1].get(target.url(OK))
        before = seen.snapshot()
    after = seen.snapshot()
    for changing in ("duration_ns",):
        before.pop(changing)
        after.pop(changing)
    assert before == after
    assert only(process_of(seen).contexts).idle_alive_count > 3
    assert "CP016" in codes(seen)
    for client in kept:
        client.close()


def test_a_context_whose_handshake_failed_was_used(main_server, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    context = ssl.create_default_context()
    with observe() as seen:
        own = ssl.create_default_context()
        for each in (own, context):
            with pytest.raises(httpx.ConnectError):
                httpx.Client(verify=each).get(main_server.target.url(OK))
        clients = [httpx.Client() for _ in range(2)]
        for client in clients:
            with pytest.raises(httpx.ConnectError):
                client.get(main_server.target.url(OK))
            client.close()
    assert process_of(seen).counts.handshakes_failed_count == 4
    assert [group.unused_count for group in process_of(seen).contexts] == [0, 0]
    assert "CP009" not in codes(seen)


def test_an_opener_that_is_kept_is_named(target):
    import urllib.request

    with observe() as seen:
        opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=target.bundle))
        )
        for _ in range(3):
            opener.open(target.url(OK), timeout=10).close()
    assert only(process_of(seen).clients).shortcut == "urllib.request.OpenerDirector.open"
    finding = only(profile_of(seen).findings)
    assert (finding.code, finding.what) == (
        "CP002", "urllib.request.OpenerDirector.open() made 3 connections, one request each",
    )  # fmt: skip


def ways_of(group):
    """Lines above the making, or the function that started the task or thread which it happened in, by count."""
    return sorted(
        (chain.started_at.function if chain.started_at else chain.frames[0].function, chain.count)
        for chain in group.chains
    )


def test_clients_made_in_tasks_tell_what_started_these(target):
    async def fetch():
        async with httpx.AsyncClient() as client:
            await client.get(target.url(OK))

    async def main():
        for _ in range(6):
            await fetch()
        await asyncio.gather(*(fetch() for _ in range(4)))

    with observe() as seen:
        asyncio.run(main())
    name = "test_clients_made_in_tasks_tell_what_started_these.<locals>.main"
    assert ways_of(only(process_of(seen).clients)) == [(name, 4), (name, 6)]
    text = render(profile_of(seen), "text", width=200)
    assert "(6x)" in text
    assert "called from its task or thread, started at" in " ".join(text.split())


def test_clients_made_in_threads_tell_what_started_these(target):
    def fetch():
        with httpx.Client() as client:
            client.get(target.url(OK))

    def main():
        for _ in range(2):
            thread = threading.Thread(target=fetch)
            thread.start()
            thread.join()
        with ThreadPoolExecutor(1) as pool:
            for _ in range(3):
                pool.submit(fetch).result()

    with observe() as seen:
        main()
    name = "test_clients_made_in_threads_tell_what_started_these.<locals>.main"
    assert ways_of(only(process_of(seen).clients)) == [(name, 2), (name, 3)]


def test_contexts_that_a_library_makes_when_it_is_imported_are_said_to_be_that(tmp_path, monkeypatch):
    package = tmp_path / "site-packages" / "acme_imports"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("from acme_imports import wire\n")
    (package / "wire.py").write_text("import ssl\nCONTEXTS = [ssl.create_default_context() for _ in range(2)]\n")
    monkeypatch.syspath_prepend(str(package.parent))
    with observe() as seen:
        import acme_imports  # noqa: F401
    profile = profile_of(seen)
    assert [site.imported for site in profile.sites] == [{"acme_imports": 2}]
    made = msgspec.structs.replace(profile, findings=profile_of(churned()).findings)
    assert "2 contexts made by importing acme_imports" in render(made, "text")


def churned():
    with observe() as seen:
        for _ in range(3):
            ssl.create_default_context()
    return seen


def test_given_contexts_are_counted_once_each_and_keep_no_other_windows_groups(target):
    def ask(context):
        with httpx.Client(verify=context) as client:
            client.get(target.url(OK))

    with observe() as outer:
        contexts = [ssl.create_default_context(cafile=target.bundle) for _ in range(2)]
        for context in contexts * 2:
            ask(context)
        with observe() as inner:
            ask(contexts[0])
        given = only(only(process_of(outer).clients).given_contexts)
        assert (given.count, given.site) == (2, only(process_of(outer).contexts).site)
        assert only(process_of(inner).clients).given_contexts == ()
        # One that lives on would keep alive what it refers to.
        kept = [group for context in RECORDER.living()[1] for group in context.given_to]
        assert {group.story for group in kept} == {outer.story}


def test_the_lines_where_clients_shake_hands_are_known(target):
    with observe() as seen:
        client = httpx.Client()
        client.get(target.url(OK))
        client.close()
    group = only(process_of(seen).clients)
    shaken = only(group.handshake_sites)
    assert (shaken.site.line, shaken.count) == (group.site.line + 1, 1)


def line_of(marker):
    lines = Path(__file__).read_text("utf-8").splitlines()
    (number,) = (number for number, line in enumerate(lines, 1) if line.endswith(f"  {marker}"))
    return number


def payers(seen):
    return {
        (each.site.line, each.site.certainty): each.counts.requests_count
        for each in seen.sites
        if each.counts.requests_count
    }


def test_a_place_is_known_by_all_that_stands_between(target):
    def through(url):
        return client.request("GET", url)  # inner

    def one():
        client.get(target.url(OK))  # one

    def two():
        client.get(target.url(OK))  # two

    with observe() as seen, httpx.Client() as client:
        for _ in range(4):  # the first two calls of a client are looked at with more care
            for ask in (client.get, through, client.get):
                ask(target.url(OK))  # outer
            client.get(target.url(OK))  # first
            client.get(target.url(OK))  # second
            one()
            two()
    expected = {"inner": 4, "outer": 8, "first": 4, "second": 4, "one": 4, "two": 4}
    assert payers(seen) == {(line_of(f"# {name}"), "stack"): count for name, count in expected.items()}


def test_a_shortcut_is_known_to_windows_with_user_code_of_their_own(target):
    def call():
        httpx.get(target.url(OK))

    with observe(user_code=[str(Path(__file__).parent)]) as alone:
        call()
    with observe(user_code=[str(Path(__file__).parent)]) as beside, observe() as usual:
        call()
    for seen in (alone, beside, usual):
        assert only(process_of(seen).clients).shortcut == "httpx.get"


def test_a_window_that_opens_as_a_place_is_looked_up_has_lines_of_its_own(target, monkeypatch):
    def call(client):
        client.get(target.url(OK))

    lane_of, others = Recorder._lane_of, []

    def opening(*args):
        if not others:
            others.append(stack.enter_context(observe(user_code=[str(Path(__file__).parent)])))
        return lane_of(*args)

    with contextlib.ExitStack() as stack:
        stack.enter_context(observe())
        known = stack.enter_context(httpx.Client())
        call(known)
        monkeypatch.setattr(Recorder, "_lane_of", opening)
        client = stack.enter_context(httpx.Client())
        for _ in range(3):
            call(client)
    (other,) = others
    assert [site.site.certainty for site in other.sites if site.counts.requests_count] == ["stack"]


def test_a_place_is_found_anew_when_another_window_opens(target):
    def ask():
        client.get(target.url(OK))  # asked for

    with observe() as seen, httpx.Client() as client:
        for _ in range(4):
            ask()
        with observe(user_code=[str(Path(__file__).parent)]) as other:
            for _ in range(4):
                ask()
        for _ in range(4):
            ask()
    assert payers(seen) == {(line_of("# asked for"), "stack"): 12}
    assert payers(other) == {(line_of("# asked for"), "stack"): 4}


def records_count():
    kinds = (Watch, _Connection, _Handshake, _Unshaken, owners.Client, owners.Context)
    return Counter(type(each).__name__ for each in gc.get_objects() if type(each) in kinds)


@pytest.mark.parametrize("calls_count", [1, 20])
def test_what_is_gone_is_forgotten_without_a_garbage_collection(target, calls_count):
    url = httpx.URL(target.url(OK))

    def work(asks):
        context = ssl.create_default_context(cafile=target.ca)
        plain = socket.create_connection((url.host, url.port))
        sock = context.wrap_socket(plain, server_hostname=url.host, do_handshake_on_connect=asks)
        sock.sendall(b"GET /status/200 HTTP/1.1\r\nhost: localhost\r\n\r\n")
        with sock, httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200))) as client:
            assert sock.recv(1)
            for _ in range(calls_count):
                client.get("https://host/")
        return [ref(context), ref(sock), ref(client)]

    gc.collect()
    gc.disable()
    try:
        with observe() as seen:
            before = records_count()
            gone = [each() for asks in (True, False, True, False) for each in work(asks)]
            RECORDER.settle()
            assert records_count() == before
            assert gone == [None] * 12
            assert not RECORDER.clients
            assert not RECORDER._contexts
            assert not RECORDER._handshakes
            assert not RECORDER._unshaken
    finally:
        gc.enable()
    assert seen.counts.handshakes_full_count == 4
    assert seen.errors.errors_count == 0, seen.errors.first


def test_a_connection_that_outlives_the_last_window_keeps_no_client_of_it_alive(target):
    with httpx.Client() as client:
        gc.collect()
        before = records_count()
        for _ in range(2):
            with observe() as seen, httpx.Client() as other:
                for _ in range(owners.CALLS_COUNTED_MAX + 4):
                    other.get(target.url(OK))
                    client.get(target.url(OK))
                kept = other._transport  # its pool has the connection, which was not closed
                other._transport = httpx.MockTransport(lambda _: httpx.Response(200))
            gc.collect()
            assert records_count() - before == Counter(_Connection=2)
            assert only(process_of(seen).clients).counts.requests_count == owners.CALLS_COUNTED_MAX + 4
            assert seen.errors.errors_count == 0, seen.errors.first
            kept.close()
            del kept, other
