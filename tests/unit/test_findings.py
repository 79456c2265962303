"""Each rule just below its limit, at it, and above."""

from __future__ import annotations

import msgspec
import pytest

from connprof.assemble import assemble, merge_lines
from connprof.findings import CHURN_MADE_COUNT, find
from connprof.launch.memory import share_of
from connprof.profile import (
    PROCESS_SCHEMA,
    ClientGroup,
    ContextGroup,
    Costs,
    Counts,
    GivenContexts,
    HandshakeSite,
    LineBytes,
    OriginShare,
    Place,
    ProcessProfile,
    SiteTally,
)

SITE = Place(file="/app/api.py", line=12, function="fetch", certainty="stack")
MS = 1_000_000


def clients(made=40, **changed):
    """A client per call, one after another; every figure follows from ``made`` unless it is given."""
    counts = {"contexts_count": made, "ca_loads_count": made, "handshakes_full_count": made, "connections_count": made}
    counts["requests_count"] = made
    counts.update(changed.pop("counts", {}))
    handshakes = counts["handshakes_full_count"]
    values = {
        "site": SITE,
        "library": "httpx",
        "kind": "httpx.Client",
        "counts": Counts(**counts),
        "costs": Costs(
            context_cpu_ns=10 * MS * counts["contexts_count"],
            context_wall_ns=11 * MS * counts["contexts_count"],
            handshake_cpu_ns=MS * handshakes,
            handshake_wall_ns=2 * MS * handshakes,
            connect_wall_ns=MS * handshakes,
        ),
        "made_count": made,
        "closed_count": made,
        "dropped_count": 0,
        "alive_count": 0,
        "alive_peak_count": 1,
        "used_once_count": made,
        "unused_count": 0,
        "idle_alive_count": 0,
        "plain_only_count": 0,
        "loops_count": 0,
        "threads_count": 1,
        "in_flight_peak_count": 1,
        "gap_median_ns": 5 * MS,
        "origins": (
            OriginShare(
                origin="api:443",
                connections_count=counts["connections_count"],
                handshakes_count=handshakes,
                requests_count=made,
                open_peak_count=1,
            ),
        ),
    }
    return ClientGroup(**{**values, **changed})


def contexts(made=10, **changed):
    values = {
        "site": SITE,
        "maker": "",
        "costs": Costs(context_cpu_ns=10 * MS * made, context_wall_ns=11 * MS * made),
        "made_count": made,
        "unused_count": 0,
        "alive_count": 0,
        "alive_peak_count": changed.get("alive_count", 1),
        "idle_alive_count": 0,
        "ca_loads_count": made,
        "reread_count": 0,
        "handshakes_count": made,
    }
    return ContextGroup(**{**values, **changed})


def process(*groups, pid=1):
    return ProcessProfile(
        schema=PROCESS_SCHEMA,
        pid=pid,
        parent_pid=0,
        argv=("app.py",),
        executable="python",
        python="3.11.7",
        started_at_ns=pid,
        duration_ns=1000,
        ended="exit",
        counts=Counts(contexts_count=40),
        costs=Costs(),
        clients=tuple(group for group in groups if isinstance(group, ClientGroup)),
        contexts=tuple(group for group in groups if isinstance(group, ContextGroup)),
    )


def found(*groups):
    return {finding.code: finding for finding in find(process(*groups))}


def test_the_incident():
    finding = found(clients(40))["CP001"]
    assert finding.place == SITE
    assert "httpx.Client made 40 times, one request each" in finding.what
    assert (finding.cost.contexts_count, finding.cost.handshakes_count) == (40, 40)
    assert (finding.leaves.contexts_count, finding.leaves.handshakes_count) == (1, 1)
    assert (finding.cost.cpu_ns, finding.cost.wall_ns) == (440 * MS, 560 * MS)
    assert (finding.leaves.cpu_ns, finding.leaves.wall_ns) == (11 * MS, 14 * MS)


@pytest.mark.parametrize(("made", "codes"), [(CHURN_MADE_COUNT - 1, set()), (CHURN_MADE_COUNT, {"CP001"})])
def test_from_how_many_it_is_churn(made, codes):
    assert set(found(clients(made))) == codes


@pytest.mark.parametrize(("requests", "code"), [(80, "CP001"), (81, "CP008")])
def test_two_requests_each_are_a_call_and_more_are_a_batch(requests, code):
    assert set(found(clients(40, counts={"requests_count": requests}, used_once_count=0))) == {code}


@pytest.mark.parametrize(("calls", "code"), [(80, "CP001"), (81, "CP008")])
def test_calls_are_counted_and_not_the_redirects_that_they_follow(calls, code):
    assert set(found(clients(40, calls_count=calls, used_once_count=0, counts={"requests_count": 240}))) == {code}


def test_a_shortcut_is_no_batch():
    finding = found(clients(40, shortcut="httpx.get", counts={"requests_count": 120}))["CP002"]
    assert finding.what == "httpx.get() called 40 times, 3.0 requests each"
    finding = found(clients(40, calls_count=40, counts={"requests_count": 120}))["CP001"]
    assert finding.what == "httpx.Client made 40 times, one call and 3.0 requests each"


@pytest.mark.parametrize(("calls", "codes"), [(80, {"CP001"}), (400, {"CP001"}), (401, set())])
@pytest.mark.parametrize(
    ("library", "contexts_count", "forgets"),
    [("requests", 40, "session.cookies.clear()"), ("aiohttp", 0, "session.cookie_jar.clear()")],
)
def test_sessions_for_a_batch_each_may_have_nothing_else_to_share(calls, codes, library, contexts_count, forgets):
    counts = {"requests_count": calls, "contexts_count": contexts_count, "ca_loads_count": contexts_count}
    made = found(clients(40, library=library, kind=f"{library}.Session", calls_count=calls, counts=counts))
    assert set(made) == codes
    for finding in made.values():
        assert (finding.leaves.contexts_count, finding.leaves.handshakes_count) == (min(contexts_count, 1), 1)
        assert (forgets in finding.fix) == (calls > 80)


def test_a_shortcut_has_its_own_code():
    finding = found(clients(shortcut="httpx.get"))["CP002"]
    assert finding.what.startswith("httpx.get() called 40 times")


@pytest.mark.parametrize(("peak", "code"), [(20, "CP001"), (21, "CP008")])
def test_clients_that_are_kept_are_no_churn(peak, code):
    assert set(found(clients(40, alive_peak_count=peak, alive_count=peak, closed_count=40 - peak))) == {code}


def test_a_burst_of_calls_is_churn_all_the_same():
    finding = found(clients(40, alive_peak_count=40, alive_count=0, origins=(
        OriginShare(origin="api:443", connections_count=40, handshakes_count=40, requests_count=40, open_peak_count=12),
    )))["CP001"]  # fmt: skip
    assert finding.leaves.handshakes_count == 12


@pytest.mark.parametrize(("alive", "code"), [(10, "CP001"), (11, "CP008")])
def test_a_burst_is_over_at_the_end(alive, code):
    assert set(found(clients(40, alive_peak_count=40, alive_count=alive, closed_count=40 - alive))) == {code}


def of_origin(made, **changed):
    return OriginShare(
        origin="api:443",
        connections_count=made,
        handshakes_count=made,
        requests_count=made,
        **{"open_peak_count": 9, **changed},
    )


def test_what_lingers_is_not_what_one_client_needs():
    finding = found(clients(40, origins=(of_origin(40, needed_count=2),)))["CP001"]
    assert (finding.leaves.handshakes_count, finding.leaves.connections_count) == (2, 2)


def test_connections_that_were_ended_are_left_over_and_told():
    finding = found(clients(40, origins=(of_origin(40, needed_count=31, spent_count=30),)))["CP001"]
    assert (finding.leaves.contexts_count, finding.leaves.handshakes_count) == (1, 31)
    assert ("connections ended by the server, a timeout or an unread body", "30") in finding.evidence
    assert "cannot be kept" in finding.fix


@pytest.mark.parametrize(("needed", "saved"), [(None, 8), (1, 0), (9, 8)])
def test_unread_responses_cost_what_one_client_would_have_to_open_anew(needed, saved):
    finding = found(clients(40, unread_count=8, origins=(of_origin(40, needed_count=needed),)))["CP011"]
    assert (finding.cost.handshakes_count, finding.leaves.handshakes_count) == (saved, 0)
    assert "keep the client" in finding.fix


def test_nothing_is_saved_where_each_connection_has_a_context_and_is_ended():
    kind = {"library": "requests", "kind": "requests.Session", "shortcut": "requests.get"}
    assert not found(clients(40, **kind, origins=(of_origin(40, needed_count=40, spent_count=40),)))


@pytest.mark.parametrize(("dropped", "said"), [(0, False), (4, True)])
def test_what_one_client_saves_where_nobody_closes_them(dropped, said):
    finding = found(
        clients(
            4,
            counts={"requests_count": 20},
            used_once_count=0,
            alive_peak_count=4,
            dropped_count=dropped,
            closed_count=4 - dropped,
            origins=(of_origin(4, needed_count=1),),
        )
    )["CP008"]
    assert ("would save 3 handshakes as well" in finding.fix) == said


def test_clients_that_are_held_together_and_used_again_are_no_burst():
    held = clients(3, alive_peak_count=3, used_once_count=0, counts={"requests_count": 6})
    assert set(found(held)) == {"CP008"}


def test_a_shared_context_leaves_the_handshakes_to_be_saved():
    finding = found(clients(40, counts={"contexts_count": 0, "ca_loads_count": 0}))["CP001"]
    assert (finding.cost.contexts_count, finding.leaves.contexts_count) == (0, 0)
    assert finding.leaves.handshakes_count == 1


@pytest.mark.parametrize(("gap_ns", "left"), [(5_000 * MS, 1), (5_000 * MS + 1, 40)])
def test_calls_far_apart_keep_their_handshakes(gap_ns, left):
    assert found(clients(gap_median_ns=gap_ns))["CP001"].leaves.handshakes_count == left


def test_calls_far_apart_over_a_shared_context_are_no_finding():
    assert not found(clients(counts={"contexts_count": 0, "ca_loads_count": 0}, gap_median_ns=6_000 * MS))


def test_mock_transports_cost_nothing_and_are_no_finding():
    nothing = dict.fromkeys(
        ("contexts_count", "ca_loads_count", "handshakes_full_count", "connections_count", "requests_count"), 0
    )
    assert not found(clients(counts=nothing, origins=()))


def test_an_event_loop_for_each_call_needs_a_client_for_each():
    finding = found(clients(kind="httpx.AsyncClient", loops_count=40))["CP001"]
    assert finding.leaves.handshakes_count == 40
    assert "40 event loops" in finding.fix


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"second_loop_count": 1}, "CP006"),
        ({"second_thread_count": 1}, "CP006"),
        ({"second_process_count": 1}, "CP006"),
        ({"dropped_count": 1, "closed_count": 0}, "CP007"),
        ({"expired_count": 1, "expired_gap_min_ns": 6_000 * MS}, "CP010"),
        ({"unread_count": 1}, "CP011"),
        ({"overflow_count": 1, "keepalive_limit_count": 20, "in_flight_peak_count": 21}, "CP012"),
        ({"foreign_cookie_requests_count": 1, "callers_with_cookies_count": 1}, "CP013"),
        ({"asked_http2_count": 1, "not_http2_handshakes_count": 1}, "CP015"),
    ],
)
def test_what_is_seen_once_is_found_and_what_is_not_is_not(changed, code):
    assert not found(clients(1))
    assert set(found(clients(1, **changed))) == {code}


@pytest.mark.parametrize(
    ("spoken", "given", "advice"),
    [
        (0, (), "Leave http2=True out: no handshake agreed on HTTP/2"),
        (0, (GivenContexts(site=SITE, count=1),), "Do not share one SSL context between HTTP/1 and HTTP/2 clients, or"),
        (1, (), "Give HTTP/2 clients an SSL context of their own"),
    ],
)
def test_what_to_do_about_http2_depends_on_whether_any_handshake_agreed_on_it(spoken, given, advice):
    group = clients(
        1, asked_http2_count=1, not_http2_handshakes_count=4, http2_handshakes_count=spoken, given_contexts=given
    )
    assert found(group)["CP015"].fix.startswith(advice)


@pytest.mark.parametrize(
    ("made", "shares", "overflow", "spared"),
    [
        (1, [{"needed_unlimited_count": None}], 60, 60),
        (1, [{"needed_unlimited_count": 20}], 60, 80),
        (1, [{"needed_unlimited_count": 41, "open_peak_count": 20}], 60, 80),
        (1, [{"needed_unlimited_count": 41, "open_peak_count": 20, "spent_count": 3}], 60, 77),
        (1, [{"needed_unlimited_count": 20}, {"needed_unlimited_count": 10}], 60, 170),
        (1, [{"needed_unlimited_count": 100}], 60, 0),
        (2, [{"needed_unlimited_count": 20}], 50, 60),
        (2, [{"needed_unlimited_count": 30}], 50, 50),
    ],
)
def test_a_pool_of_any_size_pays_what_was_in_use_at_once(made, shares, overflow, spared):
    origins = tuple(of_origin(100, **{"open_peak_count": 100, **share}) for share in shares)
    counts = {"handshakes_full_count": 100 * len(shares), "connections_count": 100 * len(shares)}
    group = clients(made, overflow_count=overflow, origins=origins, counts=counts, used_once_count=0, calls_count=11)
    finding = found(group).get("CP012")
    assert (finding.cost.handshakes_count if finding is not None else 0) == spared


def test_never_closed_is_for_libraries_that_care_and_clients_that_were_used():
    assert not found(clients(1, dropped_count=1, closed_count=0, library="requests", kind="requests.Session"))
    assert not found(clients(1, dropped_count=1, closed_count=0, unused_count=1, used_once_count=0))
    assert not found(clients(1, alive_count=1, closed_count=0)), "kept until the end"


def test_never_closed_counts_those_that_were_called():
    dropped = clients(2, dropped_count=2, dropped_unused_count=1, closed_count=0, unused_count=1, used_once_count=1)
    finding = found(dropped)["CP007"]
    assert finding.what.endswith("1 time")
    assert ("dropped", "1") in finding.evidence
    assert not found(msgspec.structs.replace(dropped, dropped_count=1)), "the other one was closed"


def test_clients_per_call_that_are_never_closed_are_one_finding():
    assert set(found(clients(10, dropped_count=10, closed_count=0))) == {"CP001"}


@pytest.mark.parametrize(("made", "codes"), [(CHURN_MADE_COUNT - 1, set()), (CHURN_MADE_COUNT, {"CP003"})])
def test_contexts_of_ones_own(made, codes):
    assert set(found(contexts(made))) == codes


def test_contexts_of_a_client_are_the_clients_finding():
    assert not found(contexts(40, maker="httpx.Client"))


@pytest.mark.parametrize(("peak", "codes"), [(4, {"CP003"}), (5, set())])
def test_contexts_that_are_kept_are_no_churn_though_they_go_at_last(peak, codes):
    assert set(found(contexts(8, alive_peak_count=peak))) == codes


@pytest.mark.parametrize(("handshakes", "codes"), [(40, {"CP003"}), (41, set())])
def test_contexts_that_are_used_for_long_are_no_churn(handshakes, codes):
    assert set(found(contexts(8, handshakes_count=handshakes))) == codes


MADE = Place(file="/app/tls.py", line=3, function="tls", certainty="stack")


@pytest.mark.parametrize(("given", "left"), [(3, 3), (12, 12), (13, 1)])
def test_connections_are_not_shared_over_contexts(given, left):
    shared = {"contexts_count": 0, "ca_loads_count": 0}
    group = clients(24, counts=shared, given_contexts=(GivenContexts(site=MADE, count=given),))
    assert found(group)["CP001"].leaves.handshakes_count == left


@pytest.mark.parametrize(("made", "handshakes", "codes"), [(8, 8, {"CP001", "CP003"}), (3, 24, {"CP001"})])
def test_contexts_of_clients_that_are_thrown_away_may_wait_for_the_garbage_collector(made, handshakes, codes):
    shared = {"contexts_count": 0, "ca_loads_count": 0}
    group = clients(handshakes, counts=shared, given_contexts=(GivenContexts(site=MADE, count=made),))
    waiting = contexts(made, site=MADE, alive_peak_count=made, handshakes_count=handshakes)
    assert set(found(group, waiting)) == codes
    kept = msgspec.structs.replace(waiting, handshakes_count=made)
    assert not found(kept), "nobody throws them away"


def test_contexts_that_were_given_to_clients_are_no_echo_of_these():
    given = clients(6, shortcut="urllib.request.urlopen", counts={"contexts_count": 0, "ca_loads_count": 0})
    findings = found(given, contexts(6))
    assert set(findings) == {"CP002", "CP003"}
    assert (findings["CP003"].cost.contexts_count, findings["CP003"].leaves.contexts_count) == (6, 1)


def test_contexts_without_ca_certificates_are_cheap():
    assert not found(contexts(40, ca_loads_count=0))


def test_unused_contexts():
    finding = found(contexts(1, unused_count=1, handshakes_count=0))["CP009"]
    assert (finding.cost.contexts_count, finding.leaves.contexts_count) == (1, 0)


def test_contexts_of_clients_that_have_sent_nothing_yet_may_be_wanted_later():
    idle = clients(1, used_once_count=0, unused_count=1, counts={"requests_count": 0, "handshakes_full_count": 0})
    assert not found(idle, contexts(1, maker="httpx.Client", unused_count=1, handshakes_count=0))


def test_contexts_of_clients_whose_requests_never_went_out_may_be_wanted_later():
    mocked = clients(1, counts={"requests_count": 0, "handshakes_full_count": 0})
    assert not found(mocked, contexts(1, maker="httpx.Client", unused_count=1, handshakes_count=0))


@pytest.mark.parametrize(("contexts_count", "left"), [(7, 0), (8, 7), (9, 0)])
def test_with_a_context_for_each_connection_contexts_are_lost_as_well(contexts_count, left):
    counts = {"contexts_count": contexts_count, "handshakes_full_count": 8, "requests_count": 8}
    finding = found(clients(1, counts=counts, unread_count=8))["CP011"]
    assert (finding.cost.contexts_count, finding.cost.handshakes_count) == (left, 7)


def test_clients_of_plain_http_build_contexts_for_nothing():
    plain = clients(40, plain_only_count=40, counts={"handshakes_full_count": 0})
    built = contexts(40, maker="httpx.Client", unused_count=40, handshakes_count=0)
    assert set(found(plain, built)) == {"CP009"}


def test_a_bundle_that_is_read_for_each_handshake():
    finding = found(contexts(1, ca_loads_count=10, reread_count=9, handshakes_count=10))["CP014"]
    assert (finding.cost.cpu_ns, finding.leaves.cpu_ns) == (10 * MS, MS)


@pytest.mark.parametrize(
    ("changed", "codes"),
    [
        ({"made": 9, "alive_count": 9, "idle_alive_count": 9}, set()),
        ({"made": 10, "alive_count": 10, "idle_alive_count": 4}, {"CP016"}),
        ({"made": 10, "alive_count": 9, "idle_alive_count": 9}, set()),
        ({"made": 12, "alive_count": 10, "idle_alive_count": 9}, set()),
        ({"made": 12, "alive_count": 11, "idle_alive_count": 3}, set()),
    ],
)
def test_growing_contexts(changed, codes):
    assert set(found(contexts(**changed))) == codes


def test_contexts_that_only_wait_for_the_garbage_collector_do_not_grow():
    closed = clients(40)
    waiting = contexts(40, maker="httpx.Client", alive_count=40, idle_alive_count=20)
    assert set(found(closed, waiting)) == {"CP001"}


def test_contexts_of_open_clients_grow_and_are_said_once():
    kept = clients(40, closed_count=0, alive_count=40, alive_peak_count=40, counts={"requests_count": 200})
    grown = contexts(40, maker="httpx.Client", alive_count=40, alive_peak_count=40, idle_alive_count=20)
    assert set(found(kept)) == {"CP008"}
    assert set(found(kept, grown)) == {"CP016"}
    # Their clients were closed, one by one or together: they wait for the garbage collector.
    closed = msgspec.structs.replace(kept, closed_count=40, alive_count=0)
    assert set(found(closed, grown)) == {"CP008"}


ELSEWHERE = msgspec.structs.replace(SITE, line=99)


@pytest.mark.parametrize(("alive", "codes"), [(10, set()), (11, {"CP016"})])
def test_contexts_of_clients_that_were_made_at_another_line(alive, codes):
    kind = "requests.Session"
    kept = clients(
        12, library="requests", kind=kind, alive_count=alive, alive_peak_count=12, closed_count=12 - alive,
        calls_count=132, used_once_count=0,
    )  # fmt: skip
    # Each connection of a session has a context: it is clients that are counted.
    grown = contexts(24, site=ELSEWHERE, maker=kind, alive_count=24, idle_alive_count=12, client_sites=(SITE,))
    findings = found(kept, grown)
    assert set(findings) == codes
    for finding in findings.values():
        assert finding.related == (SITE,)
        assert "requests takes no SSL context" in finding.fix
        assert finding.leaves.contexts_count is None


def test_contexts_of_kept_responses_are_the_finding_of_their_closed_clients():
    closed = clients(12, library="requests", kind="requests.Session")
    held = contexts(12, site=ELSEWHERE, maker="requests.Session", alive_count=12, idle_alive_count=6)
    assert set(found(closed, held)) == {"CP001", "CP016"}, "nobody knows whose they are"
    assert set(found(closed, msgspec.structs.replace(held, client_sites=(SITE,)))) == {"CP001"}


def test_contexts_of_open_clients_are_said_once_at_whichever_line():
    kept = clients(40, library="urllib3", kind="urllib3.PoolManager", closed_count=0, alive_count=40,
                   alive_peak_count=40, counts={"requests_count": 200})  # fmt: skip
    grown = contexts(40, site=ELSEWHERE, maker="urllib3.PoolManager", alive_count=40, idle_alive_count=20)
    assert set(found(kept, msgspec.structs.replace(grown, client_sites=(SITE,)))) == {"CP016"}


def test_one_client_in_each_of_many_processes_is_no_churn():
    workers = [process(clients(1), pid=number) for number in range(8)]
    assert not assemble(workers, command=(), started_at="", duration_ns=1, exit_code=0).findings


def test_the_same_finding_of_two_processes_is_one():
    profile = assemble(
        [process(clients(40), pid=1), process(clients(4), pid=2)], command=(), started_at="", duration_ns=1, exit_code=0
    )
    (finding,) = profile.findings
    assert (finding.processes_count, finding.cost.contexts_count, finding.leaves.contexts_count) == (2, 44, 2)
    assert "40 times" in finding.what, "the words are those of the costliest"
    assert profile.counts.contexts_count == 80


def test_evidence_is_of_all_processes_as_the_cost_is():
    profile = assemble(
        [process(clients(40), pid=1), process(failing(1_000, failed=1_000), pid=2)],
        command=(), started_at="", duration_ns=1, exit_code=0,
    )  # fmt: skip
    (finding,) = profile.findings
    told = dict(finding.evidence)
    assert (told["clients made"], told["SSL contexts"], told["TLS handshakes"]) == ("1,040", "1,040", "40")
    assert (told["failed handshakes"], finding.cost.contexts_count) == ("1,000", 1_040)
    assert told["median time between two, in the costliest process"] == "5 ms"
    assert finding.what.endswith(", in the costliest of 2 processes")


def test_what_each_process_has_for_itself_is_not_added_up():
    pools = [process(clients(1, overflow_count=8, in_flight_peak_count=30), pid=pid) for pid in (1, 2)]
    (finding,) = assemble(pools, command=(), started_at="", duration_ns=1, exit_code=0).findings
    told = dict(finding.evidence)
    assert (told["reopened"], told["requests at once, in the costliest process"]) == ("16", "30")


def test_lines_that_belong_to_a_finding_are_those_of_all_processes():
    read = [Place(file="/app/api.py", line=line, function="read", certainty="stack") for line in (30, 40)]
    profile = assemble(
        [process(clients(1, unread_count=1, unread_sites=(read[number],)), pid=number) for number in range(2)],
        command=(), started_at="", duration_ns=1, exit_code=0,
    )  # fmt: skip
    assert profile.findings[0].related == tuple(read)


def test_findings_of_one_code_and_line_about_different_things_stay_apart():
    one = process(clients(1, second_loop_count=1), pid=1)
    other = process(clients(1, second_thread_count=1), pid=2)
    profile = assemble([one, other], command=(), started_at="", duration_ns=1, exit_code=0)
    assert [each.processes_count for each in profile.findings] == [1, 1]


def test_contexts_that_nothing_is_loaded_into_have_next_to_no_bytes():
    plain = clients(40, plain_only_count=40, counts={"handshakes_full_count": 0})
    built = contexts(40, maker="httpx.Client", unused_count=40, handshakes_count=0)
    profile = assemble(
        [process(plain, built)], command=(), started_at="", duration_ns=1, exit_code=0, memory=True,
        ssl_bytes={MAKES: LineBytes(contexts_bytes=264_000_000)},
    )  # fmt: skip
    (finding,) = profile.findings
    assert (finding.code, finding.leaves.contexts_count, finding.leaves.ssl_bytes) == ("CP009", 1, 0)


def test_bytes_go_as_contexts_go():
    profile = assemble(
        [process(clients(40))], command=(), started_at="", duration_ns=1, exit_code=0, memory=True,
        ssl_bytes={MAKES: LineBytes(contexts_bytes=264_000_000)},
    )  # fmt: skip
    (finding,) = profile.findings
    assert (finding.cost.ssl_bytes, finding.leaves.ssl_bytes) == (264_000_000, 6_600_000)
    plain = assemble([process(clients(40))], command=(), started_at="", duration_ns=1, exit_code=0)
    assert plain.findings[0].cost.ssl_bytes is None


def test_all_bytes_stand_at_a_line():
    lines = {
        MAKES: LineBytes(contexts_bytes=264_000_000),
        ("/app/other.py", 3, "read"): LineBytes(transfer_bytes=500),
        ("", 0, ""): LineBytes(handshakes_bytes=7),
    }
    profile = assemble(
        [process(clients(40))], command=(), started_at="", duration_ns=1, exit_code=0, memory=True, ssl_bytes=lines
    )
    at = {(each.site.file, each.site.line): (each.ssl_bytes, each.site.certainty) for each in profile.sites}
    assert at["/app/other.py", 3] == (500, "stack")
    assert at["", 0] == (7, "unknown")
    assert sum(each.ssl_bytes for each in profile.sites) == sum(each.total_bytes for each in lines.values())


def test_a_line_is_one_however_its_events_were_traced():
    def tally(certainty, contexts, requests, ssl_bytes, line=12):
        return SiteTally(
            site=Place(file="/app/api.py", line=line, function="fetch", certainty=certainty),
            counts=Counts(contexts_count=contexts, requests_count=requests),
            costs=Costs(handshake_cpu_ns=contexts),
            ssl_bytes=ssl_bytes,
        )

    first, second = merge_lines(
        [tally("context", 0, 5, 7), tally("stack", 3, None, 10), tally("context", 1, 1, None, line=13)]
    )
    assert (first.site.line, first.site.certainty, second.site.certainty) == (12, "stack", "context")
    assert (first.counts.contexts_count, first.counts.requests_count) == (3, 5)
    assert (first.costs.handshake_cpu_ns, first.ssl_bytes, second.ssl_bytes) == (3, 17, None)


def test_unknown_requests_stay_unknown():
    silent = msgspec.structs.replace(process(), counts=Counts(requests_count=None))
    profile = assemble([silent, silent], command=(), started_at="", duration_ns=1, exit_code=0)
    assert profile.counts.requests_count is None


def share(origin="api:443", handshakes=20, peak=1):
    return OriginShare(
        origin=origin,
        connections_count=handshakes,
        handshakes_count=handshakes,
        requests_count=20,
        open_peak_count=peak,
    )


@pytest.mark.parametrize(
    ("changed", "left"),
    [
        ({"origins": (share(), share("other:443"))}, 2),
        ({"origins": (share(handshakes=40),), "threads_count": 3}, 3),
        ({"origins": (share(), share("other:443")), "threads_count": 3}, 6),
    ],
)
@pytest.mark.parametrize("shortcut", ["", "requests.get"])
def test_a_context_for_each_connection_stays_with_each(changed, left, shortcut):
    group = clients(40, library="requests", kind="requests.Session", shortcut=shortcut, **changed)
    (finding,) = found(group).values()
    assert (finding.leaves.contexts_count, finding.leaves.handshakes_count) == (left, left)
    assert ("threading.local()" in finding.fix) == ("threads_count" in changed)


def test_a_session_for_each_thread_is_no_advice_where_threads_end_with_their_calls():
    group = clients(40, library="requests", kind="requests.Session", threads_count=21, origins=(share(handshakes=40),))
    finding = found(group)["CP001"]
    assert (finding.leaves.contexts_count, finding.leaves.handshakes_count) == (1, 1)
    assert finding.fix.startswith("Keep the threads: 21 of them made 40 calls")


def test_a_session_for_each_thread_is_advice_from_two_calls_for_each_thread_on():
    group = clients(40, library="requests", kind="requests.Session", threads_count=20, origins=(share(handshakes=40),))
    finding = found(group)["CP001"]
    assert (finding.leaves.contexts_count, "threading.local()" in finding.fix) == (20, True)


def test_other_libraries_keep_one_context_for_all_origins():
    assert found(clients(40, origins=(share(), share("other:443"))))["CP001"].leaves.contexts_count == 1


def test_sessions_of_requests_can_share_no_context():
    kept = {"alive_count": 8, "alive_peak_count": 8, "closed_count": 0, "threads_count": 8, "used_once_count": 0}
    counts = {"requests_count": 80}
    assert set(found(clients(8, library="urllib3", kind="urllib3.PoolManager", counts=counts, **kept))) == {"CP008"}
    assert not found(clients(8, library="requests", kind="requests.Session", counts=counts, **kept))


def test_urllib_request_keeps_no_connections():
    finding = found(clients(shortcut="urllib.request.urlopen", library="http"))["CP002"]
    assert "urllib.request alone can only share a context=" in finding.fix
    assert "same method" not in finding.fix
    assert finding.what == "urllib.request.urlopen() made 40 connections, one request each", "redirects are no calls"


def failing(made=40, failed=40, **changed):
    done = made - failed
    counts = {"handshakes_full_count": done, "handshakes_failed_count": failed, "connections_count": made}
    counts["requests_count"] = done
    origin = OriginShare(
        origin="api:443", connections_count=made, handshakes_count=done, requests_count=done, open_peak_count=1
    )
    return clients(made, counts=counts, origins=(origin,), **changed)


def test_handshakes_that_failed_would_fail_again():
    all_failed = found(failing())["CP001"]
    assert (all_failed.cost.handshakes_count, all_failed.leaves.handshakes_count) == (0, 0)
    assert (all_failed.leaves.contexts_count, all_failed.leaves.connections_count) == (1, 40)
    assert ("failed handshakes", "40") in all_failed.evidence
    assert all_failed.what == "httpx.Client made 40 times, and no request got through"
    assert "fail as well" in all_failed.fix
    some = found(failing(failed=10))["CP001"]
    assert (some.leaves.handshakes_count, some.leaves.connections_count) == (1, 11)


def test_no_forecast_where_each_connection_fails_with_a_context_of_its_own():
    assert not found(failing(library="requests", kind="requests.Session"))


def test_contexts_of_handshakes_that_failed_were_used():
    assert "all failed" in found(contexts(10, handshakes_count=0))["CP003"].what


def test_the_fix_of_an_unused_context_never_turns_verification_off():
    plain = clients(40, plain_only_count=40, counts={"handshakes_full_count": 0})
    finding = found(plain, contexts(40, maker="httpx.Client", unused_count=40, handshakes_count=0))["CP009"]
    assert "verify=False" not in finding.fix
    assert "empty context" in finding.fix
    assert (finding.leaves.contexts_count, finding.leaves.cpu_ns) == (1, 0)


@pytest.mark.parametrize(("gap_ns", "said"), [(6_830_000, "6.83 ms"), (1_500_000_000, "1.5 s")])
def test_short_times_are_told_in_milliseconds(gap_ns, said):
    assert ("median time between two", said) in found(clients(gap_median_ns=gap_ns))["CP001"].evidence


def test_a_connection_that_failed_when_it_was_opened_again_cost_no_handshake():
    group = clients(1, counts={"handshakes_full_count": 2}, expired_count=3, expired_gap_min_ns=6_000 * MS)
    finding = found(group)["CP010"]
    assert finding.what.startswith("3 connections")
    assert (finding.cost.handshakes_count, finding.leaves.handshakes_count) == (2, 0)


def test_what_a_process_wrote_while_it_was_running_may_lack_the_handshake():
    unused = contexts(1, unused_count=1, handshakes_count=0)
    running = msgspec.structs.replace(process(unused, clients(40)), ended="running")
    assert {finding.code for finding in find(process(unused, clients(40)))} == {"CP001", "CP009"}
    assert {finding.code for finding in find(running)} == {"CP001"}
    assert {finding.code for finding in find(running, is_current=True)} == {"CP001", "CP009"}
    told = msgspec.structs.replace(running, is_told=True)
    assert {finding.code for finding in find(told)} == {"CP001", "CP009"}


UNKNOWN = Place(file="", line=0, function="", certainty="unknown")


@pytest.mark.parametrize("group", [clients(4), clients(4, shortcut="httpx.get"), contexts(4), clients(
    4, counts={"requests_count": 40}, used_once_count=0
)])  # fmt: skip
def test_unknown_lines_are_not_one_line(group):
    assert found(group)
    unknown = process(msgspec.structs.replace(group, site=UNKNOWN))
    profile = assemble([unknown, unknown], command=(), started_at="", duration_ns=1, exit_code=0, notes=("killed",))
    assert not profile.findings
    rest = "whether one line made them is not judged. If that is an installed package of your own, name it"
    assert profile.notes == (
        "killed",
        f"8 clients and SSL contexts were made at unknown lines: {rest} (--user-code NAME).",
    )


def test_what_is_no_finding_at_a_known_line_is_no_note_at_an_unknown_one():
    few = process(clients(2, site=UNKNOWN, unread_count=2), contexts(2, site=UNKNOWN))
    profile = assemble([few], command=(), started_at="", duration_ns=1, exit_code=0)
    assert ([each.code for each in profile.findings], profile.notes) == (["CP011"], ())


def test_clients_one_after_another_with_contexts_of_their_own_could_be_one():
    job = found(clients(20, counts={"requests_count": 60}, used_once_count=0))["CP008"]
    assert job.fix.endswith("One client that is kept instead would save 19 handshakes as well.")
    assert dict(job.evidence)["TLS handshakes"] == "20"
    held = found(clients(20, counts={"requests_count": 60}, used_once_count=0, alive_peak_count=20))["CP008"]
    assert "instead" not in held.fix, "they may be several on purpose"


def with_bytes(group, lines):
    """The finding of one group whose handshakes are at the next line, where another client shook hands as well."""
    at = Place(file="/app/api.py", line=13, function="fetch", certainty="stack")
    group = msgspec.structs.replace(group, handshake_sites=(HandshakeSite(site=at, count=40),))
    sites = (SiteTally(site=at, counts=Counts(handshakes_full_count=80), costs=Costs()),)
    made = msgspec.structs.replace(process(group), sites=sites)
    (finding,) = assemble(
        [made], command=(), started_at="", duration_ns=1, exit_code=0, memory=True, ssl_bytes=lines
    ).findings
    return finding.cost.ssl_bytes, finding.leaves.ssl_bytes


MAKES, SHAKES = ("/app/api.py", 12, "fetch"), ("/app/api.py", 13, "fetch")


def test_bytes_of_handshakes_at_other_lines_are_the_findings_too():
    makes, shakes = LineBytes(contexts_bytes=4_000), LineBytes(handshakes_bytes=160)
    assert with_bytes(clients(40), {MAKES: makes, SHAKES: shakes}) == (4_080, 102)
    assert with_bytes(clients(40), {SHAKES: shakes}) == (80, 2)


def test_of_handshakes_made_again_their_bytes_count_and_no_contexts():
    again = clients(1, counts={"handshakes_full_count": 40}, expired_count=10, expired_gap_min_ns=6_000 * MS)
    shakes = LineBytes(handshakes_bytes=160, transfer_bytes=8_000)
    assert with_bytes(again, {MAKES: LineBytes(contexts_bytes=4_000), SHAKES: shakes}) == (20, 0)


def test_what_reading_and_writing_allocates_stays():
    makes = LineBytes(contexts_bytes=4_000, handshakes_bytes=400, transfer_bytes=1_000)
    shakes = LineBytes(handshakes_bytes=160, transfer_bytes=8_000)
    assert with_bytes(clients(40), {MAKES: makes, SHAKES: shakes}) == (5_400 + 4_080, 100 + 10 + 1_000 + 2 + 4_000)
    (finding,) = assemble(
        [process(clients(40))], command=(), started_at="", duration_ns=1, exit_code=0, memory=True,
        ssl_bytes={MAKES: makes},
    ).findings  # fmt: skip
    assert (finding.cost.ssl_bytes, finding.leaves.ssl_bytes) == (5_400, 100 + 10 + 1_000)


def test_where_only_contexts_are_at_stake_bytes_of_handshakes_stay_as_well():
    (finding,) = assemble(
        [process(contexts(40))], command=(), started_at="", duration_ns=1, exit_code=0, memory=True,
        ssl_bytes={MAKES: LineBytes(contexts_bytes=4_000, handshakes_bytes=400, transfer_bytes=1_000)},
    ).findings  # fmt: skip
    assert (finding.code, finding.leaves.ssl_bytes) == ("CP003", 100 + 400 + 1_000)


@pytest.mark.parametrize(
    ("function", "paid"),
    [
        ("create_default_context", LineBytes(contexts_bytes=9)),
        ("_configure_context (truststore)", LineBytes(contexts_bytes=9)),
        ("do_handshake", LineBytes(handshakes_bytes=9)),
        ("wrap_bio", LineBytes(handshakes_bytes=9)),
        ("unwrap", LineBytes(handshakes_bytes=9)),
        ("read", LineBytes(transfer_bytes=9)),
        ("recv_into", LineBytes(transfer_bytes=9)),
        ("sendall", LineBytes(transfer_bytes=9)),
    ],
)
def test_bytes_go_with_contexts_with_handshakes_or_with_what_is_read_and_written(function, paid):
    assert share_of(function, 9) == paid


def test_contexts_that_could_be_shared_save_no_handshakes():
    kept = {"alive_count": 40, "alive_peak_count": 40, "closed_count": 0}
    makes, shakes = LineBytes(contexts_bytes=4_000), LineBytes(handshakes_bytes=160)
    assert with_bytes(clients(40, **kept), {MAKES: makes, SHAKES: shakes}) == (4_000, 100)


def test_findings_of_as_many_contexts_stand_by_their_bytes_where_these_were_measured():
    slow = clients(40, costs=Costs(context_cpu_ns=900 * MS))
    heavy = clients(40, site=ELSEWHERE)
    profile = assemble(
        [process(slow, heavy)], command=(), started_at="", duration_ns=1, exit_code=0, memory=True,
        ssl_bytes={
            MAKES: LineBytes(contexts_bytes=264_000_000),
            (ELSEWHERE.file, ELSEWHERE.line, ELSEWHERE.function): LineBytes(contexts_bytes=265_000_000),
        },
    )  # fmt: skip
    assert [each.place for each in profile.findings] == [ELSEWHERE, SITE]
