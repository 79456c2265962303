"""The safety matrix: strategies by hazards, and the picture of price against safety."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from connprof.advice import prices
from connprof.model import Case, HazardNote, HazardOutcome
from connprof.report import series, words
from connprof.report.cases import FLOOR
from connprof.report.marks import part_of
from connprof.report.shapes import (
    Cell,
    Column,
    HazardColumn,
    Kind,
    Mark,
    Plot,
    Row,
    SafetyCellView,
    SafetyRow,
    SafetyView,
    Table,
)
from connprof.safety import WEIGHTS, hazard_order, rate, unlike_declared, weight

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from connprof.advice import Price
    from connprof.model import Report, SafetyCell

__all__ = ["MARKS", "PICTURE", "library_cells", "outcome_phrase", "price_text", "safety_view"]

_MOST_UNLIKE = 30
_FEWEST_COMPARED = 2
_MOST_CHEAPER = 3

PICTURE = "price-and-safety"
"""The key of the picture."""

_LIBRARY = Case(strategy="", workload="", calls_count=1).client_library

MARKS: dict[HazardOutcome, tuple[Kind, Mark]] = {
    HazardOutcome.HELD: ("held", Mark(symbol="✓", word="held", tone="good")),
    HazardOutcome.BROKE: ("broke", Mark(symbol="✕", word="broke", tone="bad")),
    HazardOutcome.HUNG: ("hung", Mark(symbol="∞", word="hung", tone="bad")),
    HazardOutcome.HARM: ("harm", Mark(symbol="◆", word="silent harm", tone="bad")),
    HazardOutcome.DOES_NOT_APPLY: ("none", Mark(symbol=words.ABSENT, word="does not apply", tone="none")),
    HazardOutcome.NOT_PROBED: ("unknown", Mark(symbol="?", word="not probed", tone="warn")),
}
"""Each outcome's colour, symbol and word."""

_MEANINGS = {
    HazardOutcome.HELD: "every call did what its caller believes",
    HazardOutcome.BROKE: "calls failed, and said so",
    HazardOutcome.HUNG: "not ended at its time limit",
    HazardOutcome.HARM: "the server did what the client believes failed, or an answer or identity went astray",
    HazardOutcome.DOES_NOT_APPLY: "the strategy cannot meet this hazard",
    HazardOutcome.NOT_PROBED: "the probe did not run or did not work: nothing is known",
}


_SAID = {
    HazardOutcome.HELD: "held",
    HazardOutcome.BROKE: "broke",
    HazardOutcome.HUNG: "hung",
    HazardOutcome.HARM: "did silent harm",
    HazardOutcome.DOES_NOT_APPLY: "do not apply",
    HazardOutcome.NOT_PROBED: "not probed",
}


def outcome_phrase(cell: SafetyCell) -> str:
    """``broke 5 of 10: RuntimeError``, as the matrix and the situations say it."""
    return words.plain(cell.signature)


def price_text(price: Price | None) -> str:
    """``1 context, 5 handshakes, 18.8 MB``."""
    if price is None:
        return "no price measured"
    parts = [words.plural(price.contexts_count, "context"), words.plural(price.handshakes_count, "handshake")]
    if price.ssl_bytes is not None:
        parts.append(words.bytes_text(price.ssl_bytes))
    return ", ".join(parts)


def _counts(cell: SafetyCell, note: HazardNote | None) -> tuple[str, ...]:
    found = rate(cell)
    if found is None:
        return ()
    if note is not None and note.statistical:
        return (
            f"{words.count(found.hits_count)} of {words.count(found.trials_count)}",
            f"{_percent(found.low)} to {_percent(found.high)} %",
        )
    if not found.hits_count:
        return ()
    return (f"{words.count(found.hits_count)} of {words.count(found.trials_count)}",)


def _percent(share: float) -> str:
    return f"{100 * share:.1f}".removesuffix(".0")


def _facts(cell: SafetyCell, note: HazardNote | None, *, unlike: bool) -> tuple[tuple[str, str], ...]:
    facts = []
    if unlike:
        facts += [
            ("Declared", words.plain(cell.expected or "held, or does not apply")),
            ("Measured", outcome_phrase(cell)),
        ]
    found = rate(cell)
    if found is not None and note is not None and note.statistical:
        hits = f"{words.count(found.hits_count)} of {words.count(found.trials_count)}"
        interval = f"95 % interval {_percent(found.low)}-{_percent(found.high)} %"
        facts.append(("Rate", f"{hits}, {interval}; statistical, never gated"))
    elif found is not None:
        facts.append(("Attempts", words.count(cell.attempts_count)))
        if cell.failed_count:
            facts.append(("Failed", part_of(cell.failed_count, cell.attempts_count, "with an exception")))
        if cell.harmed_count:
            facts.append(("Harmed", part_of(cell.harmed_count, cell.attempts_count, "unseen by the caller")))
    facts += [
        (f"{words.count(number)}x", words.plain(error))
        for error, number in sorted(cell.errors.items(), key=lambda item: (-item[1], item[0]))
    ]
    facts += [(words.plain(name).replace("_", " "), words.count(number)) for name, number in cell.observed.items()]
    if cell.duration_ns:
        facts.append(("Took", words.duration(cell.duration_ns / 1e9)))
    if cell.cached_from:
        facts.append(("From the cache", f"measured {words.moment(cell.cached_from)}"))
    return tuple(facts)


def _cell(key: str, strategy: str, hazard: HazardNote, cell: SafetyCell | None) -> SafetyCellView:
    title = f"{words.plain(strategy)} under {words.plain(hazard.id)}, {_lower(words.plain(hazard.title))}"
    if cell is None:
        kind, mark = MARKS[HazardOutcome.NOT_PROBED]
        symptom = "This run holds no such probe."
        return SafetyCellView(
            key=key,
            kind=kind,
            mark=mark,
            counts=(),
            unlike=False,
            title=title,
            symptom=symptom,
            facts=(),
            command="",
        )
    kind, mark = MARKS[cell.outcome]
    unlike = unlike_declared(cell, hazard)
    return SafetyCellView(
        key=key,
        kind=kind,
        mark=mark,
        counts=_counts(cell, hazard),
        unlike=unlike,
        title=title,
        symptom=words.plain(cell.symptom),
        facts=_facts(cell, hazard, unlike=unlike),
        command=words.plain(cell.command),
    )


def _lower(text: str) -> str:
    first = text.split(" ", 1)[0]
    return text[:1].lower() + text[1:] if first[1:].islower() or len(first) == 1 else text


_TOLD = (
    (HazardOutcome.HARM, "silent harm", "silent harms"),
    (HazardOutcome.HUNG, "hung", "hung"),
    (HazardOutcome.BROKE, "broke", "broke"),
)


def _tally(cells: Iterable[SafetyCell], spared: str) -> str:
    """``2 silent harms, 1 hung, 3 broke``."""
    number = Counter(cell.outcome for cell in cells)
    parts = [words.plural(number[outcome], one, many) for outcome, one, many in _TOLD if number[outcome]]
    return ", ".join(parts) or spared


def library_cells(report: Report, *, default: bool) -> tuple[SafetyCell, ...]:
    """The cells of the default client library, or those of all others."""
    return tuple(cell for cell in report.safety if (cell.client_library == _LIBRARY) is default)


def safety_view(report: Report) -> SafetyView | None:
    """The matrix with all around it; ``None`` where no hazard was probed."""
    own = library_cells(report, default=True)
    if not own:
        return None
    notes = {note.id: note for note in report.hazards}
    for cell in own:
        notes.setdefault(
            cell.hazard,
            HazardNote(id=cell.hazard, title=cell.hazard, raised_by="", statistical=False, source=""),
        )
    hazards = sorted(notes.values(), key=lambda note: hazard_order(note.id))
    by_strategy: dict[str, dict[str, SafetyCell]] = {}
    for cell in own:
        by_strategy.setdefault(cell.strategy, {})[cell.hazard] = cell
    priced = prices(report)
    ranked = sorted(by_strategy, key=lambda name: (weight(by_strategy[name].values()), _cost(priced.get(name)), name))
    rows = tuple(
        SafetyRow(
            name=words.plain(name),
            tally=_tally(by_strategy[name].values(), "spared"),
            price=price_text(priced.get(name)),
            cells=tuple(
                _cell(f"cell-{k}-{j}", name, hazard, by_strategy[name].get(hazard.id))
                for j, hazard in enumerate(hazards)
            ),
        )
        for k, name in enumerate(ranked)
    )
    number = Counter(cell.outcome for cell in own)
    absent = len(rows) * len(hazards) - len(own)
    number[HazardOutcome.NOT_PROBED] += absent
    tally = ", ".join(f"{words.count(number[outcome])} {said}" for outcome, said in _SAID.items() if number[outcome])
    unlike = [cell for cell in report.safety if unlike_declared(cell, notes.get(cell.hazard))]
    return SafetyView(
        sentence=_sentence(by_strategy, priced, len(hazards)),
        tally=f"{words.plural(len(rows) * len(hazards), 'cell')}: {tally}",
        legend=tuple((kind, mark, _MEANINGS[outcome]) for outcome, (kind, mark) in MARKS.items()),
        unlike=_unlike_table(unlike),
        hazards=tuple(
            HazardColumn(
                id=words.plain(note.id),
                title=words.plain(note.title),
                raised_by=words.plain(note.raised_by),
                remark="rate, never gated" if note.statistical else "",
                source=words.plain(note.source),
            )
            for note in hazards
        ),
        rows=rows,
        note=(
            "Safest first: silent harm counts 3, a hang 2, an exception 1, which is a judgement and only orders the "
            "rows. Each cell opens to what happened and to the command that repeats it. Hazards marked as rates come "
            "out by chance: their interval is Wilson's, at 95 %, and no gate looks at them."
        ),
        picture=_picture(by_strategy, priced),
    )


def _cost(price: Price | None) -> float:
    if price is None:
        return float("inf")
    return float(price.ssl_bytes if price.ssl_bytes is not None else price.handshakes_count)


def _sentence(by_strategy: Mapping[str, Mapping[str, SafetyCell]], priced: Mapping[str, Price], hazards: int) -> str:
    spared = [name for name, cells in by_strategy.items() if not weight(cells.values())]
    harmful = [
        name
        for name, cells in by_strategy.items()
        if any(cell.outcome is HazardOutcome.HARM for cell in cells.values())
    ]
    over = f"Of {words.plural(len(by_strategy), 'strategy', 'strategies')} under {words.plural(hazards, 'hazard')}"
    if not spared:
        first = f"{over}, none was spared by all"
    elif len(spared) == 1:
        first = f"{over}, only {words.plain(spared[0])} was spared by all that was probed"
    else:
        first = f"{over}, {words.count(len(spared))} were spared by all that was probed"
        known = [name for name in spared if name in priced]
        if len(known) >= _FEWEST_COMPARED:
            cheapest = min(known, key=lambda name: (_cost(priced[name]), name))
            them = "them" if len(known) == len(spared) else f"the {words.count(len(known))} that have a price"
            first += f", the cheapest of {them} {words.plain(cheapest)}"
    return f"{first}; {words.count(len(harmful))} did silent harm under at least one."


def _unlike_table(cells: Iterable[SafetyCell]) -> Table:
    shown = list(cells)
    more = len(shown) > _MOST_UNLIKE
    return Table(
        caption="Cells unlike their declared signature",
        columns=tuple(
            Column(title=title, is_number=False)
            for title in ("Strategy", "Hazard", "Declared", "Measured", "Repeat it with")
        ),
        rows=tuple(
            Row(
                cells=(
                    Cell(
                        text=words.plain(cell.strategy),
                        note="" if cell.client_library == _LIBRARY else words.plain(cell.client_library),
                    ),
                    Cell(text=words.plain(cell.hazard)),
                    Cell(text=words.plain(cell.expected or "held, or does not apply")),
                    Cell(text=outcome_phrase(cell)),
                    Cell(text=words.plain(cell.command), is_code=True),
                ),
                tone="before",
            )
            for cell in shown[:_MOST_UNLIKE]
        ),
        note=f"{words.count(len(shown) - _MOST_UNLIKE)} more, marked in the matrix." if more else "",
    )


# --- the picture --------------------------------------------------------------------------------------------------


def _picture(by_strategy: Mapping[str, Mapping[str, SafetyCell]], priced: Mapping[str, Price]) -> Plot:
    title = "What each strategy costs, and what strikes it"
    known = {name: price for name, price in priced.items() if name in by_strategy}
    in_bytes = bool(known) and 2 * sum(price.ssl_bytes is not None for price in known.values()) > len(known)
    points: dict[int, list[tuple[float, str]]] = {}
    for name, price in known.items():
        amount = _amount(price, in_bytes=in_bytes)
        if amount:
            points.setdefault(weight(by_strategy[name].values()), []).append((amount, name))
    if not points:
        return Plot(
            key=PICTURE,
            title=title,
            takeaway="No probed strategy has a measured price, so there is nothing to draw.",
            alt="",
            series=None,
        )
    drawn_names = {name for some in points.values() for _, name in some}
    if len(drawn_names) == 1:
        return Plot(key=PICTURE, title=title, takeaway=_alone(drawn_names, by_strategy, priced), alt="", series=None)
    calls = {price.calls_count for price in known.values()}
    over = f" of {words.plural(calls.pop(), 'call')}" if len(calls) == 1 else ""
    what = f"SSL bytes{over}, MB" if in_bytes else f"TLS handshakes{over}"
    drawn = series.Strip(
        bands=tuple(
            series.Band(
                label=str(score),
                dots=tuple(_dot(amount, name, by_strategy[name].values()) for amount, name in sorted(points[score])),
            )
            for score in sorted(points)
        ),
        axis=series.logarithmic([amount for some in points.values() for amount, _ in some], f"{what} (logarithmic)"),
        y_label="points against it: an exception 1, a hang 2, silent harm 3",
        legend=(
            ("spared", "spared by every hazard"),
            ("broke", "broke or hung"),
            ("harm", "did silent harm, the larger the more often"),
        ),
    )
    absent = sorted(set(by_strategy) - drawn_names)
    described = "; ".join(
        f"{words.plain(name)} {amount:.1f}, {_tally(by_strategy[name].values(), 'spared')}"
        for score in sorted(points)
        for amount, name in sorted(points[score])
    )
    return Plot(
        key=PICTURE,
        title=title,
        takeaway=_takeaway(points, by_strategy, priced, in_bytes=in_bytes),
        alt=f"Each strategy at its price ({what}), in bands by the hazards that count against it: {described}.",
        series=drawn,
        left_out=f"Not drawn, for want of a price: {', '.join(map(words.plain, absent))}." if absent else "",
    )


def _dot(amount: float, name: str, cells: Iterable[SafetyCell]) -> series.Dot:
    found = tuple(cells)
    outcomes = {cell.outcome for cell in found}
    harm: series.Harm = "spared"
    if HazardOutcome.HARM in outcomes:
        harm = "harm"
    elif outcomes & set(WEIGHTS):
        harm = "broke"
    tally = _tally(found, "")
    plain = words.plain(name)
    return series.Dot(
        value=amount,
        label=f"{plain}: {tally}" if tally else plain,
        short=plain,
        harm=harm,
        harms_count=sum(cell.outcome is HazardOutcome.HARM for cell in found),
    )


def _alone(
    drawn: Collection[str], by_strategy: Mapping[str, Mapping[str, SafetyCell]], priced: Mapping[str, Price]
) -> str:
    """Why there is no picture of a single strategy: a comparison has two sides."""
    unpriced = sorted(set(by_strategy) - set(drawn))
    unprobed = sorted(set(priced) - set(by_strategy))
    why = [
        f"{words.joined([words.plain(name) for name in names])} {'has' if len(names) == 1 else 'have'} {what}"
        for names, what in ((unpriced, "no measured price"), (unprobed, "no hazard probes"))
        if names
    ]
    (name,) = drawn
    reason = f": {'; '.join(why)}" if why else ""
    return (
        f"Only {words.plain(name)} has both a price and hazard probes in this run, so there is nothing to compare it "
        f"with and nothing is drawn{reason}."
    )


def _takeaway(
    points: Mapping[int, list[tuple[float, str]]],
    by_strategy: Mapping[str, Mapping[str, SafetyCell]],
    priced: Mapping[str, Price],
    *,
    in_bytes: bool,
) -> str:
    drawn = [(amount, score, name) for score, some in points.items() for amount, name in some]
    # The floor is raw sockets, which nobody is advised to write.
    every = [one for one in drawn if one[2] != FLOOR]
    text = "Up is safer, left is cheaper."
    if len(every) < _FEWEST_COMPARED:
        return text
    cheapest = min(every)
    safest = min(every, key=lambda one: (one[1], one[0], one[2]))

    def cost(amount: float) -> str:
        return f"{amount:,.1f} MB" if in_bytes else words.plural(round(amount), "handshake")

    names = {name for _, _, name in drawn}
    others = {name: _amount(price, in_bytes=in_bytes) for name, price in priced.items() if name not in {FLOOR, *names}}
    cheaper = sorted((amount, name) for name, amount in others.items() if amount is not None and amount < cheapest[0])
    among = ""
    if cheaper:
        told = [f"{words.plain(name)} ({cost(amount)})" for amount, name in cheaper[:_MOST_CHEAPER]]
        if len(cheaper) > _MOST_CHEAPER:
            told.append(f"{len(cheaper) - _MOST_CHEAPER} more")
        verb = "costs" if len(cheaper) == 1 else "cost"
        among = f" {words.joined(told)} {verb} less than all that are drawn, but no hazard was probed there."
    safer = min((weight(cells.values()) for name, cells in by_strategy.items() if name not in names), default=safest[1])
    of_those = " of those drawn" if safer < safest[1] else ""
    if safest == cheapest:
        is_best = "is both the cheapest and the safest"
        if cheaper or of_those:
            is_best = "is the safest of those drawn and costs the least of them"
        return f"{text} {words.plain(safest[2])} {is_best}, at {cost(safest[0])}.{among}"
    tally = _tally(by_strategy[cheapest[2]].values(), "spared")
    first = f"The cheapest, {words.plain(cheapest[2])}, costs"
    if cheaper:
        first = f"Of those drawn, {words.plain(cheapest[2])} costs the least,"
    return (
        f"{text} {first} {cost(cheapest[0])} ({tally}); the safest{of_those}, {words.plain(safest[2])}, "
        f"{cost(safest[0])} ({_tally(by_strategy[safest[2]].values(), 'spared')}).{among}"
    )


def _amount(price: Price, *, in_bytes: bool) -> float | None:
    if not in_bytes:
        return float(price.handshakes_count)
    return None if price.ssl_bytes is None else price.ssl_bytes / 1e6
