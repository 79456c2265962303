"""How far the figures are to be trusted: the list beside the verdict, and the table of problems."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connprof import stats
from connprof.advice import LIBRARY
from connprof.model import HazardOutcome
from connprof.report import words
from connprof.report.cases import State
from connprof.report.marks import STATE_MARKS, bad_mark, good_mark, part_of, unknown_mark, warn_mark
from connprof.report.shapes import Assurance, Banner, Cell, Column, Mark, Row, Table
from connprof.report.surroundings import cache_text, seeds_text
from connprof.safety import unlike_declared

if TYPE_CHECKING:
    from connprof.model import Report
    from connprof.report.cases import Seen

__all__ = ["assurance_views", "banner_views", "problem_table"]

_ENOUGH_HEADROOM = 3.0
_CALM_SPREAD = 0.15
_MOST_STOPPED = 8


def assurance_views(report: Report, all_seen: tuple[Seen, ...]) -> tuple[Assurance, ...]:
    """The reasons to trust the figures, or not to."""
    return (
        _checks_assurance(report),
        _passes_assurance(all_seen),
        _ledger_assurance(all_seen),
        _headroom_assurance(report),
        _noise_assurance(all_seen),
        _mode_assurance(report, all_seen),
        *_safety_assurance(report),
        *_cache_assurance(report),
    )


def _checks_assurance(report: Report) -> Assurance:
    checks = (*report.verdict.regression.checks, *report.verdict.fix.checks)
    passed = sum(check.passed for check in checks)
    label = "Checks"
    if not checks:
        return Assurance(mark=unknown_mark("none"), label=label, text="no check could be made")
    text = f"{passed} of {len(checks)} passed"
    unmade = [
        name
        for name, half in (("regression", report.verdict.regression), ("fix", report.verdict.fix))
        if not half.checks
    ]
    if unmade:
        text += f"; none of the {unmade[0]}'s could be made"
    if passed < len(checks):
        return Assurance(mark=bad_mark("failed"), label=label, text=text)
    return Assurance(mark=warn_mark("in part") if unmade else good_mark("passed"), label=label, text=text)


# What the codes of problems mean. Only the first of them is about passes that do not agree.
_KINDS = {
    "passes": "passes disagree",
    "claim": "not what the strategy declares",
    "client-ledger": "client and server disagree",
    "requests": "requests and calls differ",
    "ledger": "the server's own counts disagree",
    "left-open": "connections left open",
    "blind-spot": "not seen by the client's counts",
}


def _kind(code: str) -> str:
    return _KINDS.get(code, words.plain(code))


def _passes_assurance(all_seen: tuple[Seen, ...]) -> Assurance:
    label = "Passes agree"
    ran = [one for one in all_seen if one.state in {State.MEASURED, State.INVALID}]
    if not ran:
        return Assurance(mark=unknown_mark("unknown"), label=label, text="no case ran to its end")
    apart = [one for one in ran if any(problem.code == "passes" for problem in one.measured.problems)]
    kinds = max(sum(bool(part) for part in (one.counts, one.memory, one.retained_bytes, one.timing)) for one in ran)
    if kinds <= 1 and not apart:
        return Assurance(mark=unknown_mark("one pass"), label=label, text="a single pass has nothing to agree with")
    text = f"in {part_of(len(ran) - len(apart), len(ran), 'cases')}"
    if apart:
        text += f"; not {words.joined([one.place for one in apart])}"
        return Assurance(mark=bad_mark("disagree"), label=label, text=text)
    other = [one for one in ran if one.measured.problems]
    if other:
        kinds_of = dict.fromkeys(_kind(problem.code) for one in other for problem in one.measured.problems)
        text += f"; {words.plural(len(other), 'case')} invalid for another reason: {words.joined(list(kinds_of))}"
    else:
        text += ", each pass in processes of its own"
    return Assurance(mark=good_mark("agree"), label=label, text=text)


def _ledger_assurance(all_seen: tuple[Seen, ...]) -> Assurance:
    label = "Server agrees"
    both = [one.counts for one in all_seen if one.counts]
    if not both:
        return Assurance(mark=unknown_mark("unknown"), label=label, text="no counts pass was made")
    same = [
        one
        for one in both
        if one.client.handshakes_full_count == one.ledger.handshakes_full_count and not one.ledger.disagreements
    ]
    text = f"client and server counted the same handshakes in {part_of(len(same), len(both), 'cases')}"
    return Assurance(mark=good_mark("agree") if len(same) == len(both) else bad_mark("differ"), label=label, text=text)


def _headroom_assurance(report: Report) -> Assurance:
    label = "Server headroom"
    headroom = report.headroom
    if headroom is None or headroom.fastest_requests_per_s <= 0:
        return Assurance(mark=unknown_mark("unknown"), label=label, text="not measured")
    text = (
        f"{words.times(headroom.ratio)} the rate of the fastest strategy ({words.plain(headroom.fastest_strategy)}) "
        "while it calls, making its client left out"
    )
    enough = headroom.ratio >= _ENOUGH_HEADROOM
    if not enough:
        text += f"; at least {words.times(_ENOUGH_HEADROOM)} is wanted: its times may be the server's"
    return Assurance(mark=good_mark("enough") if enough else warn_mark("little"), label=label, text=text)


def _noise_assurance(all_seen: tuple[Seen, ...]) -> Assurance:
    label = "Noise of times"
    spreads = [stats.spread(one.wall_minima_ns) for one in all_seen if len(one.wall_minima_ns) > 1]
    if not spreads:
        return Assurance(
            mark=unknown_mark("unknown"), label=label, text="not known: fewer than two timing processes per case"
        )
    processes = max(len(one.wall_minima_ns) for one in all_seen)
    worst = max(spreads)
    text = (
        f"coefficient of variation over {words.plural(processes, 'process', 'processes')}: "
        f"at worst {words.share(worst)} (calm: up to {words.share(_CALM_SPREAD)}), "
        f"{words.share(stats.median(spreads))} (median over the strategies); "
        "counts and bytes do not depend on it"
    )
    calm = worst <= _CALM_SPREAD
    return Assurance(mark=good_mark("calm") if calm else warn_mark("noisy"), label=label, text=text)


def _mode_assurance(report: Report, all_seen: tuple[Seen, ...]) -> Assurance:
    run = report.run
    cases = [one for one in all_seen if one.case is not None]
    ran = sum(one.state is State.MEASURED for one in cases)
    seeds = f"{'seeds' if len(run.seeds) > 1 else 'seed'} {seeds_text(run)}"
    text = f"{part_of(ran, len(cases), 'cases')} measured in {words.duration(run.duration_s)}, {seeds}"
    of_run, partial = _strategies_of(report)
    if of_run:
        text = f"{of_run}; {text}"
    if run.interrupted is not None:
        return Assurance(mark=warn_mark("interrupted"), label="Interrupted run", text=text)
    if run.quick:
        text += "; shortened, so look at its times but do not quote them"
        return Assurance(mark=warn_mark("quick"), label="Quick run", text=text)
    foreseen = sum(one.state is State.FORESEEN for one in all_seen)
    if foreseen:
        text += f"; {words.plural(foreseen, 'case')} failed as declared"
    failed = sum(one.state in {State.FAILED, State.INVALID, State.INTERRUPTED} for one in all_seen)
    if failed:
        text += f"; {words.plural(failed, 'case')} failed or invalid, see the problems"
    if partial:
        return Assurance(mark=warn_mark("partial"), label="Partial run", text=text)
    mark = warn_mark("with problems") if failed or not ran else good_mark("full")
    return Assurance(mark=mark, label="Full run", text=text)


def _strategies_of(report: Report) -> tuple[str, bool]:
    """How many of the suite's own strategies had a part in the run, and whether some had none; nothing where all had.

    Those of other client libraries share two names, and are told apart.
    """
    own = {record.case.strategy for record in report.records if record.case.client_library == LIBRARY}
    own |= {cell.strategy for cell in report.safety if cell.client_library == LIBRARY}
    known = own | {note.name for note in report.strategies if note.client_library == LIBRARY} | {*report.run.left_out}
    if len(own) == len(known):
        return "", False
    others = len({record.case.client_library for record in report.records} - {LIBRARY})
    more = f", and {words.plural(others, 'other client library', 'other client libraries')}" if others else ""
    return f"{part_of(len(own), len(known), 'strategies')}{more}", True


def _safety_assurance(report: Report) -> tuple[Assurance, ...]:
    """Only where hazards were probed."""
    if not report.safety:
        return ()
    notes = {note.id: note for note in report.hazards}
    unlike = sum(unlike_declared(cell, notes.get(cell.hazard)) for cell in report.safety)
    unprobed = sum(cell.outcome is HazardOutcome.NOT_PROBED for cell in report.safety)
    text = f"{words.plural(len(report.safety), 'hazard probe')}, {words.count(unlike)} unlike what is declared"
    if unprobed:
        text += f", {words.count(unprobed)} did not work"
    mark = bad_mark("unlike") if unlike else warn_mark("incomplete") if unprobed else good_mark("as declared")
    return (Assurance(mark=mark, label="Hazards as declared", text=text),)


def _cache_assurance(report: Report) -> tuple[Assurance, ...]:
    """Only where something was taken from the cache."""
    text = cache_text(report)
    if not text:
        return ()
    text += "; a result is taken from there only while code, versions and axes are the same"
    return (Assurance(mark=Mark(symbol="↺", word="in part", tone="none"), label="From the cache", text=text),)


def banner_views(report: Report) -> tuple[Banner, ...]:
    """What must be read before the verdict."""
    if report.run.interrupted is None:
        return ()
    text = words.plain(report.run.interrupted) or "The run was stopped."
    return (Banner(mark=warn_mark("Not complete"), text=text),)


def problem_table(all_seen: tuple[Seen, ...]) -> Table:
    """The cases that failed or are invalid, and why."""
    stopped = [one for one in all_seen if one.state is State.INTERRUPTED]
    rows: list[Row] = []
    for one in all_seen:
        if one.state is State.INTERRUPTED and len(stopped) > _MOST_STOPPED:
            continue
        if one.state in {State.FAILED, State.FORESEEN, State.INTERRUPTED}:
            rows.extend(_problem(one.place, STATE_MARKS[one.state], sentence) for sentence in one.sentences)
        else:
            rows.extend(
                _problem(
                    one.place,
                    Mark(symbol="!", word=_kind(problem.code), tone="bad"),
                    words.plain(problem.sentence),
                )
                for problem in one.measured.problems
            )
        if one.counts:
            rows.extend(
                _problem(one.place, warn_mark("server disagrees"), words.plain(text))
                for text in one.counts.ledger.disagreements
            )
            rows.extend(
                _problem(one.place, warn_mark("not seen by the client's counts"), words.plain(text))
                for text in one.counts.blind_spots
            )
    if len(stopped) > _MOST_STOPPED:
        names = ", ".join(one.place for one in stopped[:_MOST_STOPPED])
        sentence = f"not complete when the run ended: {names} and {words.count(len(stopped) - _MOST_STOPPED)} more"
        rows.append(_problem(words.plural(len(stopped), "case"), STATE_MARKS[State.INTERRUPTED], sentence))
    return Table(
        caption="Cases that failed or whose figures must not be trusted",
        columns=(
            Column(title="Case", is_number=False),
            Column(title="Kind", is_number=False),
            Column(title="What happened", is_number=False),
        ),
        rows=tuple(rows),
    )


def _problem(label: str, mark: Mark, sentence: str) -> Row:
    return Row(cells=(Cell(text=label), Cell(mark=mark), Cell(text=sentence)))
