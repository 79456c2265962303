"""SSL bytes by the user's line, from the captures that memray left in a run's folder."""

from __future__ import annotations

import os
import subprocess
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from connprof.errors import MissingPackageError, UsageError
from connprof.memory import CONTEXT, category_of, ssl_function
from connprof.observe.originals import HOOK_FILE
from connprof.observe.own import OWN, is_entry_script, is_installed
from connprof.observe.sites import SiteFinder
from connprof.profile import LineBytes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["NOTE", "SslBytes", "check_memray", "read_captures", "share_of"]

NOTE = "The SSL bytes were measured in the same run as the counts."

_TRANSFER_FUNCTIONS = frozenset(
    {
        "pending", "read", "recv", "recv_into", "recvfrom", "recvfrom_into", "recvmsg", "recvmsg_into", "send",
        "sendall", "sendfile", "sendmsg", "sendto", "write",
    }
)  # fmt: skip
"""Functions of ``ssl.py`` that read and write. All else that it does with a connection goes with its handshake."""

_CHECK_S = 60
_OWN_FILES = (f"{os.sep}connprof{os.sep}observe{os.sep}", HOOK_FILE)


@dataclass(frozen=True, slots=True)
class SslBytes:
    """Cumulative SSL bytes of all processes, and what could not be read, in sentences.

    ``by_line`` is by file, line and function; an empty file is a line that is not known.
    """

    by_line: dict[tuple[str, int, str], LineBytes]
    notes: tuple[str, ...]


class _Sidecar(msgspec.Struct, frozen=True):
    ssl_file: str
    library_folders: tuple[str, ...]


def check_memray(python: str | None, variables: Mapping[str, str]) -> None:
    """Raise before the program starts, not after.

    Args:
        python: the program's interpreter; ``None`` where a command decides on it.
        variables: the environment it will have.

    Raises:
        MissingPackageError: this environment has no memray.
        UsageError: the program's has none.
    """
    try:
        import memray  # noqa: F401 - whether it is there
    except ImportError:
        raise MissingPackageError("memray", extra="memory", purpose="record memory") from None
    if python is None:
        return
    try:
        done = subprocess.run(
            [python, "-c", "import memray"],
            env=dict(variables), stdin=subprocess.DEVNULL, capture_output=True, timeout=_CHECK_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return  # the program's own start will tell
    if done.returncode:
        raise UsageError(f"memray is not installed for {python}, and --memory needs it there: pip install memray.")


def read_captures(folder: Path) -> SslBytes:
    """Sum up every capture in ``folder``. About a second for each million allocations."""
    totals: dict[tuple[str, int, str], LineBytes] = defaultdict(LineBytes)
    notes = []
    for file in sorted(folder.glob("memory-*.bin*")):
        try:
            sidecar = msgspec.json.decode(
                file.with_name(f"{file.name.partition('.')[0]}.json").read_bytes(), type=_Sidecar
            )
            _add(totals, file, sidecar)
        except (OSError, RuntimeError, ValueError) as error:
            notes.append(f"A memory capture is left out: {str(error).replace(f'{folder}{os.sep}', '')}.")
    return SslBytes(dict(totals), tuple(notes))


def _add(totals: dict[tuple[str, int, str], LineBytes], capture: Path, sidecar: _Sidecar) -> None:
    import memray

    frees: Any = (memray.AllocatorType.FREE, memray.AllocatorType.MUNMAP)
    bytes_by_stack: dict[int, int] = defaultdict(int)
    first_of_stack: dict[int, Any] = {}
    finder = SiteFinder(lambda file: _is_users(file, sidecar.library_folders))
    with memray.FileReader(str(capture)) as reader:
        for record in reader.get_allocation_records():
            if record.allocator in frees:
                continue
            stack: int = record.stack_id
            if stack not in first_of_stack:
                first_of_stack[stack] = record
            bytes_by_stack[stack] += record.size
        for stack, record in first_of_stack.items():
            paid = _paid(record.stack_trace(), bytes_by_stack[stack], sidecar.ssl_file, finder)
            if paid is not None:
                totals[paid[0]] += paid[1]


def _paid(
    frames: Sequence[tuple[str, str, int]], amount_bytes: int, ssl_file: str, finder: SiteFinder
) -> tuple[tuple[str, int, str], LineBytes] | None:
    """The line that pays for an allocation, innermost frame first, and what for; ``None`` where it is no SSL work."""
    theirs = [frame for frame in frames if not any(own in frame[1] for own in _OWN_FILES)]
    function = ssl_function(theirs[0][0], theirs[0][1], ssl_file) if theirs else None
    if function is None:
        return None
    found = finder.find_named(theirs)
    return ("", 0, "") if found is None else found, share_of(function, amount_bytes)


def share_of(function: str, amount_bytes: int) -> LineBytes:
    """What a function of ``ssl.py`` allocated, by what it goes with."""
    if category_of(function) == CONTEXT:
        return LineBytes(contexts_bytes=amount_bytes)
    if function in _TRANSFER_FUNCTIONS:
        return LineBytes(transfer_bytes=amount_bytes)
    return LineBytes(handshakes_bytes=amount_bytes)


def _is_users(file: str, library_folders: tuple[str, ...]) -> bool:
    """As the observed process would have said: a file of none of its libraries, or one that is the user's own."""
    path = os.path.normcase(file)
    if path.startswith(library_folders) or is_installed(path):
        return OWN.holds(path)
    return not is_entry_script(path)
