"""What the other tests of the server would not notice if it went missing."""

import contextlib
import os
import select
import signal
import socket
import sys
import threading
import time
from pathlib import Path

import pytest

from connprof_server import folder, serve
from connprof_server.control import ChildProcess
from connprof_server.folder import PREFIX, sweep
from tests.server.conftest import is_running
from tests.server.raw_client import RawConnection, client_context, tcp

on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def test_a_ledger_is_not_settled_while_a_connection_still_passes_the_proxy(wait_until):
    with serve(rtt_ms=1) as server, RawConnection(server.target, client_context(server.target)) as connection:
        assert connection.get("/api/x")[0] == 200
        assert server.drop_connections() == 1
        wait_until(lambda: server.ledger().is_settled)
        # the server is done, but the client has not closed its side of the proxy
        taken = server.settled_ledger(timeout_s=0.05)
        note = "0 connections were still open, 1 connections still passed the proxy after 0.05 s"
        assert taken.is_settled
        assert taken.notes == (note,)
        connection.close()
        assert server.settled_ledger(timeout_s=10).notes == ()


def test_a_connection_that_the_proxy_has_not_accepted_yet_is_waited_for():
    with serve(rtt_ms=1) as server:
        for count in range(1, 6):
            with tcp(server.target):
                assert server.settled_ledger(timeout_s=0).notes != ()
            taken = server.settled_ledger(timeout_s=10)
            assert taken.notes == ()
            assert taken.total.tcp_accepts_count == count


UNWANTED = (
    "PYTHONASYNCIODEBUG",
    "PYTHONDEVMODE",
    "PYTHONINSPECT",
    "PYTHONMALLOC",
    "PYTHONPROFILEIMPORTTIME",
    "PYTHONTRACEMALLOC",
    "PYTHONWARNINGS",
    "CONNPROF_ANYTHING",
)


@on_linux
def test_the_servers_processes_inherit_nothing_that_slows_them_or_observes_them(monkeypatch):
    for name in UNWANTED:
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("PYTHONWARNINGS", "always")
    monkeypatch.setenv("PYTHONMALLOC", "malloc")
    monkeypatch.setenv("OF_THE_USER", "kept")
    with serve(rtt_ms=1) as server:
        for pid in (server.pid, server.proxy_pid):
            lines = Path(f"/proc/{pid}/environ").read_text().split("\0")
            names = {line.partition("=")[0] for line in lines}
            assert not names & set(UNWANTED)
            assert "OF_THE_USER=kept" in lines


# --- the proxy alone, before a server that is not TLS -------------------------------------------------------------


@pytest.fixture
def proxied(tmp_path):
    """A function: round trip in ms -> a listening socket and the address of the proxy before it."""
    proxies, sockets = [], []

    def start(rtt_ms):
        listening = socket.create_server(("127.0.0.1", 0))
        sockets.append(listening)
        listening.settimeout(20)
        proxies.append(ChildProcess("proxy", "connprof_server.shaping", log=tmp_path / "log"))
        ports = {"main": listening.getsockname()[1]}
        ready = proxies[-1].start({"ports": ports, "listen_ports": [0], "rtt_ms": rtt_ms}, 20)
        return listening, ("127.0.0.1", ready["ports"]["main"])

    yield start
    for proxy in proxies:
        proxy.stop()
    for sock in sockets:
        sock.close()


def test_a_new_connections_first_bytes_wait_for_a_whole_round_trip_more(proxied):
    rtt_s = 0.4
    listening, address = proxied(rtt_s * 1000)
    start = time.monotonic()
    with socket.create_connection(address, timeout=20) as client:
        client.sendall(b"a")
        server, _address = listening.accept()
        with server:
            server.settimeout(20)
            assert server.recv(1) == b"a"
            assert time.monotonic() - start >= 1.5 * rtt_s
            server.sendall(b"b")
            assert client.recv(1) == b"b"
            assert time.monotonic() - start >= 2 * rtt_s
            start = time.monotonic()
            client.sendall(b"c")
            assert server.recv(1) == b"c"
            assert time.monotonic() - start >= 0.5 * rtt_s


def test_a_server_that_speaks_first_waits_for_the_modelled_connect_too(proxied):
    rtt_s = 0.4
    listening, address = proxied(rtt_s * 1000)
    start = time.monotonic()
    with socket.create_connection(address, timeout=20) as client, listening.accept()[0] as server:
        server.sendall(b"a")
        assert client.recv(1) == b"a"
        assert time.monotonic() - start >= 1.5 * rtt_s


MIB = 1024 * 1024
# The proxy's own 16 MiB, and what the kernel's buffers may hold on the way.
MOST_UNDER_WAY_BYTES = 96 * MIB
OFFERED_BYTES = 256 * MIB


def send_until_refused(client, *, patience_s=1.0):
    """Send as much as the other side takes; how many bytes that were."""
    client.setblocking(False)
    piece, sent = bytes(MIB), 0
    while sent < OFFERED_BYTES and select.select([], [client], [], patience_s)[1]:
        sent += client.send(piece)
    return sent


def small_buffers(listening):
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)


def test_bytes_on_their_way_are_bounded(proxied):
    listening, address = proxied(20_000)  # nothing arrives while the test looks
    small_buffers(listening)
    with socket.create_connection(address, timeout=20) as client, listening.accept()[0]:
        assert send_until_refused(client) < MOST_UNDER_WAY_BYTES


def test_a_slow_reader_bounds_what_the_proxy_takes_and_gets_it_all_later(proxied):
    listening, address = proxied(1)
    small_buffers(listening)
    with socket.create_connection(address, timeout=20) as client, listening.accept()[0] as server:
        sent = send_until_refused(client)
        assert sent < MOST_UNDER_WAY_BYTES
        received = 0
        server.settimeout(20)
        client.setblocking(True)
        client.settimeout(20)

        def send_more():
            with contextlib.suppress(OSError):  # then not all is received, and that is what is looked at
                for _ in range(32):
                    client.sendall(bytes(MIB))
                client.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send_more)
        sender.start()
        try:
            while piece := server.recv(MIB):
                received += len(piece)
        finally:
            sender.join()
        assert received == sent + 32 * MIB


# --- who may end what -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rtt_ms", [0, 1])
def test_stopping_in_a_forked_child_leaves_the_server_its_folder_and_its_proxy(rtt_ms):
    with serve(rtt_ms=rtt_ms) as server:
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                server.stop()
                code = 0
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert Path(server.target.bundle).exists()
        assert server.alive
        with RawConnection(server.target, client_context(server.target)) as connection:
            assert connection.get("/api/x")[0] == 200
        assert server.settled_ledger(timeout_s=10).total.requests_count == 1


FORKING_PARENT = """
import os, sys, time
from connprof_server import serve
with serve(rtt_ms=float(sys.argv[1])) as server:
    child = os.fork()
    if child == 0:
        time.sleep(300)
        os._exit(0)
    print(child, server.pid, server.proxy_pid, flush=True)
    time.sleep(300)
"""


@pytest.mark.parametrize("rtt_ms", ["0", "1"])
def test_a_process_forked_from_a_killed_parent_does_not_keep_the_server_alive(
    temporary, start_python, wait_until, rtt_ms
):
    parent = start_python("-c", FORKING_PARENT, rtt_ms)
    forked, *pids = (int(word) for word in parent.stdout.readline().split() if word != "None")
    try:
        parent.kill()
        wait_until(lambda: not any(is_running(pid) for pid in pids))
        assert is_running(forked)  # it holds the pipes open all the time
    finally:
        os.kill(forked, signal.SIGKILL)
    assert list(temporary.iterdir()) == []


def stale_folder(parent, name):
    made = parent / name
    made.mkdir()
    (made / "lock").write_text("")
    (made / "file").write_text("")
    os.utime(made, (0, 0))
    return made


def test_sweeping_leaves_the_folders_of_other_users(tmp_path, monkeypatch):
    theirs = stale_folder(tmp_path, PREFIX + "theirs")
    without_lock = tmp_path / (PREFIX + "without-lock")
    without_lock.mkdir()
    os.utime(without_lock, (0, 0))
    mine = os.getuid()
    monkeypatch.setattr(folder.os, "getuid", lambda: mine + 1)
    sweep(tmp_path)
    assert (theirs / "file").exists()
    assert without_lock.exists()
    monkeypatch.setattr(folder.os, "getuid", lambda: mine)
    sweep(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_sweeping_follows_no_link(tmp_path, monkeypatch):
    swept = tmp_path / "swept"
    swept.mkdir()
    elsewhere = stale_folder(tmp_path, "elsewhere")
    link = swept / (PREFIX + "link")
    link.symlink_to(elsewhere)
    touched = []
    monkeypatch.setattr(folder, "remove_folder", touched.append)
    sweep(swept)
    assert touched == []
    assert link.is_symlink()
    assert {path.name for path in elsewhere.iterdir()} == {"lock", "file"}
