"""A window as plain values: what a process leaves for whoever started it."""

from __future__ import annotations

import gc
import os
import sys
from typing import TYPE_CHECKING, Any, Final

from connprof.observe.observation import Field
from connprof.observe.originals import now_ns
from connprof.observe.own import OWN
from connprof.observe.owners import Expense, chains_of, idle
from connprof.observe.recorder import RECORDER
from connprof.observe.sites import BY_TASK, TYPED

if TYPE_CHECKING:
    from connprof.observe.observation import Observation
    from connprof.observe.owners import Chains, ClientGroup, ContextGroup, Use
    from connprof.observe.sites import Location, SiteKey

__all__ = ["PROCESS_SCHEMA", "snapshot"]

PROCESS_SCHEMA: Final = "connprof-process/1"

_ENDINGS: Final = frozenset({"exit", "os._exit", "signal", "exec"})


def snapshot(window: Observation, *, ended: str, signal: int | None) -> dict[str, Any]:
    """See :meth:`connprof.observe.observation.Observation.snapshot`."""
    if ended == "exit":
        gc.collect()  # what a program has dropped is gone, also where it holds itself
    RECORDER.settle()
    if ended in _ENDINGS:
        RECORDER.give_up_responses()
    with RECORDER.lock:
        latest_ns = now_ns() if window.ended_ns is None else window.ended_ns
        uses = RECORDER.living_uses(window.story)
        idle_clients, idle_contexts = window.idle_at_end or idle(*RECORDER.living())
        under_way = RECORDER.under_way() if window.under_way_at_end is None else window.under_way_at_end
        return {
            "schema": PROCESS_SCHEMA,
            "pid": os.getpid(),
            "parent_pid": os.getppid(),
            "argv": [str(each) for each in getattr(sys, "argv", [])[:1]],
            "executable": sys.executable or "",
            "python": sys.version.split()[0],
            "started_at_ns": window.started_at_ns,
            "duration_ns": latest_ns - window.started_ns,
            "ended": ended,
            "signal": signal,
            "is_fork": window.is_fork,
            "counts": window.tally_counts(window.total),
            "costs": _costs(window.costs),
            "sites": [_site(window, key) for key in window.site_keys()],
            "origins": [_origin(window, origin) for origin in window.origin_names()],
            "clients": [
                _clients(window, group, idle_clients.get(group, 0), uses)
                for group in window.story.clients.values()
                if group.made or group.second_process
            ],
            "contexts": [
                _contexts(group, idle_contexts.get(group, 0), under_way.get(group, 0))
                for group in window.story.contexts.values()
            ],
            "blind_spots": list(window.current_blind_spots()),
            "errors": window.error_sentences(),
            "own_names": OWN.met(),
        }


def _costs(costs: list[int] | None) -> dict[str, int]:
    return dict(zip(Expense.NAMES, costs or [0] * Expense.SIZE, strict=True))


def _file(file: str) -> str:
    return file if not file or file in TYPED else os.path.abspath(file)  # noqa: PTH100 - Path adds nothing to a string kept as one


def _place(key: SiteKey) -> dict[str, Any]:
    file, line, function, certainty = key
    return {"file": _file(file), "line": line, "function": function, "certainty": certainty}


def _frames(chain: tuple[Location, ...]) -> list[dict[str, Any]]:
    return [{"file": _file(file), "line": line, "function": function} for file, line, function in chain]


def _chains(chains: Chains | None) -> list[dict[str, Any]]:
    return [_chain(chain, count) for chain, count in chains_of(chains)] if chains else []


def _chain(chain: tuple[Location, ...], count: int) -> dict[str, Any]:
    if chain[0] != BY_TASK:
        return {"frames": _frames(chain), "count": count}
    started = _frames(chain[1:]) or [{"file": "", "line": 0, "function": ""}]
    return {"frames": [], "count": count, "started_at": started[0]}


def _site(window: Observation, key: SiteKey) -> dict[str, Any]:
    return {
        "site": _place(key),
        "counts": window.tally_counts(window.site_tally(key)),
        "costs": _costs(window.site_costs(key)),
        "chains": _chains(window.story.chains.get(key)),
        "imported": dict(window.story.imports.get(key, {})),
    }


def _origin(window: Observation, origin: str) -> dict[str, Any]:
    return {
        "origin": origin,
        "counts": window.tally_counts(window.origin_tally(origin)),
        "costs": _costs(window.origin_costs(origin)),
        "alpn": window.alpn_of(origin),
    }


def _clients(
    window: Observation, group: ClientGroup, idle_count: int, uses: dict[tuple[ClientGroup, str], list[Use]]
) -> dict[str, Any]:
    counts = window.tally_counts(group.counts)
    counts["requests_count"] = group.counts[Field.REQUESTS]
    return {
        "site": _place(group.site),
        "library": group.kind.library,
        "kind": group.kind.name,
        "shortcut": group.shortcut,
        "chains": _chains(group.chains),
        "counts": counts,
        "costs": _costs(group.costs),
        "made_count": group.made,
        "closed_count": group.closed,
        "dropped_count": group.dropped,
        "dropped_unused_count": group.dropped_unused,
        "alive_count": group.alive,
        "alive_peak_count": group.alive_peak,
        "calls_count": group.calls,
        "used_once_count": group.used_once,
        "unused_count": group.unused,
        "idle_alive_count": idle_count,
        "plain_only_count": group.plain_only,
        "loops_count": len(group.loops),
        "threads_count": group.threads,
        "in_flight_peak_count": group.in_flight_peak,
        "gap_median_ns": group.pacing.gap_median_ns,
        "origins": [
            {
                "origin": origin,
                "connections_count": share.connections,
                "handshakes_count": share.handshakes,
                "requests_count": share.requests,
                "open_peak_count": min(share.open_peak, share.connections),  # a while under another name is no peak
                "needed_count": share.needed(uses.get((group, origin), ()), group),
                "needed_unlimited_count": share.needed(uses.get((group, origin), ()), group, unlimited=True)
                if group.overflow
                else None,
                "spent_count": share.spent + sum(use.is_spent for use in uses.get((group, origin), ())),
            }
            for origin, share in group.shares.items()
        ],
        "given_contexts": [{"site": _place(site), "count": count} for site, count in group.given.items()],
        "handshake_sites": [{"site": _place(key), "count": count} for key, count in group.handshake_sites.items()],
        "second_loop_count": group.second_loop,
        "second_thread_count": group.second_thread,
        "second_process_count": group.second_process,
        "expired_count": group.expired,
        "expired_gap_min_ns": group.expired_gap_min_ns,
        "expiry_ns": group.expiry_ns,
        "overflow_count": group.overflow,
        "keepalive_limit_count": group.keepalive_limit,
        "unread_count": group.unread,
        "unread_sites": [_place(site) for site in group.unread_sites],
        "asked_http2_count": group.asked_http2,
        "http2_handshakes_count": group.http2,
        "not_http2_handshakes_count": group.not_http2,
        "foreign_cookie_requests_count": group.foreign_cookies,
        "callers_with_cookies_count": group.callers_with_cookies,
    }


def _contexts(group: ContextGroup, idle_count: int, under_way_count: int) -> dict[str, Any]:
    return {
        "site": _place(group.site),
        "maker": group.maker,
        "client_sites": [_place(key) for key in group.client_sites],
        "chains": _chains(group.chains),
        "costs": _costs(group.costs),
        "made_count": group.made,
        "unused_count": max(group.unused - under_way_count, 0),
        "alive_count": group.alive,
        "alive_peak_count": group.alive_peak,
        "idle_alive_count": idle_count,
        "ca_loads_count": group.ca_loads,
        "reread_count": group.rereads,
        "handshakes_count": group.handshakes,
    }
