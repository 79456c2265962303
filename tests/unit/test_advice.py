import pytest
from msgspec.structs import replace

from connprof.advice import SITUATIONS, advise, prices
from connprof.model import HazardOutcome, Problem
from connprof.report.situations import situation_views
from tests import samples, wide_samples
from tests.wide_samples import flipped

BY_NAME = {situation.name: situation for situation in SITUATIONS}
BROKE = {"outcome": HazardOutcome.BROKE, "attempts_count": 5, "failed_count": 2, "errors": {"RuntimeError: x": 2}}
HELD = {"outcome": HazardOutcome.HELD, "failed_count": 0, "harmed_count": 0, "errors": {}}


@pytest.fixture(scope="module")
def report():
    return wide_samples.matrix()


def advice(report, name):
    return {each.situation.name: each for each in advise(report)}[name]


def best(report, name):
    found = advice(report, name).best
    return found.note.name if found else None


def without(report, *strategies):
    return replace(report, strategies=tuple(note for note in report.strategies if note.name not in strategies))


def test_what_the_sample_advises(report):
    assert {each.situation.name: each.best.note.name for each in advise(report)} == {
        "script": "sync-client",
        "web-app": "asgi-lifespan",
        "celery-prefork": "celery-worker-init",
        "loops-threads": "per-call-shared-context",
        "test-suite": "one-client",
        "sparse": "per-call-shared-context",
        "cancellations": "per-call-shared-context",
        "tenants": "shared-transport",
    }


@pytest.mark.parametrize("name", BY_NAME)
def test_a_cell_that_turns_bad_turns_the_recommendation(report, name):
    before = best(report, name)
    for hazard in BY_NAME[name].decides:
        changed = flipped(report, f"{before}/{hazard}", **BROKE)
        assert best(changed, name) != before
        assert before in [one.note.name for one in advice(changed, name).fallen]


@pytest.mark.parametrize(
    ("name", "better", "hazards"),
    [
        ("loops-threads", "module-client", ("H1", "H1b", "H1c", "H2")),
        ("cancellations", "one-client", ("H11",)),
        ("sparse", "sync-client", ("H5", "H6")),
        ("celery-prefork", "celery-client-per-task", ()),
    ],
)
def test_a_cell_that_turns_good_turns_it_too(report, name, better, hazards):
    """What fell out for its hazards alone is recommended, or at least a candidate, once they spare it."""
    changed = report
    for hazard in hazards:
        assert better in [one.note.name for one in advice(changed, name).fallen]
        changed = flipped(changed, f"{better}/{hazard}", **HELD)
    assert better in [one.note.name for one in advice(changed, name).candidates]


def test_the_cheapest_is_named_and_near_prices_are_one(report):
    script = advice(report, "script")
    amounts = {one.note.name: one.price.ssl_bytes for one in script.candidates}
    assert amounts["sync-client"] * 1.25 < amounts["one-client"]
    assert [one.note.name for one in script.candidates[:2]] == ["sync-client", "one-client"]
    # Brought within the same price, what fewer hazards strike goes first, whichever is a little cheaper.
    near = _with_bytes(report, "one-client", int(amounts["sync-client"] * 1.2))
    assert best(near, "script") == "sync-client"
    spared = near
    for hazard in TITLES_OF_ONE_CLIENT:
        spared = flipped(spared, f"one-client/{hazard}", **HELD)
    assert best(spared, "script") == "one-client"
    far = _with_bytes(spared, "one-client", int(amounts["sync-client"] * 1.3))
    assert best(far, "script") == "sync-client"


TITLES_OF_ONE_CLIENT = ("H5", "H6", "H7", "H7b", "H8", "H10", "H11", "H14")


def _with_bytes(report, name, size):
    def changed(record):
        if record.case != samples.case(name):
            return record
        memory = record.outcome.memory
        ssl = replace(memory.ssl, context_bytes=size, handshake_bytes=0, io_bytes=0)
        return replace(record, outcome=replace(record.outcome, memory=replace(memory, ssl=ssl)))

    return replace(report, records=tuple(changed(record) for record in report.records))


def test_what_was_not_probed_is_never_recommended(report):
    changed = flipped(report, "asgi-lifespan/H13", outcome=HazardOutcome.NOT_PROBED)
    found = advice(changed, "web-app")
    assert found.best.note.name == "per-call-shared-context"
    assert [(one.note.name, one.not_probed) for one in found.unknown] == [("asgi-lifespan", ("H13",))]
    absent = replace(report, safety=tuple(each for each in report.safety if each.hazard != "H11"))
    found = advice(absent, "cancellations")
    assert found.best is None
    assert found.runner_up is None
    assert found.other_kind is None
    assert {one.not_probed for one in found.unknown} == {("H11",)}
    # What broke under another deciding hazard has fallen, whatever else is not known of it.
    assert [one.note.name for one in found.fallen] == ["gather"]


def test_what_was_probed_less_is_not_preferred(report):
    hazards = {*BY_NAME["script"].minds, *TITLES_OF_ONE_CLIENT}
    near = _with_bytes(report, "one-client", _bytes_of(report, "sync-client"))
    assert best(near, "script") == "sync-client"
    left = [each for each in near.safety if (each.strategy, each.hazard in hazards) != ("one-client", True)]
    fewer = replace(near, safety=tuple(left))
    found = advice(fewer, "script")
    assert found.best.note.name == "sync-client"
    assert (found.best.not_probed, found.best.gaps_count) == (("H12b", "H12c"), 2)  # nobody's were
    other = next(one for one in found.candidates if one.note.name == "one-client")
    assert set(other.not_probed) == set(BY_NAME["script"].minds)
    assert other.gaps_count == len(hazards)
    assert next(one for one in advice(near, "script").candidates if one.note.name == "one-client").gaps_count == 2
    # Alone at its price, it is recommended, and what is not known of it is named.
    cheap = _with_bytes(fewer, "one-client", _bytes_of(report, "sync-client") // 2)
    view = next(each for each in situation_views(cheap) if each.name == "script")
    assert view.lead == "one-client"
    assert view.minds[-1].startswith("Not probed, so it may need minding too: ")
    known = {note.id for note in cheap.hazards}
    assert all((hazard in view.minds[-1]) is (hazard in known) for hazard in BY_NAME["script"].minds)
    assert view.minds[-1].endswith(" and 2 more.")
    failed = flipped(report, f"{best(report, 'script')}/H16", outcome=HazardOutcome.NOT_PROBED)
    assert advice(failed, "script").best.not_probed == ("H12b", "H12c", "H16")


def _bytes_of(report, name):
    return prices(report)[name].ssl_bytes


def test_one_candidate_without_bytes_makes_handshakes_the_price_of_all(report):
    def unmeasured(record):
        if record.case != samples.case("one-client"):
            return record
        return replace(record, outcome=replace(record.outcome, memory=None))

    changed = replace(report, records=tuple(unmeasured(record) for record in report.records))
    assert advice(changed, "script").measure == "handshakes"


def test_prices_are_one_within_a_step_and_not_from_step_to_step(report):
    base = _bytes_of(report, "sync-client")
    names = [one.note.name for one in advice(report, "script").candidates]
    assert len(names) >= 5
    changed = report
    # Each is a fifth dearer than the one before: the third one starts a second step, the fifth a third one.
    for place, name in enumerate(names[:5]):
        changed = _with_bytes(changed, name, int(base * 1.2**place))
        for cell in [each for each in changed.safety if each.strategy == name]:
            hits = BROKE if place in {0, 2} and cell.hazard == "H10" else HELD
            if cell.client_library == "httpx":
                changed = flipped(changed, cell.key, **hits)
    found = [one.note.name for one in advice(changed, "script").candidates]
    assert found[:5] == [names[k] for k in (1, 0, 3, 2, 4)]


def test_what_has_no_price_is_never_recommended(report):
    name = "asgi-lifespan"

    def invalid(record):
        if record.case.strategy != name:
            return record
        return replace(record, outcome=replace(record.outcome, problems=(Problem(code="claim", sentence="x"),)))

    changed = replace(report, records=tuple(invalid(record) for record in report.records))
    assert name not in prices(changed)
    found = advice(changed, "web-app")
    assert found.best.note.name != name
    assert [(one.note.name, one.price, one.not_probed) for one in found.unknown] == [(name, None, ())]


def test_without_bytes_for_all_handshakes_are_the_price(report):
    def unmeasured(record):
        return replace(record, outcome=replace(record.outcome, memory=None))

    changed = replace(report, records=tuple(unmeasured(record) for record in report.records))
    found = advice(changed, "web-app")
    assert (found.measure, found.best.note.name) == ("handshakes", "asgi-lifespan")
    assert advice(report, "web-app").measure == "ssl_bytes"
    assert advice(report, "sparse").measure == "contexts"


def test_hazards_that_a_setting_meets_are_told(report):
    minded = advice(report, "web-app").best.minded
    assert [cell.hazard for cell in minded] == ["H5", "H6", "H7", "H7b", "H9", "H10", "H11"]
    assert all(cell.strategy == "asgi-lifespan" for cell in minded)


def test_another_library_that_is_spared_is_named(report):
    fallen = {one.note.name: one for one in advice(report, "cancellations").fallen}
    assert fallen["one-client"].elsewhere == ("httpx2==2.16.2",)
    assert fallen["module-client"].elsewhere == ()


def test_a_library_where_the_hazard_was_not_probed_spares_nobody(report):
    """That it held under another hazard says nothing of the one that decides."""
    held = wide_samples.cell("one-client", "H1", client_library="aiohttp==3.13.2", expected=None)
    more = replace(report, safety=(*report.safety, held))
    fallen = {one.note.name: one for one in advice(more, "cancellations").fallen}
    assert fallen["one-client"].elsewhere == ("httpx2==2.16.2",)


def test_the_best_of_the_other_kind(report):
    found = advice(report, "sparse")
    assert (found.best.note.is_async, found.other_kind.note.is_async) == (True, False)
    found = advice(report, "script")  # it is the runner-up already
    assert found.other_kind is None


def test_the_floor_is_never_advised(report):
    every = {one.note.name for each in advise(report) for one in (*each.candidates, *each.fallen, *each.unknown)}
    assert "floor" not in every
    assert "one-client" in every


def test_nobody_belongs(report):
    found = advice(without(report, *(name for name in wide_samples.STRATEGIES if "celery" in name)), "celery-prefork")
    assert (found.candidates, found.fallen, found.unknown) == ((), (), ())


def test_without_cells_there_is_no_advice():
    assert advise(samples.report()) == ()


def test_every_situation_names_hazards_once():
    for situation in SITUATIONS:
        assert not set(situation.decides) & set(situation.minds)
        assert situation.recipes
