import pytest
from msgspec.structs import replace

from connprof import safety
from connprof.model import HazardNote, HazardOutcome, SafetyCell

SURE = HazardNote(id="H1", title="x", raised_by="y", statistical=False, source="z")
CHANCE = replace(SURE, statistical=True)
CELL = SafetyCell(
    strategy="one",
    hazard="H1",
    outcome=HazardOutcome.BROKE,
    attempts_count=5,
    failed_count=2,
    errors={"RuntimeError: Event loop is closed": 2},
    symptom="s",
    command="c",
)


@pytest.mark.parametrize(
    ("changes", "unlike"),
    [
        ({"expected": "broke 2 of 5: RuntimeError"}, False),
        ({"expected": "broke 3 of 5: RuntimeError"}, True),
        ({"expected": None}, True),
        ({"expected": None, "outcome": HazardOutcome.HELD, "failed_count": 0, "errors": {}}, False),
        ({"expected": None, "outcome": HazardOutcome.DOES_NOT_APPLY}, False),
        ({"expected": "broke 2 of 5: RuntimeError", "outcome": HazardOutcome.HELD, "failed_count": 0}, True),
        ({"expected": "broke 2 of 5: RuntimeError", "outcome": HazardOutcome.NOT_PROBED}, False),
    ],
)
def test_what_is_unlike_its_declaration(changes, unlike):
    cell = replace(CELL, **changes)
    assert safety.unlike_declared(cell, SURE) is unlike
    assert safety.unlike_declared(cell, None) is unlike
    assert not safety.unlike_declared(cell, CHANCE)  # a rate has no signature that it could break


def test_a_rate_has_an_interval():
    found = safety.rate(CELL)
    assert (found.hits_count, found.trials_count) == (2, 5)
    assert 0.11 < found.low < 0.13
    assert 0.76 < found.high < 0.78
    harm = safety.rate(replace(CELL, outcome=HazardOutcome.HARM, harmed_count=1))
    assert harm.hits_count == 1
    held = safety.rate(replace(CELL, outcome=HazardOutcome.HELD, failed_count=0))
    assert (held.hits_count, held.low) == (0, 0.0)
    assert held.high > 0.4  # five times without a failure prove little


@pytest.mark.parametrize(
    "changes",
    [
        {"attempts_count": 0},
        {"outcome": HazardOutcome.NOT_PROBED},
        {"outcome": HazardOutcome.DOES_NOT_APPLY},
        {"failed_count": 6},
    ],
)
def test_what_has_no_rate(changes):
    assert safety.rate(replace(CELL, **changes)) is None


def test_harm_weighs_more_than_a_hang_and_that_more_than_an_exception():
    weights = [safety.weight([replace(CELL, outcome=outcome)]) for outcome in HazardOutcome]
    assert dict(zip(HazardOutcome, weights, strict=True)) == {
        HazardOutcome.HELD: 0,
        HazardOutcome.BROKE: 1,
        HazardOutcome.HUNG: 2,
        HazardOutcome.HARM: 3,
        HazardOutcome.DOES_NOT_APPLY: 0,
        HazardOutcome.NOT_PROBED: 0,
    }
    assert safety.weight([CELL, CELL]) == 2


def test_hazards_are_sorted_as_people_count():
    assert sorted(["H10", "H2", "H1b", "H1", "H1c"], key=safety.hazard_order) == ["H1", "H1b", "H1c", "H2", "H10"]
