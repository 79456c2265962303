"""What this run advises for each situation, as finished sentences; the rule is in :mod:`connprof.advice`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from connprof.advice import LIBRARY, SAME_PRICE, advise
from connprof.model import HazardOutcome
from connprof.report import words
from connprof.report.marks import capital, good_mark, unknown_mark
from connprof.report.safety import outcome_phrase, price_text
from connprof.report.shapes import SituationView
from connprof.safety import hazard_order

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from connprof.advice import Advice, Candidate, Fallen, Measure, Price, Situation
    from connprof.model import Report, SafetyCell, StrategyNote

__all__ = ["named_hazards", "situation_views"]

_MOST_NAMED = 6
_MEASURES: dict[Measure, str] = {
    "ssl_bytes": "SSL bytes",
    "handshakes": "TLS handshakes",
    "contexts": "SSL contexts, as every call opens a connection anyway",
}


def situation_views(report: Report) -> tuple[SituationView, ...]:
    """A recommendation for each situation, or why there is none; nothing where no hazard was probed."""
    titles = {cell.hazard: "" for cell in report.safety} | {note.id: words.plain(note.title) for note in report.hazards}
    return tuple(_view(advice, titles, _lesson(advice.situation, report)) for advice in advise(report))


def named_hazards(report: Report, situations: Iterable[SituationView]) -> tuple[tuple[str, str], ...]:
    """Each hazard that ``situations`` name, and what it is in a sentence."""
    said = " ".join(
        text for each in situations for text in (*each.sentences, *each.minds, *each.fallen, each.rule, each.lead)
    )
    notes = sorted(report.hazards, key=lambda note: hazard_order(note.id))
    return tuple(
        (
            words.plain(note.id),
            ". Raised by: ".join(words.plain(part).rstrip(".") for part in (note.title, note.raised_by) if part) + ".",
        )
        for note in notes
        if re.search(rf"\b{re.escape(note.id)}\b", said)
    )


def _lesson(situation: Situation, report: Report) -> list[str]:
    """The mistake that is usual there, if this run shows it."""
    for cell in report.safety:
        if (cell.strategy, cell.hazard) == situation.shown_by and cell.client_library == LIBRARY:
            failed = cell.outcome not in {HazardOutcome.HELD, HazardOutcome.DOES_NOT_APPLY, HazardOutcome.NOT_PROBED}
            shown = f"{cell.strategy} under {cell.hazard}: {outcome_phrase(cell)}"
            return [situation.lesson.format(shown)] if failed else []
    return []


def _view(advice: Advice, titles: dict[str, str], lesson: list[str]) -> SituationView:
    situation, best = advice.situation, advice.best
    sentences: list[str] = []
    if best is None:
        mark = unknown_mark("no recommendation")
        lead = "No recommendation from this run"
        if not (advice.fallen or advice.unknown):
            sentences.append(f"It holds none of the {situation.belongs_told}.")
        elif not advice.unknown:
            sentences.append("A deciding hazard harms every strategy that belongs here.")
    else:
        mark = good_mark("recommended")
        lead = words.plain(best.note.name)
        sentences.append(f"{_title(best.note)}: {_cost(best.price)}, and {_spared(advice)}.")
        if advice.runner_up is not None:
            sentences.append(_next("Runner-up", advice.runner_up, advice))
        if advice.other_kind is not None:
            kind = "On an event loop" if advice.other_kind.note.is_async else "Without an event loop"
            sentences.append(_next(kind, advice.other_kind, advice))
    sentences += [*_unknown(advice, titles), *lesson]
    return SituationView(
        name=situation.name,
        title=situation.title,
        told=situation.told,
        mark=mark,
        lead=lead,
        sentences=tuple(sentences),
        minds=_minded(advice, best, titles) if best is not None else (),
        recipe=_recipe(advice),
        fallen=tuple(_fell(one) for one in advice.fallen),
        rule=_rule(advice, titles),
    )


def _title(note: StrategyNote) -> str:
    return capital(words.plain(note.title).rstrip("."))


def _cost(price: Price) -> str:
    return f"{price_text(price)} over {words.plural(price.calls_count, 'call')}"


def _spared(advice: Advice) -> str:
    decides = advice.situation.decides
    return f"{words.joined(decides)} {'spares' if len(decides) == 1 else 'spare'} it"


def _minded(advice: Advice, best: Candidate, titles: dict[str, str]) -> tuple[str, ...]:
    """What must be done about the hazards that a setting meets, those of one remedy together."""
    by_remedy: dict[str, list[SafetyCell]] = {}
    for cell in best.minded:
        by_remedy.setdefault(advice.situation.minds[cell.hazard], []).append(cell)
    told = tuple(
        words.joined([f"{cell.hazard} ({_title_of(cell, titles)}{outcome_phrase(cell)})" for cell in cells])
        + f": {remedy}."
        for remedy, cells in by_remedy.items()
    )
    if not best.not_probed:
        return told
    return (*told, f"Not probed, so it may need minding too: {words.joined(_named(best.not_probed, titles))}.")


def _title_of(cell: SafetyCell, titles: dict[str, str]) -> str:
    title = titles.get(cell.hazard)
    return f"{title}: " if title else ""


def _next(lead: str, one: Candidate, advice: Advice) -> str:
    best = advice.best
    assert best is not None
    sentence = f"{lead}: {words.plain(one.note.name)}, {price_text(one.price)}"
    ours, theirs = best.price.per_call(advice.measure), one.price.per_call(advice.measure)
    if ours and theirs and theirs <= ours * SAME_PRICE and one.against > best.against:
        sentence += ", of much the same price, but more of all hazards harm it"
    elif ours and theirs and theirs <= ours * SAME_PRICE and one.gaps_count > best.gaps_count:
        sentence += ", of much the same price, but fewer hazards were probed on it"
    return f"{sentence}."


def _unknown(advice: Advice, titles: dict[str, str]) -> list[str]:
    """Which strategies could not be judged, and for want of what."""
    if not advice.unknown:
        return []
    by_reason: dict[str, list[str]] = {}
    for one in advice.unknown:
        parts = []
        if one.not_probed:
            untitled = dict.fromkeys(titles, "")
            hazards = _named(sorted(one.not_probed, key=hazard_order), untitled)
            parts.append(f"{words.joined(hazards)} not probed")
        if one.price is None:
            parts.append("no price measured")
        by_reason.setdefault(" and ".join(parts), []).append(words.plain(one.note.name))
    return [
        "Not judged: " + "; ".join(f"{_some(names)} ({reason})" for reason, names in by_reason.items()) + ".",
    ]


def _some(names: list[str]) -> str:
    if len(names) <= _MOST_NAMED:
        return words.joined(names)
    return f"{', '.join(names[:_MOST_NAMED])} and {len(names) - _MOST_NAMED} more"


def _recipe(advice: Advice) -> str:
    recipes = advice.situation.recipes
    paths = list(dict.fromkeys(recipes.values()))
    if advice.best is not None and advice.best.note.name in recipes:
        return f"A short example, tested: {recipes[advice.best.note.name]}"
    if advice.best is None:
        return f"An example of what is usual here: {words.joined(paths)}"
    shown = list(dict.fromkeys(recipes))
    return f"The tested example shows {words.joined(shown[:2])}, which this run ranks lower: {words.joined(paths)}"


def _fell(one: Fallen) -> str:
    cells = "; ".join(f"{cell.hazard} {outcome_phrase(cell)}" for cell in one.cells)
    cost = f" ({price_text(one.price)})" if one.price else ""
    elsewhere = f". Spared with {words.joined([words.plain(each) for each in one.elsewhere])}" if one.elsewhere else ""
    return f"{words.plain(one.note.name)}{cost}: {cells}{elsewhere}"


def _rule(advice: Advice, titles: dict[str, str]) -> str:
    situation = advice.situation
    return (
        f"Belonging here: {situation.belongs_told}. Deciding: {_list(situation.decides, titles)}. Of those that these "
        f"spare, the cheapest in {_MEASURES[advice.measure]}; prices within {SAME_PRICE:g}x count as equal, and then "
        f"what was probed most goes first, and of that what fewer hazards of all kinds harm. Met by a setting: "
        f"{_list(situation.minds, titles)}."
    )


def _list(hazards: Collection[str], titles: dict[str, str]) -> str:
    more = "" if titles.keys() >= set(hazards) else " that this run did not probe"
    return words.joined(_named(hazards, titles)) + more


def _named(hazards: Collection[str], titles: dict[str, str]) -> list[str]:
    """Those that the run has probes of, and the number of the others: nothing on the page says what these are."""
    known = [hazard for hazard in hazards if hazard in titles]
    named = [f"{hazard} ({titles[hazard]})" if titles[hazard] else hazard for hazard in known]
    more = len(hazards) - len(known)
    if more:
        named.append(f"{words.count(more)} more" if named else words.plural(more, "hazard"))
    return named
