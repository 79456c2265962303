"""Every comparison behind the verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connprof.report import words
from connprof.report.marks import bad_mark, capital, good_mark
from connprof.report.shapes import Cell, Column, Row, Table

if TYPE_CHECKING:
    from connprof.model import Check, Report

__all__ = ["check_table"]


def _amount(value: float, unit: str) -> str:
    if unit == "bytes":
        return words.bytes_text(value)
    if unit == "ratio":
        return f"{value:,.3f}" if abs(value) < 10 else words.ratio(value)  # noqa: PLR2004  from ten on, three places are noise
    return words.count(value) if value == round(value) else f"{value:,.2f}"


def _allowed(check: Check) -> str:
    low = _amount(check.low, check.unit)
    if check.high is None:
        return f"at least {low}"
    high = _amount(check.high, check.unit)
    if check.low == check.high:
        return f"exactly {low}"
    return f"at most {high}" if check.low == 0 else f"{low} to {high}"


def check_table(report: Report) -> Table:
    """Every check, measured and allowed."""
    rows: list[Row] = []
    for title, half in (("Regression", report.verdict.regression), ("Fix", report.verdict.fix)):
        rows.extend(
            Row(
                cells=(
                    Cell(text=capital(words.plain(check.name))),
                    Cell(text=title),
                    Cell(text=_amount(check.measured, check.unit)),
                    Cell(text=_allowed(check)),
                    Cell(mark=good_mark("passed") if check.passed else bad_mark("failed")),
                )
            )
            for check in half.checks
        )
    incident = report.verdict.incident
    return Table(
        caption="Every comparison behind the verdict",
        columns=(
            Column(title="Check", is_number=False),
            Column(title="Of", is_number=False),
            Column(title="Measured"),
            Column(title="Allowed"),
            Column(title="Result", is_number=False),
        ),
        rows=tuple(rows),
        note=(
            f"The published figure is about {words.round_bytes(incident.ssl_bytes)} for about "
            f"{words.plural(incident.calls_count, 'call')}; it counts as reproduced from "
            f"{words.times(incident.band_low_ratio)} to {words.times(incident.band_high_ratio)} of that. What a "
            f"context costs depends on the number of CA certificates, so our bytes are first rescaled to a bundle of "
            f"{words.plural(incident.reference_certificates_count, 'certificate')}."
        ),
        empty="No check could be made in this run.",
    )
