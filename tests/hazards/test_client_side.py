"""Each probe on one strategy that must break and one that must hold."""

import pytest

from bench.hazards.runner import as_expected

BREAKS_AND_HOLDS = {
    "H1": ({"lazy-service": "broke 2 of 5: RuntimeError"}, "per-call-async"),
}


@pytest.mark.parametrize("hazard", BREAKS_AND_HOLDS)
def test_a_probe_breaks_what_must_break_and_spares_what_must_hold(prober, hazard):
    breaks, holds = BREAKS_AND_HOLDS[hazard]
    for strategy, signature in breaks.items():
        cell = prober.probe(hazard, strategy)
        assert cell.signature == signature, cell.symptom
        assert as_expected(cell)
    assert prober.probe(hazard, holds).signature == "held"
