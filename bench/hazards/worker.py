"""One probe on one strategy in one fresh process: a job as a JSON line in, an outcome as a JSON line out.

Between the two it may tell how far it has come, ``{"progress": {...}}``, and ask the parent, ``{"ask": "ledger"}``.
The parent keeps standard input open for as long as it wants the worker to live. Standard library and the client
library only.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
from typing import Any

from bench.reason import reason

__all__ = ["main"]

_PIECE_BYTES = 1 << 16


class _Channel:
    """The way to the parent. A forked child must not use it."""

    def __init__(self) -> None:
        # By descriptors, not by file objects: no lock of theirs may be held at the moment of a fork.
        self._in, self._out = os.dup(sys.stdin.fileno()), os.dup(sys.stdout.fileno())
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, sys.stdin.fileno())
        os.close(null)
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a strategy prints must not reach the parent
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        threading.Thread(target=self._listen, name="parent-watch", daemon=True).start()

    def receive(self) -> dict[str, Any]:
        """The parent's next line."""
        message: dict[str, Any] = json.loads(self._lines.get())
        return message

    def ask(self, what: str) -> dict[str, Any]:
        """Ask the parent, and wait for its answer.

        Raises:
            RuntimeError: the parent cannot answer.
        """
        self.tell({"ask": what})
        answer = self.receive()
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    def tell(self, message: dict[str, Any]) -> None:
        """Write one line."""
        line = json.dumps(message).encode() + b"\n"
        while line:
            line = line[os.write(self._out, line) :]

    def _listen(self) -> None:
        said = b""
        while received := os.read(self._in, _PIECE_BYTES):
            *lines, said = (said + received).split(b"\n")
            for line in lines:
                self._lines.put(line)
        os._exit(1)  # the parent has gone


def main() -> None:
    """Run one probe; the exit code is 0 when it has an outcome, else 1."""
    channel = _Channel()
    job = channel.receive()
    stage = None
    try:
        from bench.hazards.dials import reach
        from bench.hazards.finding import does_not_apply, of_an_earlier_loop
        from bench.hazards.registry import load as load_hazard
        from bench.hazards.stage import Stage
        from bench.hazards.subject import subject_of

        hazard, subject = load_hazard(job["hazard"]), subject_of(job["strategy"], job["client_library"])
        stage = Stage(channel, job)
        start_ns = time.perf_counter_ns()
        library = job["client_library"]
        if hazard.by_dials and not reach(library):
            finding = does_not_apply(
                f"It is raised by turning limits, expiry, timeouts or HTTP/2 inside httpx's pools, which reaches no "
                f"client of {library}: nothing is known of it."
            )
        else:
            finding = of_an_earlier_loop(hazard.id, hazard.probe(subject, stage))
        outcome = finding.to_dict() | {"duration_ns": time.perf_counter_ns() - start_ns}
        line: dict[str, Any] = {"outcome": outcome}
        code = 0
    except Exception as error:  # noqa: BLE001 - whatever a probe raises becomes a cell that says so
        line, code = {"failed": reason(error)}, 1
    if stage is not None:
        stage.close()
    channel.tell(line)
    # Not sys.exit: hazards leave threads behind that never end.
    os._exit(code)


if __name__ == "__main__":
    main()
