"""The page of a run as a browser shows it."""

import pytest
from msgspec.structs import replace

from connprof.report.profile import render
from tests import run_samples as samples
from tests.report.test_browser import CONTRAST, NARROW, OVERFLOWING, SMALL, WIDE, browser

__all__ = ["browser"]

pytestmark = pytest.mark.once

# Texts that are cut off by their own box, but for the line at the top, which the page holds in full below.
CUT = """() => [...document.querySelectorAll('main li, main p, main dd, main dt, main h1, main h3, .finding, .payers')]
  .filter((element) => element.scrollWidth > element.clientWidth + 1)
  .map((element) => element.tagName + ': ' + element.textContent.trim().slice(0, 60))"""


@pytest.fixture(scope="module")
def addresses(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    found = {}
    for name, made in samples.STATES.items():
        page = folder / f"{name}.html"
        page.write_text(render(made(), "html", folder=samples.FOLDER), encoding="utf-8")
        found[name] = page.as_uri()
    return found


@pytest.fixture
def opened(browser, addresses):
    contexts, complaints, requests = [], [], []

    def open_page(name, size, scheme="light"):
        context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(addresses[name])
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
    assert {url.partition(":")[0] for url in requests} <= {"file", "data"}


@pytest.mark.parametrize("size", [WIDE, NARROW, SMALL], ids=str)
@pytest.mark.parametrize("name", [name for name in samples.STATES if name != "many"])
def test_nothing_overflows_and_nothing_is_cut(opened, name, size):
    page = opened(name, size)
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    assert page.evaluate(OVERFLOWING) == []
    assert page.evaluate(CUT) == []


# Numbers of lines that a break tears in two.
TORN = r"""() => [...document.querySelectorAll('#lines code, #payers code')].filter((code) => {
  const last = code.lastChild, digits = last.data.match(/:?\d+$/);
  if (!digits) return false;
  const range = document.createRange();
  range.setStart(last, last.data.length - digits[0].length);
  range.setEnd(last, last.data.length);
  return range.getClientRects().length > 1;
}).map((code) => code.textContent)"""


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=str)
def test_the_number_of_a_line_stays_in_one_piece(browser, size):
    profile = samples.incident()
    for letters in (18, 21, 24, 27):
        name = f"/app/{'a' * letters}.py"
        sites = tuple(replace(each, site=replace(each.site, file=name, line=15)) for each in profile.sites)
        page = browser.new_page(viewport={"width": size[0], "height": size[1]})
        page.set_content(render(replace(profile, sites=sites), "html", folder=samples.FOLDER))
        assert page.evaluate(TORN) == []
        page.close()


@pytest.mark.parametrize("size", [NARROW, SMALL], ids=str)
def test_what_stands_below_a_row_can_be_read_without_scrolling_its_table(opened, size):
    details = opened("incident", size).locator("#lines tr.detail td > *, #lines tr.detail td:not(:has(*))")
    boxes = [details.nth(number).bounding_box() for number in range(details.count())]
    assert boxes
    assert max(box["x"] + box["width"] for box in boxes) <= size[0]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["incident", "clean", "hostile", "forked", "limited", "linted"])
def test_contrast(opened, name, scheme):
    lowest, text = opened(name, WIDE, scheme).evaluate(CONTRAST)
    assert lowest >= 4.5, text


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=str)
def test_the_first_screen_says_what_happened_which_line_pays_and_what_is_left(opened, size):
    page = opened("incident", size)
    for selector in ("#verdict", "#figures", "#payers li >> nth=0"):
        box = page.locator(selector).bounding_box()
        assert box["y"] + box["height"] <= size[1]
    assert "5 findings: 40 SSL contexts" in page.locator("#verdict").inner_text()
    first = page.locator("#payers li").first.inner_text()
    assert "helpers/datagouv.py:14 in fetch_datagouv()" in first
    assert "SSL contexts 8 → 1" in first


@pytest.mark.parametrize("state", ["memory", "refused", "forked"])
def test_a_wide_table_fits_a_wide_screen(opened, state):
    page = opened(state, WIDE)
    for name in ("origins", "lines", *(["run"] if state != "memory" else [])):
        assert page.locator(f"#{name} .scroll").evaluate("(e) => e.scrollWidth <= e.clientWidth")


@pytest.mark.parametrize("width", [WIDE[0], 1000, 700, NARROW[0]])
def test_a_hint_stands_where_a_table_is_scrolled_and_nowhere_else(opened, width):
    page = opened("refused", (width, 800))
    boxes = page.locator(".scroll")
    assert boxes.count() == 3
    for number in range(3):
        box = boxes.nth(number)
        is_scrolled = box.evaluate("(e) => e.scrollWidth > e.clientWidth")
        assert is_scrolled is (width < WIDE[0])
        assert box.locator(".hint").is_visible() is is_scrolled
        box.evaluate("(e) => { e.scrollLeft = e.scrollWidth; }")
        assert box.locator(".hint").is_visible() is is_scrolled


def test_headings_stand_over_what_they_are_of(opened):
    columns = """() => {
      const [row] = document.querySelectorAll('#run tbody tr');
      const heads = [...document.querySelectorAll('#run thead tr:last-child th')];
      const side = (cell) => getComputedStyle(cell).textAlign;
      return heads.map((head, k) => [head.textContent, side(head), side(row.cells[k])]);
    }"""
    found = opened("forked", WIDE).evaluate(columns)
    assert [title for title, *_ in found[:3]] == ["Command", "Process", "Parent"]
    assert [title for title, head, cell in found if head != cell] == []


def test_the_way_to_an_explanation_opens_it(opened):
    page = opened("every_code", WIDE)
    target = page.locator("#explained-CP002")
    assert not target.is_visible()
    page.locator("a[href='#explained-CP002']").click()
    assert target.is_visible()
    assert page.locator("details[open]").count() == 1
    summary = page.locator("details[open] summary").bounding_box()
    assert 0 <= summary["y"] < WIDE[1] / 2


def test_foreign_text_stays_text(opened):
    page = opened("hostile", WIDE)
    assert page.locator("script, img").count() == 0
    assert "<script>alert(1)</script>" in page.locator("#payers").inner_text()
