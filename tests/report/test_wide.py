"""The page of a wide run: the safety matrix, what is right for whom, and a section for each axis."""

import io
import re

import pytest
from msgspec.structs import replace
from rich.console import Console

from connprof.model import Half, HazardOutcome, Record, VerdictStatus
from connprof.report import build, html, plots, print_summary, series, write
from connprof.report.cases import seen
from connprof.report.departures import axis_views
from tests import samples, wide_samples
from tests.report.test_page import outline
from tests.wide_samples import flipped

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def made():
    return build(wide_samples.matrix())


@pytest.fixture(scope="module")
def surprising():
    return build(wide_samples.surprising())


def undrawn(made):
    return html.page(made, {plot.key: ("<svg></svg>", "<svg></svg>") for plot in made.every_plot})


def cell_of(made, strategy, hazard):
    column = [each.id for each in made.safety.hazards].index(hazard)
    return next(row for row in made.safety.rows if row.name == strategy).cells[column]


# --- the matrix -----------------------------------------------------------------------------------------------------


def test_an_ordinary_report_has_none_of_it():
    made = build(samples.report())
    assert (made.safety, made.situations, made.axes, made.wide) == (None, (), (), ())
    page = undrawn(made)
    for word in ('id="safety"', 'id="situations"', "popover id", "From the cache"):
        assert word not in page


def test_every_outcome_has_a_symbol_a_word_and_a_colour(surprising):
    cells = [cell for row in surprising.safety.rows for cell in row.cells]
    looks = {(cell.mark.word, cell.mark.symbol, cell.kind) for cell in cells}
    assert {word for word, _, _ in looks} == {outcome.value for outcome in HazardOutcome}
    assert len(looks) == len({symbol for _, symbol, _ in looks}) == len({kind for _, _, kind in looks}) == 6
    page = undrawn(surprising)
    for word, symbol, kind in looks:
        assert f'<td class="{kind}' in page
        assert f'<span class="sign" aria-hidden="true">{symbol}</span><span class="word">{word}</span>' in page


def test_rows_are_safest_first_and_hazards_in_order(made):
    names = [row.name for row in made.safety.rows]
    assert names[:4] == ["per-call-client", "per-call-get", "per-call-async", "celery-client-per-task"]
    assert names[-1] == "lazy-service"
    assert [each.id for each in made.safety.hazards] == list(wide_samples.TITLES)
    assert made.safety.rows[-1].tally == "4 silent harms, 2 hung, 12 broke"
    assert made.safety.rows[0].price == "40 contexts, 40 handshakes, 288.2 MB"
    assert "4 were spared by all that was probed, the cheapest of them per-call-client" in made.safety.sentence
    assert made.safety.tally == ("378 cells: 212 held, 96 broke, 6 hung, 34 did silent harm, 30 do not apply")


def test_a_cell_opens_to_symptom_exceptions_counts_and_command(made):
    cell = cell_of(made, "module-client", "H1")
    assert cell.counts == ("2 of 5",)
    assert cell.symptom == "Of 5 calls 2 failed and 0 were harmed unseen."
    assert ("2x", "RuntimeError: Event loop is closed") in cell.facts
    assert ("Failed", "2 of 5 with an exception") in cell.facts
    assert cell.command == "nox -s matrix -- --probe module-client/H1"
    assert not cell.unlike
    page = undrawn(made)
    assert f'popovertarget="{cell.key}"' in page
    story = page[page.index(f'popover id="{cell.key}"') :].split("</div>", 1)[0]
    for text in (cell.symptom, "RuntimeError: Event loop is closed", cell.command, "A client outlives"[2:]):
        assert text in story


def test_a_statistical_hazard_shows_a_rate_with_its_interval(made):
    cell = cell_of(made, "one-client", "H5")
    assert cell.counts == ("46 of 400", "8.7 to 15 %")
    assert ("Rate", "46 of 400, 95 % interval 8.7-15 %; statistical, never gated") in cell.facts
    assert cell_of(made, "per-call-async", "H5").counts == ("0 of 400", "0 to 1 %")
    assert {each.id for each in made.safety.hazards if each.remark} == {"H5", "H17"}
    changed = flipped(wide_samples.matrix(), "one-client/H5", failed_count=9, expected="broke 46 of 400")
    assert not cell_of(build(changed), "one-client", "H5").unlike


def test_what_is_unlike_its_declaration_is_loud(made, surprising):
    assert not made.safety.unlike.rows
    assert "Unlike declared" not in undrawn(made)
    rows = [[cell.text for cell in row.cells] for row in surprising.safety.unlike.rows]
    assert [row[:4] for row in rows] == [
        ["one-client", "H13", "held, or does not apply", "broke 1 of 1: ResourceWarning"],
        ["module-client", "H1", "broke 2 of 5: RuntimeError", "held"],
    ]
    cell = cell_of(surprising, "module-client", "H1")
    assert cell.unlike
    assert cell.facts[:2] == (("Declared", "broke 2 of 5: RuntimeError"), ("Measured", "held"))
    page = undrawn(surprising)
    assert page.index("Unlike declared") < page.index("Safety matrix")
    assert page.count('<td class="held unlike">') == page.count('<td class="broke unlike">') == 1
    assert page.count("≠ unlike what is declared") == 2


def test_the_first_screen_says_whether_hazards_came_out_as_declared(made, surprising):
    said = [next(each for each in one.assurances if "Hazards" in each.label) for one in (made, surprising)]
    assert [(each.mark.tone, each.text) for each in said] == [
        ("good", "380 hazard probes, 0 unlike what is declared"),
        ("bad", "379 hazard probes, 2 unlike what is declared, 1 did not work"),
    ]
    assert not [each for each in build(samples.report()).assurances if "Hazards" in each.label]


def test_a_long_list_of_surprises_is_cut():
    base = wide_samples.matrix()
    cells = tuple(replace(each, expected="hung") for each in base.safety)
    table = build(replace(base, safety=cells)).safety.unlike
    assert len(table.rows) == 30
    assert re.fullmatch(r"\d{3} more, marked in the matrix\.", table.note)


def test_an_absent_cell_and_one_not_probed(surprising):
    absent = cell_of(surprising, "gather", "H12")
    assert (absent.mark.word, absent.symptom, absent.command) == ("not probed", "This run holds no such probe.", "")
    broken = cell_of(surprising, "per-call-async", "H2")
    assert (broken.mark.word, broken.symptom) == ("not probed", "The probe's server did not start.")
    assert "2 not probed" in surprising.safety.tally


def test_a_hazard_without_a_note_has_a_column_still():
    base = wide_samples.matrix()
    made = build(replace(base, hazards=tuple(note for note in base.hazards if note.id != "H11")))
    assert [each.id for each in made.safety.hazards] == list(wide_samples.TITLES)


def test_foreign_text_in_cells_is_escaped():
    report = flipped(
        wide_samples.matrix(),
        "one-client/H1",
        symptom=samples.HOSTILE,
        command=samples.HOSTILE,
        errors={samples.HOSTILE: 1},
        expected=samples.HOSTILE,
    )
    report = replace(report, hazards=(replace(report.hazards[0], title=samples.HOSTILE), *report.hazards[1:]))
    page = undrawn(build(report))
    found = outline(page)
    assert "script" not in found.tags
    assert "{{ 7*7 }}" in page
    assert "\u202e" not in page


# --- the picture ----------------------------------------------------------------------------------------------------


def test_the_picture_has_a_dot_for_each_strategy(made):
    strip = made.safety.picture.series
    dots = [dot for band in strip.bands for dot in band.dots]
    assert {dot.short for dot in dots} == set(wide_samples.STRATEGIES)
    assert [int(band.label) for band in strip.bands] == sorted(int(band.label) for band in strip.bands)
    assert {dot.harm for dot in strip.bands[0].dots} == {"spared"}
    assert strip.axis.is_log
    assert strip.axis.label == "SSL bytes of 40 calls, MB (logarithmic)"
    sync = next(dot for dot in dots if dot.short == "sync-client")
    assert (sync.label, sync.harm, round(sync.value, 1)) == ("sync-client: 1 silent harm, 5 broke", "harm", 13.7)
    assert "The cheapest, sync-client, costs 13.7 MB" in made.safety.picture.takeaway


def test_silent_harm_counts_more_and_looks_larger():
    base = wide_samples.matrix()

    def band(report):
        strip = build(report).safety.picture.series
        found = next(band for band in strip.bands if any(dot.short == "per-call-get" for dot in band.dots))
        return int(found.label), next(dot.harm for dot in found.dots if dot.short == "per-call-get")

    found = [
        band(flipped(base, "per-call-get/H6", outcome=outcome))
        for outcome in (HazardOutcome.HELD, HazardOutcome.BROKE, HazardOutcome.HUNG, HazardOutcome.HARM)
    ]
    assert found == [(0, "spared"), (1, "broke"), (2, "broke"), (3, "harm")]
    sheet = plots._Sheet(plots._LOOKS["wide"], 100, plots.LIGHT)
    sizes = [
        plots._harm_mark(sheet, harm, 0, 0, harms_count=count).get_markersize()
        for harm, count in (("spared", 0), ("broke", 0), ("harm", 1), ("harm", 4))
    ]
    assert sizes == sorted(sizes)
    assert sizes[3] > 1.4 * sizes[2] > 1.4 * sizes[0]
    largest = plots._harm_mark(sheet, "harm", 0, 0, harms_count=20).get_markersize()
    assert largest * 2**0.5 < 19, "a diamond on its tip stays within its row"


def probed(*names, report=None):
    """The report with the probes of these strategies alone."""
    report = report or wide_samples.matrix()
    return replace(report, safety=tuple(cell for cell in report.safety if cell.strategy in names))


def priced(report, *names):
    """The report with the cases of these strategies alone."""
    return replace(report, records=tuple(each for each in report.records if each.case.strategy in names))


def test_one_strategy_is_neither_the_cheapest_nor_drawn():
    of = priced(probed("per-call-async", "lazy-service"), "per-call-async", "client-per-helper")
    picture = build(of).safety.picture
    assert picture.series is None
    assert picture.takeaway == (
        "Only per-call-async has both a price and hazard probes in this run, so there is nothing to compare it with "
        "and nothing is drawn: lazy-service has no measured price; client-per-helper has no hazard probes."
    )


def test_nothing_is_the_cheapest_where_another_on_the_page_costs_less():
    picture = build(probed("per-call-async", "per-call-get")).safety.picture
    assert len([dot for band in picture.series.bands for dot in band.dots]) == 2
    assert "cheapest" not in picture.takeaway
    assert "per-call-get is the safest of those drawn and costs the least of them" in picture.takeaway
    assert "sync-client (13.7 MB)" in picture.takeaway
    assert picture.takeaway.count(" and ") == 2
    assert " more cost less than all that are drawn, but no hazard was probed there." in picture.takeaway
    apart = build(probed("per-call-async", "client-per-helper")).safety.picture.takeaway
    assert "Of those drawn, client-per-helper costs the least, " in apart
    assert "cheapest" not in apart


def test_only_what_has_a_price_is_the_cheapest_of_those_spared():
    both = probed("per-call-async", "per-call-client")
    assert "2 were spared by all that was probed, the cheapest of them per-call-client;" in build(both).safety.sentence
    one = priced(both, "per-call-async")
    assert "2 were spared by all that was probed; 0 did" in build(one).safety.sentence


def test_the_picture_in_handshakes_and_without_any_price():
    base = wide_samples.matrix()

    def stripped(**changes):
        return replace(
            base, records=tuple(replace(one, outcome=replace(one.outcome, **changes)) for one in base.records)
        )

    made = build(stripped(memory=None))
    assert made.safety.picture.series.axis.label == "TLS handshakes of 40 calls (logarithmic)"
    made = build(stripped(memory=None, counts=None))
    assert made.safety.picture.series is None
    assert "nothing to draw" in made.safety.picture.takeaway
    assert {row.price for row in made.safety.rows} == {"no price measured"}


@pytest.mark.parametrize("size", plots.SIZES)
def test_the_picture_is_drawn(made, size):
    drawing = plots.svg(made.safety.picture.series, size, prefix="p")
    assert drawing.startswith("<svg viewBox=")
    assert "var(--before)" in drawing
    assert "var(--after)" in drawing


# --- situations -----------------------------------------------------------------------------------------------------


def test_each_situation_names_one_and_says_why(made):
    assert [each.title for each in made.situations] == [
        "A script", "A web app", "Celery prefork", "Many loops or threads", "A test suite", "Sparse traffic",
        "Many cancellations", "Many tenants",
    ]  # fmt: skip
    web = made.situations[1]
    assert (web.lead, web.mark.word) == ("asgi-lifespan", "recommended")
    assert len(web.sentences) == 2
    assert web.sentences[0] == (
        "A client on app.state, made by the lifespan: 1 context, 5 handshakes, 20.0 MB over 40 calls, and H3, H4, H4b "
        "and H13 spare it."
    )
    assert web.sentences[1] == "Runner-up: per-call-shared-context, 1 context, 40 handshakes, 38.7 MB."
    assert web.minds[0] == (
        "H5 (Idle connection closed just as it is reused: broke 46 of 400: RemoteProtocolError): set keepalive_expiry "
        "below the server's idle timeout (4 s against uvicorn's 5)."
    )
    assert web.recipe == "A short example, tested: docs/recipes/web_app.py"
    assert any(
        one.startswith("lazy-service (1 context, 5 handshakes, 20.0 MB): H3 hung; H4 broke 3 of 3")
        for one in web.fallen
    )
    page = undrawn(made)
    assert page.index('id="situations"') < page.index('id="safety"') < page.index('id="answers"')


def test_a_flipped_cell_changes_the_page():
    report = flipped(
        wide_samples.matrix(), "asgi-lifespan/H13", outcome=HazardOutcome.BROKE, attempts_count=1, failed_count=1
    )
    web = build(report).situations[1]
    assert web.lead == "per-call-shared-context"
    assert any(
        one.startswith("asgi-lifespan (1 context, 5 handshakes, 20.0 MB): H13 broke 1 of 1") for one in web.fallen
    )
    assert web.recipe == ("The tested example shows asgi-lifespan, which this run ranks lower: docs/recipes/web_app.py")


def test_a_test_suites_usual_mistake_is_told_where_the_run_shows_it(made, surprising):
    suite = made.situations[4]
    assert suite.sentences[-1].startswith(
        "With a loop for each test, a client at module level fails every other test (module-client under H1: broke 2"
    )
    assert "shows it failing, and mended in both ways." in undrawn(made)
    assert "With a loop for each test" not in " ".join(surprising.situations[4].sentences)


def test_no_recommendation_says_what_is_missing():
    base = wide_samples.matrix()
    made = build(replace(base, safety=tuple(each for each in base.safety if each.hazard != "H11")))
    found = made.situations[6]
    assert (found.lead, found.mark.word) == ("No recommendation from this run", "no recommendation")
    assert "H11 not probed" in found.sentences[-1]
    assert "Not judged: " in found.sentences[-1]
    assert found.recipe == (
        "An example of what is usual here: docs/recipes/cancellations.py and docs/recipes/client_service.py"
    )
    celery = [name for name in wide_samples.STRATEGIES if name.startswith("celery")]
    made = build(replace(base, strategies=tuple(note for note in base.strategies if note.name not in celery)))
    assert made.situations[2].sentences == ("It holds none of the strategies of Celery workers.",)


def quick():
    """A run that probes three hazards on three strategies."""
    base = wide_samples.matrix()
    few, on = {"H1", "H1b", "H16"}, {"per-call-async", "one-client", "lazy-service"}
    return replace(
        base,
        hazards=tuple(each for each in base.hazards if each.id in few),
        safety=tuple(
            each
            for each in base.safety
            if each.hazard in few and each.strategy in on and each.client_library == "httpx"
        ),
    )


def test_a_page_names_no_hazard_that_its_run_did_not_probe():
    page = undrawn(build(quick()))
    assert set(re.findall(r"\bH\d+[a-z]?\b", re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL))) == {
        "H1", "H1b", "H16",
    }  # fmt: skip
    script, web = build(quick()).situations[:2]
    assert "one-client and per-call-async (2 hazards not probed)" in script.sentences[-1]
    assert "(H1, H1b and 2 more not probed)" in script.sentences[-1]
    assert "Deciding: 4 hazards that this run did not probe. " in web.rule
    assert (
        "Deciding: H1 (A client outlives its event loop), H1b (And the request is sent all the same) and 2 more that "
        "this run did not probe. "
    ) in script.rule


def test_each_hazard_that_a_situation_names_is_explained_in_a_sentence_beside_it(made):
    assert [name for name, _ in build(quick()).hazards] == ["H1", "H1b", "H16"]
    said = dict(made.hazards)
    assert said["H13"] == "Never closed. Raised by: The probe raises it 1 times against the local server."
    page = undrawn(made).replace("&#39;", "'")
    beside = page[page.index('id="situations"') : page.index('id="safety"')]
    assert all(f"<dt>{name}</dt><dd>{told}</dd>" in beside for name, told in made.hazards)
    cards = beside[: beside.index("<dl")]
    assert set(re.findall(r"\bH\d+[a-z]?\b", cards)) == set(said)


def test_another_library_is_named_where_it_is_spared(made):
    fallen = made.situations[6].fallen
    assert any(one.startswith("one-client") and one.endswith("Spared with httpx2==2.16.2") for one in fallen)


# --- axes -----------------------------------------------------------------------------------------------------------


def axis(made, key):
    return next(each for each in made.axes if each.key == key)


def test_a_section_for_each_axis_that_was_varied(made):
    keys = ["library", "round-trip", "calls", "rhythm", "concurrency", "trust", "protocol", "python", "other"]
    assert [each.key for each in made.axes] == keys
    page = undrawn(made)
    for each in made.axes:
        assert f'<section id="{each.key}">' in page
        assert each.sentence in page.replace("&#39;", "'")


def test_a_section_appears_only_where_there_are_cases():
    base = wide_samples.matrix()
    kept = tuple(one for one in base.records if one.case.rtt_ms or one.case.key.count("/") == 2)
    safety = tuple(each for each in base.safety if each.client_library == "httpx")
    kept = tuple(one for one in kept if one.case.calls_count == 40 and one.case.workload == "llm-session")
    assert [each.key for each in build(replace(base, records=kept, safety=safety)).axes] == ["round-trip", "other"]


def test_each_section_answers_from_its_figures(made):
    said = {each.key: each.sentence for each in made.axes}
    assert said["round-trip"].startswith("Each millisecond of round trip adds 4.0 ms to the median call of per-call-")
    assert " and 1.0 ms to that of " in said["round-trip"]
    assert re.match(r"Each further call costs 7\.\d\d MB with per-call-async \(and .* MB once\) and ", said["calls"])
    assert said["rhythm"] == (
        "What a kept connection saves depends on the rhythm: one-client makes 1 handshake for 6 calls (gaps-short), "
        "but 6 handshakes for 6 calls (gaps-long)."
    )
    assert said["concurrency"] == (
        "How many calls are made at once changes what a kept connection saves: one-client makes 5 handshakes for 40 "
        "calls (1 call at once), but 90 handshakes for 40 calls (100 calls at once). Limits of the pool change what a "
        "kept connection saves: one-client makes 10 handshakes for 40 calls (10 calls at once, limits above), but 35 "
        "handshakes for 40 calls (10 calls at once, limits below)."
    )
    assert said["trust"].startswith("What a context loads is what it costs: one-client costs ")
    assert said["library"] == (
        "Changing the library alone does not fix it: with 3 of 3 others a client per call still makes a handshake for "
        "each call, and a context for each with aiohttp 3.13.2 and requests 2.31.0; requests 2.32.4 keeps the context."
    )
    assert said["protocol"] == "HTTP/2 was asked for in 3 cases and spoken in 2; it saved no handshake in any of them."
    assert said["python"].startswith("Over Python 3.11, Python 3.13 and the suite's Python the SSL bytes")
    assert said["other"] == "1 case with more than one difference from the default."


def test_only_the_same_calls_in_another_rhythm_are_held_against_each_other():
    base = wide_samples.matrix()
    kept = tuple(each for each in base.records if not each.case.workload.startswith("gaps"))

    def of(*workloads):
        more = tuple(
            Record(
                case=replace(samples.case("one-client"), workload=workload, calls_count=calls),
                outcome=wide_samples.light("one-client", calls, handshakes=handshakes),
            )
            for workload, calls, handshakes in workloads
        )
        return {each.key: each for each in build(replace(base, records=(*kept, *more))).axes}

    # It calls other origins than the default, and makes no pauses.
    made = of(("single-origin", 10, 1))
    assert "rhythm" not in made
    assert made["other"].sentence == "2 cases with more than one difference from the default."
    # The burst of one at once, which others are held against as well, has as many calls.
    made = of(("single-origin", 40, 1))
    assert made["rhythm"].sentence.endswith(
        "1 handshake for 40 calls (single-origin), but 5 handshakes for 40 calls (burst)."
    )
    # As many calls to the same origin, or no comparison.
    made = of(("single-origin", 10, 1), ("gaps-long", 6, 6))
    assert made["rhythm"].sentence == "The cases measured here do not answer the question; see the table."
    assert made["rhythm"].plots == ()
    assert [row.cells[1].text for row in made["rhythm"].tables[0].rows] == ["gaps-long"]
    made = of(("single-origin", 6, 1), ("gaps-long", 6, 6))
    assert made["rhythm"].sentence.endswith(
        ": one-client makes 1 handshake for 6 calls (single-origin), but 6 handshakes for 6 calls (gaps-long)."
    )
    assert [(row.cells[1].text, row.cells[1].note) for row in made["rhythm"].tables[0].rows] == [
        ("single-origin", "for comparison"),
        ("gaps-long", ""),
    ]
    assert made["other"].sentence.startswith("1 case ")
    # Where there are others of more calls, too.
    sentence = made["rhythm"].sentence
    assert of(("single-origin", 40, 1), ("single-origin", 6, 1), ("gaps-long", 6, 6))["rhythm"].sentence == sentence


def test_only_cases_of_the_same_limits_are_held_against_each_other_at_another_concurrency():
    base = wide_samples.matrix()
    kept = tuple(each for each in base.records if each.case.workload != "burst")

    def of(*cases):
        more = tuple(
            Record(
                case=replace(samples.case("one-client"), workload="burst", concurrency_count=at_once, limits=limits),
                outcome=wide_samples.light("one-client", handshakes=handshakes),
            )
            for at_once, limits, handshakes in cases
        )
        return axis(build(replace(base, records=(*kept, *more))), "concurrency")

    made = of((1, "default", 5), (10, "below", 35))
    assert made.sentence == "The cases measured here do not answer the question; see the table."
    assert [row.cells[1].text for row in made.tables[0].rows] == ["10 calls at once, limits below"]
    made = of((1, "default", 5), (10, "default", 22), (100, "below", 90))
    assert made.sentence.endswith(
        ": one-client makes 5 handshakes for 40 calls (1 call at once), but 22 handshakes for 40 calls (10 calls at "
        "once)."
    )
    assert "90" not in made.sentence
    made = of((10, "below", 35), (10, "at", 10), (20, "at", 20))
    assert made.sentence.count("one-client makes") == 2
    assert "10 handshakes for 40 calls (10 calls at once, limits at), but 20 handshakes" in made.sentence
    assert "10 handshakes for 40 calls (10 calls at once, limits at), but 35 handshakes" in made.sentence


def test_http_2_that_was_not_spoken_is_loud(made):
    table = axis(made, "protocol").tables[0]
    spoken = {(row.cells[0].text, row.cells[1].text): row.cells[8] for row in table.rows}
    assert spoken["module-client", "HTTP/2"].mark.word == "asked for HTTP/2, spoke http/1.1 (5)"
    assert spoken["module-client", "HTTP/2"].mark.tone == "bad"
    assert spoken["one-client", "HTTP/2"].text == "h2 (5)"


def test_slope_and_intercept_stand_with_the_plot(made):
    (plot,) = axis(made, "calls").plots
    assert re.search(r"per-call-async 7\.\d\d MB a call and 0\.0 MB once", plot.takeaway)
    assert "-0.0" not in axis(made, "calls").sentence
    assert isinstance(plot.series, series.Lines)
    assert [x for x, _ in plot.series.lines[0].points] == [1, 10, 40, 100, 400]


def test_hazards_by_library(made):
    table = axis(made, "library").tables[1]
    assert [column.title for column in table.columns] == ["Strategy", "Hazard", "httpx", "httpx2==2.16.2"]
    assert ["one-client", "H11", "broke 1 of 2: PoolTimeout", "held"] in [
        [cell.text for cell in row.cells] for row in table.rows
    ]


def test_failed_cases_of_an_axis_stay_in_sight():
    base = wide_samples.matrix()
    broken = samples.Failed(stage="counts", message="The environment could not be made.")
    case = replace(samples.case("one-client"), client_library="urllib3==2.5.0")
    made = build(replace(base, records=(*base.records, Record(case=case, outcome=broken))))
    assert [row.cells[0].text for row in made.problems.rows] == ["one-client (client library urllib3==2.5.0)"]
    rows = axis(made, "library").tables[0].rows
    assert [row.cells[-1].mark.word for row in rows if row.cells[1].text == "urllib3 2.5.0"] == ["failed"]


def test_only_the_base_has_detail_and_every_case_is_somewhere(made):
    assert len(made.strategies.rows) == 1 + len(wide_samples.STRATEGIES)
    assert not any("modelled round trip" in row.cells[0].note for row in made.strategies.rows)
    departing = sum(not row.cells[1].note for each in made.axes for table in each.tables[:1] for row in table.rows)
    # One of them is what the others of the same burst are held against.
    assert departing == len(wide_samples.departures()) - 1
    assert [row.cells[1].text for row in axis(made, "rhythm").tables[0].rows] == ["gaps-long", "gaps-short"]
    assert len(axis(made, "concurrency").tables[0].rows) == 6
    assert "calls" in made.meta[3]
    assert made.meta[3] == "40 calls"
    assert axis_views(samples.report(), seen(samples.report())) == ()


def test_a_long_list_of_lines_is_cut():
    base = wide_samples.matrix()
    more = [
        Record(case=replace(samples.case(name), rtt_ms=20.0), outcome=wide_samples.light(name, rtt_ms=20))
        for name in wide_samples.STRATEGIES
        if name not in {"per-call-async", "per-call-shared-context", "one-client", "client-per-helper"}
    ]
    (plot,) = axis(build(replace(base, records=(*base.records, *more))), "round-trip").plots
    assert len(plot.series.lines) == 9
    assert plot.left_out == "9 more strategies in the table."


# --- cache, page, terminal ------------------------------------------------------------------------------------------


def test_what_came_from_the_cache_is_said(made):
    said = "63 of 380 safety cells, the oldest measured 19 November 2026, 22:10 UTC"
    provenance = dict(made.provenance.pairs)["From the cache"]
    assert provenance == f"0 of {len(wide_samples.matrix().records)} cases and {said}"
    assert any(each.label == "From the cache" and said in each.text for each in made.assurances)
    assert ("From the cache", "measured 19 November 2026, 22:10 UTC") in cell_of(made, "celery-worker-init", "H1").facts
    base = samples.report()
    records = (replace(base.records[0], cached_from="2026-11-18T08:00:00+00:00"), *base.records[1:])
    fresh = build(replace(base, records=records))
    assert dict(fresh.provenance.pairs)["From the cache"] == (
        "1 of 8 cases, the oldest measured 18 November 2026, 08:00 UTC"
    )


def test_passes_from_the_cache_are_said_where_the_rest_of_their_case_was_measured():
    base = samples.report()
    partly = replace(base.records[1], cached_passes=("counts", "timing 2"))
    both = build(replace(base, records=(replace(base.records[0], cached_from=wide_samples.CACHED_FROM), partly)))
    assert dict(both.provenance.pairs)["From the cache"].endswith(", and 2 passes of 1 other case")
    alone = build(replace(base, records=(base.records[0], partly)))
    assert dict(alone.provenance.pairs)["From the cache"] == "2 passes of 1 case"


def test_the_page_is_well_formed_and_light(surprising):
    page = undrawn(surprising)
    found = outline(page)
    assert len(found.ids) == len(set(found.ids))
    assert "script" not in found.tags
    targets = [value for _, name, value in found.attributes if name == "popovertarget"]
    assert set(targets) <= set(found.ids)
    assert len(set(targets)) == len(wide_samples.STRATEGIES) * 21 + 21
    for anchor in re.findall(r'href="#([^"]+)"', page):
        assert anchor in found.ids
    assert len(page) < 600_000
    assert not re.search(r"https?://", page)


def test_pictures_that_have_no_counterpart_any_more_are_removed(tmp_path):
    for name in ("axis-calls.png", "price-and-safety.png", "mine.png"):
        (tmp_path / name).write_bytes(b"old")
    write(samples.nothing_measured(), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"index.html", "mine.png"}


@pytest.mark.parametrize("terminal", [True, False])
def test_the_summary_in_a_terminal(terminal):
    sink = io.StringIO()
    console = Console(file=sink, force_terminal=terminal, width=80)
    print_summary(wide_samples.surprising(), console, page="/tmp/out/index.html")
    shown = re.sub(r"\x1b\[[0-9;]*m", "", sink.getvalue())
    assert all(len(line.rstrip()) <= 80 for line in shown.splitlines())
    flat = " ".join(shown.split())
    assert "Safety: 378 cells: 210 held" in flat
    assert "Unlike declared: 2: one-client/H13 broke 1 of 1: ResourceWarning; module-client/H1 held A script:" in flat
    assert "A web app: asgi-lifespan" in flat
    assert "63 of 379 safety cells" in flat
    assert flat.endswith("Page: /tmp/out/index.html")


def test_without_any_recommendation_a_terminal_says_it_once():
    base = wide_samples.matrix()
    made = build(replace(base, safety=tuple(each for each in base.safety if each.hazard == "H7")))
    assert [name for name, _ in made.wide] == ["Other axes", "Safety", "Unlike declared", "Recommendations"]


def test_many_interrupted_cases_are_one_problem():
    base = wide_samples.matrix()
    stopped = samples.Failed(stage="interrupted", message="the run was interrupted before this case was complete")

    def with_stopped(count):
        records = [replace(each, outcome=stopped) for each in base.records[-count:]]
        return build(replace(base, records=(*base.records[:-count], *records)))

    assert len(with_stopped(8).problems.rows) == 8
    (row,) = with_stopped(9).problems.rows
    assert (row.cells[0].text, row.cells[1].mark.word) == ("9 cases", "interrupted")
    assert row.cells[2].text.endswith(" and 1 more")
    other = axis(with_stopped(20), "rhythm")
    assert (other.sentence, other.plots) == ("No case of this section was measured to its end.", ())


def test_a_case_that_fails_as_its_strategy_declares_is_no_alarm():
    base = wide_samples.matrix()
    name = "celery-global-client"
    failed = samples.Failed(stage="counts", message="RuntimeError: Event loop is closed")

    def with_failure(fails):
        return replace(
            base,
            strategies=tuple(replace(each, fails=fails) if each.name == name else each for each in base.strategies),
            records=tuple(
                replace(each, outcome=failed) if each.case.strategy == name else each for each in base.records
            ),
        )

    made = build(with_failure("RuntimeError: Event loop is closed"))
    assert [row.cells[1].mark.word for row in made.problems.rows] == ["failed as declared"]
    assert "failed" not in made.verdict.sentence
    mode = next(each for each in made.assurances if each.label == "Full run")
    assert (mode.mark.tone, mode.text.rpartition("; ")[2]) == ("good", "1 case failed as declared")
    made = build(with_failure("PoolTimeout"))
    assert [row.cells[1].mark.word for row in made.problems.rows] == ["failed"]
    assert "1 of" in made.verdict.sentence


# --- how much of it there is ----------------------------------------------------------------------------------------


def mode_of(made):
    return next(each for each in made.assurances if each.label in {"Full run", "Partial run", "Quick run"}).text


def narrowed(*cases, **run):
    """A run of one strategy on one axis, by the suite's own names."""
    base = wide_samples.matrix()
    half = Half(status=VerdictStatus.NOT_MEASURED, reason="per-call-async was not part of this run.")
    left_out = tuple(name for name in wide_samples.STRATEGIES if name != "one-client")
    kept = replace(
        base,
        run=samples.run(left_out=("floor", *left_out), **run),
        records=cases,
        strategies=tuple(wide_samples.note(name) for name in dict.fromkeys(each.case.strategy for each in cases)),
        safety=(),
        hazards=(),
    )
    return samples.with_halves(kept, regression=half, fix=half, answers=None)


def one_client(rtt_ms):
    case = replace(samples.case("one-client"), rtt_ms=rtt_ms)
    return Record(case=case, outcome=wide_samples.light("one-client", rtt_ms=rtt_ms))


def test_strategies_are_counted_in_one_way(made):
    names = len(wide_samples.STRATEGIES) + 1  # and the floor
    assert mode_of(build(narrowed(one_client(0.0)))).startswith(f"1 of {names} strategies; 1 of 1 cases")
    assert "strategies" not in mode_of(made)
    some = wide_samples.matrix()
    records = tuple(each for each in some.records if each.case.strategy in {"per-call-async", "shared-client"})
    records = tuple(each for each in records if each.case.client_library in {"httpx", "requests==2.31.0"})
    cells = tuple(each for each in some.safety if each.strategy == "lazy-service")
    partly = build(replace(some, records=records, safety=cells))
    # Measured, and only probed; the other library's are no strategies of the suite's own.
    assert mode_of(partly).startswith(f"2 of {names} strategies, and 1 other client library; ")
    assert "lazy-service" not in {row.cells[0].text for row in partly.brief.rows}


def test_the_cases_that_the_table_does_not_hold_are_said(made):
    departing = len(wide_samples.departures())
    said = f"{departing} cases more, on the page in the sections of their axes and “Other combinations”"
    assert ("Other axes", said) in made.wide
    assert made.strategies.note.startswith(f"{said}. ")


def test_cases_that_depart_on_several_axes_are_said_to_be_where_they_are():
    cases = (
        Record(
            case=replace(samples.case("one-client"), calls_count=10, **axes),
            outcome=wide_samples.light("one-client", 10),
        )
        for axes in ({"rtt_ms": 20.0}, {"trust_store": "none"}, {"http_version": "2"})
    )
    made = build(narrowed(one_client(0.0), *cases))
    assert [each.title for each in made.axes] == ["Other combinations"]
    assert made.strategies.note.startswith("3 cases more, on the page in “Other combinations”. ")
    assert '<a href="#other">Other combinations</a>' in undrawn(made)


def test_a_run_that_asked_for_no_verdict_opens_with_what_it_measured():
    report = narrowed(one_client(0.0), one_client(50.0))
    made = build(report)
    assert made.verdict.lead == "2 cases measured"
    assert made.verdict.mark.tone == "good"
    assert re.fullmatch(
        r"one-client: 1 context, 5 handshakes, 20\.0 MB of SSL bytes, p50 [\d.]+ ms; "
        r"one-client \(50 ms modelled round trip\): 1 context, 5 handshakes, 20\.0 MB of SSL bytes, p50 [\d.]+ ms\.",
        made.verdict.rest,
    )
    assert (made.figures, made.changes) == ((), ())
    assert 'id="figures"' not in undrawn(made)
    for is_terminal in (False, True):
        out = io.StringIO()
        print_summary(report, Console(file=out, force_terminal=is_terminal, width=200))
        assert "2 cases measured: " in out.getvalue()
        assert "SSL allocations" not in out.getvalue()


def test_a_wider_run_without_a_verdict_opens_with_the_answers_of_its_axes():
    made = build(narrowed(*(one_client(float(rtt_ms)) for rtt_ms in (0, 10, 20, 50, 100))))
    assert made.verdict.lead == "5 cases measured"
    assert made.verdict.rest == axis(made, "round-trip").sentence


def test_cases_that_failed_are_said_where_no_verdict_was_asked_for():
    broken = replace(one_client(50.0), outcome=samples.Failed(stage="counts", message="It hung."))
    made = build(narrowed(one_client(0.0), broken))
    assert (made.verdict.lead, made.verdict.mark.tone) == ("1 of 2 cases measured", "warn")
    assert made.verdict.rest.endswith("1 of 2 cases failed.")
    alone = build(narrowed(broken))
    assert alone.verdict.rest == "1 of 1 cases failed."


@pytest.mark.parametrize("name", ["per-call-async", "client-per-helper"])
def test_a_run_of_either_strategy_of_the_incident_has_its_figures(name):
    case = Record(case=samples.case(name), outcome=wide_samples.light(name))
    made = build(narrowed(case))
    assert len(made.figures) == 3
    assert made.verdict.lead.startswith("No verdict")
