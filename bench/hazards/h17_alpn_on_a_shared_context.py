from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

from bench.hazards.dials import Dials
from bench.hazards.finding import Finding, Tally, does_not_apply
from bench.hazards.registry import hazard
from bench.hazards.subject import call_of

if TYPE_CHECKING:
    from bench.hazards.stage import Stage
    from bench.hazards.subject import Held, Subject

THREADS_COUNT = 4
CALLS_COUNT = 40
_SWITCH_S = 0.000_001
_HTTP2 = "HTTP/2"
_ASKS_HTTP2, _DOES_NOT = "/asks-", "/plain-"


@hazard(
    "H17",
    title="An SSL context shared by HTTP/1.1 and HTTP/2 clients mixes them up",
    raised_by="two threads with HTTP/2 and two without make 40 calls each through the same strategy",
    by_dials=True,
    statistical=True,
    limit_s=30.0,
)
def probe(subject: Subject, stage: Stage) -> Finding:
    """Four threads make 40 calls each; in two of them HTTP/2 is switched on, by the probe.

    httpcore sets what it offers by ALPN on the context, just before each handshake. Where clients of both kinds share
    one context in several threads, a client may shake hands with the other's offer: one that asked for HTTP/2 silently
    speaks HTTP/1.1, and the other way round. Threads are switched as often as Python can. It is a matter of
    chance; it does not apply where no context is shared by clients of both kinds.
    """
    mine = threading.local()
    dials = Dials(http2=lambda: getattr(mine, "asks_http2", False))
    server = stage.start("bench.hazards.servers.scripted", protocols=["h2", "http/1.1"])
    tally = Tally()

    def work(held: Held, number: int) -> None:
        mine.asks_http2 = number % 2 == 0
        name = (_ASKS_HTTP2 if mine.asks_http2 else _DOES_NOT).strip("/")
        tally.extend(held.calls([call_of(f"{name}{number}-{turn}") for turn in range(CALLS_COUNT)]))

    with subject.held(server.target) as held:
        for asks_http2 in (False, True):
            mine.asks_http2 = asks_http2
            held.call("first")
        if all(len(protocols) == 1 for protocols in dials.protocols_of_context.values()):
            return does_not_apply("No SSL context of it is shared by clients with and without HTTP/2.")
        threads = [threading.Thread(target=work, args=(held, number), daemon=True) for number in range(THREADS_COUNT)]
        sys.setswitchinterval(_SWITCH_S)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    spoken = [request for request in server.ask("seen")["requests"] if "first" not in request["path"]]
    down_count = sum(_ASKS_HTTP2 in request["path"] and request["protocol"] != _HTTP2 for request in spoken)
    up_count = sum(_DOES_NOT in request["path"] and request["protocol"] == _HTTP2 for request in spoken)
    tally.observed = {"asked_http2_spoke_http1": down_count, "asked_http1_spoke_http2": up_count}
    half_count = THREADS_COUNT // 2 * CALLS_COUNT
    return tally.finding(
        f"Of {half_count} clients that asked for HTTP/2 {down_count} silently spoke HTTP/1.1, "
        f"and of {half_count} that did not {up_count} spoke HTTP/2.",
        harmed_count=down_count + up_count,
    )
