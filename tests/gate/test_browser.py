"""The pages of a comparison and of a history as a browser shows them."""

import pytest
from msgspec.structs import replace

from connprof.cli import cli, guarded
from connprof.store import save_report
from tests import samples
from tests.gate.sides import POOLED, candidate, save_consistent, with_changed, with_identity
from tests.report.test_browser import CONTRAST, COVERED, NARROW, OVERFLOWING, SMALL, WIDE, browser

__all__ = ["browser"]

pytestmark = pytest.mark.once


def regressed():
    head = samples.with_outcome(candidate(), POOLED, samples.measured(samples.sketch_of("per-call-async")))
    return with_identity(head, openssl="OpenSSL 3.5.1", client_library_version="0.29")


@pytest.fixture(scope="module")
def addresses(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    save_report(samples.report(), folder / "base.json")
    found = {}
    for name, head in (("passed", candidate()), ("regressed", regressed()), ("hostile", samples.hostile())):
        save_consistent(head, folder / f"{name}.json")
        page = folder / f"{name}.html"
        guarded(cli, ["compare", str(folder / "base.json"), str(folder / f"{name}.json"), "--html", str(page)])
        found[name] = page.as_uri()
    for day in range(1, 7):
        report = with_changed(candidate(), POOLED, "counts", client__contexts_count=6) if day == 4 else candidate()
        report = replace(report, run=samples.run(started_at=f"2026-11-{day:02}T09:00:00+00:00"))
        save_report(report, folder / "all" / f"{day}.json")
    guarded(cli, ["history", str(folder / "all"), "--html", str(folder / "history")])
    found["history"] = (folder / "history" / "index.html").as_uri()
    return found


@pytest.fixture
def opened(browser, addresses):
    contexts, requests = [], []

    def open_page(name, size, scheme="light"):
        context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: requests.append(request.url))
        page.goto(addresses[name])
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert {url.partition(":")[0] for url in requests} <= {"file", "data"}


@pytest.mark.parametrize("size", [WIDE, NARROW, SMALL], ids=str)
@pytest.mark.parametrize("name", ["passed", "regressed", "hostile", "history"])
def test_nothing_overflows_and_no_drawn_words_cover_each_other(opened, name, size):
    page = opened(name, size)
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    assert page.evaluate(OVERFLOWING) == []
    assert page.evaluate(COVERED) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["passed", "regressed", "hostile", "history"])
def test_contrast(opened, name, scheme):
    lowest, text = opened(name, WIDE, scheme).evaluate(CONTRAST)
    assert lowest >= 4.5, text


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=str)
def test_the_answer_is_on_the_first_screen(opened, size):
    page = opened("regressed", size)
    box = page.locator("#verdict").bounding_box()
    assert box["y"] + box["height"] <= size[1]
    assert "FAIL: 5 of 56 figures regressed" in page.locator("#verdict").inner_text()
