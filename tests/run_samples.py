"""Synthetic profiles of runs for tests: figures like those of a real program, made without running anything."""

from pathlib import Path

from msgspec.structs import replace

from connprof.codes import BY_CODE, CODES
from connprof.profile import (
    PROCESS_SCHEMA,
    PROFILE_SCHEMA,
    Chain,
    Costs,
    Counts,
    Finding,
    Frame,
    HeldLimit,
    Linted,
    LintMark,
    OriginTally,
    Place,
    Price,
    ProcessProfile,
    Profile,
    SiteTally,
)

FOLDER = Path("/srv/app")
MS = 1_000_000
HELPERS = ("datagouv", "tabular", "crawler", "metrics", "matomo")
EVIL = (
    "a|b`c`*d*_e_[f](http://g)<script>alert(1)</script>&amp;@user #1 $x$ \\\r\n::error::x\x1b[31m\x00\u202e]]>\"' "
    "www.evil.org \udc80"
)


def place(file="app.py", line=14, function="fetch", certainty="stack"):
    if certainty == "unknown":
        return Place(file="", line=0, function="", certainty="unknown")
    return Place(file=str(FOLDER / file), line=line, function=function, certainty=certainty)


def counts(calls, *, requests=True, **more):
    return Counts(
        contexts_count=calls,
        ca_loads_count=calls,
        handshakes_full_count=calls,
        connections_count=calls,
        requests_count=calls if requests else None,
        **more,
    )


def costs(calls):
    return Costs(
        context_cpu_ns=calls * 7 * MS,
        context_wall_ns=calls * 8 * MS,
        handshake_cpu_ns=calls * 1_200_000,
        handshake_wall_ns=calls * 2 * MS,
        connect_wall_ns=calls * 90_000,
        request_wall_ns=calls * 21 * MS,
    )


def price(calls, **more):
    return Price(
        contexts_count=calls,
        handshakes_count=calls,
        connections_count=calls,
        cpu_ns=calls * 8_200_000,
        wall_ns=calls * 10 * MS,
        **more,
    )


def chain(*frames, count=8):
    made = tuple(Frame(str(FOLDER / file), line, function) for file, line, function in frames)
    return Chain(frames=made, count=count)


def process(**changes):
    made = ProcessProfile(
        schema=PROCESS_SCHEMA,
        pid=4711,
        parent_pid=4710,
        argv=("app.py", "--calls", "40"),
        executable="/usr/bin/python3",
        python="3.13.1",
        started_at_ns=1_795_600_000_000_000_000,
        duration_ns=1_234 * MS,
        ended="exit",
        counts=counts(40),
        costs=costs(40),
    )
    return replace(made, **changes)


def profile(**changes):
    made = Profile(
        schema=PROFILE_SCHEMA,
        command=("python", "app.py", "--calls", "40"),
        started_at="2026-11-20T09:41:00+00:00",
        duration_ns=1_234 * MS,
        exit_code=0,
        counts=counts(40),
        costs=costs(40),
        sites=(),
        origins=(),
        findings=(),
        processes=(process(),),
    )
    return replace(made, **changes)


def helper_line(name, number):
    return place(f"helpers/{name}.py", 14 + number, f"fetch_{name}")


def helper_finding(name, number):
    return Finding(
        code="CP001",
        place=helper_line(name, number),
        chains=(chain(("session.py", 31 + number, "run_tool"), ("session.py", 60, "main")),),
        what=f"8 httpx.AsyncClient made in fetch_{name}(), one request each",
        evidence=(("clients made", "8"), ("requests", "8"), ("requests per connection", "1.0")),
        cost=price(8),
        fix=BY_CODE["CP001"].fix,
        leaves=price(1),
    )


def incident():
    """The published one: five helper lines make a client per call, 40 calls in all."""
    return profile(
        command=("python", "session.py"),
        sites=tuple(
            SiteTally(
                site=helper_line(name, number),
                counts=counts(8),
                costs=costs(8),
                chains=(chain(("session.py", 31 + number, "run_tool"), ("session.py", 60, "main")),),
            )
            for number, name in enumerate(HELPERS)
        ),
        origins=tuple(
            OriginTally(origin=f"{name}.example.org:443", counts=counts(8), costs=costs(8), alpn={"http/1.1": 8})
            for name in HELPERS
        ),
        findings=tuple(helper_finding(name, number) for number, name in enumerate(HELPERS)),
    )


def clean():
    """One client, 40 calls: nothing to find."""
    good = Counts(contexts_count=1, ca_loads_count=1, handshakes_full_count=1, connections_count=1, requests_count=1240)
    return profile(
        counts=good,
        costs=costs(1),
        sites=(SiteTally(site=place(), counts=good, costs=costs(1)),),
        origins=(OriginTally(origin="api.example.org:443", counts=good, costs=costs(1), alpn={"h2": 1}),),
        processes=(process(counts=good, costs=costs(1)),),
    )


def partial():
    """As clean, but a worker could not write what was seen in it."""
    return replace(
        clean(), is_incomplete=True, notes=("Process 4712 was not able to write what was seen there: File too large.",)
    )


def silent():
    """A program that speaks to nobody."""
    return profile(counts=Counts(), costs=Costs(), processes=(process(counts=Counts(), costs=Costs()),))


def unobserved():
    """A command that started no Python process that could report."""
    return profile(command=("make",), counts=Counts(), costs=Costs(), processes=(), exit_code=2)


def every_code():
    """A finding of each code that a run can find."""
    codes = [code for code in CODES if "run" in code.sources]
    findings = tuple(
        Finding(
            code=code.code,
            place=place(f"{code.name}.py", number),
            what=f"{number} things of {code.title} in fetch()",
            evidence=(("figures", f"{number:,}"),),
            cost=price(number),
            fix=code.fix,
            leaves=price(0) if number % 2 else Price(),
            related=(place("asked.py", number, "ask", "context"),) if code.code == "CP011" else (),
        )
        for number, code in enumerate(codes, 1)
    )
    sites = tuple(SiteTally(site=each.place, counts=counts(3), costs=costs(3)) for each in findings)
    return profile(findings=findings, sites=sites)


def unknown():
    """Lines that cannot be known, and lines that are known in other ways than by the stack."""
    sites = tuple(
        SiteTally(site=place(certainty=how), counts=counts(4, requests=False), costs=costs(4))
        for how in ("context", "creation", "unknown")
    )
    origin = OriginTally(origin="", counts=counts(12, requests=False), costs=costs(12))
    findings = tuple(
        replace(helper_finding("datagouv", 0), place=each.site, chains=(Chain(frames=(Frame("", 0, ""),), count=2),))
        for each in sites
    )
    return profile(
        counts=counts(12, requests=False),
        sites=sites,
        origins=(origin,),
        findings=findings,
        exit_code=None,
        blind_spots=("pycurl does TLS by itself, which is not counted.",),
    )


def forked():
    """A parent, forks (killed, without a last word, ended by their parent, alive), a child not observed in full."""
    return replace(
        incident(),
        exit_code=-15,
        processes=(
            process(counts=counts(0)),
            process(pid=4712, parent_pid=4711, is_fork=True, ended="signal", signal=15, counts=counts(20)),
            process(pid=4713, parent_pid=4711, is_fork=True, ended="running", counts=counts(20)),
            process(pid=4714, parent_pid=4711, ended="os._exit", counts=Counts(), errors=("ValueError: no",)),
            process(pid=4715, parent_pid=4711, ended="exec", counts=Counts()),
            process(pid=4716, parent_pid=4711, is_fork=True, ended="running", is_told=True, counts=Counts()),
            process(
                pid=4717, parent_pid=4711, is_fork=True, ended="running", is_told=True, is_alive=True, counts=Counts()
            ),
        ),
        findings=tuple(replace(each, processes_count=2) for each in incident().findings),
    )


def refused():
    """An origin to which no connect got through, and one where some did not, each in a process of its own."""
    some = counts(12_345, connections_failed_count=1_234)
    none = Counts(contexts_count=3, ca_loads_count=3, connections_failed_count=3, requests_count=0)
    return profile(
        counts=counts(12_348, connections_failed_count=1_237),
        sites=(
            SiteTally(site=place(), counts=some, costs=costs(12_345)),
            SiteTally(site=place("jobs.py", 7, "push"), counts=none, costs=costs(0)),
        ),
        origins=(
            OriginTally(origin="api.example.org:443", counts=some, costs=costs(12_345), alpn={"http/1.1": 12_345}),
            OriginTally(origin="localhost:1", counts=none, costs=costs(0)),
        ),
        findings=(helper_finding("datagouv", 0),),
        processes=(process(counts=some), process(pid=4712, parent_pid=4711, counts=none)),
    )


def memory():
    """The incident with SSL bytes."""
    made = incident()
    return replace(
        made,
        memory=True,
        sites=tuple(replace(site, ssl_bytes=59_812_345) for site in made.sites),
        findings=tuple(
            replace(each, cost=price(8, ssl_bytes=59_812_345), leaves=replace(each.leaves, ssl_bytes=7_500_000))
            for each in made.findings
        ),
    )


def hostile():
    """Names that want to be markup, table cells, commands or terminal codes; a path without an end."""
    long = "/" + "/".join(["very-long-folder-name"] * 12) + "/" + "x" * 150 + ".py"
    site = Place(file=f"/srv/{EVIL}.py", line=7, function=EVIL, certainty="stack")
    finding = Finding(
        code="CP001",
        place=site,
        chains=(Chain(frames=(Frame(EVIL, 1, EVIL), Frame(long, 2, "f" * 200)), count=1_234_567),),
        what=EVIL,
        evidence=((EVIL, EVIL),),
        cost=price(1_234_567, ssl_bytes=8_153_000_000_000),
        fix=EVIL,
        leaves=Price(contexts_count=0),
        related=(Place(file=long, line=3, function="<module>", certainty="context"),),
    )
    future = replace(finding, code="CP999", place=Place(file=long, line=123_456, function="g" * 90, certainty="stack"))
    return profile(
        command=("python", EVIL, "x" * 500),
        started_at=EVIL,
        exit_code=-99,
        counts=counts(1_234_567),
        sites=tuple(
            SiteTally(site=each.place, counts=counts(1_234_567), costs=costs(99), chains=each.chains)
            for each in (finding, future)
        ),
        origins=(OriginTally(origin=EVIL, counts=counts(1_234_567), costs=costs(99), alpn={EVIL: 3}),),
        findings=(finding, future),
        processes=(process(argv=(EVIL,), python=EVIL, errors=(EVIL,)), process(argv=(), ended="signal", signal=99)),
        blind_spots=(EVIL,),
        notes=(EVIL, "y" * 300),
        limits=(HeldLimit(option=EVIL, limit=1e300, figure=-1, state="broken", sentence=EVIL),),
        lint=Linted(
            marks=(
                LintMark(
                    code="CP999",
                    file=f"{EVIL}.py",
                    line=9,
                    sureness=EVIL,
                    clients_count=1_234_567,
                    contexts_count=0,
                    handshakes_count=0,
                    connections_count=0,
                ),
                LintMark(
                    code="CP001",
                    file=long[1:],
                    line=1,
                    sureness="guess",
                    clients_count=0,
                    contexts_count=0,
                    handshakes_count=0,
                    connections_count=0,
                ),
            ),
            notes=(EVIL,),
        ),
    )


def limited():
    """Nothing found; of four limits one is broken and one cannot be checked."""

    def limit(option, limit, figure, state, sentence):
        return HeldLimit(option=option, limit=limit, figure=figure, state=state, sentence=sentence)

    return replace(
        clean(),
        limits=(
            limit("--fail-on", 0, 0, "kept", "CP001 was not found (--fail-on CP001)."),
            limit("--max-contexts", 5, 1, "kept", "1 SSL context, where 5 are allowed (--max-contexts)."),
            limit("--max-handshakes", 0, 1, "broken", "1 handshake, where 0 are allowed (--max-handshakes)."),
            limit(
                "--min-requests-per-connection",
                1.5,
                None,
                "unchecked",
                "Requests per connection cannot be told, because nothing was sent by a library that is known on any of"
                " 1 (--min-requests-per-connection).",
            ),
        ),
    )


def linted():
    """The incident, held against a check of its source."""

    def mark(file, line, made, sureness="likely"):
        return LintMark(
            code="CP001", file=file, line=line, sureness=sureness,
            clients_count=made, contexts_count=made, handshakes_count=made, connections_count=made,
        )  # fmt: skip

    return replace(
        incident(),
        lint=Linted(
            marks=(
                *(mark(f"helpers/{name}.py", 14 + number, 8) for number, name in enumerate(HELPERS)),
                mark("scripts/" * 9 + "once.py", 7, 0, "certain"),
                mark("maintenance.py", 70, 0, "guess"),
            ),
            unchecked_count=1,
            notes=("Not checked: helpers/old.py cannot be parsed.",),
        ),
    )


def many():
    """More of everything than anybody reads."""
    made = incident()
    return replace(
        made,
        sites=tuple(
            SiteTally(site=place("app.py", number), counts=counts(2), costs=costs(2)) for number in range(1, 700)
        ),
        origins=tuple(
            OriginTally(origin=f"host-{number}.example.org:443", counts=counts(2), costs=costs(2))
            for number in range(700)
        ),
        findings=tuple(replace(helper_finding("datagouv", 0), place=place("app.py", number)) for number in range(700)),
        processes=tuple(process(pid=number) for number in range(1, 400)),
    )


STATES = {
    "incident": incident,
    "clean": clean,
    "partial": partial,
    "silent": silent,
    "unobserved": unobserved,
    "every_code": every_code,
    "unknown": unknown,
    "forked": forked,
    "refused": refused,
    "memory": memory,
    "limited": limited,
    "linted": linted,
    "hostile": hostile,
    "many": many,
}
