"""The processes of one run -> its profile: sums of what they counted, and findings that several of them share."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import msgspec

from connprof.findings import OF_ONE_PROCESS, cost_of, find, not_judged_count
from connprof.profile import (
    PROFILE_SCHEMA,
    Chain,
    Costs,
    Counts,
    Finding,
    Frame,
    LineBytes,
    OriginTally,
    Place,
    Price,
    ProcessProfile,
    Profile,
    SiteTally,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from connprof.observe import Observation

__all__ = ["assemble", "merge_lines", "profile_of"]

_CHAINS_MAX = 5

Line: TypeAlias = tuple[str, int, str]

_S = TypeVar("_S", bound=msgspec.Struct)


def assemble(
    processes: Sequence[ProcessProfile],
    *,
    command: Sequence[str],
    started_at: str,
    duration_ns: int,
    exit_code: int | None,
    notes: Sequence[str] = (),
    memory: bool = False,
    ssl_bytes: Mapping[Line, LineBytes] | None = None,
    quiet_processes_count: int = 0,
    is_incomplete: bool = False,
    is_current: bool = False,
) -> Profile:
    """One profile of all processes of a run.

    Args:
        processes: what each of them left.
        command: what was run, as far as it may be kept.
        started_at: ISO 8601, UTC.
        duration_ns: from the first process's start to the last one's end, as its starter saw it.
        exit_code: the program's; negative for a signal.
        notes: what a reader must know of how it was observed.
        memory: whether memory was recorded.
        ssl_bytes: file, line and function -> cumulative SSL bytes.
        quiet_processes_count: how many more there were that had nothing to leave.
        is_incomplete: whether something is known to be missing in what the processes left; that the observer failed in
            one of them is known here.
        is_current: whether processes that are running were asked just now.
    """
    by_line = dict(ssl_bytes or {}) if memory else None
    return Profile(
        schema=PROFILE_SCHEMA,
        command=tuple(command),
        started_at=started_at,
        duration_ns=duration_ns,
        exit_code=exit_code,
        counts=_sum(Counts, [process.counts for process in processes]),
        costs=_sum(Costs, [process.costs for process in processes]),
        sites=_sites(processes, by_line),
        origins=_origins(processes),
        findings=_findings(processes, by_line, is_current=is_current),
        processes=tuple(sorted(processes, key=lambda process: process.started_at_ns)),
        blind_spots=_each_once(sentence for process in processes for sentence in process.blind_spots),
        notes=(*notes, *_about_unknown(processes)),
        memory=memory,
        quiet_processes_count=quiet_processes_count,
        is_incomplete=is_incomplete or any(process.errors for process in processes),
    )


def profile_of(observation: Observation) -> Profile:
    """The profile of one window in this process, findings included: for programs and notebooks.

    ``print(connprof.report.profile.render(profile_of(seen), "text"))`` shows it.
    """
    process = msgspec.convert(observation.snapshot(), ProcessProfile)
    return assemble(
        [process],
        command=process.argv,
        started_at=datetime.fromtimestamp(process.started_at_ns / 1e9, UTC).isoformat(timespec="seconds"),
        duration_ns=process.duration_ns,
        exit_code=None,
        is_current=True,
    )


def _about_unknown(processes: Iterable[ProcessProfile]) -> list[str]:
    count = sum(map(not_judged_count, processes))
    if not count:
        return []
    made = f"{count:,} clients and SSL contexts were made at unknown lines: whether one line made them is not judged."
    return [f"{made} If that is an installed package of your own, name it (--user-code NAME)."]


def _each_once(sentences: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(sentences))


def _sum(kind: type[_S], values: Sequence[_S]) -> _S:
    """Field by field; what nobody knows stays unknown."""
    totals: dict[str, int | None] = {}
    for name in kind.__struct_fields__:
        known = [value for each in values if (value := getattr(each, name)) is not None]
        if known or (values and getattr(values[0], name) is None):
            totals[name] = sum(known) if known else None
    return kind(**totals)


def _chains(groups: Iterable[tuple[Chain, ...]]) -> tuple[Chain, ...]:
    counts: Counter[tuple[tuple[Frame, ...], Frame | None]] = Counter()
    for chains in groups:
        for chain in chains:
            counts[chain.frames, chain.started_at] += chain.count
    return tuple(
        Chain(frames=frames, started_at=started_at, count=count)
        for (frames, started_at), count in counts.most_common(_CHAINS_MAX)
    )


def _imported(tallies: Iterable[SiteTally]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for each in tallies:
        counts.update(each.imported)
    return dict(counts)


def _sites(processes: Sequence[ProcessProfile], by_line: Mapping[Line, LineBytes] | None) -> tuple[SiteTally, ...]:
    groups: dict[Place, list[SiteTally]] = defaultdict(list)
    for process in processes:
        for tally in process.sites:
            groups[tally.site].append(tally)
    left = None if by_line is None else {line: amount.total_bytes for line, amount in by_line.items()}
    summed = []
    for site, tallies in groups.items():
        # A line found in two ways has two entries; its bytes belong to one of them.
        amount = None if left is None else left.pop((site.file, site.line, site.function), 0)
        summed.append(
            SiteTally(
                site=site,
                counts=_sum(Counts, [each.counts for each in tallies]),
                costs=_sum(Costs, [each.costs for each in tallies]),
                chains=_chains(each.chains for each in tallies),
                ssl_bytes=amount,
                imported=_imported(tallies),
            )
        )
    # Lines that the observer saw nothing of, such as one that reads an answer: their bytes are in the total as well.
    summed += [
        SiteTally(
            site=Place(file=file, line=line, function=function, certainty="stack" if file else "unknown"),
            counts=Counts(requests_count=0),
            costs=Costs(),
            ssl_bytes=amount,
        )
        for (file, line, function), amount in (left or {}).items()
        if amount
    ]
    return tuple(sorted(summed, key=_site_cost, reverse=True))


_SURENESS = ("stack", "context", "creation", "unknown")


def merge_lines(sites: Sequence[SiteTally]) -> tuple[SiteTally, ...]:
    """One entry for each line, however each of its events was traced to it; the surest way stands for all."""
    groups: dict[tuple[str, int, str], list[SiteTally]] = defaultdict(list)
    for tally in sites:
        groups[tally.site.file, tally.site.line, tally.site.function].append(tally)
    merged = []
    for same in groups.values():
        measured = [each.ssl_bytes for each in same if each.ssl_bytes is not None]
        merged.append(
            SiteTally(
                site=min((each.site for each in same), key=lambda place: _SURENESS.index(place.certainty)),
                counts=_sum(Counts, [each.counts for each in same]),
                costs=_sum(Costs, [each.costs for each in same]),
                chains=_chains(each.chains for each in same),
                ssl_bytes=sum(measured) if measured else None,
                imported=_imported(same),
            )
        )
    return tuple(sorted(merged, key=_site_cost, reverse=True))


def _site_cost(tally: SiteTally) -> tuple[int, ...]:
    counts = tally.counts
    return (
        counts.contexts_count + counts.ca_loads_count,
        counts.handshakes_count + counts.handshakes_failed_count,
        counts.connections_count + counts.connections_failed_count,
        counts.requests_count or 0,
        tally.costs.request_wall_ns,
        tally.ssl_bytes or 0,
    )


def _origins(processes: Sequence[ProcessProfile]) -> tuple[OriginTally, ...]:
    groups: dict[str, list[OriginTally]] = defaultdict(list)
    for process in processes:
        for tally in process.origins:
            groups[tally.origin].append(tally)
    summed = []
    for origin, tallies in groups.items():
        alpn: Counter[str] = Counter()
        for each in tallies:
            alpn.update(each.alpn)
        summed.append(
            OriginTally(
                origin=origin,
                counts=_sum(Counts, [each.counts for each in tallies]),
                costs=_sum(Costs, [each.costs for each in tallies]),
                alpn=dict(alpn),
            )
        )
    return tuple(sorted(summed, key=_origin_cost))


def _origin_cost(tally: OriginTally) -> tuple[int, int, str]:
    return -tally.counts.handshakes_count, -tally.counts.connections_count, tally.origin


def _findings(
    processes: Sequence[ProcessProfile], by_line: Mapping[Line, LineBytes] | None, *, is_current: bool
) -> tuple[Finding, ...]:
    """Findings of each process; the same one of several is one, with costs and evidence added up.

    Its words are those of the costliest.
    """
    groups: dict[tuple[str, Place, str], list[Finding]] = defaultdict(list)
    for process in processes:
        for finding in find(process, is_current=is_current):
            groups[finding.code, finding.place, finding.evidence[0][0]].append(finding)
    bytes_of = None if by_line is None else _Bytes(processes, by_line)
    merged = [_merged(each, bytes_of) for each in groups.values()]
    return tuple(sorted(merged, key=cost_of, reverse=True))


def _merged(same: list[Finding], bytes_of: _Bytes | None) -> Finding:
    costliest = max(same, key=cost_of)
    cost = _sum(Price, [each.cost for each in same])
    leaves = _sum(Price, [each.leaves for each in same])
    if bytes_of is not None:
        amount, left = bytes_of.both(costliest.place, cost, leaves)
        cost = msgspec.structs.replace(cost, ssl_bytes=amount)
        leaves = msgspec.structs.replace(leaves, ssl_bytes=left)
    if len(same) > 1:
        what = f"{costliest.what}, in the costliest of {len(same):,} processes"
        costliest = msgspec.structs.replace(costliest, what=what, evidence=_summed(same, costliest))
    return msgspec.structs.replace(
        costliest,
        chains=_chains(each.chains for each in same),
        cost=cost,
        leaves=leaves,
        processes_count=len(same),
        related=tuple(dict.fromkeys(place for each in same for place in each.related)),
    )


def _summed(same: list[Finding], costliest: Finding) -> tuple[tuple[str, str], ...]:
    """Evidence of all processes: counts are summed; what cannot be is that of the costliest, and says so."""
    sums: Counter[str] = Counter()
    for finding in same:
        for name, value in finding.evidence:
            digits = value.replace(",", "")
            if name not in OF_ONE_PROCESS and digits.isdecimal():
                sums[name] += int(digits)
    names = dict.fromkeys(name for finding in (costliest, *same) for name, _ in finding.evidence)
    shown = dict(costliest.evidence)
    rows = []
    for name in names:
        if name in sums:
            rows.append((name, f"{sums[name]:,}"))
        elif name in shown:
            rows.append((f"{name}, in the costliest process", shown[name]))
    return tuple(rows)


def _line_of(place: Place) -> Line:
    return place.file, place.line, place.function


class _Bytes:
    """SSL bytes of findings: those of the line that made the clients, and their handshakes' share at other lines."""

    def __init__(self, processes: Sequence[ProcessProfile], by_line: Mapping[Line, LineBytes]) -> None:
        self._by_line = by_line
        self._at_line: Counter[Line] = Counter()
        self._of_clients: dict[Line, Counter[Line]] = defaultdict(Counter)
        self._shaken: Counter[Line] = Counter()
        for process in processes:
            for tally in process.sites:
                counts = tally.counts
                self._at_line[_line_of(tally.site)] += counts.handshakes_count + counts.handshakes_failed_count
            for group in process.clients:
                maker = _line_of(group.site)
                self._shaken[maker] += group.counts.handshakes_count
                for each in group.handshake_sites:
                    self._of_clients[maker][_line_of(each.site)] += each.count

    def both(self, place: Place, cost: Price, leaves: Price) -> tuple[int | None, int | None]:
        """Of what a finding cost, and of what its fix leaves over; ``None`` where it is not known."""
        maker = _line_of(place)
        here = self._by_line.get(maker)
        elsewhere = self._elsewhere(maker, cost)
        if elsewhere is None:
            if here is None:
                return None, None
            # Where no contexts are at stake, nobody knows how much of the line it is about.
            return here.total_bytes, _bytes_left(here, cost, leaves) if cost.contexts_count else None
        if not cost.contexts_count:  # it is about handshakes alone
            amount_bytes = elsewhere.handshakes_bytes
            left = leaves.handshakes_count
            return amount_bytes, None if left is None else amount_bytes * left // (cost.handshakes_count or 1)
        paid = elsewhere if here is None else here + elsewhere
        return paid.total_bytes, _bytes_left(paid, cost, leaves)

    def _elsewhere(self, maker: Line, cost: Price) -> LineBytes | None:
        """Of the handshakes that a finding is about, at other lines; ``None`` where there are none."""
        lines = {line: count for line, count in self._of_clients[maker].items() if line != maker}
        if not cost.handshakes_count or not self._shaken[maker] or not lines:
            return None
        total = LineBytes()
        for line, count in lines.items():
            if (amount := self._by_line.get(line)) is not None:
                total += amount.part(count, max(self._at_line[line], count))
        return total.part(cost.handshakes_count, self._shaken[maker])


def _bytes_left(paid: LineBytes, cost: Price, leaves: Price) -> int | None:
    """What goes with contexts goes as they go, and what goes with handshakes as these; reading and writing stay."""
    if not cost.contexts_count or leaves.contexts_count is None:
        return None
    kept_bytes = paid.contexts_bytes * leaves.contexts_count // cost.contexts_count
    if leaves.cpu_ns == 0:  # contexts that nothing is loaded into
        kept_bytes = 0
    handshakes_bytes = paid.handshakes_bytes
    if cost.handshakes_count and leaves.handshakes_count is not None:
        handshakes_bytes = handshakes_bytes * leaves.handshakes_count // cost.handshakes_count
    return kept_bytes + handshakes_bytes + paid.transfer_bytes
