"""What a session's tests cost, on the terminal and as JSON."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from connprof.errors import FileError
from connprof.observe import Counts
from connprof.plugin.cost import Cost, handshakes_count, line_text, sort_key
from connprof.plugin.windows import by_line, plus, sites_plus

if TYPE_CHECKING:
    import pytest

    from connprof.observe import SiteCounts

__all__ = ["SCHEMA", "Summary"]

SCHEMA = "connprof-pytest/1"
_LINES_COUNT = 3
_NOTES_MAX_COUNT = 10
_COLUMNS: Final = ("contexts", "CA loads", "handshakes", "connections", "requests")


@dataclass(frozen=True, slots=True)
class _Row:
    nodeid: str
    outcome: str
    cost: Cost


class Summary:
    """Collects, then shows and saves.

    Args:
        root: files below it are shown relative to it.
        json_file: where to save to, if anywhere.
        top_count: how many tests to show; ``None`` for no table.
    """

    def __init__(self, root: Path, *, json_file: Path | None, top_count: int | None) -> None:
        self._root = root
        self._json_file = json_file
        self._top_count = top_count
        self._rows: dict[str, _Row] = {}
        self._outside = Cost(counts=Counts())
        self._file_error = ""

    def shown(self, file: str) -> str:
        """A file's name for people."""
        try:
            return Path(file).relative_to(self._root).as_posix()
        except ValueError:
            return file

    def add(self, report: pytest.TestReport, cost: Cost) -> None:
        """One test; of a test that is run again the last run counts."""
        outcome: str = report.outcome
        if hasattr(report, "wasxfail"):
            outcome = "xpassed" if outcome == "passed" else "xfailed"
        elif outcome == "failed" and report.when != "call":
            outcome = "error"
        self._rows[report.nodeid] = _Row(report.nodeid, outcome, cost)

    def add_teardown(self, report: pytest.TestReport) -> None:
        """A test whose teardown failed is an error, however it ended before."""
        row = self._rows.get(report.nodeid)
        if row is not None and report.failed:
            self._rows[report.nodeid] = replace(row, outcome="error")

    def add_outside(self, cost: Cost) -> None:
        """What a process did outside of its tests: imports, fixtures of a wider scope, teardowns."""
        self._outside = Cost(
            counts=plus(self._outside.counts, cost.counts), sites=sites_plus((*self._outside.sites, *cost.sites))
        )

    def save(self) -> bool:
        """Write the JSON file if one was asked for; whether all went well."""
        if self._json_file is None:
            return True
        from connprof.store import write_atomically

        content = {
            "schema": SCHEMA,
            "root": str(self._root),
            "tests": [
                {"nodeid": row.nodeid, "outcome": row.outcome, **self._plain(row.cost)} for row in self._rows.values()
            ],
            "outside": self._plain(self._outside),
        }
        try:
            write_atomically(self._json_file, json.dumps(content, indent=1).encode() + b"\n")
        except FileError as error:
            self._file_error = str(error)
            return False
        return True

    def show(self, terminal: Any) -> None:
        """Place everything that is to be said on the terminal."""
        notes = self._notes()
        if self._top_count is not None or notes or self._json_file is not None:
            terminal.section("connprof")
        if self._top_count is not None:
            for line in self._table(self._top_count):
                terminal.write_line(line)
        for note in notes:
            terminal.write_line(note, yellow=True)
        if self._file_error:
            terminal.write_line(self._file_error, red=True)
        elif self._json_file is not None:
            terminal.write_line(f"written: {self._json_file}")

    def _plain(self, cost: Cost) -> dict[str, Any]:
        values = cost.to_dict()
        for entry in values["sites"]:
            entry["site"]["file"] = self.shown(entry["site"]["file"])
        return values

    def _table(self, top_count: int) -> list[str]:
        if not self._rows:
            return ["no test ran"]
        costly = sorted(
            (row for row in self._rows.values() if any(sort_key(row.cost.counts))),
            key=lambda row: sort_key(row.cost.counts),
            reverse=True,
        )
        lines = []
        if costly:
            lines.append("  ".join((*_COLUMNS, "test")))
        for row in costly[:top_count]:
            lines += self._row(row.cost, row.nodeid)
        if left_count := len(costly[top_count:]):
            lines.append(f"{left_count} more cost less")
        if free_count := len(self._rows) - len(costly):
            lines.append(f"{free_count} of {len(self._rows)} tests made no context, no connection and no request")
        if any(sort_key(self._outside.counts)):
            lines += self._row(self._outside, "(outside of tests: imports, fixtures of wider scope, teardowns)")
        return lines

    def _row(self, cost: Cost, name: str) -> list[str]:
        counts = cost.counts
        figures = (
            counts.contexts_count,
            counts.ca_loads_count,
            handshakes_count(counts),
            counts.connections_count,
            "-" if counts.requests_count is None else counts.requests_count,
        )
        cells = [str(figure).rjust(len(column)) for figure, column in zip(figures, _COLUMNS, strict=True)]
        indent = " " * len("  ".join((*_COLUMNS, "")))
        payers = [f"{indent}  {self._payer(entry)}" for entry in by_line(cost.sites) if any(sort_key(entry.counts)[:3])]
        return ["  ".join((*cells, name)), *payers[:_LINES_COUNT]]

    def _payer(self, entry: SiteCounts) -> str:
        counts = entry.counts
        parts = [
            f"{count} {what}{'' if count == 1 else 's'}"
            for count, what in (
                (counts.contexts_count, "context"),
                (handshakes_count(counts), "handshake"),
                (counts.connections_count, "connection"),
            )
            if count
        ]
        what = ", ".join(parts) or "CA loads or failures only"
        return f"{line_text(entry.site, self.shown(entry.site.file))}: {what}"

    def _notes(self) -> list[str]:
        """What could not be seen in tests with limits."""
        unseen = [f"{row.nodeid}: {row.cost.unseen}" for row in self._rows.values() if row.cost.unseen]
        notes = unseen[:_NOTES_MAX_COUNT]
        if len(unseen) > _NOTES_MAX_COUNT:
            notes.append(f"and {len(unseen) - _NOTES_MAX_COUNT} more such tests")
        blind = Counter(sentence for row in self._rows.values() for sentence in row.cost.blind_spots)
        notes += [
            f"{sentence} (in {count} test{'' if count == 1 else 's'} with limits)" for sentence, count in blind.items()
        ]
        return notes
