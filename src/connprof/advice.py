"""Which strategy is right for which situation, derived from the cells and prices of one report.

A *situation* names which strategies belong to it, which hazards decide there, and which of the others can be met by a
setting. The rule is the same for all: a strategy that breaks, hangs or does silent harm under a deciding hazard falls
out; of those that are left the cheapest is recommended. Prices within :data:`SAME_PRICE` of each other count as equal;
then the one whose hazards were all probed goes first, and of those the one that the fewest of all kinds harm. What was
not probed is never counted as held: it is named. A strategy whose deciding hazards were not all
probed, or whose price was not measured, is never recommended, and is named.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from connprof import safety
from connprof.axes import base_values, varied
from connprof.model import Case, Measured

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from connprof.model import Record, Report, SafetyCell, StrategyNote

__all__ = [
    "LIBRARY",
    "SAME_PRICE",
    "SITUATIONS",
    "Advice",
    "Candidate",
    "Fallen",
    "Measure",
    "Price",
    "Situation",
    "Unknown",
    "advise",
    "prices",
]

SAME_PRICE = 1.25
"""Up to this ratio two prices count as equal: SSL bytes of one strategy vary by up to 3 % from run to run."""

Measure: TypeAlias = Literal["ssl_bytes", "handshakes", "contexts"]

_NO_LIBRARY = "floor"  # raw sockets: nobody is advised to write those
LIBRARY = Case(strategy="", workload="", calls_count=1).client_library
"""The client library whose cells and prices advice is derived from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a strategy costs over ``calls_count`` calls; ``ssl_bytes`` is ``None`` without a memory pass."""

    calls_count: int
    contexts_count: int
    handshakes_count: int
    ssl_bytes: int | None

    def per_call(self, measure: Measure) -> float | None:
        """The price of one call in that measure."""
        amounts: dict[Measure, int | None] = {
            "ssl_bytes": self.ssl_bytes,
            "handshakes": self.handshakes_count,
            "contexts": self.contexts_count,
        }
        amount = amounts[measure]
        return None if amount is None else amount / self.calls_count


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """Where a program lives, and what matters there.

    Attributes:
        name: stable, for identifiers.
        title: in a few words.
        told: what it is, in a sentence.
        belongs: whether a strategy can be used there at all.
        belongs_told: the same in words.
        decides: the hazards under which a strategy must be spared.
        minds: other hazards that occur there, with the setting or habit that meets each of them.
        recipes: for strategies the example that shows them, relative to the project.
        measure: what the price is taken in, where it can be had.
        lesson: the mistake that is usual there, told where this run shows it; ``{}`` stands for how it failed.
        shown_by: the strategy and the hazard that show it.
    """

    name: str
    title: str
    told: str
    belongs: Callable[[StrategyNote], bool]
    belongs_told: str
    decides: tuple[str, ...]
    minds: Mapping[str, str]
    recipes: Mapping[str, str]
    measure: Measure = "ssl_bytes"
    lesson: str = ""
    shown_by: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A strategy that every deciding hazard spares.

    ``minded`` are its cells under hazards that a setting meets and that do not spare it; ``against`` is the weight of
    all its cells (:func:`connprof.safety.weight`). ``not_probed`` are hazards that a setting meets and of which this
    run says nothing here, ``gaps_count`` all that it probed elsewhere and not here.
    """

    note: StrategyNote
    price: Price
    minded: tuple[SafetyCell, ...]
    against: int
    not_probed: tuple[str, ...] = ()
    gaps_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallen:
    """A strategy that a deciding hazard does not spare.

    ``elsewhere`` are client libraries with which all of these hazards spare it.
    """

    note: StrategyNote
    price: Price | None
    cells: tuple[SafetyCell, ...]
    elsewhere: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """A strategy of which too little is known: deciding hazards that were not probed, or no price."""

    note: StrategyNote
    price: Price | None
    not_probed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What this run advises for one situation; ``candidates`` are best first, ``fallen`` cheapest first.

    ``other_kind`` is the best of the other kind than the recommended one: synchronous where that is asynchronous.
    """

    situation: Situation
    measure: Measure
    candidates: tuple[Candidate, ...]
    fallen: tuple[Fallen, ...]
    unknown: tuple[Unknown, ...]

    @property
    def best(self) -> Candidate | None:
        """The recommendation, if there is one."""
        return self.candidates[0] if self.candidates else None

    @property
    def runner_up(self) -> Candidate | None:
        """The next best."""
        return self.candidates[1] if len(self.candidates) > 1 else None

    @property
    def other_kind(self) -> Candidate | None:
        """The best of the other kind, where that is neither of the first two."""
        if self.best is None:
            return None
        asynchronous = self.best.note.is_async
        found = next((one for one in self.candidates if one.note.is_async is not asynchronous), None)
        return None if found is self.runner_up else found


# --- what matters where -------------------------------------------------------------------------------------------

_ONE_LOOP = "call from one event loop alone"
_AFTER_FORK = "make the client after the fork"
_CLOSED = "close the client when the program ends"
_COOKIES = "give the client a cookie jar that keeps nothing"
_EXPIRY = "set keepalive_expiry below the server's idle timeout (4 s against uvicorn's 5)"
_POOL = "size the pool for the concurrency, and set a pool timeout"
_KEPT = "allow as many kept-alive connections as calls are made at once"
_RESTART = "restart, or make a new client, when the CA bundle or the address changes"
_READ = "set a read timeout that you can afford once per pooled connection, or a short keepalive_expiry"
_HTTP2 = "leave HTTP/2 off unless you need it"
_CANCEL = "do not cancel requests that wait for the pool, or use a library that returns their slot"
_LATE = "stop taking work before the client is closed"
_BATCH = "gather with return_exceptions=True, or use a TaskGroup: leave no call running when the block ends"

_LOOPS = ("H1", "H1b", "H1c")
_FORKS = ("H4", "H4b")
_POOLS = {"H7": _POOL, "H7b": _KEPT}
_IDLE = {"H5": _EXPIRY, "H5s": _EXPIRY, "H6": _READ}
_ONE_CONNECTION = dict.fromkeys(("H12", "H12b", "H12c"), _HTTP2)
_IN_SCRIPTS = {
    "sync-client": "docs/recipes/script.py",
    **dict.fromkeys(("base-url-loop", "one-client", "task-group", "tuned-client"), "docs/recipes/script_async.py"),
}
_PER_CALL = ("per-call-shared-context",)

SITUATIONS = (
    Situation(
        name="script",
        title="A script",
        told="One program makes its calls and ends.",
        belongs=lambda note: note.world == "script",
        belongs_told="strategies of a plain script",
        decides=(*_LOOPS, "H13"),
        minds={**_POOLS, "H8": _LATE, "H10": _COOKIES, **_ONE_CONNECTION, "H16": _BATCH},
        recipes=_IN_SCRIPTS,
    ),
    Situation(
        name="web-app",
        title="A web app",
        told="One event loop serves requests for as long as the process lives, and may have been forked before.",
        belongs=lambda note: (
            note.is_async and (note.world == "asgi" or (note.world in {"script", "loops"} and note.scope != "batch"))
        ),
        belongs_told="asynchronous strategies of an application, or whose clients live for a call or for the process",
        decides=("H3", *_FORKS, "H13"),
        minds={
            **_IDLE, **_POOLS, "H8": _LATE, "H9": _RESTART, "H10": _COOKIES, "H11": _CANCEL, **_ONE_CONNECTION,
        },
        recipes={"asgi-lifespan": "docs/recipes/web_app.py"},
    ),
    Situation(
        name="celery-prefork",
        title="Celery prefork",
        told="Forked worker processes run one task after another.",
        belongs=lambda note: note.world == "celery",
        belongs_told="strategies of Celery workers",
        decides=(*_LOOPS, *_FORKS),
        minds={**_IDLE, "H9": _RESTART, "H10": _COOKIES, "H13": _CLOSED},
        recipes={"celery-worker-init": "docs/recipes/celery_prefork.py"},
    ),
    Situation(
        name="loops-threads",
        title="Many loops or threads",
        told="Calls come from several event loops or threads of one process, one after another or at once.",
        belongs=lambda note: (
            note.world in {"loops", "threads"} or (note.world == "script" and note.scope in {"call", "process"})
        ),
        belongs_told="strategies of several loops or threads, or whose clients live for a call or for the process",
        decides=(*_LOOPS, "H2", "H3", "H15"),
        minds={**_IDLE, **_POOLS, "H9": _RESTART, "H10": _COOKIES, "H13": _CLOSED, **_ONE_CONNECTION},
        recipes={
            **dict.fromkeys(("client-on-loop", "loops-in-threads"), "docs/recipes/many_loops.py"),
            "thread-local": "docs/recipes/many_threads.py",
            "shared-sync-client": "docs/recipes/shared_client.py",
            "lazy-service-mended": "docs/recipes/client_service.py",
        },
    ),
    Situation(
        name="test-suite",
        title="A test suite",
        told="Each test has an event loop of its own, and must leave nothing for the next.",
        belongs=lambda note: note.is_async and note.world == "script",
        belongs_told="asynchronous strategies of a plain script",
        decides=(*_LOOPS, "H13"),
        minds={"H10": _COOKIES, "H16": _BATCH},
        recipes=dict.fromkeys(
            ("base-url-loop", "one-client", "task-group", "tuned-client"), "docs/recipes/test_suite/"
        ),
        lesson=(
            "With a loop for each test, a client at module level fails every other test ({}). One loop for the session "
            "mends that, with connections and cookies that all tests share; a client for each test mends it for good. "
            "docs/recipes/test_suite/ shows it failing, and mended in both ways."
        ),
        shown_by=("module-client", "H1"),
    ),
    Situation(
        name="sparse",
        title="Sparse traffic",
        told="Calls come further apart than connections are kept open.",
        belongs=lambda note: note.world == "script",
        belongs_told="strategies of a plain script",
        decides=("H5", "H6"),
        minds={"H9": _RESTART, "H13": _CLOSED, **_ONE_CONNECTION},
        recipes=dict.fromkeys(_PER_CALL, "docs/recipes/sparse.py"),
        measure="contexts",
    ),
    Situation(
        name="cancellations",
        title="Many cancellations",
        told="Calls are cancelled while they run or wait: time limits, clients that hang up, races.",
        belongs=lambda note: note.is_async and note.world in {"script", "asgi", "loops"},
        belongs_told="asynchronous strategies",
        decides=("H11", "H16"),
        minds={**_POOLS, "H9": _RESTART, "H10": _COOKIES, "H13": _CLOSED, **_ONE_CONNECTION},
        recipes={
            **dict.fromkeys(_PER_CALL, "docs/recipes/cancellations.py"),
            "lazy-service-mended": "docs/recipes/client_service.py",
        },
    ),
    Situation(
        name="tenants",
        title="Many tenants",
        told="One process calls for many users, whose identities must never meet.",
        belongs=lambda note: note.world in {"script", "asgi"},
        belongs_told="strategies of a script or an application",
        decides=("H10",),
        minds={
            **dict.fromkeys(_LOOPS, _ONE_LOOP), **dict.fromkeys(_FORKS, _AFTER_FORK), **_IDLE, **_POOLS,
            "H9": _RESTART, "H11": _CANCEL, **_ONE_CONNECTION, "H13": _CLOSED,
        },
        recipes={"shared-transport": "docs/recipes/tenants.py"},
    ),
)  # fmt: skip


# --- prices -------------------------------------------------------------------------------------------------------


def _price(record: Record) -> Price | None:
    outcome = record.outcome
    if not isinstance(outcome, Measured) or outcome.problems or outcome.counts is None:
        return None
    counts = outcome.counts
    return Price(
        calls_count=counts.calls_count,
        contexts_count=counts.client.contexts_count,
        handshakes_count=counts.ledger.handshakes_full_count,
        ssl_bytes=outcome.memory.ssl.total_bytes if outcome.memory else None,
    )


def prices(report: Report) -> dict[str, Price]:
    """The price of each strategy, from its case on the report's base axes; without it, or if that is invalid, none."""
    base = base_values((each.case for each in report.records), calls_count=report.verdict.incident.calls_count)
    found = {each.case.strategy: _price(each) for each in report.records if not varied(each.case, base)}
    return {name: price for name, price in found.items() if price is not None}


# --- the rule -----------------------------------------------------------------------------------------------------


def advise(report: Report, situations: Sequence[Situation] = SITUATIONS) -> tuple[Advice, ...]:
    """What the cells and prices of ``report`` advise for each situation; nothing where no hazard was probed."""
    if not report.safety:
        return ()
    cells: dict[tuple[str, str], dict[str, SafetyCell]] = {}
    for cell in report.safety:
        cells.setdefault((cell.strategy, cell.client_library), {})[cell.hazard] = cell
    priced = prices(report)
    notes = [note for note in report.strategies if note.name != _NO_LIBRARY and note.client_library == LIBRARY]
    probed = {cell.hazard for cell in report.safety if cell.client_library == LIBRARY and _is_known(cell)}
    return tuple(_advice(situation, notes, cells, priced, probed) for situation in situations)


def _advice(
    situation: Situation,
    notes: Iterable[StrategyNote],
    cells: Mapping[tuple[str, str], Mapping[str, SafetyCell]],
    priced: Mapping[str, Price],
    probed: Collection[str],
) -> Advice:
    candidates, fallen, unknown = [], [], []
    for note in notes:
        if not situation.belongs(note):
            continue
        own = cells.get((note.name, LIBRARY), {})
        price = priced.get(note.name)
        bad = tuple(own[hazard] for hazard in situation.decides if hazard in own and _harms(own[hazard]))
        absent = _unprobed(situation.decides, own)
        if bad:
            elsewhere = tuple(
                sorted(
                    library
                    for (name, library), others in cells.items()
                    if name == note.name
                    and library != LIBRARY
                    and all(each.hazard in others and _spares(others[each.hazard]) for each in bad)
                )
            )
            fallen.append(Fallen(note=note, price=price, cells=bad, elsewhere=elsewhere))
        elif absent or price is None:
            unknown.append(Unknown(note=note, price=price, not_probed=absent))
        else:
            minded = tuple(own[hazard] for hazard in situation.minds if hazard in own and _harms(own[hazard]))
            candidates.append(
                Candidate(
                    note=note,
                    price=price,
                    minded=minded,
                    against=safety.weight(own.values()),
                    not_probed=_unprobed(situation.minds, own),
                    gaps_count=len(_unprobed({*probed, *situation.minds}, own)),
                )
            )
    measure = situation.measure
    if any(one.price.per_call(measure) is None for one in candidates):
        measure = "handshakes"

    def amount(price: Price | None) -> float:
        value = price.per_call(measure) if price else None
        return float("inf") if value is None else value

    return Advice(
        situation=situation,
        measure=measure,
        candidates=_ranked(candidates, measure),
        fallen=tuple(sorted(fallen, key=lambda one: (amount(one.price), one.note.name))),
        unknown=tuple(sorted(unknown, key=lambda one: (amount(one.price), one.note.name))),
    )


def _ranked(candidates: Iterable[Candidate], measure: Measure) -> tuple[Candidate, ...]:
    """Cheapest first; those of one price by what was not probed, what counts against them, then by handshakes."""
    by_price = sorted(candidates, key=lambda one: (one.price.per_call(measure) or 0.0, one.note.name))
    ranked: list[tuple[int, Candidate]] = []
    step, start = 0, 0.0
    for one in by_price:
        amount = one.price.per_call(measure) or 0.0
        if not ranked:
            start = amount
        elif amount > start * SAME_PRICE:
            step, start = step + 1, amount
        ranked.append((step, one))
    ranked.sort(
        key=lambda pair: (
            pair[0],
            pair[1].gaps_count,
            pair[1].against,
            pair[1].price.handshakes_count / pair[1].price.calls_count,
            pair[1].note.name,
        )
    )
    return tuple(one for _, one in ranked)


def _unprobed(hazards: Iterable[str], own: Mapping[str, SafetyCell]) -> tuple[str, ...]:
    return tuple(hazard for hazard in hazards if hazard not in own or not _is_known(own[hazard]))


def _is_known(cell: SafetyCell) -> bool:
    return cell.outcome in safety.KNOWN


def _harms(cell: SafetyCell) -> bool:
    return cell.outcome in safety.WEIGHTS


def _spares(cell: SafetyCell) -> bool:
    return cell.outcome in safety.UNHARMED
