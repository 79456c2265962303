"""memray: a tracked window -> bytes by category.

Imports the standard library and memray only: it also runs in workers whose environment holds nothing else of ours.
"""

from __future__ import annotations

import ssl
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

__all__ = [
    "CONTEXT",
    "HANDSHAKE",
    "IO",
    "CaptureFigures",
    "FunctionFigures",
    "category_of",
    "read_capture",
    "read_live",
    "ssl_function",
    "tracked",
]

CONTEXT, HANDSHAKE, IO = "context", "handshake", "io"

_HANDSHAKE_FUNCTIONS = frozenset({"do_handshake"})
# Functions of ssl.py that work on a connection. All others, constructors, loaders and the setters of a context's
# options among them, are the context's cost, so that a function of a later Python is never lost.
_IO_FUNCTIONS = frozenset(
    {
        "_checkClosed", "_check_connected", "_create", "_real_connect", "_real_close", "_sslcopydoc", "accept",
        "cipher", "compression", "connect", "close", "dup", "get_channel_binding", "getpeercert",
        "get_verified_chain", "get_unverified_chain", "pending", "read", "recv", "recv_into", "recvfrom",
        "recvfrom_into", "recvmsg", "recvmsg_into", "selected_alpn_protocol", "selected_npn_protocol", "send",
        "sendall", "sendfile", "sendmsg", "sendto", "server_hostname", "server_side", "session", "session_reused",
        "shared_ciphers", "shutdown", "unwrap", "verify_client_post_handshake", "version", "wrap_bio", "wrap_socket",
        "write",
    }
)  # fmt: skip

# Where libraries call OpenSSL's loaders themselves, so that no frame of ssl.py is the innermost.
_LOADERS = (
    "/truststore/_api.py",
    "/truststore/_openssl.py",
    "/urllib3/util/_async/ssl_.py",
    "/urllib3/util/ssl_.py",
    "/urllib3_future/util/_async/ssl_.py",
    "/urllib3_future/util/ssl_.py",
    "/wassima/__init__.py",
)

# The observer stands between ssl.py and OpenSSL's loaders while a window is open: its HOOK_FILE, by its name.
_OBSERVER = "<connprof, importlib._bootstrap>"
_OBSERVED_LOADER = "load"

_LAST_BYTES = 100_003
_LAST_PLACE = ("_allocate_last", __file__)
_EVERYTHING = 1_000_000
"""How many locations to ask memray for: more than any capture has."""


@dataclass(frozen=True, slots=True)
class FunctionFigures:
    """Cumulative bytes and allocations of one function of ``ssl.py``.

    Some libraries load CA certificates past ``ssl.py``; their functions are ``_configure_context (truststore)``.
    """

    function: str
    category: str
    cumulative_bytes: int
    allocations_count: int


@dataclass(frozen=True, slots=True)
class CaptureFigures:
    """What one capture says of its window.

    Attributes:
        functions: the functions of ``ssl.py`` and those that do the same work in its place, most bytes first.
        total_bytes: cumulative bytes of the whole process.
        allocations_count: allocations of the whole process, frees not counted.
        peak_bytes: the high-water mark.
    """

    functions: tuple[FunctionFigures, ...]
    total_bytes: int
    allocations_count: int
    peak_bytes: int

    def ssl_bytes(self, category: str) -> int:
        """Cumulative bytes of one category (:data:`CONTEXT`, :data:`HANDSHAKE` or :data:`IO`)."""
        return sum(row.cumulative_bytes for row in self.functions if row.category == category)


def category_of(function: str) -> str:
    """The category of a function of ``ssl.py``, by its bare name."""
    if function in _HANDSHAKE_FUNCTIONS:
        return HANDSHAKE
    return IO if function in _IO_FUNCTIONS else CONTEXT


@contextmanager
def tracked(capture: Path, *, live_only: bool = False) -> Iterator[None]:
    """Record the allocations of this process, all threads, into the new file ``capture``.

    Args:
        capture: the file; an existing one is an error.
        live_only: let memray aggregate as it goes. Such a capture is small and read at once by :func:`read_live`, but
            holds nothing of what was freed.
    """
    import memray

    file_format = memray.FileFormat.AGGREGATED_ALLOCATIONS if live_only else memray.FileFormat.ALL_ALLOCATIONS
    destination = memray.FileDestination(str(capture), overwrite=False)
    last: list[bytearray] = []
    with memray.Tracker(destination=destination, file_format=file_format):
        yield
        _allocate_last(last)


def _allocate_last(last: list[bytearray]) -> None:
    """Make one allocation that every whole capture ends with.

    memray stops recording without a word when the disk is full. A capture that lacks this allocation was cut off. It
    is left out of all figures; it lives until the window has closed, and is too small to raise a peak by itself.
    """
    last.append(bytearray(_LAST_BYTES))


def _cut_off(capture: Path) -> OSError:
    return OSError(f"memray's capture {capture.name} was cut off: is the disk full?")


def read_live(capture: Path) -> tuple[int, int]:
    """Peak bytes and retained bytes of a capture made with ``live_only``.

    Raises:
        OSError: the file is absent, damaged or of another memray.
    """
    import memray

    with memray.FileReader(str(capture)) as reader:
        live = last = 0
        for row in reader.get_leaked_allocation_records(merge_threads=True):
            live += row.size
            frames = row.stack_trace(1)
            if frames and frames[0][:2] == _LAST_PLACE:
                last += row.size
        peak = reader.metadata.peak_memory
    if last < _LAST_BYTES:
        raise _cut_off(capture)
    return peak, live - last


def read_capture(capture: Path) -> CaptureFigures:
    """Sum up a capture of all allocations, in one reading of the file: what ``memray stats`` does, no more.

    Raises:
        OSError: the file is absent, damaged or of another memray.
    """
    sums = _sums(capture)
    functions = tuple(
        FunctionFigures(name, category_of(name), sums.ssl_bytes[name], sums.ssl_counts[name])
        for name in sorted(sums.ssl_bytes, key=lambda name: (-sums.ssl_bytes[name], name))
    )
    return CaptureFigures(functions, sums.total_bytes, sums.allocations_count, sums.peak_bytes)


@dataclass(frozen=True, slots=True)
class _Sums:
    """Bytes and counts by function of ``ssl.py``, then figures of the whole process."""

    ssl_bytes: dict[str, int]
    ssl_counts: dict[str, int]
    total_bytes: int
    allocations_count: int
    peak_bytes: int


def _sums(capture: Path) -> _Sums:
    try:
        from memray._memray import compute_statistics
    except ImportError:
        return _walk(capture)
    statistics = compute_statistics(str(capture), num_largest=_EVERYTHING)
    last = sum(size for place, size in statistics.top_locations_by_size if place[:2] == _LAST_PLACE)
    if last < _LAST_BYTES:
        raise _cut_off(capture)
    return _Sums(
        _ssl_only(statistics.top_locations_by_size),
        _ssl_only(statistics.top_locations_by_count),
        statistics.total_memory_allocated - last,
        statistics.total_num_allocations - 1,
        statistics.peak_memory_allocated,
    )


def _ssl_only(rows: Iterable[tuple[tuple[str, str, int], int]]) -> dict[str, int]:
    totals: dict[str, int] = defaultdict(int)
    for (function, file, _line), amount in rows:
        if name := ssl_function(function, file):
            totals[name] += amount
    return totals


def ssl_function(function: str, file: str, ssl_file: str = ssl.__file__) -> str | None:
    """How a function that does TLS work is called in our figures; nothing for all others."""
    if file == ssl_file:
        return function
    if file == _OBSERVER and function == _OBSERVED_LOADER:
        return "load_verify_locations"
    if file.endswith(_LOADERS):
        package = next(part for part in reversed(file.split("/")[:-1]) if part not in {"util", "_async"})
        return f"{function} ({package})"
    return None


def _walk(capture: Path) -> _Sums:
    """The same through memray's public reader, about four times slower: for a memray without the private one."""
    import memray

    totals: dict[str, int] = defaultdict(int)
    counts: dict[str, int] = defaultdict(int)
    total_bytes = allocations_count = last = 0
    frees: Any = (memray.AllocatorType.FREE, memray.AllocatorType.MUNMAP)
    with memray.FileReader(str(capture)) as reader:
        for record in reader.get_allocation_records():
            if record.allocator in frees:
                continue
            total_bytes += record.size
            allocations_count += record.n_allocations
            frames = record.stack_trace(max_stacks=1)
            if frames and frames[0][:2] == _LAST_PLACE:
                last += record.size
            if frames and (name := ssl_function(*frames[0][:2])):
                totals[name] += record.size
                counts[name] += record.n_allocations
        peak_bytes = reader.metadata.peak_memory
    if last < _LAST_BYTES:
        raise _cut_off(capture)
    return _Sums(dict(totals), dict(counts), total_bytes - last, allocations_count - 1, peak_bytes)
