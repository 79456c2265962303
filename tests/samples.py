"""Synthetic reports for tests: figures like those of a real run, made without measuring anything."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec.structs import replace

from connprof.model import (
    SCHEMA,
    Answers,
    CallSite,
    Case,
    Check,
    ClientCounts,
    CountsPass,
    Environment,
    Event,
    EventKind,
    Failed,
    FunctionBytes,
    Half,
    Headroom,
    Incident,
    LedgerCounts,
    Measured,
    MemoryPass,
    Problem,
    Record,
    Report,
    RetainedPass,
    Run,
    SiteCounts,
    SslBytes,
    StrategyNote,
    TimingPass,
    Verdict,
    VerdictStatus,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

CALLS = 40
ORIGINS = ("datagouv", "tabular", "crawler", "metrics", "matomo")
MS = 1_000_000


@dataclass(frozen=True)
class Sketch:
    """What one strategy's figures are drawn from."""

    name: str
    title: str
    contexts: str
    handshakes: str
    context_bytes: int
    handshake_bytes: int
    io_bytes: int
    latency_ms: float
    cpu_share: float
    is_async: bool = True
    fixes: str | None = None

    def contexts_count(self, calls: int) -> int:
        return {"calls": calls, "origins": min(calls, len(ORIGINS)), "one": 1}[self.contexts]

    def handshakes_count(self, calls: int) -> int:
        return {"calls": calls, "origins": min(calls, len(ORIGINS))}[self.handshakes]


SKETCHES = (
    Sketch("floor", "Raw TLS sockets, one per origin, no client library", "one", "origins",
           6_751_200, 1_610_400, 2_900_100, 0.42, 0.6, is_async=False),
    Sketch("per-call-get", "httpx.get in a function", "calls", "calls",
           269_900_300, 12_610_200, 5_203_900, 21.8, 0.97, is_async=False),
    Sketch("per-call-client", "A httpx.Client inside the function", "calls", "calls",
           269_900_100, 12_602_800, 5_310_700, 22.1, 0.97, is_async=False),
    Sketch("per-call-async", "A new AsyncClient for every call", "calls", "calls",
           269_900_000, 12_900_000, 16_300_000, 23.4, 0.96),
    Sketch("per-call-shared-context", "A new AsyncClient for every call, one shared SSL context", "one", "calls",
           6_751_000, 12_900_000, 19_049_000, 4.3, 0.92),
    Sketch("client-per-helper", "One client for each helper module", "origins", "origins",
           33_750_000, 1_610_000, 11_640_000, 1.31, 0.83, fixes="per-call-async"),
    Sketch("one-client", "One client for everything", "one", "origins",
           6_751_000, 1_609_900, 11_540_200, 1.27, 0.83, fixes="per-call-async"),
    Sketch("lazy-service", "A service object that makes its client when first asked", "one", "origins",
           6_751_000, 1_610_300, 11_602_700, 1.29, 0.83, fixes="per-call-async"),
)  # fmt: skip


def ledger(contexts_calls: int, handshakes: int) -> LedgerCounts:
    share, rest = divmod(contexts_calls, handshakes)
    return LedgerCounts(
        tcp_accepted_count=handshakes,
        handshakes_full_count=handshakes,
        connections_count=handshakes,
        requests_count=contexts_calls,
        requests_per_connection=tuple(share + (k < rest) for k in range(handshakes)),
        tls_versions={"TLSv1.3": handshakes},
        ciphers={"TLS_AES_256_GCM_SHA384": handshakes},
        alpn={"http/1.1": handshakes},
    )


def events(sketch: Sketch, calls: int) -> tuple[Event, ...]:
    """One session: calls one after another over the origins, with a pause between tool calls."""
    draw = random.Random(sketch.name)
    now = 2 * MS
    made: list[Event] = []
    opened: dict[str, int] = {}
    connection_each_call = sketch.handshakes == "calls"
    for k in range(calls):
        origin = ORIGINS[(k * 7 // 3) % len(ORIGINS)] if k >= len(ORIGINS) else ORIGINS[k]
        start = now
        if connection_each_call or origin not in opened:
            setup = int((20 if sketch.contexts != "one" or not opened else 0.4) * MS * draw.uniform(0.9, 1.2))
            connect = start + setup
            shaken = connect + int(0.2 * MS)
            ready = shaken + int(2.1 * MS * draw.uniform(0.8, 1.4))
            end = ready + int(0.9 * MS)
            made.append(Event(kind=EventKind.CONNECT, origin=origin, start_ns=connect, end_ns=shaken))
            made.append(Event(kind=EventKind.HANDSHAKE, origin=origin, start_ns=shaken, end_ns=ready))
            opened[origin] = connect
            if connection_each_call:
                made.append(Event(kind=EventKind.CONNECTION, origin=origin, start_ns=connect, end_ns=end + MS // 5))
        else:
            end = start + int(0.9 * MS * draw.uniform(0.8, 1.5))
        made.append(Event(kind=EventKind.CALL, origin=origin, start_ns=start, end_ns=end))
        now = end + int((0.5 if k % 4 else 6) * MS)
    if not connection_each_call:
        for origin, since in opened.items():
            made.append(Event(kind=EventKind.CONNECTION, origin=origin, start_ns=since, end_ns=now))
    return tuple(sorted(made, key=lambda event: (event.start_ns, event.kind)))


def sites(sketch: Sketch, calls: int) -> tuple[SiteCounts, ...]:
    folder = "bench/helpers" if sketch.name.startswith(("per-call-async", "client-per")) else "bench/strategies"
    certainty = "context" if sketch.is_async else "stack"
    names = [f"{origin}_api.py" for origin in ORIGINS] if folder.endswith("helpers") else ["session.py"]
    contexts, handshakes = sketch.contexts_count(calls), sketch.handshakes_count(calls)
    return tuple(
        SiteCounts(
            site=CallSite(file=f"{folder}/{name}", line=31 + 4 * k, function="fetch_json", certainty=certainty),
            counts=ClientCounts(
                contexts_count=contexts // len(names),
                ca_loads_count=contexts // len(names),
                handshakes_full_count=handshakes // len(names),
                connections_count=handshakes // len(names),
                requests_count=calls // len(names),
            ),
        )
        for k, name in enumerate(names)
    )


def counts_pass(sketch: Sketch, calls: int = CALLS) -> CountsPass:
    contexts, handshakes = sketch.contexts_count(calls), sketch.handshakes_count(calls)
    return CountsPass(
        calls_count=calls,
        origins_count=min(calls, len(ORIGINS)),
        client=ClientCounts(
            contexts_count=contexts,
            ca_loads_count=contexts,
            handshakes_full_count=handshakes,
            connections_count=handshakes,
            requests_count=calls,
        ),
        sites=sites(sketch, calls),
        ledger=ledger(calls, handshakes),
        events=events(sketch, calls),
    )


def memory_pass(sketch: Sketch, calls: int = CALLS) -> MemoryPass:
    contexts = sketch.contexts_count(calls) / sketch.contexts_count(CALLS)
    handshakes = sketch.handshakes_count(calls) / sketch.handshakes_count(CALLS)
    ssl = SslBytes(
        context_bytes=int(sketch.context_bytes * contexts),
        handshake_bytes=int(sketch.handshake_bytes * handshakes),
        io_bytes=int(sketch.io_bytes * calls / CALLS),
    )
    return MemoryPass(
        calls_count=calls,
        ssl=ssl,
        ssl_allocations_count=ssl.total_bytes // 340,
        functions=(
            FunctionBytes(
                function="create_default_context",
                category="context",
                cumulative_bytes=int(ssl.context_bytes * 0.978),
                allocations_count=7_800_000,
            ),
        ),
        total_bytes=ssl.total_bytes + 31_000_000,
        allocations_count=8_000_000,
        peak_bytes=3_400_000 + 720_000 * (5 if sketch.contexts == "origins" else 1),
        ledger=ledger(calls, sketch.handshakes_count(calls)),
    )


def retained_pass(sketch: Sketch, calls: int = CALLS) -> RetainedPass:
    return RetainedPass(
        calls_count=calls,
        peak_bytes=memory_pass(sketch, calls).peak_bytes + 600,
        retained_bytes=412_000 if sketch.contexts != "calls" else 38_400,
        ledger=ledger(calls, sketch.handshakes_count(calls)),
    )


def timing_passes(sketch: Sketch, calls: int = CALLS, processes: int = 5) -> tuple[TimingPass, ...]:
    draw = random.Random("timing" + sketch.name)
    made = []
    for _ in range(processes):
        slow = draw.uniform(1.0, 1.2)
        latency = tuple(
            tuple(
                int(sketch.latency_ms * MS * slow * draw.lognormvariate(0.05, 0.14))
                * (4 if draw.random() < 0.01 else 1)
                for _ in range(calls)
            )
            for _ in range(3)
        )
        wall = tuple(sum(one) + 2 * MS for one in latency)
        made.append(
            TimingPass(
                calls_count=calls,
                warmup_calls_count=min(calls, 5),
                warmup_origins_count=2 if calls >= 5 else 1,
                wall_ns=wall,
                thread_time_ns=tuple(int(one * sketch.cpu_share) for one in wall),
                latency_ns=latency,
                ledger=ledger(
                    3 * calls + min(calls, 5),
                    3 * sketch.handshakes_count(calls)
                    + {"calls": min(calls, 5), "origins": 2 if calls >= 5 else 1}[sketch.handshakes],
                ),
            )
        )
    return tuple(made)


def measured(sketch: Sketch, calls: int = CALLS) -> Measured:
    cuts = [cut for cut in (1, 5, 10, 20, 30) if cut < calls]
    return Measured(
        counts=counts_pass(sketch, calls),
        memory=memory_pass(sketch, calls),
        retained=retained_pass(sketch, calls),
        growth=tuple(memory_pass(sketch, cut) for cut in cuts),
        timing=timing_passes(sketch, calls),
    )


def note(sketch: Sketch) -> StrategyNote:
    return StrategyNote(
        name=sketch.name,
        title=sketch.title,
        source=f"bench/strategies/{sketch.name.replace('-', '_')}.py",
        is_async=sketch.is_async,
        fixes=sketch.fixes,
        contexts=sketch.contexts,
        handshakes=sketch.handshakes,
    )


INCIDENT = Incident(
    id="datagouv-67",
    title="An LLM tool server made an AsyncClient for every call and closed it right after",
    reference="datagouv/datagouv-mcp, pull request 67",
    published_on="2026-03-05",
    before="per-call-async",
    after="client-per-helper",
    shared_context="per-call-shared-context",
    calls_count=40,
    ssl_bytes=295_000_000,
    reference_certificates_count=119,
    band_low_ratio=0.85,
    band_high_ratio=1.15,
)


def check(name, measured, low, high, unit, *, passed=True):
    return Check(name=name, measured=measured, low=low, high=high, unit=unit, passed=passed)


def good_verdict(calls: int = CALLS) -> Verdict:
    before, after, shared = (memory_pass(SKETCHES[k], calls).ssl for k in (3, 5, 4))
    return Verdict(
        incident=INCIDENT,
        regression=Half(
            status=VerdictStatus.REPRODUCED,
            reason="Contexts, handshakes and SSL bytes are those of the published regression.",
            checks=(
                check("SSL contexts created", 40, 40, 40, "count"),
                check("full TLS handshakes", 40, 40, 40, "count"),
                check("SSL bytes, rescaled, over the published 295 MB", 1.0139, 0.85, 1.15, "ratio"),
                check("share of SSL bytes spent on contexts", 0.9024, 0.8, 1.0, "ratio"),
            ),
        ),
        fix=Half(
            status=VerdictStatus.CONFIRMED,
            reason="One context and one handshake for each origin, whatever the number of calls.",
            checks=(
                check("SSL contexts created", 5, 5, 5, "count"),
                check("full TLS handshakes", 5, 5, 5, "count"),
                check("SSL bytes of the regression over those of the fix", 6.3638, 4.0, None, "ratio"),
                check("SSL bytes added by the last ten calls", 2_910_000, 0, 6_000_000, "bytes"),
            ),
        ),
        answers=Answers(before=before, after=after, shared_context=shared),
    )


def run(**changes) -> Run:
    values = {
        "command": "connprof bench --incident datagouv-67 --seed 67 --out reports/latest",
        "seed": 67,
        "started_at": "2026-11-20T09:41:05+00:00",
        "duration_s": 372.4,
        "connprof_version": "0.1.0",
        "commit": "0a27dac5d1d94f0e8f4a5a8f1f6f5f8d8a1a2b3c",
        "dirty": False,
        "quick": False,
        "order": tuple(f"{kind} {sketch.name}" for kind in ("counts", "memory", "timing") for sketch in SKETCHES),
    }
    return Run(**(values | changes))


ENVIRONMENT = Environment(
    identity={
        "os": "Linux",
        "arch": "x86_64",
        "python": "3.12.8",
        "openssl": "OpenSSL 3.0.15 3 Sep 2024",
        "client_library": "httpx",
        "client_library_version": "0.28.1",
        "ca_bundle_certificates_count": "119",
        "ca_bundle_sha256": "9f2c" * 16,
    },
    context={"cpu": "Example CPU @ 2.10GHz", "cores": "2", "load_1min": "0.31", "kernel": "6.1.0"},
    packages={
        "anyio": "4.16.0",
        "certifi": "2026.10.22",
        "h11": "0.16.0",
        "httpcore": "1.0.9",
        "httpx": "0.28.1",
        "memray": "1.20.0",
        "uvicorn": "0.54.0",
    },
    variables={
        "SSL_CERT_FILE": "set to the bundle with our CA",
        "SSL_CERT_DIR": "removed",
        "HTTPS_PROXY": "removed",
        "ALL_PROXY": "removed",
        "NO_PROXY": "not set",
        "SSLKEYLOGFILE": "removed",
    },
)


def case(name: str, calls: int = CALLS) -> Case:
    return Case(strategy=name, workload="llm-session", calls_count=calls)


def report(sketches: Iterable[Sketch] = SKETCHES, calls: int = CALLS) -> Report:
    """A whole run in which everything went well: reproduced and confirmed."""
    chosen = tuple(sketches)
    return Report(
        schema=SCHEMA,
        run=run(),
        environment=ENVIRONMENT,
        strategies=tuple(note(sketch) for sketch in chosen),
        records=tuple(Record(case=case(s.name, calls), outcome=measured(s, calls)) for s in chosen),
        verdict=good_verdict(calls),
        headroom=Headroom(server_requests_per_s=9_600.0, fastest_requests_per_s=2_140.0, fastest_strategy="floor"),
    )


# --- variations -------------------------------------------------------------------------------------------------


def with_outcome(base: Report, name: str, outcome) -> Report:
    """The same report with another outcome for one strategy."""
    assert name in {record.case.strategy for record in base.records}
    return replace(
        base,
        records=tuple(
            replace(record, outcome=outcome) if record.case.strategy == name else record for record in base.records
        ),
    )


def with_halves(base: Report, regression: Half | None = None, fix: Half | None = None, **changes) -> Report:
    verdict = base.verdict
    return replace(
        base,
        verdict=replace(verdict, regression=regression or verdict.regression, fix=fix or verdict.fix, **changes),
    )


def sketch_of(name: str) -> Sketch:
    return next(sketch for sketch in SKETCHES if sketch.name == name)


def not_reproduced() -> Report:
    weak = replace_sketch("per-call-async", context_bytes=26_990_000)
    base = with_outcome(report(), "per-call-async", measured(weak))
    checks = list(base.verdict.regression.checks)
    checks[2] = check("SSL bytes, rescaled, over the published 295 MB", 0.1904, 0.85, 1.15, "ratio", passed=False)
    return with_halves(
        base,
        regression=Half(
            status=VerdictStatus.NOT_REPRODUCED,
            reason="SSL bytes are 0.19 of the published figure, outside 0.85 to 1.15.",
            checks=tuple(checks),
        ),
        answers=replace(base.verdict.answers, before=memory_pass(weak).ssl),
    )


def not_confirmed() -> Report:
    base = with_outcome(report(), "client-per-helper", measured(sketch_of("per-call-shared-context")))
    checks = list(base.verdict.fix.checks)
    checks[1] = check("full TLS handshakes", 40, 5, 5, "count", passed=False)
    return with_halves(
        base,
        fix=Half(
            status=VerdictStatus.NOT_CONFIRMED,
            reason="The fix still makes a handshake for every call.",
            checks=tuple(checks),
        ),
    )


def invalid() -> Report:
    sentence = "The client counted 40 handshakes in the counts pass, the server 41."
    broken = replace(
        measured(sketch_of("per-call-async")),
        problems=(
            Problem(code="client-ledger", sentence=sentence),
            Problem(code="passes", sentence="Memory pass: 41 connections; counts pass: 40 connections."),
        ),
    )
    return with_halves(
        with_outcome(report(), "per-call-async", broken),
        regression=Half(status=VerdictStatus.INVALID, reason=sentence),
        fix=Half(status=VerdictStatus.INVALID, reason="The regression's case is invalid."),
        answers=None,
    )


def failed_cases() -> Report:
    base = with_outcome(
        report(),
        "lazy-service",
        Failed(stage="memory", message="The worker was killed by signal 9 after 41 s.", partial=None),
    )
    return with_outcome(
        base,
        "one-client",
        Failed(
            stage="timing",
            message="The server stopped answering: connection refused.",
            partial=Measured(counts=counts_pass(sketch_of("one-client"))),
        ),
    )


def interrupted() -> Report:
    base = with_outcome(
        report(), "lazy-service", Failed(stage="interrupted", message="Not finished: the run was stopped.")
    )
    return replace(
        base,
        run=run(interrupted="Stopped by Ctrl-C during the timing pass; counts and memory of 7 of 8 cases were kept."),
    )


def not_measured() -> Report:
    """Some strategies were left out, the fix among them."""
    kept = [s for s in SKETCHES if s.name in {"floor", "per-call-async", "one-client"}]
    base = report(kept)
    return with_halves(
        replace(base, strategies=tuple(note(sketch) for sketch in SKETCHES)),
        fix=Half(status=VerdictStatus.NOT_MEASURED, reason="client-per-helper was left out of this run."),
        answers=Answers(before=base.verdict.answers.before, after=None, shared_context=None),
    )


def nothing_measured() -> Report:
    base = replace(report([]), strategies=tuple(note(sketch) for sketch in SKETCHES), headroom=None)
    half = Half(status=VerdictStatus.NOT_MEASURED, reason="No case was run.")
    return with_halves(base, regression=half, fix=half, answers=None)


def no_memory() -> Report:
    base = report()
    records = tuple(replace(record, outcome=replace(record.outcome, memory=None, growth=())) for record in base.records)
    verdict = base.verdict
    return with_halves(
        replace(base, records=records),
        regression=replace(
            verdict.regression,
            status=VerdictStatus.NOT_MEASURED,
            reason="Without a memory pass there are no bytes to compare.",
            checks=verdict.regression.checks[:2],
        ),
        fix=replace(
            verdict.fix,
            status=VerdictStatus.NOT_MEASURED,
            reason="Without a memory pass there are no bytes to compare.",
            checks=verdict.fix.checks[:2],
        ),
        answers=None,
    )


def only_one() -> Report:
    base = report([sketch_of("per-call-async")])
    return with_halves(
        replace(base, headroom=None),
        fix=Half(status=VerdictStatus.NOT_MEASURED, reason="client-per-helper was left out of this run."),
        answers=Answers(before=base.verdict.answers.before, after=None, shared_context=None),
    )


def quick() -> Report:
    base = report(calls=20)
    return replace(base, run=run(quick=True, dirty=True, duration_s=48.2, commit=None))


HOSTILE = (
    '<script>alert("x")</script> $\\frac{1}{0}$ {{ 7*7 }} \u202e\u202d\u0441\u043b\u043e\u0432\u043e 漢字 👩‍💻 '
    "e\u0301\x00\x1b[31m\r\n&amp; --> \"'"
)


def hostile() -> Report:
    """Names and messages that want to be markup, mathematics, terminal codes or another alphabet."""
    base = failed_cases()
    bad_case = case(HOSTILE)
    bad_sketch = replace_sketch("one-client", name=HOSTILE)
    bad_measured = measured(bad_sketch)
    bad_counts = replace(
        bad_measured.counts,
        sites=(
            SiteCounts(
                site=CallSite(file=f"/tmp/{HOSTILE}.py", line=1, function=HOSTILE, certainty="unknown"),
                counts=ClientCounts(contexts_count=3),
            ),
        ),
        ledger=replace(bad_measured.counts.ledger, alpn={HOSTILE: 5}, disagreements=(HOSTILE,)),
        events=tuple(replace(event, origin=HOSTILE + event.origin) for event in bad_measured.counts.events),
        blind_spots=(HOSTILE,),
    )
    before = base.records[3].outcome
    base = with_outcome(
        base, "per-call-async", replace(before, counts=replace(before.counts, events=bad_counts.events))
    )
    verdict = base.verdict
    return replace(
        base,
        run=run(command=f"connprof bench '{HOSTILE}'", interrupted=HOSTILE, order=(HOSTILE,)),
        environment=replace(ENVIRONMENT, identity={HOSTILE: HOSTILE}, variables={"X" * 90: "y" * 300}),
        strategies=(*(replace(one, title=HOSTILE) for one in base.strategies), note(bad_sketch)),
        records=(
            *base.records,
            Record(case=bad_case, outcome=replace(bad_measured, counts=bad_counts)),
            Record(
                case=case("</svg><img src=x onerror=alert(1)>"),
                outcome=Failed(stage=HOSTILE, message=HOSTILE),
            ),
        ),
        verdict=replace(
            verdict,
            incident=replace(INCIDENT, title=HOSTILE, reference=HOSTILE),
            regression=replace(verdict.regression, reason=HOSTILE),
        ),
    )


def replace_sketch(which: str, **changes) -> Sketch:
    from dataclasses import replace as replaced

    return replaced(sketch_of(which), **changes)


STATES = {
    "good": report,
    "not_reproduced": not_reproduced,
    "not_confirmed": not_confirmed,
    "invalid": invalid,
    "failed": failed_cases,
    "interrupted": interrupted,
    "not_measured": not_measured,
    "nothing_measured": nothing_measured,
    "no_memory": no_memory,
    "only_one": only_one,
    "quick": quick,
    "hostile": hostile,
}
