"""What is asked of a strategy: which calls, at which origins, in which rhythm. Standard library only."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import chain, count, islice
from typing import TYPE_CHECKING, Literal, TypeAlias
from urllib.parse import urlencode

from connprof_server.target import json_size_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["GAP_LONG_S", "GAP_SHORT_S", "ORIGINS", "WORKLOADS", "Call", "Step", "Workload"]

DATAGOUV, TABULAR, CRAWLER, METRICS, MATOMO = ORIGINS = ("datagouv", "tabular", "crawler", "metrics", "matomo")


Rhythm: TypeAlias = Literal["steady", "bursts", "gaps"]

# Against the usual 5 s a gap of 6 s would take minutes. So the server's patience (and that of clients that can be told)
# is scaled down for the long gap, which is far above it, and left alone for the short one, far below it: a busy
# machine may be late by half a second or by nearly five, and the counts are the same.
GAP_SHORT_S = 0.1
GAP_LONG_S = 0.75
_LONG_GAP_KEEP_ALIVE_S = 0.25
_BURST_PAUSE_S = 0.05
_MANY = 1_000_000


@dataclass(frozen=True, slots=True)
class Call:
    """One outbound call and the answer that must come back.

    Attributes:
        origin: which server it goes to, one of :data:`ORIGINS`.
        path: what follows the origin in its URL.
        operation: the public function of that origin's helper module that makes this call.
        arguments: what that function is given.
        status: the status that must be answered.
        size_bytes: the size of body that must be answered.
        method: how it is asked.
    """

    origin: str
    path: str
    operation: str
    arguments: tuple[str, ...]
    status: int
    size_bytes: int
    method: str = "GET"


@dataclass(frozen=True, slots=True)
class Step:
    """One tool call: outbound calls one after another, and one in the background.

    On an event loop the background call runs beside the others; plain functions send it from a thread of its own, in
    the pause before the next step. It is waited for before the next step, so that never two are in flight and a pooled
    client needs exactly one connection for it: counts must come out the same every time.

    Attributes:
        calls: the calls.
        background: the one in the background.
        pause_s: how long nothing happens before the step.
    """

    calls: tuple[Call, ...]
    background: Call | None = None
    pause_s: float = 0.0

    def all_calls(self) -> Iterator[Call]:
        """The calls, and the one in the background last."""
        yield from self.calls
        if self.background is not None:
            yield self.background


@dataclass(frozen=True, slots=True)
class Workload:
    """A named sequence of steps that can be cut off after any number of calls.

    Attributes:
        name: its name.
        title: one line for people.
        default_calls_count: how many calls it is meant for.
        endless: the steps, for ever.
        keep_alive_s: after how many idle seconds a connection is closed, where the rhythm is about that: by the server,
            and by clients that take it from :meth:`bench.axes.Axes.client_options`. Nothing for the usual 5 s.
        rhythm: ``steady``, in ``bursts`` of as many calls as may be in flight, or single calls with ``gaps``.
    """

    name: str
    title: str
    default_calls_count: int
    endless: Callable[[], Iterator[Step]]
    keep_alive_s: float | None = None
    rhythm: Rhythm = "steady"

    def steps(self, calls_count: int, concurrency_count: int = 1, connections_count: int = _MANY) -> tuple[Step, ...]:
        """The first ``calls_count`` calls; within a step the background call counts last.

        With a concurrency the steps of a steady workload fall together: so many callers draw from one list of calls.

        Args:
            calls_count: at least 1.
            concurrency_count: how many calls may be in flight at once; the size of a burst.
            connections_count: how many connections the clients will have at most, so that no burst waits at a gate for
                calls that cannot come through.
        """
        if calls_count < 1:
            raise ValueError(f"a workload has at least one call, not {calls_count}")
        if self.rhythm == "bursts":
            return tuple(_bursts(calls_count, concurrency_count, connections_count))
        if concurrency_count > 1:
            flat = chain.from_iterable(step.all_calls() for step in self.endless())
            return (Step(tuple(islice(flat, calls_count))),)
        taken: list[Step] = []
        left = calls_count
        for step in self.endless():
            calls = step.calls[:left]
            left -= len(calls)
            background = step.background if left else None
            left -= background is not None
            taken.append(replace(step, calls=calls, background=background))
            if not left:
                break
        return tuple(taken)

    def origins_count(self, calls_count: int) -> int:
        """How many different origins the first ``calls_count`` calls go to."""
        return len({call.origin for step in self.steps(calls_count) for call in step.all_calls()})


def _json(origin: str, operation: str, path: str, *arguments: str) -> Call:
    return Call(origin, path, operation, arguments, status=200, size_bytes=json_size_bytes(path))


def _search(query: str, page: int = 1) -> Call:
    path = "/api/1/datasets/?" + urlencode({"q": query, "page": page, "page_size": 20})
    return _json(DATAGOUV, "search_datasets", path, query, str(page))


def _dataset(dataset: str) -> Call:
    return _json(DATAGOUV, "get_dataset", f"/api/1/datasets/{dataset}/", dataset)


def _resource(resource: str) -> Call:
    return _json(DATAGOUV, "get_resource", f"/api/2/datasets/resources/{resource}/", resource)


def _rows(resource: str, page: int = 1) -> Call:
    path = f"/api/resources/{resource}/data/?" + urlencode({"page": page, "page_size": 50})
    return _json(TABULAR, "query_rows", path, resource, str(page))


def _profile(resource: str) -> Call:
    return _json(TABULAR, "get_profile", f"/api/resources/{resource}/profile/", resource)


def _check(resource: str) -> Call:
    return _json(CRAWLER, "latest_check", f"/api/checks/latest/?resource_id={resource}", resource)


def _metrics(model: str, identifier: str) -> Call:
    path = f"/api/{model}s/data/?" + urlencode({f"{model}_id__exact": identifier})
    return _json(METRICS, "monthly_metrics", path, model, identifier)


def _ping(action: str) -> Call:
    path = "/status/204?" + urlencode({"idsite": 1, "rec": 1, "action_name": action})
    return Call(MATOMO, path, "ping", (action,), status=204, size_bytes=0)


def _llm_session() -> Iterator[Step]:
    """A person asks a chat model about public data; the model calls tools, the tools call these origins.

    Eight tool calls, each followed in the background by an analytics ping, make 40 outbound calls; then the next
    topic comes up.
    """
    for topic in count(1):
        dataset, other = f"dataset-{topic}", f"dataset-{topic}-b"
        resource, second = f"resource-{topic}", f"resource-{topic}-b"
        query = f"velo-comptage-{topic}"
        yield Step((_search(query), _search(query, 2), _search(f"{query}-2025"), _dataset(dataset)), _ping("search"))
        yield Step((_dataset(dataset), _dataset(other), _resource(resource), _resource(second)), _ping("dataset"))
        yield Step((_resource(resource), _check(resource), _profile(resource), _rows(resource)), _ping("resource"))
        yield Step((_rows(resource, 2), _rows(resource, 3), _rows(resource, 4), _rows(resource, 5)), _ping("rows"))
        yield Step((_resource(second), _check(second), _profile(second), _rows(second)), _ping("resource"))
        yield Step(
            (_metrics("dataset", dataset), _metrics("dataset", other), _metrics("resource", resource), _dataset(other)),
            _ping("metrics"),
        )
        yield Step((_search(f"{query}-gares"), _dataset(dataset), _check(resource), _check(second)), _ping("search"))
        yield Step((_rows(second, 2), _rows(second, 3), _metrics("resource", second), _dataset(dataset)), _ping("rows"))


def _single_origin() -> Iterator[Step]:
    for number in count(1):
        yield Step((_dataset(f"dataset-{number}"),))


def _with_gaps(pause_s: float) -> Callable[[], Iterator[Step]]:
    def steps() -> Iterator[Step]:
        for number in count(1):
            yield Step((_dataset(f"dataset-{number}"),), pause_s=pause_s if number > 1 else 0.0)

    return steps


def _bursts(calls_count: int, size_count: int, connections_count: int) -> Iterator[Step]:
    """Bursts of ``size_count``. The server holds the calls of one back until as many are there as can be at once."""
    for number, start in enumerate(range(0, calls_count, size_count), 1):
        here_count = min(size_count, calls_count - start)
        # A burst that comes through in several goes must fill the gate each time.
        gate_count = here_count if here_count <= connections_count else math.gcd(here_count, connections_count)
        call = _json(
            DATAGOUV, "request", f"/gate/{gate_count}/burst-{number}", "GET", f"/gate/{gate_count}/burst-{number}"
        )
        yield Step((call,) * here_count, pause_s=_BURST_PAUSE_S if number > 1 else 0.0)


WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload("llm-session", "a tool session over five origins, with background pings", 40, _llm_session),
        Workload("single-origin", "sequential calls to one origin", 40, _single_origin),
        Workload("burst", "calls at once, a pause, calls at once", 40, _single_origin, rhythm="bursts"),
        Workload("gaps-short", "calls with pauses below the keep-alive", 6, _with_gaps(GAP_SHORT_S), rhythm="gaps"),
        Workload(
            "gaps-long",
            "calls with pauses above the keep-alive",
            6,
            _with_gaps(GAP_LONG_S),
            _LONG_GAP_KEEP_ALIVE_S,
            "gaps",
        ),
    )
}
