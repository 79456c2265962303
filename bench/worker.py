"""One case, one pass, one fresh process: takes a job as a JSON line, prints its outcome as a JSON line.

``{"pass": "counts", "case": {...}, "target": {...}, "options": {...}}`` ->
``{"outcome": {...}}`` or ``{"failed": "one sentence"}``. The parent keeps standard input open for as long as it
wants the worker to live: its end, however it came about, is the worker's end too.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
from pathlib import Path
from typing import IO, Any

from bench.reason import reason

__all__ = ["SCRATCH", "die_with_parent", "main"]

SCRATCH = "connprof-worker-"
"""What the name of a worker's folder for temporary files starts with."""


def die_with_parent(channel: IO[str]) -> None:
    """End this process as soon as ``channel``, held open by the parent, ends; and clear up what it has on disk."""

    def wait() -> None:
        channel.read()
        scratch = Path(os.environ.get("TMPDIR", ""))
        if scratch.name.startswith(SCRATCH):  # the parent, which would remove it, is no more
            shutil.rmtree(scratch, ignore_errors=True)
        os._exit(1)

    threading.Thread(target=wait, name="parent-watch", daemon=True).start()


def main() -> int:
    """Run one job; the exit code is 0 when it has an outcome, else 1."""
    answer = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a strategy prints must not reach the answer
    job: dict[str, Any] = json.loads(sys.stdin.readline())
    die_with_parent(sys.stdin)
    try:
        from bench.passes import PASSES
        from connprof_server.target import Target

        outcome = PASSES[job["pass"]](job["case"], Target(**job["target"]), job["options"])
        line: dict[str, Any] = {"outcome": outcome}
        code = 0
    except Exception as error:  # noqa: BLE001 - whatever a strategy raises becomes a failed case, not a lost one
        line, code = {"failed": reason(error)}, 1
    answer.write(json.dumps(line) + "\n")
    answer.flush()
    # Not sys.exit: a strategy may have left threads behind that never end.
    os._exit(code)


if __name__ == "__main__":
    main()
