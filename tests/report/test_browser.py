"""The page as a browser shows it: headless Chromium, on a wide and on a narrow screen, light and dark."""

import os
import shutil

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = pytest.mark.once

WIDE, NARROW, SMALL = (1280, 800), (390, 844), (360, 740)
STATES = ("good", "hostile", "invalid", "failed", "no_memory", "wide")

# The contrast of each visible text with what lies behind it (WCAG 2), the lowest first.
CONTRAST = """() => {
  const light = (rgb) => {
    const [r, g, b] = rgb.map((v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const parse = (text) => text.match(/[0-9.]+/g).map(Number);
  const behind = (element) => {
    for (; element; element = element.parentElement) {
      const color = parse(getComputedStyle(element).backgroundColor);
      if (color.length < 4 || color[3] > 0) return color.slice(0, 3);
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || element.closest('svg') || !element.getClientRects().length) continue;
    const a = light(parse(getComputedStyle(element).color).slice(0, 3)), b = light(behind(element));
    found.push([(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), element.textContent.trim().slice(0, 40)]);
  }
  return found.sort((x, y) => x[0] - y[0])[0];
}"""

# Texts that are wider than the box that they stand in.
OVERFLOWING = """() => [...document.querySelectorAll(
    '.figure, .changes, .change, .half, .verdict, .sure, .sure li, .banner, .plot, .facts > div, pre, .value, ' +
    'section, .situation, .situation li, .legend li, .matrix td button, .matrix th')]
  .filter((element) => element.scrollWidth > element.clientWidth + 1)
  .map((element) => element.className + ': ' + element.textContent.trim().slice(0, 60))"""

# Heights of the drawn words, in CSS pixels, of the drawings that are shown.
WORDS = """() => [...document.querySelectorAll('svg g[id*="text_"]')]
  .filter((group) => group.closest('svg').getClientRects().length)
  .map((group) => group.getBoundingClientRect().height).filter((height) => height > 0)"""

# Words of one drawing that cover each other, and words that leave their drawing.
COVERED = """() => {
  const found = [];
  for (const svg of document.querySelectorAll('svg')) {
    if (!svg.getClientRects().length) continue;
    const frame = svg.getBoundingClientRect();
    const boxes = [...svg.querySelectorAll('g[id*="text_"]')].map((group) => group.getBoundingClientRect())
      .filter((box) => box.width > 0);
    for (const [k, a] of boxes.entries()) {
      if (a.left < frame.left - 1 || a.right > frame.right + 1) found.push('out of ' + svg.parentElement.ariaLabel);
      for (const b of boxes.slice(k + 1)) {
        const x = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const y = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (x > 1 && y > 1) found.push(svg.parentElement.ariaLabel.slice(0, 40) + ' ' + [a.x, a.y, b.x, b.y]);
      }
    }
  }
  return found;
}"""


def chromium():
    """A Chromium to start: the one named by CHROMIUM, one on the path, or the one that playwright brings."""
    for name in (os.environ.get("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"):
        if name and shutil.which(name):
            return shutil.which(name)
    return None


@pytest.fixture(scope="module")
def browser():
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_api.sync_playwright() as playwright:
        try:
            started = playwright.chromium.launch(executable_path=chromium(), args=arguments)
        except sync_api.Error as error:
            pytest.skip(f"no Chromium can be started: {str(error).splitlines()[0]}")
        yield started
        started.close()


@pytest.fixture
def opened(browser, pages):
    """Open a state's page and return it; a message in the console or a request fails the test."""
    contexts, complaints, requests = [], [], []

    def open_page(state, size, *, scheme="light"):
        context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(pages[state].as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
    assert len([url for url in requests if url.startswith("file:")]) == len(contexts)


@pytest.mark.parametrize("size", [WIDE, NARROW, SMALL], ids=str)
@pytest.mark.parametrize("state", STATES)
def test_the_page_never_scrolls_sideways_and_nothing_overflows(opened, state, size):
    page = opened(state, size)
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    assert page.evaluate(OVERFLOWING) == []


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=str)
@pytest.mark.parametrize("state", ["good", "invalid", "failed", "interrupted"])
def test_the_first_screen_answers(opened, state, size):
    page = opened(state, size)
    inside = ["#verdict", "#figures", ".half >> nth=1", ".figure >> nth=2", ".changes"]
    if size == WIDE:
        inside.append("#sure")
    for selector in inside:
        box = page.locator(selector).bounding_box()
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= size[1]
    text = page.locator("#first-screen").inner_text()
    for figure in ("295", "299.1", "47.0"):
        assert figure in text


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("state", ["good", "failed", "invalid", "wide"])
def test_contrast(opened, state, scheme):
    page = opened(state, WIDE, scheme=scheme)
    lowest, text = page.evaluate(CONTRAST)
    assert lowest >= 4.5, text
    red, green, blue = page.evaluate(
        "getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).slice(0, 3).map(Number)"
    )
    assert (red + green + blue < 150) == (scheme == "dark")


@pytest.mark.parametrize("size", [WIDE, NARROW, SMALL], ids=str)
def test_drawn_words_are_large_enough_and_apart(opened, size):
    page = opened("good", size)
    heights = page.evaluate(WORDS)
    assert len(heights) > 60
    # The lowest words have no ascender (as "xaxis"): 5 pixels of them are a font of 9.
    assert min(heights) >= 5
    assert sorted(heights)[len(heights) // 2] >= 7.5
    assert page.evaluate(COVERED) == []


def test_drawings_change_with_the_width(opened):
    shown = "[...document.querySelectorAll('svg')].filter((e) => e.getClientRects().length).map((e) => e.classList[0])"
    assert set(opened("good", WIDE).evaluate(shown)) == {"wide"}
    assert set(opened("good", NARROW).evaluate(shown)) == {"narrow"}


def test_wide_tables_scroll_in_their_own_box(opened):
    page = opened("good", NARROW)
    box = page.locator("#strategies .scroll")
    assert box.evaluate("(e) => e.scrollWidth > e.clientWidth && getComputedStyle(e).overflowX === 'auto'")
    assert opened("good", WIDE).locator("#strategies .scroll").evaluate("(e) => e.scrollWidth <= e.clientWidth")


def test_a_caption_stays_in_sight_when_its_table_is_scrolled(opened):
    page = opened("good", NARROW)
    box = page.locator("#strategies .scroll")
    box.evaluate("(e) => { e.scrollLeft = e.scrollWidth; }")
    caption = page.locator("#strategies caption span").bounding_box()
    assert caption["x"] >= 0
    assert caption["x"] + caption["width"] <= NARROW[0]
    assert page.locator(".hint").first.is_visible()
    assert opened("good", WIDE).locator(".hint").first.is_hidden()


def test_a_line_number_is_never_torn(opened):
    page = opened("good", WIDE)
    codes = page.locator("#sites th code")
    assert all("/" in text for text in codes.all_inner_texts())
    heights = codes.evaluate_all("""(all) => all.map((code) => {
      const last = code.lastChild, range = document.createRange();
      range.selectNodeContents(last);
      return range.getClientRects().length;
    })""")
    assert set(heights) == {1}


def test_foreign_text_stays_text(opened):
    page = opened("hostile", WIDE)
    assert page.locator("script, img").count() == 0
    assert '<script>alert("x")</script>' in page.locator("h1").inner_text()


def test_print_is_light_and_cuts_no_table(opened):
    page = opened("good", WIDE, scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.querySelector('h1')).color") == "rgb(27, 31, 36)"
    assert page.locator("nav").is_hidden()
    assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")
    # A4 upright, less its margins, is 703 pixels.
    page.set_viewport_size({"width": 703, "height": 1000})
    for name in ("checks", "strategies", "sites", "tls", "answers"):
        assert page.locator(f"#{name} table").first.evaluate("(e) => e.offsetWidth") <= 703


# --- the safety matrix ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=str)
def test_the_matrix_scrolls_in_its_own_box_with_its_names_in_sight(opened, size):
    page = opened("wide", size)
    box = page.locator(".matrix")
    assert box.evaluate("(e) => e.scrollWidth > e.clientWidth && e.scrollHeight > e.clientHeight")
    box.evaluate("(e) => { e.scrollLeft = e.scrollWidth; e.scrollTop = e.scrollHeight; }")
    frame = box.bounding_box()
    name = page.locator(".matrix tbody th").last.bounding_box()
    assert frame["x"] <= name["x"] <= frame["x"] + 2
    assert name["width"] < 0.45 * size[0]
    heading = page.locator(".matrix thead th").last.bounding_box()
    assert frame["y"] <= heading["y"] <= frame["y"] + 40
    last = page.locator(".matrix tbody tr:last-child td").last.bounding_box()
    assert last["x"] + last["width"] <= frame["x"] + frame["width"]


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=str)
def test_a_cell_opens_with_the_keyboard_alone(opened, size):
    page = opened("wide", size)
    story = page.locator(".story:popover-open")
    assert story.count() == 0
    page.locator("td.broke button").first.focus()
    page.keyboard.press("Enter")
    assert story.count() == 1
    box = story.bounding_box()
    assert box["x"] >= 0
    assert box["y"] >= 0
    assert box["x"] + box["width"] <= size[0]
    assert box["y"] + box["height"] <= size[1]
    text = story.inner_text()
    assert "nox -s matrix -- --probe " in text
    assert "RemoteProtocolError" in text
    page.keyboard.press("Escape")
    assert story.count() == 0
    page.locator("td.unlike button").first.click()
    assert "unlike what is declared" in story.inner_text()
    story.get_by_role("button", name="Close").click()
    assert story.count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_of_what_opens(opened, scheme):
    page = opened("wide", WIDE, scheme=scheme)
    for kind in ("harm", "unlike"):
        page.locator(f"td.{kind} button").first.click()
        lowest, text = page.evaluate(CONTRAST)
        assert lowest >= 4.5, text
        page.keyboard.press("Escape")


@pytest.mark.parametrize("size", [WIDE, NARROW, SMALL], ids=str)
def test_names_in_the_picture_do_not_cover_each_other(opened, size):
    page = opened("wide", size)
    assert len(page.evaluate(WORDS)) > 40
    assert page.evaluate(COVERED) == []


def test_what_did_not_hold_is_printed(opened):
    page = opened("wide", WIDE)
    page.emulate_media(media="print")
    assert page.locator("#cell-0-0").is_hidden()
    assert page.locator(".story.harm").first.is_visible()
    page.set_viewport_size({"width": 703, "height": 1000})
    assert page.locator(".matrix table").evaluate("(e) => e.offsetWidth") <= 703
