"""Opening, nesting and closing; nothing is left behind, and nothing reaches the observed code."""

from __future__ import annotations

import asyncio
import concurrent.futures.thread
import contextlib
import contextvars
import http.client
import multiprocessing
import os
import socket
import ssl
import subprocess
import sys
import textwrap
import threading
import warnings
from asyncio import base_events

import h2.connection
import h11
import httpx
import pytest

from connprof.observe import observe
from connprof.observe.recorder import RECORDER

PATCHED = (
    ssl.SSLContext,
    ssl.SSLObject,
    ssl.SSLSocket,
    socket.socket,
    socket,
    threading.Thread,
    h11.Connection,
    h2.connection.H2Connection,
    http.client.HTTPConnection,
    httpx.Client,
    httpx.AsyncClient,
    base_events.BaseEventLoop,
    concurrent.futures.thread.ThreadPoolExecutor,
)


def snapshot():
    state = {owner: dict(vars(owner)) for owner in PATCHED}
    state["meta_path"] = list(sys.meta_path)
    return state


def new_context():
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def test_everything_is_restored_exactly(server):
    before = snapshot()
    with observe():
        during = snapshot()
        with observe():
            httpx.get(server.url)
        assert during == snapshot()
    assert before == snapshot()
    changed = [owner for owner in PATCHED if before[owner] != during[owner]]
    assert list(PATCHED) == changed  # the list above is what this test is worth
    assert "connect" not in vars(socket.socket)
    assert "load_verify_locations" not in vars(ssl.SSLContext)


def test_restored_after_an_exception():
    before = snapshot()
    with contextlib.suppress(ZeroDivisionError), observe() as observation:
        new_context()
        raise ZeroDivisionError
    assert before == snapshot()
    assert observation.counts.contexts_count == 1


def test_what_others_patched_meanwhile_is_left_to_them():
    with observe():
        ours = socket.socket.detach

        def theirs(self):
            return ours(self)

        socket.socket.detach = theirs
    try:
        assert vars(socket.socket)["detach"] is theirs
        sock = socket.socket()
        os.close(sock.detach())  # ours does nothing but call the original by now
    finally:
        socket.socket.detach = ours.__wrapped__


def old_context():
    ssl.SSLContext()  # a protocol is asked for; it warns of its options, too


def old_handshake():
    warnings.warn("this is old", DeprecationWarning, stacklevel=2)


def old_work():
    with concurrent.futures.ThreadPoolExecutor() as pool:
        pool.submit(old_handshake).result()


async def old_session():
    aiohttp = pytest.importorskip("aiohttp")
    await aiohttp.ClientSession(read_timeout=3).close()


@pytest.mark.parametrize(
    "what", [old_context, old_work, lambda: asyncio.run(old_session())], ids=["ssl", "pool", "aio"]
)
def test_whom_a_warning_is_about_is_as_it_is_outside_the_window(what):
    def warned():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            what()
        return [(each.filename, each.lineno, str(each.message)) for each in caught]

    outside = warned()
    with observe():
        assert warned() == outside
    assert outside


def test_outside_the_window_nothing_is_counted():
    new_context()
    with observe() as observation:
        new_context()
    new_context()
    assert observation.counts.contexts_count == 1


def test_kept_replacements_do_nothing_after_the_window():
    with observe() as observation:
        kept = socket.getaddrinfo
    assert kept("127.0.0.1", 80)
    assert kept is not socket.getaddrinfo
    assert observation.errors.errors_count == 0


def test_nested():
    with observe() as outer:
        new_context()
        with observe() as inner:
            new_context()
        new_context()
    assert (outer.counts.contexts_count, inner.counts.contexts_count) == (3, 1)


def test_overlapping_windows_may_end_in_any_order():
    first, second = observe(), observe()
    one = first.__enter__()
    two = second.__enter__()
    new_context()
    first.__exit__(None, None, None)
    new_context()
    second.__exit__(None, None, None)
    assert (one.counts.contexts_count, two.counts.contexts_count) == (1, 2)
    assert RECORDER.windows == ()


def test_inner_window_sees_a_connection_opened_in_it_and_cuts_it_at_its_end(plain_server):
    with observe() as outer:
        with observe() as inner:
            sock = socket.create_connection(("127.0.0.1", plain_server.port))
        threading.Event().wait(0.01)
        sock.close()
        with observe() as later:
            pass
    (cut,) = (event for event in inner.events if event.kind == "connection")
    (whole,) = (event for event in outer.events if event.kind == "connection")
    assert cut.end_ns == inner.ended_ns - inner.started_ns
    assert whole.end_ns > cut.end_ns + 5_000_000
    assert later.events == ()


def test_figures_can_be_read_while_the_window_is_open():
    with observe() as observation:
        assert observation.counts.contexts_count == 0
        new_context()
        assert observation.counts.contexts_count == 1
        assert "open" in repr(observation)
    assert "closed" in repr(observation)


def test_window_can_be_used_again():
    window = observe()
    with window as first:
        new_context()
    with window as second:
        new_context()
        new_context()
    assert (first.counts.contexts_count, second.counts.contexts_count) == (1, 2)


@pytest.mark.parametrize("early", ["short", "long"])
def test_one_window_object_in_two_threads_closes_each_ones_own(early):
    window, open_now, is_late, is_short_done = observe(), threading.Barrier(2), threading.Event(), threading.Event()
    found = {}

    def enter(name):
        if name != early:
            is_late.wait(5)
        opened = window.__enter__()
        is_late.set()
        open_now.wait(5)
        return opened

    def short():
        found["short"] = enter("short")
        window.__exit__(None, None, None)
        is_short_done.set()

    def long():
        found["long"] = enter("long")
        is_short_done.wait(5)
        new_context()
        window.__exit__(None, None, None)

    threads = [threading.Thread(target=each) for each in (short, long)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {name: each.counts.contexts_count for name, each in found.items()} == {"short": 0, "long": 1}
    assert RECORDER.windows == ()


@pytest.mark.parametrize("early", ["short", "long"])
def test_one_window_object_in_two_tasks_closes_each_ones_own(early):
    window = observe()

    async def main():
        is_late, is_short_done, found = asyncio.Event(), asyncio.Event(), {}

        async def short():
            if early != "short":
                await is_late.wait()
            with window as found["short"]:
                is_late.set()
                await asyncio.sleep(0)
            is_short_done.set()

        async def long():
            if early != "long":
                await is_late.wait()
            with window as found["long"]:
                is_late.set()
                await is_short_done.wait()
                new_context()

        await asyncio.gather(short(), long())
        return {name: each.counts.contexts_count for name, each in found.items()}

    assert asyncio.run(main()) == {"short": 0, "long": 1}


def test_a_window_that_is_left_from_another_context_is_closed():
    window, other = observe(), contextvars.copy_context()
    opened = other.run(window.__enter__)
    window.__exit__(None, None, None)
    assert opened.ended_ns is not None
    assert RECORDER.windows == ()


def test_leaving_a_window_that_is_not_open_is_said_in_a_sentence():
    window = observe()
    with window:
        pass
    with pytest.raises(RuntimeError, match="is not open: it was left more often than it was entered"):
        window.__exit__(None, None, None)
    assert RECORDER.windows == ()


def test_windows_opened_and_closed_by_many_threads():
    before = snapshot()
    found = []

    def work():
        for _ in range(20):
            with observe() as observation:
                new_context()
            found.append(observation.counts.contexts_count)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 80
    assert min(found) >= 1
    assert before == snapshot()


def test_decorated_function():
    @observe()
    def make(count):
        """Makes contexts."""
        for _ in range(count):
            new_context()
        return count

    assert make(2) == 2
    assert make.observation.counts.contexts_count == 2
    assert make(1) == 1
    assert make.observation.counts.contexts_count == 1
    assert (make.__name__, make.__doc__) == ("make", "Makes contexts.")


def test_decorated_coroutine_function(server):
    @observe()
    async def call():
        async with httpx.AsyncClient() as client:
            return (await client.get(server.url)).status_code

    assert asyncio.iscoroutinefunction(call)
    assert asyncio.run(call()) == 200
    assert call.observation.counts.handshakes_full_count == 1


def test_generator_functions_are_refused():
    def generate():
        yield

    with pytest.raises(TypeError, match="generator function"):
        observe()(generate)


def test_replaced_coroutine_functions_are_still_coroutine_functions():
    with observe():
        assert asyncio.iscoroutinefunction(httpx.AsyncClient.send)
        assert not asyncio.iscoroutinefunction(httpx.Client.send)


# --- never raising ----------------------------------------------------------------------------------------


def test_broken_hooks_never_reach_user_code(server, monkeypatch):
    """Every recording step fails, and the calls do not notice."""

    def broken(*_, **__):
        raise RuntimeError("on purpose")

    with observe() as observation:
        monkeypatch.setattr(RECORDER, "_sites", broken)
        monkeypatch.setattr(RECORDER, "_count", broken)
        monkeypatch.setattr(RECORDER, "_drain", broken)
        assert httpx.get(server.url).status_code == 200
        asyncio.run(one_async_call(server.url))
        monkeypatch.undo()
        new_context()
    assert observation.counts.contexts_count == 1
    assert observation.errors.errors_count >= 6
    assert "RuntimeError (test_window.py:" in observation.errors.first
    assert any("internal errors" in sentence for sentence in observation.blind_spots)
    left = observation.snapshot()
    assert len(left["errors"]) == 1
    assert not any("internal errors" in sentence for sentence in left["blind_spots"]), "it is said once"


async def one_async_call(url):
    async with httpx.AsyncClient(verify=False) as client:  # the environment was undone with the patches
        await client.get(url)


def test_errors_of_the_calls_themselves_are_passed_on_unchanged(refused_port):
    def attempt():
        with socket.socket() as sock:
            sock.connect(("127.0.0.1", refused_port))

    with pytest.raises(ConnectionRefusedError) as alone:
        attempt()
    with observe() as observation, pytest.raises(ConnectionRefusedError) as observed:
        attempt()
    assert alone.value.args == observed.value.args
    assert observation.errors.errors_count == 0
    with observe() as observation:
        with socket.socket() as sock, pytest.raises(TypeError):
            sock.connect("nonsense")
        with pytest.raises(TypeError):
            new_context().load_verify_locations()
    assert observation.counts.connections_count == 0
    assert observation.counts.ca_loads_count == 0


def test_an_interruption_before_a_ca_load_hides_no_later_one(ca_file):
    class Interruption(BaseException):
        pass

    interruptions = [Interruption()]

    def is_user(_file):
        if interruptions:
            raise interruptions.pop()
        return True

    context = new_context()
    with observe(user_code=is_user) as observation:
        with pytest.raises(Interruption):
            context.load_verify_locations(ca_file)
        assert observation.counts.ca_loads_count == 0
        context.load_verify_locations(ca_file)
        assert observation.counts.ca_loads_count == 1


def test_nobody_is_told_of_a_ca_load_that_failed(monkeypatch):
    told = []
    context = new_context()
    with observe():
        monkeypatch.setattr(RECORDER, "on_event", lambda: told.append(1))
        with pytest.raises(FileNotFoundError):
            context.load_verify_locations("/nowhere/at/all.pem")
        monkeypatch.undo()
    assert told == []


CALLED_BY_PYTHON = {
    "a context": ("ssl.SSLContext, ssl.PROTOCOL_TLS_CLIENT", "contexts_count"),
    "a CA load": ("made.load_verify_locations, os.environ['SSL_CERT_FILE']", "ca_loads_count"),
    "a connect": ("sock.connect, address", "connections_count"),
    "a client": ("httpx.Client", "contexts_count"),
    "a call": ("client.send, client.build_request('GET', url)", "requests_count"),
    "a usual call": ("client.send, client.build_request('GET', url)", "requests_count"),
    "a head": ("http.client.HTTPSConnection.endheaders, connection", "requests_count"),
    "a TLS object": ("made.wrap_bio, ssl.MemoryBIO(), ssl.MemoryBIO()", None),
}


@pytest.mark.parametrize("what", CALLED_BY_PYTHON)
def test_what_python_itself_calls_is_counted_and_does_not_notice(server, what):
    """Functions that are replaced, as handlers that nothing in Python is on the stack of."""
    called, counted = CALLED_BY_PYTHON[what]
    printed = run_python(f"""
        import atexit, http.client, os, socket, ssl
        import httpx
        from connprof.observe import observe
        url, address = {server.url!r}, ("127.0.0.1", {server.port})
        made = ssl.create_default_context()
        made.check_hostname = False
        sock = socket.socket()
        atexit.register(sock.close)
        observation = observe(user_code=["/nowhere"]).__enter__()
        client = httpx.Client(verify=made)
        if {what == "a usual call"}:
            for _ in range(15):
                client.get(url)
            client.send(client.build_request("GET", url))
        connection = http.client.HTTPSConnection(*address, context=made)
        connection.putrequest("GET", "/")
        before = observation.counts
        def show(counted):
            assert not observation.errors.errors_count, observation.errors
            print(counted and getattr(observation.counts, counted) - (getattr(before, counted) or 0))
            sock.close(), client.close(), connection.close()
        atexit.register(show, {counted!r})
        atexit.register({called})
    """)
    assert printed == ("None" if counted is None else "1")


# --- imports ----------------------------------------------------------------------------------------------


def run_python(code):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "Exception ignored" not in done.stderr, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("early", [True, False])
def test_libraries_imported_before_and_in_the_window(plain_server, early):
    """httpcore imports h11 at the first connection, so that even ``import httpx`` before is not early enough."""
    printed = run_python(f"""
        import sys
        {"import httpx, h11" if early else ""}
        before = list(sys.meta_path)
        from connprof.observe import observe
        with observe() as observation:
            assert observation.counts.requests_count is None
            import httpx
            httpx.get({plain_server.url!r})
            import h11
            assert "exec_module" not in vars(h11.__spec__.loader)
        assert before == sys.meta_path
        assert not observation.errors.errors_count, observation.errors
        assert not hasattr(h11.Connection.send_with_data_passthrough, "__wrapped__")
        assert not hasattr(httpx.Client.send, "__wrapped__")
        print(observation.counts.requests_count)
    """)
    assert printed == "1"


@pytest.mark.parametrize(
    "again", ["importlib.reload(http.client)", "del sys.modules['http.client']; import http.client"]
)
def test_libraries_that_are_executed_again_are_followed_again(plain_server, again):
    printed = run_python(f"""
        import http.client, importlib, sys
        from connprof.observe import observe, window
        def get():
            connection = http.client.HTTPConnection("127.0.0.1", {plain_server.port})
            connection.request("GET", "/")
            connection.getresponse().read()
            connection.close()
        with observe() as observation:
            get()
            {again}
            get()
            window._LIFECYCLE._module_arrived(http.client, True)  # a reload that its classes outlive
            get()
        assert not observation.errors.errors_count, observation.errors
        assert not hasattr(http.client.HTTPConnection.endheaders, "__wrapped__")
        (group,) = [each for each in observation.snapshot()["clients"] if "HTTPConnection" in each["kind"]]
        print(observation.counts.requests_count, group["made_count"], *observation.blind_spots)
    """)
    assert printed == "3 3"


@pytest.mark.parametrize(
    ("name", "kind"), [("h11", "Connection"), ("http.client", "HTTPConnection"), ("httpx", "Client")]
)
def test_libraries_that_were_replaced_between_windows_are_let_go(name, kind):
    printed = run_python(f"""
        import gc, importlib, sys, weakref
        import {name}
        from connprof.observe import observe
        with observe():
            pass
        earlier = weakref.ref(sys.modules["{name}"].{kind})
        for module in list(sys.modules):
            if module == "{name}" or module.startswith("{name}."):
                del sys.modules[module]
        {name.partition(".")[0]} = None
        parent, _, child = "{name}".rpartition(".")
        if parent:
            delattr(sys.modules[parent], child)
        importlib.import_module("{name}")
        with observe() as observation:
            pass
        gc.collect()
        print(earlier() is None, observation.errors.errors_count)
    """)
    assert printed == "True 0"


@pytest.mark.parametrize("name", ["socket", "ssl"])
def test_a_reload_of_the_standard_library_is_said(name):
    printed = run_python(f"""
        import importlib, ssl, socket
        from connprof.observe import observe
        with observe() as observation:
            assert observation.snapshot()["blind_spots"] == []
            importlib.reload({name})
            assert len(observation.snapshot()["blind_spots"]) == 1
        with observe() as later:
            pass
        assert not observation.errors.errors_count, observation.errors
        print(*observation.blind_spots, later.blind_spots)
    """)
    assert printed == f"{name} was reloaded: whatever its new classes and functions did is not in these counts. ()"


def test_library_imported_in_the_window_makes_requests_known_to_be_none():
    printed = run_python("""
        from connprof.observe import observe
        with observe() as observation:
            import h11
        with observe() as later:
            pass
        print(observation.counts.requests_count, later.counts.requests_count)
    """)
    assert printed == "0 None"


def test_observer_imports_the_standard_library_only():
    printed = run_python("""
        import sys
        before = set(sys.modules)  # a system's own sitecustomize, say
        import connprof.observe
        third = {name.partition(".")[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)
        ours = {name for name in sys.modules if name.startswith("connprof")}
        print(sorted(name for name in ours if not name.startswith("connprof.observe")), "asyncio" in sys.modules,
            sorted(name for name in third if "editable" not in name and not name.startswith(("_", "connprof"))))
    """)
    assert printed == "['connprof'] False []"


def test_nothing_is_replaced_by_importing_alone():
    printed = run_python("""
        import socket, ssl, sys
        before = dict(vars(socket.socket)), dict(vars(ssl.SSLContext)), list(sys.meta_path)
        import connprof.observe
        print(before == (dict(vars(socket.socket)), dict(vars(ssl.SSLContext)), list(sys.meta_path)))
    """)
    assert printed == "True"


def test_failing_import_fails_as_ever(tmp_path, monkeypatch):
    (tmp_path / "jh2").mkdir()
    (tmp_path / "jh2" / "__init__.py").write_text("")
    (tmp_path / "jh2" / "connection.py").write_text("raise ZeroDivisionError")
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == "jh2"]:
        monkeypatch.delitem(sys.modules, name)
    with observe() as observation, pytest.raises(ZeroDivisionError):
        import jh2.connection  # noqa: F401 - the import is what is tested
    sys.modules.pop("jh2")
    assert observation.errors.errors_count == 0


def test_library_that_is_not_what_the_table_says_is_reported(tmp_path, monkeypatch):
    (tmp_path / "httpx2.py").write_text("class Client: pass\nclass AsyncClient:\n    async def send(self): pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    known = sys.modules.pop("httpx2", None)
    with observe() as observation:
        import httpx2

        assert hasattr(httpx2.AsyncClient.send, "__wrapped__")
        with observe() as inner:
            pass
    assert not hasattr(httpx2.AsyncClient.send, "__wrapped__")
    del sys.modules["httpx2"]
    if known is not None:
        sys.modules["httpx2"] = known
    assert "httpx2.Client.send" in observation.errors.first
    assert "httpx2.Client.send" in inner.errors.first  # opened later, and just as blind


def test_blind_spots(monkeypatch):
    with observe() as observation:
        monkeypatch.setitem(sys.modules, "pycurl", sys)
    assert any(sentence.startswith("pycurl was imported") for sentence in observation.blind_spots)
    monkeypatch.delitem(sys.modules, "pycurl")
    with observe() as observation:
        pass
    assert observation.blind_spots == ()


# --- HTTP/2 -----------------------------------------------------------------------------------------------


def test_streams_of_http2():
    """The first headers of a client's stream are a request; trailers, answers and tunnels are none."""
    import h2.config

    head = [(":method", "GET"), (":path", "/"), (":scheme", "https"), (":authority", "x")]
    client = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    answering = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
    with observe() as observation:
        client.initiate_connection()
        answering.initiate_connection()
        client.send_headers(1, iter(head))
        assert observation.counts.requests_count == 1
        client.send_headers(1, [("x-trailer", "1")], end_stream=True)
        assert observation.counts.requests_count == 1
        answering.receive_data(client.data_to_send())
        answering.send_headers(1, [(":status", "200")], end_stream=True)
        assert observation.counts.requests_count == 1
        client.send_headers(3, head, end_stream=True)
        assert observation.counts.requests_count == 2
        client.send_headers(5, [(":method", "CONNECT"), (":authority", "x")])
        assert observation.counts.requests_count == 2
        client.send_headers(
            7,
            [(b":method", b"CONNECT"), (b":protocol", b"websocket"), *((a.encode(), b.encode()) for a, b in head[1:])],
        )
    assert observation.counts.requests_count == 3
    assert observation.errors.errors_count == 0


def test_h11_requests():
    with observe() as observation:
        client, answering = h11.Connection(h11.CLIENT), h11.Connection(h11.SERVER)
        answering.receive_data(client.send(h11.Request(method="GET", target="/", headers=[("host", "x")])))
        client.send(h11.EndOfMessage())
        answering.next_event()
        answering.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
        assert observation.counts.requests_count == 1
        tunnel = h11.Connection(h11.CLIENT)
        tunnel.send(h11.Request(method="CONNECT", target="x:1", headers=[("host", "x")]))
    assert observation.counts.requests_count == 1


# --- fork -------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_forked_child_counts_from_zero():
    """The child's figures are its own, even when another thread held the lock at the fork."""
    fork = multiprocessing.get_context("fork")
    receiving, sending = fork.Pipe(duplex=False)

    def child(observation):
        first = observation.counts.contexts_count
        new_context()
        sending.send((first, observation.counts.contexts_count))

    held, release = threading.Event(), threading.Event()

    def hold():
        with RECORDER.lock:
            held.set()
            release.wait(10)

    with observe() as observation:
        new_context()
        new_context()
        holder = threading.Thread(target=hold)
        holder.start()
        held.wait(5)
        process = fork.Process(target=child, args=(observation,))
        process.start()
        release.set()
        holder.join()
        assert receiving.poll(10)
        assert receiving.recv() == (0, 1)
        process.join(5)
    assert observation.counts.contexts_count == 2
