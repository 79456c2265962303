"""How many instructions a tool adds to a request, as valgrind's callgrind counts them.

Time on a busy machine tells one part in a hundred from none only after many rounds; instructions are nearly the same
each time. Each work runs with the tool and without it, for few and for more requests: what both runs have alike, as
imports, the first connection and the opening of a window, cancels out. Where objects lie depends on the seed of string
hashes, and moves what is added by some thousand instructions, so that several are tried.

They are those of the client's own process, without the kernel's; and they are no time: an instruction that waits for
memory counts as one that does not. So this says whether something has changed, and where to look, and nothing of CPU.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bench.children import JobFailed, Workers
from bench.observer_work import WORKS
from connprof.errors import RunError
from connprof.stats import median

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["Instructions", "counted", "instructions_of"]

_HASH_SEEDS: Final = (0, 1, 2)
_SHARE: Final = 4
"""Of the requests of a timed block; each takes some fifty times as long here."""
_TOTALS: Final = re.compile(r"^totals: (\d+)$", re.MULTILINE)
_LIMIT_S: Final = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Instructions:
    """What one tool adds to one work.

    Attributes:
        work: which requests.
        tool: what was switched on.
        off: instructions of a request without it, the median over the hash seeds.
        added: what a request has more with it, for each hash seed, lowest first.
        ratio: instructions with it over instructions without it, by the median of what is added.
    """

    work: str
    tool: str
    off: float
    added: tuple[float, ...]
    ratio: float


def instructions_of(work: str, tool: str, counts: Sequence[tuple[int, int, int, int]], more_count: int) -> Instructions:
    """From the totals of few and more requests without the tool, and few and more with it, for each hash seed.

    ``more_count`` is how many requests more are more.
    """
    off = [(more - few) / more_count for few, more, _, _ in counts]
    on = [(more - few) / more_count for _, _, few, more in counts]
    added = sorted(with_it - without for without, with_it in zip(off, on, strict=True))
    return Instructions(
        work=work, tool=tool, off=median(off), added=tuple(added), ratio=1 + median(added) / median(off)
    )


def counted(
    work: str,
    tool: str,
    job: Mapping[str, Any],
    variables: Mapping[str, str],
    *,
    folder: Path,
    say: Callable[[str], None],
) -> Instructions:
    """Count them.

    Args:
        work: which requests.
        tool: what to switch on.
        job: the server's address, and the size of its answer.
        variables: the environment of the processes.
        folder: where they are started.
        say: is told of each hash seed.

    Raises:
        RunError: valgrind is not there, or a process failed in it.
    """
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise RunError("Instructions are counted by valgrind, which is not installed.")
    few_count = max(WORKS[work].requests_count // _SHARE, 1)
    counts: list[tuple[int, int, int, int]] = []
    for seed in _HASH_SEEDS:
        say(f"{work}, {tool}, hash seed {seed}")
        environ = {**variables, "PYTHONHASHSEED": str(seed)}
        totals = [
            _total(valgrind, {**job, "is_on": is_on, "requests_count": requests_count}, environ, folder)
            for is_on in (False, True)
            for requests_count in (few_count, 2 * few_count)
        ]
        counts.append((totals[0], totals[1], totals[2], totals[3]))
    return instructions_of(work, tool, counts, few_count)


def _total(valgrind: str, job: Mapping[str, Any], environ: Mapping[str, str], folder: Path) -> int:
    with tempfile.TemporaryDirectory(prefix="connprof-callgrind-") as scratch:
        written = Path(scratch, "callgrind.out")
        command = [
            valgrind, "--tool=callgrind", f"--callgrind-out-file={written}", f"--log-file={Path(scratch, 'log')}",
            sys.executable, "-m", "bench.observer_work",
        ]  # fmt: skip
        try:
            Workers(folder, _LIMIT_S).run(command, job, environ)
            found = _TOTALS.search(written.read_text(encoding="utf-8", errors="replace"))
        except (JobFailed, OSError) as error:
            raise RunError(f"{job['work']} under {job['tool']} was not counted: {error}.") from None
        if found is None:
            raise RunError(f"{job['work']} under {job['tool']} was not counted: valgrind wrote no total.")
        return int(found[1])
