"""The sentences that stand with the plots; their series are made in :mod:`.series`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connprof.report import series, words
from connprof.report.cases import State, of_one_run
from connprof.report.marks import capital
from connprof.report.shapes import Plot

if TYPE_CHECKING:
    from connprof.model import Report
    from connprof.report.cases import Seen

__all__ = ["KEYS", "plot_views", "timeline_view"]

KEYS = ("ssl-bytes", "growth", "counts", "latency", "timeline")
"""The keys of all plots that are made here."""


def _undrawn(key: str, title: str, why: str) -> Plot:
    """A plot for which nothing was measured."""
    return Plot(key=key, title=title, takeaway=f"{why}, so there is nothing to draw.", alt="", series=None)


def plot_views(report: Report, all_seen: tuple[Seen, ...], before: Seen | None, after: Seen | None) -> tuple[Plot, ...]:
    """All plots but the timeline."""
    return (
        _bytes_plot(report, all_seen, before),
        _growth_plot(report, all_seen, before, after),
        _counts_plot(all_seen, before),
        _latency_plot(all_seen),
    )


def _left_out(all_seen: tuple[Seen, ...], drawn: set[str]) -> str:
    absent = [one.label for one in all_seen if one.label not in drawn]
    return f"Not drawn, for want of measurement: {', '.join(absent)}." if absent and drawn else ""


def _elsewhere(every: tuple[Seen, ...], drawn: tuple[Seen, ...]) -> str:
    absent = [one.label for one in every if one not in drawn]
    return f"Not drawn, because another run measured them: {', '.join(absent)}." if absent else ""


def _bytes_plot(report: Report, all_seen: tuple[Seen, ...], before: Seen | None) -> Plot:
    key, title = "ssl-bytes", "SSL bytes by what they were spent on"
    drawn = series.bytes_by_category(all_seen, report.verdict.incident)
    if drawn is None:
        return _undrawn(key, title, "No memory pass was made")
    described = "; ".join(
        f"{bar.label} {bar.text} (contexts {bar.segments[0].text}, handshakes {bar.segments[1].text}, "
        f"reading and writing {bar.segments[2].text})"
        for bar in drawn.bars
    )
    reference = f" A marked line: {drawn.reference.text}." if drawn.reference else ""
    takeaway = "Cumulative SSL bytes of one session, freed or not."
    if before and before.ssl and before.ssl.total_bytes:
        part = before.ssl.context_bytes / before.ssl.total_bytes
        takeaway += (
            f" The regression spends {words.share(part)} of its bytes on creating contexts: where contexts are "
            "shared, the bar is short."
        )
    return Plot(
        key=key,
        title=title,
        takeaway=takeaway,
        alt=f"Stacked bars of SSL bytes for each strategy: {described}.{reference}",
        series=drawn,
        left_out=_left_out(all_seen, {bar.label for bar in drawn.bars}),
    )


def _climb(report: Report, one: Seen | None) -> tuple[str, str, str] | None:
    """The last stretch of a session, by how much SSL bytes climbed there with every call, and what comes on top.

    What an origin's first call alone pays, by the strategy's own claim, is not counted as a climb.
    """
    if one is None or one.state is not State.MEASURED or len(one.memory_passes) < 2:  # noqa: PLR2004  no stretch
        return None
    note = next((note for note in report.strategies if words.plain(note.name) == one.name), None)
    if note is None:
        return None
    start, end = one.memory_passes[-2:]
    climbed = end.ssl.io_bytes - start.ssl.io_bytes
    once = []
    for what, claim, old, new in (
        ("context", note.contexts, start.ssl.context_bytes, end.ssl.context_bytes),
        ("handshake", note.handshakes, start.ssl.handshake_bytes, end.ssl.handshake_bytes),
    ):
        if claim == "calls":
            climbed += new - old
        elif claim == "origins":
            once.append(f"the {what}")
    stretch = f"Between {words.count(start.calls_count)} and {words.plural(end.calls_count, 'call')}"
    each = f"{climbed / (end.calls_count - start.calls_count) / 1e6:.2f} MB a call"
    return (
        stretch,
        each,
        f", plus {words.joined(once)} of each origin that is called for the first time" if once else "",
    )


def _growth_plot(report: Report, all_seen: tuple[Seen, ...], before: Seen | None, after: Seen | None) -> Plot:
    key, title = "growth", "SSL bytes as the session goes on"
    drawn = series.growth(all_seen)
    if drawn is None:
        return _undrawn(key, title, "No strategy was measured after different numbers of calls")
    takeaway = "Each point is a session cut off after that many calls, measured in a process of its own."
    said = ""
    for who, climb in (("the regression", _climb(report, before)), ("the fix", _climb(report, after))):
        if climb is not None:
            stretch, each, once = climb
            subject = capital(who) if stretch == said else f"{stretch} {who}"
            takeaway += f" {subject} climbs by {each}{once}."
            said = stretch
    described = "; ".join(
        f"{line.label} from {line.points[0][1]:.1f} MB after {words.plural(int(line.points[0][0]), 'call')} to "
        f"{line.points[-1][1]:.1f} MB after {words.count(line.points[-1][0])}"
        for line in drawn.lines
    )
    return Plot(
        key=key,
        title=title,
        takeaway=takeaway,
        alt=f"Lines of cumulative SSL bytes over the number of calls: {described}.",
        series=drawn,
        left_out=_left_out(all_seen, {line.label for line in drawn.lines}),
    )


def _counts_plot(all_seen: tuple[Seen, ...], before: Seen | None) -> Plot:
    key, title = "counts", "SSL contexts and TLS handshakes"
    drawn = series.counts(all_seen)
    if drawn is None:
        return _undrawn(key, title, "No counts pass was made")
    described = "; ".join(
        f"{bar.label} {bar.segments[0].text} contexts, {bar.segments[1].text} handshakes" for bar in drawn.bars
    )
    takeaway = "A shared context removes the contexts; only a connection that is kept open removes the handshakes."
    if before is not None and before.counts is not None:
        origins = before.counts.origins_count
        takeaway += (
            f" This session calls {words.plural(origins, 'origin')}, so no client can do with fewer than "
            f"{words.plural(origins, 'handshake')}."
        )
    return Plot(
        key=key,
        title=title,
        takeaway=takeaway,
        alt=f"Bars of contexts and handshakes for each strategy: {described}.",
        series=drawn,
        left_out=_left_out(all_seen, {bar.label for bar in drawn.bars}),
    )


def _latency_plot(all_seen: tuple[Seen, ...]) -> Plot:
    key, title = "latency", "How long a call takes"
    drawn = series.latency(of_one_run(all_seen))
    if drawn is None:
        return _undrawn(key, title, "No timing pass was made")
    every = all_seen
    all_seen = of_one_run(all_seen)
    described = "; ".join(
        f"{box.label} p50 {box.p50.text}, p95 {box.p95.text}, p99 {box.p99.text} ms" for box in drawn.boxes
    )
    processes = max(len(one.timing) for one in all_seen)
    trips = {one.case.rtt_ms for one in all_seen if one.case is not None and one.latency_ns}
    if trips == {0.0}:
        network = "over loopback, where the network costs next to nothing"
    elif len(trips) == 1:
        network = f"over loopback, with a modelled round trip of {trips.pop():g} ms"
    else:
        network = "over loopback, with the modelled round trips that stand beside the names, or none"
    return Plot(
        key=key,
        title=title,
        takeaway=(
            "The box holds the middle half of the calls, the thin line begins at the 5th percentile and ends at the "
            f"99th. All calls of up to {words.plural(processes, 'process', 'processes')}, {network}: compare the "
            "strategies with each other, not with another machine."
        ),
        alt=f"Distributions of call latencies for each strategy: {described}.",
        series=drawn,
        left_out=" ".join(
            part
            for part in (_left_out(all_seen, {box.label for box in drawn.boxes}), _elsewhere(every, all_seen))
            if part
        ),
    )


def timeline_view(before: Seen | None, after: Seen | None) -> Plot:
    """One session with the regression and one with its fix."""
    key, title = "timeline", "One session, call by call"
    drawn = series.timeline(before, after)
    if drawn is None:
        return _undrawn(key, title, "No counts pass of the regression or of its fix was made")
    described = "; ".join(f"{panel.title}: {panel.tally}" for panel in drawn.panels)
    takeaway = (
        "Each row is an origin: its calls above, its connections with their handshakes below. Both sessions are drawn "
        "over the same time. The times come from the counts pass, with the observer on, and serve for the picture only."
        if len(drawn.panels) > 1
        else "Each row is an origin: its calls above, its connections with their handshakes below. The other half of "
        "the comparison was not measured."
    )
    if before is not None and after is not None and before.shard != after.shard:
        takeaway += " Two runs measured them: compare how much happens, not how long it takes."
    return Plot(key=key, title=title, takeaway=takeaway, alt=f"Timeline of connections. {described}.", series=drawn)
