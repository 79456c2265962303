"""memray's captures, read back: real captures of real contexts."""

import os
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("memray", reason="memray is not installed here")

from connprof import memory
from connprof.memory import CONTEXT, HANDSHAKE, IO, category_of, read_capture, read_live
from connprof.observe.originals import HOOK_FILE

ROOT = Path(__file__).resolve().parents[2]

PROGRAM = """
import ssl, sys
from pathlib import Path
from connprof.memory import tracked
import certifi
keep = []
with tracked(Path(sys.argv[1]), live_only=sys.argv[4] == "live"):
    for _ in range(int(sys.argv[2])):
        context = ssl.create_default_context(cafile=certifi.where())
        if sys.argv[3] == "keep":
            keep.append(context)
    del context
"""


def capture_of(folder, contexts, *, keep=False, live_only=False, arenas=True):
    """A capture of a fresh process (nested trackers are an error) that makes contexts.

    Without CPython's arenas, of 1 MiB each, nothing depends on how full one is when the tracking begins.
    """
    file = folder / f"{contexts}-{keep}-{live_only}.bin"
    subprocess.run(
        [
            sys.executable,
            "-c",
            PROGRAM,
            file,
            str(contexts),
            "keep" if keep else "drop",
            "live" if live_only else "all",
        ],
        check=True,
        env={**os.environ, **({} if arenas else {"PYTHONMALLOC": "malloc"})},
    )
    return file


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    return capture_of(tmp_path_factory.mktemp("captures"), 1)


@pytest.fixture(scope="module")
def four(tmp_path_factory):
    return capture_of(tmp_path_factory.mktemp("captures"), 4)


def test_context_bytes_are_the_same_for_each_context(one, four, tmp_path):
    """Each but the first, in which OpenSSL sets itself up."""
    single, double, several = (read_capture(file).ssl_bytes(CONTEXT) for file in (one, capture_of(tmp_path, 2), four))
    each = double - single
    assert each > 1_000_000
    assert several - double == pytest.approx(2 * each, rel=0.0001)
    assert read_capture(four).ssl_bytes(HANDSHAKE) == read_capture(four).ssl_bytes(IO) == 0


def test_the_same_work_gives_the_same_bytes(one, tmp_path):
    assert read_capture(one).functions == read_capture(capture_of(tmp_path, 1)).functions


def test_the_public_reader_gives_what_the_private_one_gives(four, monkeypatch):
    fast = read_capture(four)
    monkeypatch.setitem(sys.modules, "memray._memray", None)
    slow = read_capture(four)
    assert slow == fast


def test_retained_bytes_are_what_is_still_alive(tmp_path):
    dropped_peak, dropped = read_live(capture_of(tmp_path, 4, live_only=True, arenas=False))
    kept_peak, kept = read_live(capture_of(tmp_path, 8, keep=True, live_only=True, arenas=False))
    assert kept > 8 * 300_000
    assert dropped < kept / 4
    assert kept_peak > 1.5 * dropped_peak
    assert dropped_peak == pytest.approx(read_capture(capture_of(tmp_path, 4, arenas=False)).peak_bytes, rel=0.001)


def test_categories_cover_every_function():
    assert {category_of(name) for name in ("create_default_context", "__new__", "set_alpn_protocols")} == {CONTEXT}
    assert category_of("do_handshake") == HANDSHAKE
    assert {category_of(name) for name in ("read", "write", "_create", "wrap_bio", "recv")} == {IO}


@pytest.mark.parametrize("live_only", [False, True])
def test_a_capture_that_was_cut_off_is_refused(tmp_path, live_only, monkeypatch):
    """As memray leaves it on a full disk: whole records, but not all."""
    file = capture_of(tmp_path, 1, live_only=live_only)
    read = read_live if live_only else read_capture
    read(file)
    monkeypatch.setattr(memory, "_LAST_PLACE", ("_allocate_last", "elsewhere.py"))
    with pytest.raises(OSError, match="was cut off: is the disk full"):
        read(file)


def test_a_file_that_is_no_capture_is_an_os_error(tmp_path):
    (tmp_path / "empty.bin").write_bytes(b"")
    with pytest.raises(OSError, match=r"empty|capture|file"):
        read_capture(tmp_path / "empty.bin")


def test_every_io_name_exists_in_some_ssl_module():
    """A list of names that match nothing would silently put bytes elsewhere."""
    import ssl

    known = {name for owner in (ssl.SSLObject, ssl.SSLSocket, ssl.SSLContext, ssl) for name in vars(owner)}
    known |= {"_sslcopydoc", "get_verified_chain", "get_unverified_chain", "selected_npn_protocol"}  # by version
    assert known | set(dir(ssl.SSLSocket)) >= memory._IO_FUNCTIONS


PAST_SSL = """
import ssl, sys, certifi
from pathlib import Path
from connprof.memory import tracked
bare = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
source = "def load(context, file):\\n    context.load_verify_locations(file)\\n"
scope = {}
exec(compile(source, sys.argv[2], "exec"), scope)
with tracked(Path(sys.argv[1])):
    scope["load"](bare, certifi.where())
"""


def test_libraries_that_load_past_ssl_are_seen(tmp_path):
    capture = tmp_path / "capture.bin"
    subprocess.run([sys.executable, "-c", PAST_SSL, capture, "/x/truststore/_openssl.py"], check=True)
    (row, *others) = read_capture(capture).functions
    assert (row.function, row.category, others) == ("load (truststore)", CONTEXT, [])
    assert row.cumulative_bytes > 1_000_000
    assert memory._walk(capture).ssl_bytes == {row.function: row.cumulative_bytes}


OBSERVED = PAST_SSL.replace("with tracked", "from connprof.observe import observe\nwith observe(), tracked")


def test_what_the_observer_loads_for_the_program_is_seen(tmp_path):
    capture = tmp_path / "capture.bin"
    subprocess.run([sys.executable, "-c", OBSERVED, capture, "/x/program.py"], check=True)
    (row, *others) = read_capture(capture).functions
    assert (row.function, row.category, others) == ("load_verify_locations", CONTEXT, [])
    assert row.cumulative_bytes > 1_000_000


@pytest.mark.parametrize(
    ("file", "name"),
    [
        (ssl.__file__, "load"),
        (HOOK_FILE, "load_verify_locations"),
        ("/x/truststore/_api.py", "load (truststore)"),
        ("/x/urllib3/util/ssl_.py", "load (urllib3)"),
        ("/x/urllib3/util/_async/ssl_.py", "load (urllib3)"),
        ("/x/wassima/__init__.py", "load (wassima)"),
        ("/x/mytruststore/_openssl.py", None),
        ("/x/urllib3/util/ssl_match_hostname.py", None),
        ("/x/ssl.py", None),
    ],
)
def test_only_files_that_do_tls_are_ssl_bytes(file, name):
    assert memory.ssl_function("load", file) == name
