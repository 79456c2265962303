"""The codes of findings: what ``connprof lint`` guesses from the source and ``connprof run`` sees happen.

One list for both, so that a code means the same thing in an editor, in CI and in a profile. A code is never given a
second meaning, and never given away again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, Literal

__all__ = ["BY_CODE", "CODES", "DOCUMENTATION", "Code", "Source"]

Source = Literal["lint", "run"]

DOCUMENTATION: Final = "docs/lint.md"
"""The page that explains every code, each below an anchor of its own."""


@dataclass(frozen=True, slots=True)
class Code:
    """One kind of finding."""

    code: str
    """``CP001`` and so on: what is written in ``# noqa``, ``--select`` and ``--fail-on``."""
    name: str
    """A slug for machines and links."""
    title: str
    """What is wrong, in a few words."""
    fix: str
    """What to do about it, in one sentence."""
    sources: frozenset[Source]
    """Who can find it."""
    measured_as: str | None = None
    """The code under which a run reports the same place, where that is another one: a run sees that a client was made
    200 times at a line, and not that the line is in a request handler."""

    @property
    def anchor(self) -> str:
        """Where the documentation explains this code."""
        return f"{DOCUMENTATION}#{self.code.lower()}"

    @property
    def command(self) -> str:
        """What explains this code wherever connprof is installed."""
        return f"connprof lint --explain {self.code}"

    @property
    def explanation(self) -> str:
        """What stands below that anchor, in Markdown: the page is part of the package. Empty where it is missing.

        The title, with which each section begins there, is left out: whoever shows this says it above.
        """
        return _sections().get(self.code, "").removeprefix(f"**{self.title}.**").lstrip()


@cache
def _sections() -> dict[str, str]:
    """Code -> its section of the page, where an installed package has it or where a checkout does."""
    for page in (Path(__file__).parent / "codes.md", Path(__file__).parents[2] / DOCUMENTATION):
        try:
            text = page.read_text(encoding="utf-8")
        except OSError:
            continue
        return dict(re.findall(r"^### (CP\d+)$\n+(.*?)\n*(?=^##|\Z)", text, re.MULTILINE | re.DOTALL))
    return {}


_LINT: Final[frozenset[Source]] = frozenset({"lint"})
_RUN: Final[frozenset[Source]] = frozenset({"run"})
_BOTH: Final[frozenset[Source]] = frozenset({"lint", "run"})

CODES: Final = (
    Code(
        "CP001",
        "client-per-call",
        "client made per call",
        "Make the client once and keep it: around the whole batch in a script, in the application's lifespan in a "
        "service, one per event loop or thread where there are several.",
        _BOTH,
    ),
    Code(
        "CP002",
        "shortcut-per-call",
        "shortcut function makes a client per call",
        "Call the same method of a client that is kept instead of the module-level function.",
        _BOTH,
    ),
    Code(
        "CP003",
        "context-per-call",
        "SSL context made per call",
        "Make the SSL context once, at module level or behind functools.cache, and pass it to every client.",
        _BOTH,
    ),
    Code(
        "CP004",
        "client-in-loop",
        "client made in a loop",
        "Make the client before the loop and use it in each round.",
        _LINT,
        measured_as="CP001",
    ),
    Code(
        "CP005",
        "client-per-request",
        "client made in a request handler or task",
        "Make the client when the application or worker process starts, and let its handlers use that one.",
        _LINT,
        measured_as="CP001",
    ),
    Code(
        "CP006",
        "second-loop",
        "client used from a second event loop, thread or process",
        "Give each event loop, thread or process its own client, or make the client inside the coroutine that "
        "asyncio.run() runs.",
        _BOTH,
    ),
    Code(
        "CP007",
        "never-closed",
        "client never closed",
        "Use the client in a with or async with block, or close it in a finally clause.",
        _BOTH,
    ),
    Code(
        "CP008",
        "context-per-client",
        "context made per client though it could be shared",
        "Make one SSL context and pass it to each of these clients (verify= in httpx, ssl= or ssl_context= elsewhere; "
        "requests has no such parameter).",
        _BOTH,
    ),
    Code(
        "CP009",
        "context-unused",
        "context built and never used",
        "Do not build the context; where clients only speak plain HTTP, pass all of them one empty context, "
        "ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT): it reads no CA bundle, and refuses every https:// server.",
        _RUN,
    ),
    Code(
        "CP010",
        "gaps-exceed-expiry",
        "connections not reused because gaps exceed the keep-alive expiry",
        "Raise the client's keep-alive expiry above the gap between calls, and keep it below the server's.",
        _RUN,
    ),
    Code(
        "CP011",
        "response-not-closed",
        "connections not reused because responses were not read or closed",
        "Read each response to its end, in a with block that closes it whatever happens.",
        _RUN,
    ),
    Code(
        "CP012",
        "pool-too-small",
        "connections not reused because the pool is smaller than the concurrency",
        "Raise the pool's keep-alive limit to the number of concurrent calls, or bound the calls with a semaphore.",
        _RUN,
    ),
    Code(
        "CP013",
        "identity-shared",
        "identity shared across callers",
        "Give the shared client a cookie jar that keeps nothing, and pass credentials with each request.",
        _RUN,
    ),
    Code(
        "CP014",
        "ca-bundle-reread",
        "CA bundle read again at each handshake",
        "Load the CA bundle once into a plain ssl.SSLContext, or keep connections so that handshakes are few.",
        _RUN,
    ),
    Code(
        "CP015",
        "http2-not-spoken",
        "HTTP/2 asked for and not spoken",
        "Do not share one SSL context between HTTP/1 and HTTP/2 clients, or leave http2=True out.",
        _RUN,
    ),
    Code(
        "CP016",
        "contexts-growing",
        "contexts alive and growing",
        "Drop clients that are no longer used, or let them share one SSL context.",
        _RUN,
    ),
)
"""All codes in order. ``docs/lint.md`` has a section for each."""

BY_CODE: Final = {code.code: code for code in CODES}
