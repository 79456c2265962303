from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

from bench.hazards.finding import Finding, does_not_apply, error_text
from bench.hazards.registry import hazard
from bench.hazards.subject import ask, ask_async, call_of, subject_of
from bench.registry import SyncStrategy
from connprof_server.target import Target

if TYPE_CHECKING:
    from bench.hazards.stage import Stage
    from bench.hazards.subject import Subject

CALLS = [call_of(f"call-{number}") for number in range(3)]
LIMIT_S = 15.0
ERROR = "ResourceWarning: unclosed socket or transport"
_WARNING = re.compile(r"ResourceWarning: unclosed (?:<(?:socket\.socket|ssl\.SSLSocket)|(transport) <\w+) fd=(\d+)")


@hazard(
    "H13",
    title="Never closed",
    raised_by="a program of three calls under python -X dev: how many connections are still open when it has ended",
    signatures={
        "client-on-loop": "broke 3 of 3: ResourceWarning",
        "context-variable": "broke 3 of 3: ResourceWarning",
        "lazy-service-mended": "broke 3 of 3: ResourceWarning",
        "loop-registry": "broke 3 of 3: ResourceWarning",
        "loop-weak-registry": "broke 3 of 3: ResourceWarning",
        "module-client": "broke 1 of 1: ResourceWarning",
        "thread-local": "broke 3 of 3: ResourceWarning",
    },
)
def probe(subject: Subject, stage: Stage) -> Finding:
    """A whole program: the strategy is entered, used, left as it leaves itself, and the interpreter ends.

    Its calls come from three event loops or threads where the strategy is made for several, else from one batch: who
    owns the client of a loop that ends? What was not closed by then is a ResourceWarning for each connection, which
    nobody sees without ``-X dev``, and the exit code is 0 all the same.

    Where a strategy for the whole process does close, a second program looks at what that raises in another event loop
    than the calls'.
    """
    if subject.hands_over:
        return does_not_apply("Its clients live in processes of their own, which end with their owner.")
    server = stage.start()
    asked = {"strategy": subject.name, "client_library": stage.client_library, "target": server.target.to_dict()}
    _said, complaints, code = _run(asked | {"part": "program"})
    opened_count = server.ask("settled")["opened"]
    unclosed_count = unclosed(complaints)
    observed = {"exit code": code}
    elsewhere = ""
    if subject.is_async and subject.scope == "process" and not unclosed_count:
        raised, _complaints, _code = _run(asked | {"part": "elsewhere"})
        observed["closing in another loop raises"] = int(bool(raised))
        elsewhere = f" Closed in another event loop it raises {raised}." if raised else ""
    return Finding(
        "broke" if unclosed_count else "held",
        f"{unclosed_count} of {opened_count} connections were never closed; the exit code was {code}.{elsewhere}",
        attempts_count=opened_count,
        failed_count=unclosed_count,
        errors={ERROR: unclosed_count} if unclosed_count else {},
        observed=observed,
    )


def unclosed(complaints: str) -> int:
    """How many connections these warnings are about.

    A connection of asyncio's may be reported twice, its socket first and then the transport around it.
    """
    found_count = 0
    sockets: list[str] = []
    for is_transport, descriptor in _WARNING.findall(complaints):
        if is_transport and descriptor in sockets:
            sockets.remove(descriptor)
            continue
        found_count += 1
        if not is_transport:
            sockets.append(descriptor)
    return found_count


def _run(asked: dict[str, Any]) -> tuple[str, str, int]:
    """Run a program of this file under ``-X dev``: what it said, what the interpreter complained of, its exit code."""
    ended = subprocess.run(
        [sys.executable, "-X", "dev", "-m", "bench.hazards.h13_never_closed", json.dumps(asked)],
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )
    if not ended.stdout.startswith("done"):
        raise RuntimeError(f"the program ended with exit code {ended.returncode}: {ended.stderr[-200:]}")
    return ended.stdout.removeprefix("done").strip(), ended.stderr, ended.returncode


def _program(subject: Subject, target: Target) -> None:
    if subject.is_async and subject.world != "loops":
        asyncio.run(_batch(subject, target))
        return
    if isinstance(subject.strategy, SyncStrategy) and subject.world != "threads":
        with subject.strategy.enter(target) as send:
            for call in CALLS:
                ask(send, call)
        return
    with subject.held(target) as held:
        for call in CALLS:
            thread = threading.Thread(target=held.calls, args=([call],))
            thread.start()
            thread.join()


async def _batch(subject: Subject, target: Target) -> None:
    async with subject.entered_async(target) as send:
        for call in CALLS:
            await asyncio.create_task(ask_async(send, call))  # as a web application would, one for each request


def _closed_elsewhere(subject: Subject, target: Target) -> str:
    """Make a call in one loop and leave the strategy in another; what that raises."""
    entered = subject.entered_async(target)
    loop = asyncio.new_event_loop()
    send = loop.run_until_complete(entered.__aenter__())
    asyncio.run(ask_async(send, CALLS[0]))
    try:
        loop.run_until_complete(entered.__aexit__(None, None, None))
    except Exception as error:  # noqa: BLE001 - it is what is asked for
        return error_text(error)
    finally:
        loop.close()
    return ""


def _main() -> None:
    job = json.loads(sys.argv[1])
    subject, target = subject_of(job["strategy"], job["client_library"]), Target(**job["target"])
    if job["part"] == "elsewhere":
        sys.stdout.write(f"done {_closed_elsewhere(subject, target)}")
    else:
        _program(subject, target)
        sys.stdout.write("done")


if __name__ == "__main__":
    _main()
