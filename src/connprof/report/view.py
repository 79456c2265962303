"""From a report to finished sentences, rows and plot series.

All arithmetic and all formatting is done in the modules that are put together here, one for each section of the page;
renderers only place what they find. A figure that was not measured is an en dash, never a nought.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connprof.report import departures, pictures, safety, words
from connprof.report.answers import answer_sentences, answer_table
from connprof.report.cases import is_wide, on_base, primary, seen, shared_axes
from connprof.report.checks import check_table
from connprof.report.departures import axis_views
from connprof.report.first_screen import change_views, figure_views, is_asked_for, measured_view, verdict_view
from connprof.report.payers import origin_table, site_table, tls_table
from connprof.report.pictures import plot_views, timeline_view
from connprof.report.safety import safety_view
from connprof.report.shapes import View
from connprof.report.situations import named_hazards, situation_views
from connprof.report.strategies import brief_table, strategy_table
from connprof.report.sureness import assurance_views, banner_views, problem_table
from connprof.report.surroundings import (
    DEFINITIONS,
    command_lines,
    environment_facts,
    order_steps,
    provenance_facts,
    reference_text,
)

if TYPE_CHECKING:
    from connprof.model import Report
    from connprof.report.cases import Seen
    from connprof.report.shapes import AxisView, SafetyView, SituationView

__all__ = ["PLOTS", "View", "build"]

PLOTS = (safety.PICTURE, *departures.KEYS, *pictures.KEYS)
"""The keys of all plots that a page may have."""


def build(report: Report) -> View:
    """Everything that is on the page and in the terminal summary, finished."""
    incident = report.verdict.incident
    every = seen(report)
    all_seen = on_base(report, every)
    before = primary(all_seen, incident.before, incident.calls_count)
    after = primary(all_seen, incident.after, incident.calls_count)
    shared = primary(all_seen, incident.shared_context, incident.calls_count)
    project = f"connprof {words.plain(report.run.connprof_version)}"
    shown = [one.case for one in all_seen if one.case is not None]
    workloads = list(dict.fromkeys(words.plain(case.workload) for case in shown))
    calls = sorted({case.calls_count for case in shown})
    of_run = [
        project,
        f"incident {words.plain(incident.id)}",
        f"workload {', '.join(workloads)}" if workloads else "",
        f"{words.joined([words.count(number) for number in calls])} {'call' if calls == [1] else 'calls'}"
        if calls
        else "",
        *shared_axes(report),
        words.moment(report.run.started_at),
    ]
    asked = is_asked_for(report)
    meta = tuple(part for part in of_run if part)
    safety_of, advised = safety_view(report), situation_views(report)
    axes = axis_views(report, every) if is_wide(report) else ()
    elsewhere = _elsewhere(every, all_seen, axes)
    return View(
        title=f"connprof: {words.plain(incident.id)}",
        meta=meta,
        stamp=" · ".join(meta),
        incident=words.plain(incident.title),
        reference=reference_text(incident),
        banners=banner_views(report),
        verdict=verdict_view(report, all_seen, before, after)
        if asked
        else measured_view(report, every, [axis.sentence for axis in axes]),
        figures=figure_views(report, before, after) if asked else (),
        changes=change_views(report, before, after) if asked else (),
        assurances=assurance_views(report, every),
        problems=problem_table(every),
        situations=advised,
        hazards=named_hazards(report, advised),
        safety=safety_of,
        axes=axes,
        wide=_wide(elsewhere, safety_of, advised),
        answers=answer_sentences(report.verdict.answers, before, shared, after),
        answers_table=answer_table(report.verdict.answers, ("Regression", "Only the context shared", "Fix")),
        checks=check_table(report),
        strategies=strategy_table(all_seen, elsewhere),
        brief=brief_table(all_seen),
        plots=plot_views(report, all_seen, before, after),
        timeline=timeline_view(before, after),
        sites=site_table(all_seen),
        origins=origin_table(before, after),
        tls=tls_table(all_seen),
        environment=environment_facts(report),
        definitions=DEFINITIONS,
        commands=command_lines(report.run),
        provenance=provenance_facts(report),
        order=order_steps(report),
        order_count=words.plural(len(report.run.order), "job")
        + (", and the server's headroom" if report.headroom is not None else ""),
    )


_MOST_NAMED = 12


def _elsewhere(every: tuple[Seen, ...], shown: tuple[Seen, ...], axes: tuple[AxisView, ...]) -> str:
    """Where the cases are that the strategy table does not hold."""
    more = len(every) - len(shown)
    titles = [axis.title for axis in axes]
    own = "the sections of their axes" if titles != [departures.OTHER] else ""
    other = f"“{departures.OTHER}”" if departures.OTHER in titles else ""
    return (
        f"{words.plural(more, 'case')} more, on the page in {words.joined([*filter(None, (own, other))])}"
        if more
        else ""
    )


def _wide(
    elsewhere: str, safety_of: SafetyView | None, advised: tuple[SituationView, ...]
) -> tuple[tuple[str, str], ...]:
    """What a terminal says of other axes and of hazards; nothing where there are neither."""
    lines = []
    if elsewhere:
        lines.append(("Other axes", elsewhere))
    if safety_of is not None:
        lines.append(("Safety", safety_of.tally))
        unlike = [f"{row.cells[0].text}/{row.cells[1].text} {row.cells[3].text}" for row in safety_of.unlike.rows]
        more = f" and {len(unlike) - _MOST_NAMED} more" if len(unlike) > _MOST_NAMED else ""
        lines.append(
            ("Unlike declared", f"{len(unlike)}: {'; '.join(unlike[:_MOST_NAMED])}{more}" if unlike else "none")
        )
    if any(each.mark.tone == "good" for each in advised):
        lines += [(each.title, each.lead) for each in advised]
    elif advised:
        lines.append(("Recommendations", "none: this run probed too few strategies for all hazards that decide"))
    return tuple(lines)
