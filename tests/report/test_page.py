import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

import connprof.report
from connprof.errors import FileError, MissingPackageError
from connprof.report import build, html, plots, series, view, write
from tests import samples
from tests.report.conftest import undrawn_page

pytestmark = pytest.mark.once

VOID = {"meta", "link", "br", "img", "input", "hr", "wbr", "col"}
PNG_NAMES = {"ssl-bytes.png", "growth.png", "counts.png", "latency.png", "timeline.png"}


class Outline(HTMLParser):
    """Checks that what is opened is closed, and keeps what is of interest."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.attributes, self.headings, self.ids, self.tags, self.texts = [], [], [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        self.ids += [value for name, value in attrs if name == "id"]
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> without a beginning"
        assert self.open.pop() == tag

    def handle_data(self, text):
        self.texts.append(text)


def outline(page):
    parsed = Outline()
    parsed.feed(page)
    parsed.close()
    assert parsed.open == []
    return parsed


# --- the page -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", samples.STATES)
def test_every_state_is_a_well_formed_page(state):
    page = undrawn_page(state)
    found = outline(page)
    assert found.headings[0] == 1
    assert found.headings.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(found.headings))
    assert len(found.ids) == len(set(found.ids))
    assert found.tags.count("table") == found.tags.count("caption")
    assert "script" not in found.tags
    for anchor in re.findall(r'href="#([^"]+)"', page):
        assert anchor in found.ids


@pytest.mark.parametrize("state", samples.STATES)
def test_the_verdict_comes_first(state):
    page = undrawn_page(state)
    places = [page.index(f'id="{name}"') for name in ("verdict", "figures", "sure", "answers", "checks", "strategies")]
    places += [page.index(f'id="{name}"') for name in ("plots", "sites", "timeline", "tls", "environment", "reading")]
    assert places == sorted(places)


def test_problems_and_interruptions_are_prominent():
    page = undrawn_page("invalid")
    assert page.index("The client counted 40 handshakes") < page.index('id="figures"')
    assert page.index('id="problems"') < page.index('id="answers"')
    assert 'id="problems"' not in undrawn_page("good")
    page = undrawn_page("interrupted")
    assert page.index("Stopped by Ctrl-C") < page.index('id="verdict"')


def test_foreign_text_is_escaped(written):
    page = written["hostile"].read_text(encoding="utf-8")
    found = outline(page)
    assert {"script", "img"}.isdisjoint(found.tags)
    assert not [name for _, name, _ in found.attributes if name.startswith("on")]
    assert '<script>alert("x")</script>' in "".join(found.texts)
    assert "{{ 7*7 }}" in page  # a template inside a value stays text
    assert "\u202e" not in page
    assert "\x00" not in page


@pytest.mark.parametrize("state", ["good", "hostile", "nothing_measured"])
def test_nothing_is_fetched(written, state):
    page = written[state].read_text(encoding="utf-8")
    found = outline(page)
    for _, name, value in found.attributes:
        if name in {"src", "href", "xlink:href", "srcset", "data", "poster", "action", "formaction"}:
            assert value.startswith(("#", "data:"))
        assert not re.search(r"url\((?!#)", value or "")
    assert {"script", "iframe", "object", "embed", "img", "base", "form"}.isdisjoint(found.tags)
    style = page[page.index("<style>") : page.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    assert not re.search(r"https?://", page)
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page


def test_one_file_of_reasonable_size(written):
    assert 200_000 < written["good"].stat().st_size < 2_000_000
    assert written["hostile"].stat().st_size < 2_000_000


# --- the drawings ---------------------------------------------------------------------------------------------------


def test_ids_of_drawings_never_collide(written):
    for page in written.values():
        found = outline(page.read_text(encoding="utf-8"))
        assert len(found.ids) == len(set(found.ids))
        references = [value[1:] for _, name, value in found.attributes if name == "href" and value.startswith("#")]
        assert set(references) <= set(found.ids)
        clips = re.findall(r"url\(#([^)]+)\)", page.read_text(encoding="utf-8"))
        assert set(clips) <= set(found.ids)


def test_drawings_take_their_colours_from_the_page(written):
    page = written["good"].read_text(encoding="utf-8")
    drawings = "".join(re.findall(r"<svg.*?</svg>", page, re.DOTALL))
    used = set(re.findall(r"var\(--([a-z-]+)\)", drawings))
    style = page[page.index("<style>") : page.index("</style>")]
    light, dark = style.split("prefers-color-scheme: dark", 1)
    for name in used:
        assert f"--{name}:" in light
        assert f"--{name}:" in dark
    assert used >= {"ink", "context", "handshake", "io", "before", "after"}
    left = set(re.findall(r"(?:fill|stroke): (#[0-9a-f]{6})", drawings))
    assert left <= {"#000000"}
    assert "<text" not in drawings
    assert "<metadata" not in drawings


def test_the_style_sheet_has_the_palette_of_the_pictures():
    style = (Path(html.__file__).parent / "templates" / "style.css").read_text(encoding="utf-8")
    light = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", style.split("@media")[0]))
    assert {name: light[name] for name in plots.LIGHT} == plots.LIGHT


def test_drawings_are_the_same_every_time():
    drawn = build(samples.report([samples.sketch_of("floor"), samples.sketch_of("per-call-async")])).plots[0].series
    assert plots.svg(drawn, "wide", prefix="a") == plots.svg(drawn, "wide", prefix="a")
    assert plots.png(drawn, "Title") == plots.png(drawn, "Title")
    assert plots.svg(drawn, "wide", prefix="a") != plots.svg(drawn, "narrow", prefix="a")


def test_drawing_leaves_no_state_behind():
    import matplotlib as mpl

    def state():
        # Reading "backend" would itself choose one.
        settings = {key: mpl.rcParams[key] for key in mpl.rcParams if key != "backend"}
        return settings, "matplotlib.pyplot" in sys.modules

    before = state()
    drawn = build(samples.report([samples.sketch_of("floor")])).plots[0].series
    plots.svg(drawn, "narrow", prefix="a")
    assert state() == before


@pytest.mark.parametrize("broken", [False, True])
def test_failed_handshakes_are_crossed_out(broken):
    track = series.Track(
        origin="a",
        calls=(),
        connections=(),
        handshakes=(series.Span(start=1, end=2, lane=0, ok=not broken),),
        calls_lanes_count=0,
        connections_lanes_count=0,
    )
    drawn = series.Timeline(
        panels=(series.Panel(title="t", tally="n", tone="other", tracks=(track,)),),
        axis=series.Axis(low=0, high=10, ticks=(), label="ms"),
    )
    assert ("var(--before)" in plots.svg(drawn, "wide", prefix="a")) == broken


def test_labels_are_kept_apart():
    places = plots._apart([10, 11, 12, 90], 15, 0, 100)
    assert places == sorted(places)
    assert all(b - a >= 15 - 1e-9 for a, b in pairwise(places))
    assert places[0] >= 0
    assert places[-1] <= 100
    assert plots._apart([50, 10], 15, 0, 100) == [50, 10]
    crowded = plots._apart([0] * 12, 15, 0, 100)  # more than fit: still in order and apart
    assert crowded[0] == 0
    assert crowded[-1] == 165


@pytest.mark.parametrize("size", plots.SIZES)
@pytest.mark.parametrize("end_ms", [300.0, 1200.0, 1399.0, 4000.0, 120_000.0])
def test_the_last_label_of_a_time_axis_is_whole(size, end_ms):
    """The more so where the session ends at a tick, so that half of the label stands beyond the axis."""
    drawn = view.build(samples.report()).timeline.series
    figure = plots._draw(replace(drawn, axis=series.linear(end_ms, "ms")), size, plots.LIGHT)
    words = [label for axes in figure.axes for label in axes.get_xticklabels() if label.get_text()]
    boxes = [label.get_window_extent(FigureCanvasAgg(figure).get_renderer()) for label in words]
    assert min(box.x0 for box in boxes) >= 0
    assert max(box.x1 for box in boxes) <= figure.bbox.width


def test_long_labels_are_cut():
    assert plots._short("short", 12, 400) == "short"
    cut = plots._short("x" * 500, 12, 100)
    assert cut.endswith("…")
    assert plots._width(cut, 12) <= 100
    assert plots._width(cut[:-1] + "x…", 12) > 100


@pytest.mark.parametrize(("size", "length"), [("narrow", 20), ("narrow", 60), ("wide", 60), ("narrow", 500)])
def test_names_of_lines_that_differ_at_their_ends_can_be_told_apart(size, length):
    names = [f"{'x' * length}/llm-session/calls={calls} (to run 2)" for calls in (10, 40, 400)]
    lines = [series.Line(label=name, tone=tone, points=((1.0, 5.0), (2.0, 5.0)), steps=()) for name, tone in
             zip(names, ("other", "before", "after"), strict=True)]  # fmt: skip
    figure = plots._draw(series.over_runs(lines, 3, "count", whole=True), size, plots.LIGHT)
    said = " ".join(text.get_text() for text in figure.texts)
    if length < 100:
        assert all(f"llm-session/calls={calls}(torun2)" in said.replace(" ", "") for calls in (10, 40, 400))
    for text in figure.texts:
        x, y = text.get_position()
        width = plots._width(text.get_text(), text.get_fontsize(), bold=text.get_weight() == "bold")
        assert x * figure.bbox.width + width <= figure.bbox.width
        assert y > 0


def test_lines_are_numbered_and_listed_from_the_highest_end():
    lines = [
        series.Line(label=f"{'x' * 60}/{name}", tone="other", points=((1.0, 9.0), (2.0, end)), steps=())
        for name, end in (("low", 1.0), ("high", 8.0), ("middle", 5.0))
    ]
    assert plots._numbers([line.points[-1][1] for line in lines]) == ["3", "1", "2"]
    figure = plots._draw(series.over_runs(lines, 2, "count", whole=True), "narrow", plots.LIGHT)
    downwards = sorted(figure.texts, key=lambda text: -text.get_position()[1])
    said = [text.get_text() for text in downwards if not text.get_text().startswith("x")]
    assert said == ["count", "1", "2", "3", "1", "high", "2", "middle", "3", "low"]


def test_short_names_stand_at_their_lines():
    lines = [series.Line(label=name, tone="other", points=((1.0, 5.0),), steps=()) for name in ("one", "other")]
    figure = plots._draw(series.over_runs(lines, 1, "count", whole=True), "narrow", plots.LIGHT)
    assert {"one", "other"} <= {text.get_text() for text in figure.texts}


def test_characters_without_a_glyph_are_boxes():
    assert plots._drawable("a漢") == "a\u25a1"
    assert plots._drawable("abc") == "abc"


# --- files ----------------------------------------------------------------------------------------------------------


def test_pictures_are_written(written):
    folder = written["good"].parent
    assert {path.name for path in folder.iterdir()} == PNG_NAMES | {"index.html"}
    for name in PNG_NAMES:
        content = (folder / name).read_bytes()
        assert content.startswith(b"\x89PNG\r\n\x1a\n")
        width, height = (int.from_bytes(content[k : k + 4], "big") for k in (16, 20))
        assert 1800 < width < 3000
        assert 500 < height < 2500
        assert 10_000 < len(content) < 400_000
        assert b"Software" not in content
    assert {path.name for path in written["nothing_measured"].parent.iterdir()} == {"index.html"}


def test_old_pictures_of_its_own_go_and_other_files_stay(tmp_path):
    (tmp_path / "growth.png").write_bytes(b"old")
    (tmp_path / "mine.png").write_bytes(b"mine")
    page = write(samples.nothing_measured(), str(tmp_path))
    assert page == tmp_path / "index.html"
    assert {path.name for path in tmp_path.iterdir()} == {"index.html", "mine.png"}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no such permissions")
def test_the_page_can_be_read_by_others(written):
    assert written["good"].stat().st_mode & 0o444 == 0o444


def test_an_interrupted_write_leaves_the_old_page(tmp_path, monkeypatch):
    page = write(samples.nothing_measured(), tmp_path)
    page.write_text("old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "chmod", full)
    with pytest.raises(FileError, match="No space left on device"):
        write(samples.nothing_measured(), tmp_path)
    assert page.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]


def test_a_disk_that_fills_up_leaves_no_part_of_a_page(tmp_path, monkeypatch):
    calls = iter((False, False))

    def full(_handle):
        if next(calls, True):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(FileError, match="No space left on device"):
        write(samples.report(samples.SKETCHES[:2]), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="cannot be written"):
        write(samples.nothing_measured(), tmp_path / "file" / "below")


@pytest.mark.parametrize(
    ("package", "module", "purpose"),
    [
        ("jinja2", "html", "write the HTML page"),
        ("matplotlib", "plots", "draw the plots"),
        ("rich", "text", "print the summary"),
    ],
)
def test_a_missing_package_is_named(monkeypatch, package, module, purpose):
    for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, f"connprof.report.{module}", raising=False)
    monkeypatch.delattr(connprof.report, module, raising=False)
    with pytest.raises(MissingPackageError, match=rf"^{package} is needed to {purpose}: .*connprof\[report\]"):
        import_module(f"connprof.report.{module}")


def test_importing_the_package_imports_no_optional_one():
    import subprocess

    code = (
        "import sys, connprof.report\n"
        "found = {'jinja2', 'matplotlib', 'rich', 'numpy'} & set(sys.modules)\n"
        "sys.exit(', '.join(found) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
