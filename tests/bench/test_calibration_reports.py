"""What calibration says of runs of the same code that the gate tells apart."""

from bench.calibration.reports import false_alarms, flagged
from tests import samples
from tests.gate.test_gate import POOLED, with_changed

BASE = samples.report()


def test_a_run_that_stands_out_is_named_with_its_figure():
    apart = with_changed(BASE, POOLED, "memory", peak_bytes=10**9)
    assert flagged(BASE, apart) == {POOLED}
    assert false_alarms([BASE, apart, BASE]) == [
        f"Run 2 of the same code: {POOLED}, peak_bytes regressed against 2 of 2 others."
    ]


def test_runs_that_agree_are_not_told_of():
    assert false_alarms([BASE, BASE, BASE]) == []
