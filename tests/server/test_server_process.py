"""Starting, stopping and dying: nothing may be left behind."""

import errno
import os
import re
import signal
import socket
import ssl
import stat
import textwrap
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from connprof_server import OriginLedger, ServerError, serve
from connprof_server.certs import certificate_is_usual, make_certificates
from connprof_server.folder import PREFIX, make_folder, sweep
from tests.server.conftest import is_running
from tests.server.raw_client import RawConnection, client_context, port_of

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)

PARENT = """
import sys, time
from connprof_server import serve
with serve(rtt_ms=float(sys.argv[1])) as server:
    print(server.pid, server.proxy_pid, flush=True)
    time.sleep(60)
"""


def test_the_folder_holds_only_public_files_and_is_gone_at_the_end(temporary):
    with serve() as server:
        (folder,) = temporary.iterdir()
        assert folder.name.startswith(PREFIX)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert {path.name for path in folder.iterdir()} == {"bundle.pem", "ca.pem", "lock", "server.log"}
        assert not any(b"PRIVATE KEY" in path.read_bytes() for path in folder.iterdir())
        assert server.alive
        assert str(server.pid) in repr(server)
        pid = server.pid
    assert not server.alive
    assert not is_running(pid)
    assert list(temporary.iterdir()) == []
    server.stop()
    with pytest.raises(ServerError, match="the server was stopped"):
        server.ledger()


def test_the_folder_is_gone_after_an_exception(temporary):
    with pytest.raises(ZeroDivisionError), serve():
        raise ZeroDivisionError
    assert list(temporary.iterdir()) == []


def test_a_killed_server_is_noticed_and_its_folder_removed(temporary):
    with serve() as server:
        os.kill(server.pid, signal.SIGKILL)
        with pytest.raises(ServerError, match=r"the server stopped unexpectedly \(signal SIGKILL\)"):
            server.ledger()
        assert not server.alive
    assert list(temporary.iterdir()) == []


def test_a_killed_proxy_is_noticed(temporary, wait_until):
    with serve(rtt_ms=1) as server:
        os.kill(server.proxy_pid, signal.SIGKILL)
        wait_until(lambda: not server.alive)
        with pytest.raises(ServerError, match=r"the proxy stopped unexpectedly \(signal SIGKILL\)"):
            server.ledger()
        with pytest.raises(ServerError, match="the proxy stopped"):
            server.settled_ledger()
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("rtt_ms", ["0", "5"])
def test_a_killed_parent_leaves_no_process_and_no_folder(temporary, start_python, wait_until, rtt_ms):
    parent = start_python("-c", PARENT, rtt_ms)
    pids = [int(word) for word in parent.stdout.readline().split() if word != "None"]
    assert all(is_running(pid) for pid in pids)
    parent.kill()
    wait_until(lambda: not any(is_running(pid) for pid in pids))
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_a_parent_ended_by_a_signal_leaves_nothing(temporary, start_python, wait_until, ending):
    parent = start_python("-c", PARENT, "0")
    pid = int(parent.stdout.readline().split()[0])
    parent.send_signal(ending)
    parent.wait(20)
    wait_until(lambda: not is_running(pid))
    wait_until(lambda: list(temporary.iterdir()) == [])


def test_after_both_were_killed_the_next_start_sweeps(temporary, start_python, wait_until):
    parent = start_python("-c", PARENT, "0")
    pid = int(parent.stdout.readline().split()[0])
    parent.send_signal(signal.SIGSTOP)  # so that it cannot clean up after its server
    os.kill(pid, signal.SIGKILL)
    parent.kill()
    parent.wait(20)
    wait_until(lambda: not is_running(pid))
    (stale,) = temporary.iterdir()
    with serve() as server:
        assert not stale.exists()
        assert server.alive
    assert list(temporary.iterdir()) == []


def test_sweeping_leaves_what_is_held_or_new_or_not_ours(temporary):
    held, lock = make_folder()
    new = temporary / (PREFIX + "new")
    new.mkdir()
    old = temporary / (PREFIX + "old")
    old.mkdir()
    os.utime(old, (0, 0))
    (temporary / "other").mkdir()
    sweep(temporary)
    assert sorted(temporary.iterdir()) == sorted([held, new, temporary / "other"])
    os.close(lock)
    sweep(temporary)
    assert not held.exists()


def test_two_servers_live_side_by_side_with_equally_long_certificates(temporary):
    with serve() as first, serve() as second:
        assert len(list(temporary.iterdir())) == 2
        assert port_of(first.target) != port_of(second.target)
        lengths = set()
        for server in (first, second):
            lengths.add(len(ssl.PEM_cert_to_DER_cert(Path(server.target.ca).read_text())))
            with RawConnection(server.target, client_context(server.target)) as connection:
                assert connection.get("/api/x")[0] == 200
        assert len(lengths) == 1
        assert first.target.bundle_sha256 == second.target.bundle_sha256
        assert Path(first.target.bundle).stat().st_size == Path(second.target.bundle).stat().st_size
    assert list(temporary.iterdir()) == []


def test_the_authoritys_length_never_varies(tmp_path):
    lengths = set()
    for number in range(12):
        folder = tmp_path / str(number)
        folder.mkdir()
        pem = make_certificates(folder, contexts_count=1, host="::1").ca.read_bytes()
        assert certificate_is_usual(pem)
        lengths.add(len(ssl.PEM_cert_to_DER_cert(pem.decode())))
    assert len(lengths) == 1


def certificate_numbered(serial):
    """A certificate of this serial number whose signature has the length that is usual."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "numbered")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), serial, LONG_AGO, LONG_AGO + timedelta(days=1))
    while True:
        made = builder.sign(key, hashes.SHA256())
        if len(made.signature) == 71:
            return made.public_bytes(serialization.Encoding.PEM)


@pytest.mark.parametrize(
    ("bits", "is_usual"), [(151, False), (152, False), (153, True), (158, True), (159, True)], ids=str
)
def test_a_serial_number_is_usual_where_der_and_openssl_keep_it_in_twenty_bytes(bits, is_usual):
    # Of 152 bits DER needs 20 bytes, the first of them zero, and OpenSSL keeps 19.
    for serial in (1 << bits - 1, (1 << bits) - 1):
        assert certificate_is_usual(certificate_numbered(serial)) is is_usual


def test_the_bundle_is_the_real_one_and_ours(server):
    import certifi

    bundle, real, ours = (Path(name).read_text() for name in (server.target.bundle, certifi.where(), server.target.ca))
    assert bundle == real + ours
    context = client_context(server.target)
    assert context.cert_store_stats()["x509"] == server.target.bundle_certificates_count


@pytest.mark.parametrize("rtt_ms", [0, 1])
def test_a_busy_port_is_one_sentence(temporary, rtt_ms):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(ServerError, match=rf"^port {port} on 127.0.0.1 is in use$"),
            serve(ports=(port,), rtt_ms=rtt_ms),
        ):
            pass
    assert list(temporary.iterdir()) == []


def test_a_fixed_port_is_used_and_can_be_used_again():
    with serve() as server:
        port = port_of(server.target)
        with RawConnection(server.target, client_context(server.target)) as connection:
            connection.get("/api/x")
    for _ in range(2):
        with serve(ports=(port,), host="127.0.0.1") as server:
            assert server.target.origins == {"main": f"https://127.0.0.1:{port}"}
            with RawConnection(server.target, client_context(server.target)) as connection:
                connection.get("/close")


def test_an_expired_certificate_is_one_sentence(temporary):
    with (
        pytest.raises(ServerError, match="refuse the server's certificate for localhost: certificate has expired"),
        serve(certificate_expires=LONG_AGO),
    ):
        pass
    assert list(temporary.iterdir()) == []


def test_a_certificate_that_expires_later_is_good():
    with serve(certificate_expires=datetime.now(UTC) + timedelta(hours=1)) as server:
        assert server.alive


def test_an_expired_certificate_can_be_asked_for():
    with serve(certificate_expires=LONG_AGO, allow_expired=True) as server:
        with pytest.raises(ssl.SSLCertVerificationError, match="certificate has expired"):
            RawConnection(server.target, client_context(server.target))
        total = server.settled_ledger().total
        assert total == OriginLedger(tcp_accepts_count=1, handshakes_failed_count=1)


@pytest.fixture
def shim(tmp_path_factory, monkeypatch):
    """Puts a module of the given source before the real one, in child processes."""
    folder = tmp_path_factory.mktemp("shim")
    monkeypatch.setenv("PYTHONPATH", str(folder))

    def write(name, source):
        (folder / f"{name}.py").write_text(textwrap.dedent(source))

    return write


@pytest.mark.parametrize("name", ["trustme", "uvicorn", "httptools"])
def test_a_missing_package_is_one_sentence(temporary, shim, name):
    shim(name, f"raise ModuleNotFoundError('No module named {name}', name={name!r})")
    sentence = rf"^{name} is needed to run the TLS server: pip install 'connprof\[server\]'$"
    with pytest.raises(ServerError, match=sentence), serve():
        pass
    assert list(temporary.iterdir()) == []


def test_a_crash_at_start_gives_its_last_line(temporary, shim):
    shim("trustme", "raise RuntimeError('no luck today')")
    sentence = r"^the server could not start \(exit code 1\): last line 'RuntimeError: no luck today'$"
    with pytest.raises(ServerError, match=sentence), serve():
        pass
    assert list(temporary.iterdir()) == []


def test_a_full_disk_at_start_is_told_with_its_place(temporary, shim):
    # The log lies on the same disk, and may be empty.
    shim(
        "trustme",
        """
        import errno, os

        def CA(**_names):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        """,
    )
    place = re.escape(str(temporary / "connprof-server-"))
    sentence = rf"^the server could not start \({place}\w+: {os.strerror(errno.ENOSPC)}\)$"
    with pytest.raises(ServerError, match=sentence), serve():
        pass
    assert list(temporary.iterdir()) == []


def test_a_log_that_cannot_be_written_is_one_sentence(temporary, monkeypatch):
    def refuse(_self, _mode):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "server.log")

    monkeypatch.setattr(Path, "open", refuse)
    sentence = rf"^the server could not start \(server.log: {os.strerror(errno.ENOSPC)}\)$"
    with pytest.raises(ServerError, match=sentence), serve():
        pass
    assert list(temporary.iterdir()) == []


def test_a_start_that_hangs_has_a_time_limit(temporary, shim):
    shim("trustme", "import time; time.sleep(60)")
    with pytest.raises(ServerError, match=r"^the server was not ready after 0.5 s$"), serve(start_timeout_s=0.5):
        pass
    assert list(temporary.iterdir()) == []


def test_what_is_printed_in_the_server_does_not_disturb(shim, monkeypatch):
    import certifi

    monkeypatch.setenv("REAL_BUNDLE", certifi.where())
    shim("sitecustomize", "print('noise before all', flush=True)")
    shim("certifi", "import os; print('noise'); os.write(1, b'noise'); where = lambda: os.environ['REAL_BUNDLE']")
    with serve() as server:
        assert server.ledger().disagreements == ()


def test_idle_connections_are_closed_after_the_keep_alive():
    with serve(keep_alive_s=0.05) as server:
        with RawConnection(server.target, client_context(server.target)) as connection:
            connection.get("/api/x")
            assert connection.is_closed_by_server()
        assert server.settled_ledger().total.requests_per_connection == (1,)


def test_dropped_connections_are_gone_for_both_sides(server, seen):
    with RawConnection(server.target, client_context(server.target)) as connection:
        connection.get("/api/x")
        assert server.drop_connections() == 1
        with pytest.raises((ConnectionError, ssl.SSLError)):
            connection.get("/api/x")
        assert server.settled_ledger(timeout_s=10).notes == ()
    assert seen().total.requests_per_connection == (1,)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"origins": ()}, "origins must be from 1 to 64 names"),
        ({"origins": "main"}, "origins must be from 1 to 64 names"),
        ({"origins": ("a", "a")}, "each origin needs a name of its own"),
        ({"origins": ("a", "")}, "each origin needs a name of its own"),
        ({"host": "example.org"}, "host must be one of localhost, 127.0.0.1, ::1, not 'example.org'"),
        ({"ports": (1, 2)}, "there are 1 origins but 2 ports"),
        ({"ports": (70_000,)}, "a port must be from 0 to 65535"),
        ({"rtt_ms": -1}, "rtt_ms must be from 0 to 60000, not -1"),
        ({"rtt_ms": float("nan")}, "rtt_ms must be from 0 to 60000, not nan"),
        ({"keep_alive_s": 0}, "keep_alive_s must be above 0, not 0"),
        ({"certificate_expires": datetime(2030, 1, 1)}, "certificate_expires needs a time zone"),  # noqa: DTZ001
    ],
)
def test_arguments_that_make_no_sense_are_refused(temporary, arguments, sentence):
    with pytest.raises(ValueError) as raised, serve(**arguments):  # noqa: PT011 - compared below
        pass
    assert str(raised.value) == sentence
    assert list(temporary.iterdir()) == []


def test_the_parents_side_imports_nothing_heavy(start_python):
    process = start_python("-c", "import sys, connprof_server; print(*sys.modules)")
    modules = set(process.communicate(timeout=20)[0].split())
    assert not modules & {
        "uvicorn",
        "starlette",
        "httptools",
        "trustme",
        "cryptography",
        "certifi",
        "asyncio",
        "connprof",
    }


def test_a_forked_child_does_not_stop_its_parents_server():
    with serve() as server:
        pid = os.fork()
        if pid == 0:
            server.stop()
            os._exit(0)
        os.waitpid(pid, 0)
        assert server.alive
        assert server.ledger().disagreements == ()


def test_elsewhere_than_on_linux_and_macos_it_is_one_sentence(monkeypatch):
    from connprof_server import process

    monkeypatch.setattr(process, "os", SimpleNamespace(name="nt"))
    with pytest.raises(ServerError, match=r"^the TLS server needs Linux or macOS$"), serve():
        pass
