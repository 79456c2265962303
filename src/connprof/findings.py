"""Rules: what one process was seen to do -> findings with codes, places, figures and advice.

Each rule is a function of one group of clients or contexts; :data:`CLIENT_RULES` and :data:`CONTEXT_RULES` list them.
Limits are named constants, and METHODOLOGY.md says why they are what they are. A rule looks at one process: eight
workers that make one client each at the same line are no churn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from connprof.codes import BY_CODE
from connprof.profile import Finding, Price

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from connprof.profile import ClientGroup, ContextGroup, Counts, OriginShare, Place, ProcessProfile

__all__ = [
    "CHURN_MADE_COUNT",
    "CLIENT_RULES",
    "CONTEXT_RULES",
    "OF_ONE_PROCESS",
    "cost_of",
    "find",
    "not_judged_codes",
    "not_judged_count",
]

CHURN_MADE_COUNT: Final = 3
"""From how many made at one line they count as made again and again."""
_PER_CALL_CALLS: Final = 2.0
"""Up to how many calls per client, in the mean, a client is one per call; beyond, it is one per batch."""
_PER_BATCH_CALLS: Final = 10.0
"""Up to how many calls per client, in the mean, a session of requests or aiohttp per batch is worth a finding."""
_DEFAULT_EXPIRY_NS: Final = 5_000_000_000
"""How long most pools and servers keep an idle connection. For calls further apart a shared client saves none."""
_SECOND_NS: Final = 1_000_000_000
_FEW_HANDSHAKES: Final = 5.0
"""Up to how many handshakes per context, in the mean, contexts are made per call: they cost more than these do."""
_GROWING_COUNT: Final = 10
"""From how many contexts alive at the end they count as growing."""
_CLOSABLE: Final = frozenset({"httpx", "httpx2", "aiohttp", "niquests"})
"""Libraries that warn of clients that are not closed, or leak their connections."""
_CONTEXT_PER_CONNECTION: Final = frozenset({"requests", "urllib3"})
"""Libraries whose clients build a context for each connection that they open, unless they are given one."""


def find(process: ProcessProfile, *, is_current: bool = False) -> tuple[Finding, ...]:
    """Everything that stands out in one process, the costliest first.

    Args:
        process: what it left.
        is_current: whether that was taken just now. Otherwise what a process wrote while it was running may be a moment
            old, and what a context was made for may not have been written.
    """
    found = [finding for finding in _candidates(process) if not _is_several_lines(finding)]
    if process.ended == "running" and not (is_current or process.is_told):
        found = [finding for finding in found if finding.code != "CP009"]
    return tuple(sorted(_without_echoes(found), key=cost_of, reverse=True))


def not_judged_count(process: ProcessProfile) -> int:
    """How many clients and contexts would be a finding if their unknown lines were known to be one line."""
    places = {
        (finding.place, finding.code == "CP003") for finding in _candidates(process) if _is_several_lines(finding)
    }
    return sum(group.made_count for group in process.clients if (group.site, False) in places) + sum(
        group.made_count for group in process.contexts if not group.maker and (group.site, True) in places
    )


def not_judged_codes(process: ProcessProfile) -> frozenset[str]:
    """What would be found if unknown lines were known to be one line."""
    found = sorted(_candidates(process), key=cost_of, reverse=True)
    return frozenset(finding.code for finding in _without_echoes(found) if _is_several_lines(finding))


def _is_several_lines(finding: Finding) -> bool:
    """Whether it takes for one line what may be many: all that is unknown has the same place."""
    return finding.place.certainty == "unknown" and finding.code in _OF_ONE_LINE


_OF_ONE_LINE: Final = frozenset({"CP001", "CP002", "CP003", "CP008"})
"""Findings that say that one line makes things again and again."""


def _candidates(process: ProcessProfile) -> list[Finding]:
    found = [finding for group in process.clients for rule in CLIENT_RULES for finding in rule(group)]
    churned = {finding.place for finding in found if finding.code in {"CP001", "CP002"}}
    thrown_away = {given.site for group in process.clients if group.site in churned for given in group.given_contexts}
    by_line: dict[tuple[str, int], list[ClientGroup]] = {}
    for group in process.clients:
        by_line.setdefault(_line(group.site), []).append(group)
    for contexts in process.contexts:
        lines = dict.fromkeys(map(_line, (contexts.site, *contexts.client_sites)))
        makers = [group for line in lines for group in by_line.get(line, ())]
        if contexts.site in thrown_away and contexts.handshakes_count <= contexts.made_count:
            # With its client each went out of use after one call, and waited for the garbage collector at the most.
            contexts = msgspec.structs.replace(contexts, alive_peak_count=contexts.alive_count)  # noqa: PLW2901
        found += [finding for rule in CONTEXT_RULES for finding in rule(contexts, makers)]
    return found


def _line(place: Place) -> tuple[str, int]:
    return place.file, place.line


def cost_of(finding: Finding) -> tuple[int, ...]:
    """What to sort findings by: contexts, handshakes, bytes where they were measured (no time is shown then), time."""
    cost = finding.cost
    counts = (cost.contexts_count or 0, cost.handshakes_count or 0)
    return (*counts, cost.ssl_bytes or 0, cost.cpu_ns or 0, cost.wall_ns or 0)


def _without_echoes(found: list[Finding]) -> Iterable[Finding]:
    """Leave out what another finding of the same line says already."""
    by_line: dict[tuple[str, int], list[Finding]] = {}
    for finding in found:
        for line in _lines_of(finding):
            by_line.setdefault(line, []).append(finding)
    for finding in found:
        implying = _IMPLIED.get(finding.code, frozenset())
        others = [each for line in _lines_of(finding) for each in by_line[line] if each.code in implying]
        if finding.code in _OF_CONTEXTS:
            # Contexts that were made for clients and given to them are in no cost of these clients.
            contexts_count = finding.cost.contexts_count or 0
            others = [each for each in others if (each.cost.contexts_count or 0) >= contexts_count]
        if not others:
            yield finding


def _lines_of(finding: Finding) -> set[tuple[str, int]]:
    """Its line; of contexts that clients made elsewhere than they were made, that of the clients as well."""
    return {_line(finding.place), *map(_line, finding.related if finding.code == "CP016" else ())}


_OF_CONTEXTS: Final = frozenset({"CP003", "CP016"})
_IMPLIED: Final = {
    # A client per call has a context per client, and its contexts come and go.
    "CP003": frozenset({"CP001", "CP002"}),
    "CP008": frozenset({"CP001", "CP002", "CP016"}),
    "CP007": frozenset({"CP001", "CP002"}),
    "CP016": frozenset({"CP001", "CP002"}),
}


# --- clients ------------------------------------------------------------------------------------------------


def _price(group: ClientGroup) -> Price:
    counts, costs = group.counts, group.costs
    return Price(
        contexts_count=counts.contexts_count,
        handshakes_count=counts.handshakes_count,
        connections_count=counts.connections_count,
        cpu_ns=costs.context_cpu_ns + costs.handshake_cpu_ns,
        wall_ns=costs.context_wall_ns + costs.handshake_wall_ns + costs.connect_wall_ns,
    )


def _handshakes_only(group: ClientGroup, handshakes_count: int) -> Price:
    """The share of ``handshakes_count`` in what a group has spent on handshakes and connects.

    Where each connection has a context of its own, as in requests, contexts as well.
    """
    counts, costs = group.counts, group.costs
    of = max(_tried(counts), 1)
    has_contexts = group.made_count < counts.contexts_count == _tried(counts)
    cpu_ns = costs.handshake_cpu_ns + (costs.context_cpu_ns if has_contexts else 0)
    wall_ns = costs.handshake_wall_ns + costs.connect_wall_ns + (costs.context_wall_ns if has_contexts else 0)
    return Price(
        contexts_count=handshakes_count if has_contexts else 0,
        handshakes_count=handshakes_count,
        connections_count=handshakes_count,
        cpu_ns=cpu_ns * handshakes_count // of,
        wall_ns=wall_ns * handshakes_count // of,
    )


def _finding(
    code: str,
    group: ClientGroup | ContextGroup,
    what: str,
    evidence: Iterable[tuple[str, str]],
    *,
    cost: Price,
    leaves: Price,
    fix: str = "",
    related: Iterable[object] = (),
) -> Finding:
    return Finding(
        code=code,
        place=group.site,
        chains=group.chains,
        what=what,
        evidence=tuple(evidence),
        cost=cost,
        fix=fix or BY_CODE[code].fix,
        leaves=leaves,
        related=tuple(related),  # type: ignore[arg-type]
    )


def _needed(group: ClientGroup) -> int:
    """How many connections one shared client would have needed: as many as were in use at once, at each origin.

    And one more for each that could not be used again.
    """
    return sum(
        min(share.open_peak_count if share.needed_count is None else share.needed_count, share.handshakes_count)
        for share in group.origins
    )


def _opened(group: ClientGroup) -> int:
    """Handshakes that one shared client would have made too: over HTTP/2 unread responses cost none."""
    known = [share.needed_count for share in group.origins]
    if not known or None in known:
        return group.counts.handshakes_count
    return _needed(group)


def _spent(group: ClientGroup) -> int:
    """Connections that no client could have kept."""
    return sum(min(share.spent_count, share.handshakes_count) for share in group.origins)


def _tried(counts: Counts) -> int:
    """Handshakes, whatever became of them."""
    return counts.handshakes_count + counts.handshakes_failed_count


def _shared_contexts(group: ClientGroup) -> int:
    """How many contexts that were made elsewhere the clients share. No connection goes over from one to another.

    Where each client, or nearly each, was given its own, these are churn themselves and not to be kept.
    """
    used_count = group.made_count - group.unused_count
    return sum(given.count if given.count * 2 <= used_count else 1 for given in group.given_contexts)


def _requests(group: ClientGroup) -> int:
    return group.counts.requests_count or 0


def _times(count: int, what: str, plural: str = "") -> str:
    return f"{count:,} {what if count == 1 else plural or what + 's'}"


def _seconds(nanoseconds: int) -> str:
    if nanoseconds < _SECOND_NS:
        return f"{nanoseconds / 1e6:.3g} ms"
    return f"{nanoseconds / 1e9:.3g} s"


def client_per_call(group: ClientGroup) -> Iterator[Finding]:
    """CP001, CP002: many made one after another, for a call or two each, with contexts or handshakes to show for it.

    Of requests and aiohttp also for some more: their sessions have no context to share, and CP008 nothing to say.
    """
    counts = group.counts
    used_count = group.made_count - group.unused_count
    if group.made_count < CHURN_MADE_COUNT or not used_count or not (counts.contexts_count or counts.handshakes_count):
        return
    calls_max = _PER_BATCH_CALLS if group.library in _BATCH_ADVICE else _PER_CALL_CALLS
    if not group.shortcut and _calls(group) > calls_max * used_count:
        return
    if group.alive_peak_count * 2 > group.made_count and not _is_burst(group):
        return
    if not counts.handshakes_count and group.plain_only_count:
        return  # plain HTTP: what is wrong there is the context (CP009)
    contexts_left, handshakes_left = _kept(group)
    if contexts_left >= counts.contexts_count and handshakes_left >= counts.handshakes_count:
        return
    code = "CP002" if group.shortcut else "CP001"
    name = f"{group.shortcut}()" if group.shortcut else group.kind
    what = f"{name} {'called' if group.shortcut else 'made'} {_times(group.made_count, 'time')}"
    if group.shortcut.startswith("urllib.request."):  # each redirect that a call follows has a connection of its own
        what = f"{name} made {_times(group.made_count, 'connection')}"
    evidence = [
        ("clients made", f"{group.made_count:,}"),
        ("SSL contexts", f"{counts.contexts_count:,}"),
        ("TLS handshakes", f"{counts.handshakes_count:,}"),
        ("requests", f"{_requests(group):,}"),
    ]
    if counts.handshakes_failed_count:
        evidence.insert(3, ("failed handshakes", f"{counts.handshakes_failed_count:,}"))
    spent_count = _spent(group)
    if spent_count:
        evidence.append(("connections ended by the server, a timeout or an unread body", f"{spent_count:,}"))
    if group.gap_median_ns is not None:
        evidence.append(("median time between two", _seconds(group.gap_median_ns)))
    yield _finding(
        code,
        group,
        f"{what}, {_each(group, used_count)}",
        evidence,
        cost=_price(group),
        leaves=_left(group, contexts_left, handshakes_left),
        fix=_advice(code, group),
    )


def _each(group: ClientGroup, used_count: int) -> str:
    requests_count = _requests(group)
    if not requests_count:
        return "and no request got through"
    if group.used_once_count == group.made_count == requests_count:
        return "one request each"
    per_client = f"{requests_count / used_count:.1f} requests each"
    is_one_call = group.used_once_count == group.made_count and not group.shortcut and requests_count > used_count
    return f"one call and {per_client}" if is_one_call else per_client


def _calls(group: ClientGroup) -> int:
    """How often the program called: to follow a redirect, or to try again, is no call of its own."""
    return _requests(group) if group.calls_count is None else group.calls_count


def _is_sparse(group: ClientGroup) -> bool:
    return (group.gap_median_ns or 0) > _DEFAULT_EXPIRY_NS


def _is_split(group: ClientGroup) -> bool:
    """Whether clients have to be kept for each thread, as each made several calls."""
    return _is_in_threads(group) and not _is_of_short_threads(group)


def _is_in_threads(group: ClientGroup) -> bool:
    return group.library == "requests" and group.threads_count > 1


def _is_of_short_threads(group: ClientGroup) -> bool:
    """Whether threads came and went with the calls, so that to keep a client for each would save next to nothing."""
    return _is_in_threads(group) and _calls(group) < 2 * group.threads_count


def _kept(group: ClientGroup) -> tuple[int, int]:
    """How many contexts and handshakes there would be if clients were kept."""
    counts = group.counts
    handshakes_left = min(counts.handshakes_count, max(_needed(group), group.loops_count, _shared_contexts(group), 1))
    if _is_split(group):  # a connection to each origin in each thread
        in_threads = sum(
            min(group.threads_count + share.spent_count, share.handshakes_count) for share in group.origins
        )
        handshakes_left = max(handshakes_left, in_threads)
    if _is_sparse(group):
        handshakes_left = counts.handshakes_count
    contexts_left = counts.contexts_count // max(group.made_count, 1) or 1
    if group.library in _CONTEXT_PER_CONNECTION:
        contexts_left = max(contexts_left, handshakes_left + counts.handshakes_failed_count)
    return min(counts.contexts_count, contexts_left), handshakes_left


def _advice(code: str, group: ClientGroup) -> str:
    advice = _ADVICE.get(group.shortcut.partition(".request.")[0], BY_CODE[code].fix)
    if code == "CP001" and not _is_per_call(group):
        advice = _BATCH_ADVICE.get(group.library, advice)
    if _is_split(group):
        advice = (
            f"Keep one requests.Session for each of the {group.threads_count:,} threads, in a threading.local(): "
            "requests does not promise that threads may share one."
        )
    elif _is_of_short_threads(group):
        advice = (
            f"Keep the threads: {group.threads_count:,} of them made {_calls(group):,} calls, so that a session for "
            "each would save next to nothing. A pool of threads with one requests.Session each (ThreadPoolExecutor "
            "with an initializer), or a client that threads may share (urllib3.PoolManager, httpx.Client)."
        )
    elif group.loops_count > 1:
        advice = (
            f"{advice} They were used on {group.loops_count:,} event loops: one client per loop, or one SSL context "
            "for all of them."
        )
    elif _is_sparse(group):
        advice = "Share one SSL context: calls are so far apart that no connection would be kept for the next one."
    failed = " Handshakes that failed would fail as well." if group.counts.handshakes_failed_count else ""
    spent = " Connections that were ended before their client was cannot be kept by it either." if _spent(group) else ""
    return f"{advice}{failed}{spent}"


_ADVICE: Final = {
    "urllib": "Use a client that keeps connections (http.client.HTTPSConnection, urllib3, httpx), which is what the "
    "figures left over are for; urllib.request alone can only share a context=, and each call makes its handshake all "
    "the same.",
}
"""The package of a function that makes clients -> what to do, where that is not what it is for the others."""
_BATCH_ADVICE: Final = {
    "requests": "Keep one requests.Session for all batches; where these must not share cookies, call "
    "session.cookies.clear() between them.",
    "aiohttp": "Keep one aiohttp.ClientSession for all batches; where these must not share cookies, call "
    "session.cookie_jar.clear() between them.",
}
"""Libraries whose sessions have no SSL context of their own that they could share -> what to do about one per batch."""


def _is_burst(group: ClientGroup) -> bool:
    """Whether clients were many at once only because calls were: each was closed or dropped after its one call.

    Clients that are held together are closed together as well, but are used again meanwhile.
    """
    return group.alive_count * 4 <= group.made_count and group.used_once_count * 2 > group.made_count


def _left(group: ClientGroup, contexts_count: int, handshakes_count: int) -> Price:
    counts, costs = group.counts, group.costs
    context_share = (contexts_count, max(counts.contexts_count, 1))
    failed_count = counts.handshakes_failed_count  # which a kept client does not mend
    handshake_share = (handshakes_count + failed_count, max(_tried(counts), 1))
    return Price(
        contexts_count=contexts_count,
        handshakes_count=handshakes_count,
        connections_count=min(handshakes_count + failed_count, counts.connections_count) if _tried(counts) else None,
        cpu_ns=costs.context_cpu_ns * context_share[0] // context_share[1]
        + costs.handshake_cpu_ns * handshake_share[0] // handshake_share[1],
        wall_ns=costs.context_wall_ns * context_share[0] // context_share[1]
        + (costs.handshake_wall_ns + costs.connect_wall_ns) * handshake_share[0] // handshake_share[1],
    )


def context_per_client(group: ClientGroup) -> Iterator[Finding]:
    """CP008: many clients with a context of their own, each used for long, or all kept.

    Sessions of requests take no context, and make one per connection: there is nothing to be shared.
    """
    counts = group.counts
    if group.library == "requests":
        return
    if group.made_count < CHURN_MADE_COUNT or counts.contexts_count < group.made_count:
        return
    if group.plain_only_count * 2 > group.made_count or not counts.handshakes_count:
        return
    contexts_left = max(1, counts.contexts_count // group.made_count)
    costs = group.costs
    # Those that are dropped, and not closed, live on for as long as the garbage collector leaves them.
    is_in_turn = group.alive_peak_count * 2 <= group.made_count or group.dropped_count * 2 > group.made_count
    needless_count = counts.handshakes_count - _kept(group)[1] if is_in_turn else 0
    kept = f"{group.alive_peak_count:,} of them at once" if group.alive_peak_count > 1 else "one after another"
    yield _finding(
        "CP008",
        group,
        f"{_times(group.made_count, group.kind, group.kind)} made, {kept}, each with an SSL context of its own",
        (
            ("clients made", f"{group.made_count:,}"),
            ("at once", f"{group.alive_peak_count:,}"),
            ("SSL contexts", f"{counts.contexts_count:,}"),
            ("TLS handshakes", f"{counts.handshakes_count:,}"),
            ("requests per client", f"{_requests(group) / group.made_count:.1f}"),
        ),
        fix=f"{BY_CODE['CP008'].fix} One client that is kept instead would save {needless_count:,} "
        f"{'handshake' if needless_count == 1 else 'handshakes'} as well."
        if needless_count > 0
        else "",
        cost=Price(
            contexts_count=counts.contexts_count,
            handshakes_count=0,
            cpu_ns=costs.context_cpu_ns,
            wall_ns=costs.context_wall_ns,
        ),
        leaves=Price(
            contexts_count=contexts_left,
            handshakes_count=0,
            cpu_ns=costs.context_cpu_ns * contexts_left // counts.contexts_count,
            wall_ns=costs.context_wall_ns * contexts_left // counts.contexts_count,
        ),
    )


def second_loop(group: ClientGroup) -> Iterator[Finding]:
    """CP006: a client met another event loop, thread or process than the one it belongs to."""
    met = [
        (group.second_loop_count, "a second event loop", "clients used on a second event loop"),
        (group.second_thread_count, "a second thread", "clients used in a second thread"),
        (group.second_process_count, "a forked child", "clients used before a fork and in the child"),
    ]
    for count, where, name in met:
        if count:
            yield _finding(
                "CP006",
                group,
                f"{group.kind} used from {where}",
                ((name, f"{count:,}"), ("requests", f"{_requests(group):,}")),
                cost=_price(group),
                leaves=_price(group),
            )


def never_closed(group: ClientGroup) -> Iterator[Finding]:
    """CP007: a client was dropped without having been closed. What lives until the end is kept, and no finding."""
    dropped_count = group.dropped_count - group.dropped_unused_count  # unused ones have no connection to be closed
    if dropped_count and group.library in _CLOSABLE and group.made_count > group.unused_count:
        yield _finding(
            "CP007",
            group,
            f"{group.kind} dropped without being closed, {_times(dropped_count, 'time')}",
            (
                ("clients made", f"{group.made_count:,}"),
                ("closed", f"{group.closed_count:,}"),
                ("dropped", f"{dropped_count:,}"),
                ("connections", f"{group.counts.connections_count:,}"),
            ),
            cost=_price(group),
            leaves=_price(group),
        )


def gaps_exceed_expiry(group: ClientGroup) -> Iterator[Finding]:
    """CP010: connections were opened again because they had been idle for longer than they are kept."""
    if not group.expired_count or _is_per_call(group):
        return
    shortest = _seconds(group.expired_gap_min_ns or 0)
    expiry = "not known" if group.expiry_ns is None else _seconds(group.expiry_ns)
    spent = _handshakes_only(group, min(group.expired_count, group.counts.handshakes_count))
    yield _finding(
        "CP010",
        group,
        f"{_times(group.expired_count, 'connection')} of {group.kind} opened again, idle for {shortest} or more",
        (
            ("reopened", f"{group.expired_count:,}"),
            ("shortest idle time", shortest),
            ("keep-alive expiry of the client", expiry),
            ("TLS handshakes", f"{group.counts.handshakes_count:,}"),
        ),
        cost=spent,
        leaves=_handshakes_only(group, 0),
    )


def response_not_closed(group: ClientGroup) -> Iterator[Finding]:
    """CP011: responses were dropped, left open, or closed, without having been read."""
    if group.unread_count:
        kept = min(group.unread_count, max(_opened(group) - _origins_count(group), 0))
        fix = BY_CODE["CP011"].fix
        if _is_per_call(group):
            fix = f"{fix} And keep the client: that of one call has no next one to which the connection could go."
        yield _finding(
            "CP011",
            group,
            f"{_times(group.unread_count, 'response')} of {group.kind} not read, so that no connection came back",
            (
                ("responses left", f"{group.unread_count:,}"),
                ("connections", f"{group.counts.connections_count:,}"),
                ("TLS handshakes", f"{group.counts.handshakes_count:,}"),
            ),
            cost=_handshakes_only(group, kept),
            fix=fix,
            leaves=_handshakes_only(group, 0),
            related=group.unread_sites,
        )


def _origins_count(group: ClientGroup) -> int:
    return sum(1 for share in group.origins if share.handshakes_count)


def pool_too_small(group: ClientGroup) -> Iterator[Finding]:
    """CP012: connections were closed right after use because the pool keeps fewer than were in use at once."""
    spared_count = _spared(group) if group.overflow_count else None
    if group.overflow_count and spared_count != 0:
        limit = "not known" if group.keepalive_limit_count is None else f"{group.keepalive_limit_count:,}"
        yield _finding(
            "CP012",
            group,
            f"{_times(group.overflow_count, 'connection')} of {group.kind} closed after use and opened again: the pool "
            f"keeps {limit}, and {group.in_flight_peak_count:,} requests were under way at once",
            (
                ("reopened", f"{group.overflow_count:,}"),
                ("keep-alive connections", limit),
                ("requests at once", f"{group.in_flight_peak_count:,}"),
                ("TLS handshakes", f"{group.counts.handshakes_count:,}"),
            ),
            cost=_handshakes_only(group, min(spared_count or group.overflow_count, group.counts.handshakes_count)),
            leaves=_handshakes_only(group, 0),
        )


def _spared(group: ClientGroup) -> int | None:
    """Handshakes that a pool which keeps every connection would have spared; ``None`` where none was followed.

    Of several clients each needs as many as one for all at the most, and what was opened again is the least that is
    spared.
    """
    used_count = max(group.made_count - group.unused_count, 1)
    spared = [
        max(share.handshakes_count - used_count * _unlimited(group, share), 0)
        for share in group.origins
        if share.needed_unlimited_count is not None
    ]
    if not spared:
        return None
    return sum(spared) if used_count == 1 else max(sum(spared), group.overflow_count)


def _unlimited(group: ClientGroup, share: OriginShare) -> int:
    """How many connections a client would have opened that keeps all: one only when all that it has are in use.

    A connection may be closed a moment after the next call has begun, and was not in use any more.
    """
    most = share.open_peak_count + share.spent_count + group.expired_count
    return min(share.needed_unlimited_count or 0, most)


def identity_shared(group: ClientGroup) -> Iterator[Finding]:
    """CP013: a cookie that the server had set for one caller was sent for another."""
    if group.foreign_cookie_requests_count:
        yield _finding(
            "CP013",
            group,
            f"cookies of one caller sent for another, {_times(group.foreign_cookie_requests_count, 'time')}",
            (
                ("requests with another's cookie", f"{group.foreign_cookie_requests_count:,}"),
                ("callers that were given one", f"{group.callers_with_cookies_count:,}"),
                ("requests", f"{_requests(group):,}"),
            ),
            cost=Price(),
            leaves=Price(),
        )


def http2_not_spoken(group: ClientGroup) -> Iterator[Finding]:
    """CP015: a client that was told to speak HTTP/2 agreed on something else."""
    if group.not_http2_handshakes_count:
        yield _finding(
            "CP015",
            group,
            f"{group.kind} told to speak HTTP/2, and {_times(group.not_http2_handshakes_count, 'handshake')} did not "
            "agree on it",
            (
                ("handshakes without HTTP/2", f"{group.not_http2_handshakes_count:,}"),
                ("handshakes with HTTP/2", f"{group.http2_handshakes_count:,}"),
            ),
            cost=Price(handshakes_count=group.not_http2_handshakes_count),
            leaves=Price(),
            fix=_http2_advice(group),
        )


def _http2_advice(group: ClientGroup) -> str:
    """Who spoke HTTP/2 to some can speak it. Where none did, a context that is shared may still be the reason."""
    if group.http2_handshakes_count:
        return "Give HTTP/2 clients an SSL context of their own: HTTP/1 clients set their protocols on one they share."
    if group.given_contexts:
        return BY_CODE["CP015"].fix
    return "Leave http2=True out: no handshake agreed on HTTP/2, so the server does not speak it."


def _is_per_call(group: ClientGroup) -> bool:
    return group.made_count >= CHURN_MADE_COUNT and _calls(group) <= _PER_CALL_CALLS * group.made_count


CLIENT_RULES: Final = (
    client_per_call,
    context_per_client,
    second_loop,
    never_closed,
    gaps_exceed_expiry,
    response_not_closed,
    pool_too_small,
    identity_shared,
    http2_not_spoken,
)


# --- contexts -----------------------------------------------------------------------------------------------


def _context_price(group: ContextGroup, count: int) -> Price:
    of = max(group.made_count, 1)
    return Price(
        contexts_count=count,
        handshakes_count=0,
        cpu_ns=group.costs.context_cpu_ns * count // of,
        wall_ns=group.costs.context_wall_ns * count // of,
    )


def context_per_call(group: ContextGroup, _makers: Sequence[ClientGroup]) -> Iterator[Finding]:
    """CP003: many contexts made by the user's own code, for few handshakes each."""
    if group.maker or group.made_count < CHURN_MADE_COUNT or group.unused_count == group.made_count:
        return
    if group.ca_loads_count < group.made_count or group.alive_peak_count * 2 > group.made_count:
        return
    if group.handshakes_count > _FEW_HANDSHAKES * (group.made_count - group.unused_count):
        return
    used_for = _times(group.handshakes_count, "handshake") if group.handshakes_count else "handshakes that all failed"
    yield _finding(
        "CP003",
        group,
        f"{_times(group.made_count, 'SSL context')} made for {used_for}",
        (
            ("SSL contexts", f"{group.made_count:,}"),
            ("CA loads", f"{group.ca_loads_count:,}"),
            ("TLS handshakes", f"{group.handshakes_count:,}"),
        ),
        cost=_context_price(group, group.made_count),
        leaves=_context_price(group, 1),
    )


def context_unused(group: ContextGroup, makers: Sequence[ClientGroup]) -> Iterator[Finding]:
    """CP009: contexts that took time to build and were in no handshake, by clients that did send requests."""
    unused_count = group.unused_count
    if makers and group.maker:
        # Of clients that have sent nothing yet nobody knows what they are for.
        plain_only_count = sum(maker.plain_only_count for maker in makers)
        not_called_count = sum(maker.unused_count for maker in makers)
        unused_count = min(unused_count, max(plain_only_count, unused_count - not_called_count))
        if all(maker.counts.requests_count == 0 for maker in makers):
            return
    if unused_count <= 0 or not group.ca_loads_count:
        return
    by = f" by {group.maker}" if group.maker else ""
    yield _finding(
        "CP009",
        group,
        f"{_times(unused_count, 'SSL context')} built{by} and never used",
        (
            ("built", f"{group.made_count:,}"),
            ("never used", f"{unused_count:,}"),
            ("CA loads", f"{group.ca_loads_count:,}"),
        ),
        cost=_context_price(group, unused_count),
        # A client needs one to be made; it can be shared, and empty: then it takes no time.
        leaves=Price(contexts_count=1 if group.maker else 0, handshakes_count=0, cpu_ns=0, wall_ns=0),
    )


def bundle_reread(group: ContextGroup, _makers: Sequence[ClientGroup]) -> Iterator[Finding]:
    """CP014: CA certificates are loaded into a context again for each handshake."""
    if group.reread_count:
        loads_left = group.made_count
        share = (loads_left, max(group.ca_loads_count, 1))
        yield _finding(
            "CP014",
            group,
            f"CA bundle read {_times(group.ca_loads_count, 'time')} for {_times(group.handshakes_count, 'handshake')}",
            (
                ("CA loads", f"{group.ca_loads_count:,}"),
                ("TLS handshakes", f"{group.handshakes_count:,}"),
                ("SSL contexts", f"{group.made_count:,}"),
            ),
            cost=Price(
                handshakes_count=group.handshakes_count,
                cpu_ns=group.costs.context_cpu_ns,
                wall_ns=group.costs.context_wall_ns,
            ),
            leaves=Price(
                handshakes_count=group.handshakes_count,
                cpu_ns=group.costs.context_cpu_ns * share[0] // share[1],
                wall_ns=group.costs.context_wall_ns * share[0] // share[1],
            ),
        )


def contexts_growing(group: ContextGroup, makers: Sequence[ClientGroup]) -> Iterator[Finding]:
    """CP016: most contexts made at a line still live at the end, and most of these have been idle for long."""
    if group.alive_count < _GROWING_COUNT or group.alive_count * 10 < group.made_count * 9:
        return
    if makers and sum(maker.alive_count for maker in makers) * 10 < _clients_of(group, makers) * 9:
        return  # their clients were closed: the contexts wait for the garbage collector, or a kept response holds them
    if group.idle_alive_count * 3 < group.alive_count:
        return
    yield _finding(
        "CP016",
        group,
        f"{_times(group.alive_count, 'SSL context')} alive at the end, {group.idle_alive_count:,} of them long idle",
        (
            ("made", f"{group.made_count:,}"),
            ("alive at the end", f"{group.alive_count:,}"),
            ("long idle", f"{group.idle_alive_count:,}"),
        ),
        cost=_context_price(group, group.made_count),
        # What is dropped was built all the same: with requests memory is saved, and that alone.
        leaves=Price() if group.maker == _REQUESTS_SESSION else _context_price(group, 1),
        fix="Drop sessions that are no longer used, and responses that hold their connections: requests takes no SSL "
        "context that sessions could share, and builds one for each connection."
        if group.maker == _REQUESTS_SESSION
        else "",
        related=[site for site in group.client_sites if _line(site) != _line(group.site)],
    )


_REQUESTS_SESSION: Final = "requests.Session"


def _clients_of(group: ContextGroup, makers: Sequence[ClientGroup]) -> int:
    """How many clients there would be if none was closed: one for each context, unless each connection has its own."""
    if any(maker.library in _CONTEXT_PER_CONNECTION for maker in makers):
        return min(group.alive_count, sum(maker.made_count for maker in makers))
    return group.alive_count


OF_ONE_PROCESS: Final = frozenset({"at once", "requests at once", "keep-alive connections", "requests per client"})
"""Evidence that looks like a count, and that several processes have each for itself."""

CONTEXT_RULES: Final = (context_per_call, context_unused, bundle_reread, contexts_growing)
