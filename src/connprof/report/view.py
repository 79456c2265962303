"""From a report to finished sentences, rows and plot series.

All arithmetic and all formatting is done in the modules that are put together here, one for each section of the page;
renderers only place what they find. A figure that was not measured is an en dash, never a nought.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connprof.report import words
from connprof.report.answers import answer_sentences, answer_table
from connprof.report.cases import primary, seen, shared_axes
from connprof.report.checks import check_table
from connprof.report.first_screen import change_views, figure_views, verdict_view
from connprof.report.payers import origin_table, site_table, tls_table
from connprof.report.pictures import plot_views, timeline_view
from connprof.report.shapes import View
from connprof.report.strategies import brief_table, strategy_table
from connprof.report.sureness import assurance_views, banner_views, problem_table
from connprof.report.surroundings import DEFINITIONS, environment_facts, order_steps, provenance_facts, reference_text

if TYPE_CHECKING:
    from connprof.model import Report

__all__ = ["View", "build"]


def build(report: Report) -> View:
    """Everything that is on the page and in the terminal summary, finished."""
    incident = report.verdict.incident
    all_seen = seen(report)
    before = primary(all_seen, incident.before, incident.calls_count)
    after = primary(all_seen, incident.after, incident.calls_count)
    shared = primary(all_seen, incident.shared_context, incident.calls_count)
    project = f"connprof {words.plain(report.run.connprof_version)}"
    workloads = list(dict.fromkeys(words.plain(record.case.workload) for record in report.records))
    calls = sorted({record.case.calls_count for record in report.records})
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
    meta = tuple(part for part in of_run if part)
    return View(
        title=f"connprof: {words.plain(incident.id)}",
        meta=meta,
        stamp=" · ".join(meta),
        incident=words.plain(incident.title),
        reference=reference_text(incident),
        banners=banner_views(report),
        verdict=verdict_view(report, all_seen, before, after),
        figures=figure_views(report, before, after),
        changes=change_views(report, before, after),
        assurances=assurance_views(report, all_seen),
        problems=problem_table(all_seen),
        answers=answer_sentences(report.verdict.answers, before, shared, after),
        answers_table=answer_table(report.verdict.answers, ("Regression", "Only the context shared", "Fix")),
        checks=check_table(report),
        strategies=strategy_table(all_seen),
        brief=brief_table(all_seen),
        plots=plot_views(report, all_seen, before, after),
        timeline=timeline_view(before, after),
        sites=site_table(all_seen),
        origins=origin_table(before, after),
        tls=tls_table(all_seen),
        environment=environment_facts(report),
        definitions=DEFINITIONS,
        command=words.plain(report.run.command),
        provenance=provenance_facts(report),
        order=order_steps(report),
        order_count=words.plural(len(report.run.order), "job"),
    )
