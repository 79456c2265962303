"""Where and how it was measured, and what the words mean."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from connprof.report import words
from connprof.report.marks import part_of
from connprof.report.shapes import Facts

if TYPE_CHECKING:
    from connprof.model import Incident, Report, Run

__all__ = [
    "DEFINITIONS",
    "cache_text",
    "command_lines",
    "environment_facts",
    "order_steps",
    "provenance_facts",
    "reference_text",
    "seeds_text",
]

_MOST_ORDER = 400
_PULL_REQUEST = re.compile(r"([\w.-]+/[\w.-]+),? pull request #?(\d+)")


_FACTS = {
    "os": "operating system",
    "arch": "architecture",
    "python": "Python",
    "openssl": "OpenSSL",
    "ca_bundle_certificates_count": "CA bundle certificates",
    "ca_bundle_sha256": "CA bundle SHA-256",
    "cpu": "CPU",
    "cores": "CPU cores",
    "load_at_start": "load at the start (1, 5 and 15 minutes)",
    "os_release": "release of the operating system",
    "libc": "C library",
    "hash_of_suite": "suite's source hash",
}


def environment_facts(report: Report) -> tuple[Facts, ...]:
    """Where it was measured."""
    environment = report.environment

    def listed(title: str, values: dict[str, str], *, spaced: bool = False) -> Facts:
        names = {name: words.plain(_FACTS.get(name, name.replace("_", " ")) if spaced else name) for name in values}
        return Facts(title=title, pairs=tuple((names[name], words.plain(value)) for name, value in values.items()))

    # Most variables are treated alike, so they are listed by what was done with them.
    done: dict[str, list[str]] = {}
    for name, value in environment.variables.items():
        done.setdefault(words.plain(value), []).append(words.plain(name))
    return (
        listed("Identity: named by a comparison where it differs", environment.identity, spaced=True),
        listed("Context: shown, never compared", environment.context, spaced=True),
        listed("Packages", environment.packages),
        Facts(
            title="Environment variables that switch code paths",
            pairs=tuple((value, ", ".join(sorted(names))) for value, names in sorted(done.items())),
        ),
    )


DEFINITIONS = (
    (
        "SSL bytes",
        (
            "Cumulative bytes whose innermost Python frame is in the standard library's ssl module. By category: "
            "creating contexts (with the CA bundle that is loaded into each), handshakes, and reading and writing."
        ),
    ),
    (
        "Cumulative bytes",
        (
            "All bytes ever allocated while the session ran, freed or not: work that was done, which is not the same "
            "as memory in use."
        ),
    ),
    ("Peak bytes", "The most that was in use at any moment of the session."),
    (
        "Retained bytes",
        (
            "What was still in use when the session had ended and all clients were closed: garbage that had not been "
            "collected yet, and what the allocator and OpenSSL keep in caches and pools."
        ),
    ),
    (
        "SSL context, CA load",
        "A context is made once and can serve every client. Loading the CA bundle into it parses every certificate.",
    ),
    (
        "Full handshake",
        (
            "A TLS connection set up from nothing, with a round trip and public-key arithmetic. A resumed one builds "
            "on an earlier session; the client libraries do not do that by themselves."
        ),
    ),
    ("Floor", "The strategy with no client library at all: what the same calls cost when done with bare TLS sockets."),
    (
        "p50, p95, p99",
        (
            "p50 is the median: half of the calls took no longer. Of 100 calls, 95 took no longer than p95 and 99 no "
            "longer than p99 (linear between ranks). All timed sessions of all processes together."
        ),
    ),
    (
        "The band",
        (
            "The range in which a figure counts as reproduced, fixed before measuring. Counts must match exactly; "
            "bytes may differ, because the size of the CA bundle and of the buffers does."
        ),
    ),
    (
        "Why no time is compared with another machine",
        (
            "A time says as much about the machine, its load and its neighbours as about the code. Counts, context "
            "bytes and ratios within one run do not."
        ),
    ),
    (
        "Four passes",
        (
            "Counts, cumulative and peak memory, retained memory, and times are measured in separate processes, "
            "because each instrument would change the others' figures. A quick run leaves out retained memory. The "
            "server counts in every pass, and all must agree."
        ),
    ),
    ("MB, kB", "1,000,000 and 1,000 bytes."),
)


def provenance_facts(report: Report) -> Facts:
    """How the report was made."""
    run = report.run
    commit = words.plain(run.commit) if run.commit else "not known"
    if run.dirty:
        commit += ", with uncommitted changes"
    cached = cache_text(report)
    return Facts(
        title="This run",
        pairs=(
            ("Started", words.moment(run.started_at)),
            ("Duration", words.duration(run.duration_s)),
            ("Seeds" if len(run.seeds) > 1 else "Seed", seeds_text(run)),
            ("Mode", "quick" if run.quick else "full"),
            *((("From the cache", cached),) if cached else ()),
            ("Commit", commit),
            ("connprof", words.plain(run.connprof_version)),
            ("Format", words.plain(report.schema)),
        ),
    )


def cache_text(report: Report) -> str:
    """How much was not measured by this run but taken from the cache, and since when; nothing where all is fresh."""
    cases = [record.cached_from for record in report.records if record.cached_from is not None]
    cells = [cell.cached_from for cell in report.safety if cell.cached_from is not None]
    partly = [len(record.cached_passes) for record in report.records if record.cached_passes]
    noun = "other case" if cases else "case"
    passes = f"{words.plural(sum(partly), 'pass', 'passes')} of {words.plural(len(partly), noun)}"
    if not (cases or cells):
        return passes if partly else ""
    parts = [
        part_of(len(found), len(every), what)
        for found, every, what in ((cases, report.records, "cases"), (cells, report.safety, "safety cells"))
        if every
    ]
    more = f", and {passes}" if partly else ""
    return f"{words.joined(parts)}, the oldest measured {words.moment(min(cases + cells))}{more}"


def seeds_text(run: Run) -> str:
    """The seed of the run, or those of all that were merged."""
    return words.joined([str(seed) for seed in run.seeds or (run.seed,)])


def command_lines(run: Run) -> tuple[str, ...]:
    """What makes the report again: one command, or of a merged report those of its runs and that of the merge."""
    commands = run.command.splitlines() if run.seeds else [run.command]
    return tuple(words.plain(command) for command in commands)


def order_steps(report: Report) -> tuple[str, ...]:
    """The jobs in the order in which they ran."""
    order = tuple(words.plain(step) for step in report.run.order[:_MOST_ORDER])
    more = len(report.run.order) - len(order)
    return (*order, f"and {words.count(more)} more, in report.json") if more else order


def reference_text(incident: Incident) -> str:
    """Where the incident was published, with its address in plain text where that is known."""
    reference = words.plain(incident.reference)
    found = _PULL_REQUEST.fullmatch(reference)
    if found:
        reference = f"pull request {found[2]} of {found[1]} (github.com/{found[1]}/pull/{found[2]})"
    return f"{reference}, {words.day(incident.published_on)}"
