"""A synthetic report of a wide run: cases on every axis, and a safety matrix as known hazards fill it."""

from __future__ import annotations

from functools import cache

from msgspec.structs import replace

from connprof.model import HazardNote, HazardOutcome, Measured, Record, Report, SafetyCell, StrategyNote
from tests import samples
from tests.samples import Sketch

HELD, BROKE, HUNG, HARM = HazardOutcome.HELD, HazardOutcome.BROKE, HazardOutcome.HUNG, HazardOutcome.HARM
SPARED, NOT_PROBED = HazardOutcome.DOES_NOT_APPLY, HazardOutcome.NOT_PROBED
CACHED_FROM = "2026-11-19T22:10:00+00:00"

TITLES = {
    "H1": "A client outlives its event loop",
    "H1b": "And the request is sent all the same",
    "H1c": "And each failure leaks a slot",
    "H2": "One client in two threads' loops",
    "H3": "Lazy creation behind an asyncio.Lock",
    "H4": "Fork after first use, TLS",
    "H4b": "Fork after first use, plain HTTP",
    "H5": "Idle connection closed just as it is reused",
    "H6": "Flows swallowed by a middlebox",
    "H7": "Pool exhausted",
    "H7b": "Keep-alive limit below the concurrency",
    "H8": "Closing while in use",
    "H9": "Trust and address go stale",
    "H10": "Identity shared",
    "H11": "A cancelled request keeps its slot",
    "H12": "HTTP/2 shares fate",
    "H13": "Never closed",
    "H14": "Calls sparser than the expiry",
    "H15": "A registry that never lets go",
    "H16": "gather on one client",
    "H17": "A context shared between HTTP/1 and HTTP/2",
}
STATISTICAL = frozenset({"H5", "H17"})

WHOLE = {  # how each hazard comes out where it strikes: outcome, attempts, failed, harmed, errors
    "H1": (BROKE, 5, 2, 0, {"RuntimeError: Event loop is closed": 2}),
    "H1b": (HARM, 10, 5, 5, {"RuntimeError: Event loop is closed": 5}),
    "H1c": (HUNG, 16, 8, 0, {"RuntimeError: Event loop is closed": 4, "PoolTimeout": 4}),
    "H2": (BROKE, 12, 6, 0, {"RuntimeError: Future attached to a different loop": 6}),
    "H3": (HUNG, 2, 0, 0, {}),
    "H4": (BROKE, 3, 3, 0, {"RemoteProtocolError: Server disconnected without sending a response.": 3}),
    "H4b": (HARM, 80, 0, 31, {}),
    "H5": (BROKE, 400, 46, 0, {"RemoteProtocolError: Server disconnected without sending a response.": 46}),
    "H6": (BROKE, 4, 4, 0, {"ReadTimeout": 4}),
    "H7": (BROKE, 30, 20, 0, {"PoolTimeout": 20}),
    "H7b": (BROKE, 500, 450, 0, {}),
    "H8": (BROKE, 100, 40, 0, {"RuntimeError: Cannot send a request, as the client has been closed.": 40}),
    "H9": (HARM, 2, 1, 1, {"ConnectError: CERTIFICATE_VERIFY_FAILED": 1}),
    "H10": (HARM, 20, 0, 19, {}),
    "H11": (BROKE, 2, 1, 0, {"PoolTimeout": 1}),
    "H12": (BROKE, 20, 20, 0, {"RemoteProtocolError: GOAWAY": 20}),
    "H13": (BROKE, 1, 1, 0, {"ResourceWarning: unclosed transport": 1}),
    "H14": (BROKE, 6, 6, 0, {}),
    "H15": (BROKE, 40, 40, 0, {}),
    "H16": (HARM, 10, 1, 9, {"ValueError: the fifth call": 1}),
    "H17": (HARM, 30, 0, 2, {}),
}

# name: (title, world, scope, is_async, contexts, handshakes, the hazards that strike it)
STRATEGIES = {
    "per-call-async": ("A new AsyncClient for every call", "script", "call", True, 40, 40, ""),
    "per-call-client": ("An httpx.Client inside the function", "script", "call", False, 40, 40, ""),
    "per-call-get": ("httpx.get in a function", "script", "call", False, 40, 40, ""),
    "per-call-shared-context": ("A new AsyncClient for every call, one SSL context", "script", "call", True, 1, 40,
                                "H9 H17"),
    "client-per-helper": ("One client for each helper module", "script", "process", True, 5, 5,
                          "H1 H1b H1c H2 H4 H4b H5 H6 H7 H7b H8 H9 H10 H11 H13 H14"),
    "one-client": ("One client for everything, in one block", "script", "batch", True, 1, 5,
                   "H5 H6 H7 H7b H8 H10 H11 H14"),
    "sync-client": ("One httpx.Client in a block", "script", "batch", False, 1, 5, "H5 H6 H7 H7b H10 H14"),
    "gather": ("gather on one client", "script", "batch", True, 1, 9, "H5 H6 H7 H7b H8 H10 H11 H14 H16"),
    "module-client": ("A client at module level", "script", "process", True, 1, 5,
                      "H1 H1b H1c H2 H4 H4b H5 H6 H7 H7b H8 H9 H10 H11 H13 H14"),
    "shared-transport": ("A thin client per call over a shared transport", "script", "process", True, 1, 5,
                         "H1 H1b H1c H2 H5 H6 H7 H7b H8 H9 H11 H13 H14"),
    "lazy-service": ("A service that makes its client on first use, behind an asyncio.Lock", "script", "process", True,
                     1, 5, "H1 H1b H1c H2 H3 H4 H4b H5 H6 H7 H7b H8 H9 H10 H11 H12 H13 H14"),
    "client-on-loop": ("A client as attribute of its event loop", "loops", "process", True, 4, 20,
                       "H5 H6 H7 H7b H9 H10 H11 H14"),
    "loop-weak-registry": ("A client per loop in a WeakKeyDictionary", "loops", "process", True, 4, 20,
                           "H5 H6 H7 H7b H9 H10 H11 H13 H14 H15"),
    "thread-local": ("A client per thread", "threads", "process", False, 4, 20, "H4 H5 H6 H7 H9 H10 H13 H14"),
    "asgi-lifespan": ("A client on app.state, made by the lifespan", "asgi", "process", True, 1, 5,
                      "H5 H6 H7 H7b H9 H10 H11 H14"),
    "celery-client-per-task": ("A client per task, asyncio.run", "celery", "call", True, 40, 40, ""),
    "celery-global-client": ("A global client, asyncio.run per task", "celery", "process", True, 2, 30,
                             "H1 H1b H1c H4 H4b H5 H9 H10 H13"),
    "celery-worker-init": ("A client made in worker_process_init", "celery", "process", False, 2, 10,
                           "H5 H6 H9 H10 H13"),
}  # fmt: skip

OF_LIBRARIES = {
    "per-call": ("A new session for every call", "script", "call", False, 40, 40, ""),
    "shared-client": ("One session", "script", "batch", False, 1, 5, ""),
}

SPARED_BY_NATURE = {
    "asgi": {"H2", "H3", "H15", "H16"},
    "celery": {"H2", "H3", "H12", "H15", "H16", "H17"},
    "threads": {"H1", "H1b", "H1c", "H3", "H11", "H12", "H15", "H16"},
}


def note(name: str) -> StrategyNote:
    title, world, scope, is_async, contexts, handshakes, _ = (STRATEGIES | OF_LIBRARIES)[name]
    return StrategyNote(
        name=name,
        title=title,
        source=f"bench/strategies/{name.replace('-', '_')}.py",
        is_async=is_async,
        fixes=None,
        contexts="calls" if contexts == 40 else "one",
        handshakes="calls" if handshakes == 40 else "origins",
        scope=scope,
        world=world,
    )


def library_notes() -> tuple[StrategyNote, ...]:
    return tuple(
        replace(note(name), client_library=library)
        for library in ("requests==2.31.0", "requests==2.32.4", "aiohttp==3.13.2")
        for name in OF_LIBRARIES
    )


def sketch(name: str) -> Sketch:
    title, _, _, is_async, contexts, handshakes, _ = (STRATEGIES | OF_LIBRARIES)[name]
    return Sketch(
        name,
        title,
        "calls" if contexts == 40 else "origins" if contexts == 5 else "one",
        "calls" if handshakes == 40 else "origins",
        6_750_000 * contexts,
        322_000 * handshakes,
        (16_300_000 if handshakes == 40 else 11_600_000) if is_async else 5_300_000,
        4.3 if contexts == 1 and handshakes == 40 else 23.4 if contexts == 40 else 1.3,
        0.9,
        is_async,
    )


def light(name: str, calls: int = 40, **counts: int) -> Measured:
    """A case without its timeline and its growth, as those of the axes are."""
    found = samples.measured(sketch(name), calls)
    contexts, handshakes = (STRATEGIES | OF_LIBRARIES)[name][4:6]
    contexts = counts.get("contexts", contexts if calls == 40 else min(contexts, calls))
    handshakes = counts.get("handshakes", handshakes if calls == 40 else calls if handshakes == 40 else min(calls, 5))
    ledger = replace(
        found.counts.ledger,
        handshakes_full_count=handshakes,
        connections_count=handshakes,
        requests_per_connection=(),
        alpn={"h2" if counts.get("h2") else "http/1.1": handshakes},
    )
    client = replace(found.counts.client, contexts_count=contexts, handshakes_full_count=handshakes)
    timing = tuple(
        replace(
            one,
            latency_ns=tuple(
                tuple(int(each + counts.get("rtt_ms", 0) * 1e6 * (4 if handshakes >= calls else 1)) for each in row)
                for row in one.latency_ns[:1]
            ),
            wall_ns=one.wall_ns[:1],
            thread_time_ns=one.thread_time_ns[:1],
        )
        for one in found.timing[:2]
    )
    counted = replace(found.counts, client=client, ledger=ledger, events=())
    return replace(found, counts=counted, growth=(), retained=None, timing=timing)


def cell(strategy: str, hazard: str, **changes) -> SafetyCell:
    _, world, _, _, _, _, struck = STRATEGIES[strategy]
    values = {"outcome": HELD, "attempts_count": WHOLE[hazard][1], "symptom": "Every call was answered as it should."}
    if hazard in struck.split():
        outcome, attempts, failed, harmed, errors = WHOLE[hazard]
        values = {
            "outcome": outcome,
            "attempts_count": attempts,
            "failed_count": failed,
            "harmed_count": harmed,
            "errors": errors,
            "symptom": f"Of {attempts} calls {failed} failed and {harmed} were harmed unseen.",
        }
    elif hazard in SPARED_BY_NATURE.get(world, ()):
        values = {"outcome": SPARED, "symptom": "It has one event loop, or none, so the hazard cannot be raised."}
    made = SafetyCell(
        strategy=strategy,
        hazard=hazard,
        command=f"nox -s matrix -- --probe {strategy}/{hazard}",
        duration_ns=310_000_000,
        **values,
    )
    made = replace(made, expected=made.signature if made.outcome not in {HELD, SPARED} else None)
    return replace(made, **changes)


def hazards() -> tuple[HazardNote, ...]:
    return tuple(
        HazardNote(
            id=name,
            title=title,
            raised_by=f"The probe raises it {WHOLE[name][1]} times against the local server.",
            statistical=name in STATISTICAL,
            source=f"bench/hazards/{name.lower()}.py",
        )
        for name, title in TITLES.items()
    )


def safety() -> tuple[SafetyCell, ...]:
    return tuple(cell(strategy, hazard) for strategy in STRATEGIES for hazard in TITLES)


FOUR = ("per-call-async", "per-call-shared-context", "one-client", "client-per-helper")
TWO = ("per-call-async", "one-client")
LIBRARIES = {"requests==2.31.0": 40, "requests==2.32.4": 1, "aiohttp==3.13.2": 40}  # and contexts of 40 calls

# Strategies, what differs on the case, and what comes out otherwise.
DEPARTURES = (
    *((FOUR, {"rtt_ms": float(rtt_ms)}, {"rtt_ms": rtt_ms}) for rtt_ms in (20, 100)),
    *((FOUR, {"calls_count": calls}, {}) for calls in (1, 10, 100, 400)),
    *((FOUR, {"python": version}, {}) for version in ("3.11", "3.13")),
    *((TWO, {"trust_store": store}, {}) for store in ("system-file", "our-ca", "none")),
    (TWO, {"http_version": "2"}, {"h2": 1}),
    (("module-client",), {"http_version": "2"}, {}),  # asked for, and not spoken
    *((("per-call",), {"client_library": name}, {"contexts": contexts}) for name, contexts in LIBRARIES.items()),
    *((("shared-client",), {"client_library": name}, {}) for name in LIBRARIES),
    (("one-client",), {"workload": "gaps-long", "calls_count": 6}, {"handshakes": 6}),
    (("one-client",), {"workload": "gaps-short", "calls_count": 6}, {"handshakes": 1}),
    *(
        (("one-client",), {"workload": "burst", "concurrency_count": at_once}, {"handshakes": handshakes})
        for at_once, handshakes in ((1, 5), (10, 22), (100, 90))
    ),
    *(
        (
            ("one-client",),
            {"workload": "burst", "concurrency_count": 10, "limits": limits},
            {"handshakes": handshakes},
        )
        for limits, handshakes in (("below", 35), ("at", 10), ("above", 10))
    ),
    (("one-client",), {"rtt_ms": 20.0, "trust_store": "our-ca"}, {"handshakes": 20}),
)


def departures() -> tuple[Record, ...]:
    """Cases on every axis."""
    return tuple(
        Record(case=replace(samples.case(name), **axes), outcome=light(name, axes.get("calls_count", 40), **counts))
        for names, axes, counts in DEPARTURES
        for name in names
    )


@cache
def matrix() -> Report:
    """A whole wide run: most of it is fresh, and every cell is as declared."""
    base = samples.report()
    first = samples.SKETCHES[0]
    records = [Record(case=samples.case(first.name), outcome=samples.measured(first))]
    records += [Record(case=samples.case(name), outcome=light(name)) for name in STRATEGIES]
    records = [
        replace(record, outcome=samples.measured(samples.sketch_of(record.case.strategy)))
        if record.case.strategy in {"per-call-async", "client-per-helper", "per-call-shared-context"}
        else record
        for record in records
    ]
    cells = [
        replace(each, cached_from=CACHED_FROM) if each.strategy.startswith("celery") else each for each in safety()
    ]
    cells += [
        cell(name, "H11", client_library="httpx2==2.16.2", outcome=HELD, failed_count=0, errors={}, expected=None)
        for name in ("one-client", "asgi-lifespan")
    ]
    return replace(
        base,
        run=samples.run(command="nox -s matrix", duration_s=2211.0),
        strategies=(samples.note(first), *(note(name) for name in STRATEGIES), *library_notes()),
        records=(*records, *departures()),
        hazards=hazards(),
        safety=tuple(cells),
    )


@cache
def surprising() -> Report:
    """The same with two cells unlike their declaration, one not probed, and one absent."""
    base = matrix()
    changed = {
        "one-client/H13": {"outcome": BROKE, "failed_count": 1, "errors": {"ResourceWarning: unclosed": 1}},
        "module-client/H1": {"outcome": HELD, "failed_count": 0, "errors": {}},
        "per-call-async/H2": {"outcome": NOT_PROBED, "symptom": "The probe's server did not start."},
    }
    cells = [replace(each, **changed.get(each.key, {})) for each in base.safety if each.key != "gather/H12"]
    return replace(base, safety=tuple(cells))


def flipped(report: Report, key: str, **changes) -> Report:
    """The same report with one cell changed."""
    assert key in {each.key for each in report.safety}
    return replace(
        report, safety=tuple(replace(each, **changes) if each.key == key else each for each in report.safety)
    )
