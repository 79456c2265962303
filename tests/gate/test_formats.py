"""What each format makes of names that want to be markup, table cells, commands or terminal codes."""

import json
import re
from xml.etree import ElementTree as ET

import pytest
from msgspec.structs import replace

from connprof.compare import compare
from connprof.gate import Policy, judge
from connprof.model import CallSite, ClientCounts, Failed, Problem, Record, SiteCounts
from connprof.report.comparing import build, github, html, junit, markdown, text
from connprof.report.comparing import json as figures
from connprof.store import abridge
from tests import samples
from tests.gate.sides import POOLED, candidate, outcome_of, with_changed, with_identity, without

BASE = samples.report()
EVIL = (
    "a|b`c`*d*_e_[f](http://g)<i>h</i>&amp;@user #1 ~~s~~ $x$ \\\r\n::error::x%0A\x1b[31m\x00\u202e]]>\"' www.evil.org"
)


def made(base, head, **options):
    baseline, candidate = ("base.json", abridge(base)), ("head.json", abridge(head))
    comparison = compare(baseline[1], candidate[1])
    judgement = judge(comparison, Policy())
    return build(judgement, comparison, baseline, candidate, **options), (judgement, comparison, baseline, candidate)


def evil():
    """A regression in a case with a hostile name, paid at a hostile place; a hostile failure and environment."""
    record = next(each for each in BASE.records if each.case.strategy == POOLED)
    case = replace(record.case, strategy=EVIL, workload=EVIL)
    base = replace(BASE, records=(*BASE.records, Record(case=case, outcome=record.outcome)))
    counts = record.outcome.counts
    site = SiteCounts(site=CallSite(file=EVIL, line=7, function=EVIL), counts=ClientCounts(contexts_count=40))
    counts = replace(counts, client=replace(counts.client, contexts_count=40), sites=(site,))
    head = replace(
        candidate(), records=(*BASE.records, Record(case=case, outcome=replace(record.outcome, counts=counts)))
    )
    head = samples.with_outcome(head, "floor", Failed(stage=EVIL, message=EVIL))
    identity = {**head.environment.identity, "openssl": EVIL, EVIL: EVIL}
    return base, replace(head, environment=replace(head.environment, identity=identity))


@pytest.fixture(scope="module")
def view():
    return made(*evil())[0]


def test_text_has_no_control_code_and_one_line_for_each_thing(view):
    shown = text.render(view)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e]", shown)
    assert [line for line in shown.splitlines() if line.lstrip().startswith("::")] == []
    assert "\x1b[" in text.render(view, color=True)


def test_no_line_of_text_is_a_command_to_a_runner():
    problem = Problem(code="passes", sentence="::error::not so")
    head = samples.with_outcome(candidate(), POOLED, replace(outcome_of(BASE, POOLED), problems=(problem,)))
    for sides in ((BASE, head), (head, candidate())):
        shown = text.render(made(*sides)[0])
        assert "::error::not so" in shown
        # GitHub's runner looks behind leading blanks.
        assert [line for line in shown.splitlines() if line.lstrip().startswith("::")] == []


def test_markdown_shows_the_name_and_nothing_of_it_works(view):
    shown = markdown.render(view)
    body = [line for line in shown.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in body} == {9}
    for mark in ("`", "*d", "_e_", "[f]", "](http", "<i>", "@user", "~~", "$x", "www.", "http:"):
        assert not re.search(rf"(?<!\\){re.escape(mark)}", shown.replace("**", "")), mark


def test_markdown_as_a_parser_reads_it_is_the_name_again(view):
    markdown_it = pytest.importorskip("markdown_it", reason="markdown-it-py is not installed")
    page = markdown_it.MarkdownIt("gfm-like", {"linkify": False, "html": True}).render(markdown.render(view))
    assert "<table>" in page
    for tag in ("<a ", "<em>", "<i>", "<s>", "<img", "<script"):
        assert tag not in page
    assert set(re.findall(r"<(\w+)", page)) <= {
        "h2", "p", "strong", "ul", "li", "code", "table", "thead", "tbody", "tr", "th", "td", "br",
    }  # fmt: skip


def test_html_escapes_all_of_it(view):
    page = html.render(view)
    assert "<i>h</i>" not in page
    assert "&lt;i&gt;h&lt;/i&gt;&amp;amp;" in page
    assert "\x00" not in page
    assert "<script" not in page
    assert not re.search(r'(src|href)="(?!data:,|#)', page)


def test_junit_is_xml_whose_attributes_hold_the_names(view):
    root = ET.fromstring(junit.render(view))
    names = {case.get("classname") for case in root.iter("testcase")}
    assert any("<i>h</i>&amp;@user" in name for name in names)
    suite = root.find("testsuite")
    assert int(suite.get("failures")) == len(root.findall(".//failure")) == 1
    assert int(suite.get("errors")) == len(root.findall(".//error")) == 1
    assert int(suite.get("tests")) == len(root.findall(".//testcase"))


def test_junit_survives_what_xml_cannot_say(view):
    bad = replace(view, lines=tuple(replace(line, reason="\x01\ud800\ufffe") for line in view.lines))
    ET.fromstring(junit.render(bad).encode())


def test_junit_with_nothing_compared_is_a_failure():
    shown = junit.render(made(BASE, replace(candidate(), records=()))[0])
    assert ET.fromstring(shown).find(".//failure") is not None
    empty = junit.render(made(replace(BASE, records=()), replace(candidate(), records=()))[0])
    assert ET.fromstring(empty).find(".//failure") is not None


def test_annotations_are_one_command_a_line_and_escape_their_parts(view):
    lines = github.render(view).splitlines()
    assert all(re.match(r"::(error|notice) [^:]*::", line) for line in lines)
    assert sum(line.startswith("::error ") for line in lines) == 2
    properties, message = re.match(r"::error ([^:]*)::(.*)", lines[0] if "file=" in lines[0] else lines[1]).groups()
    assert properties.startswith("file=a|b`c`*d*_e_[f](http%3A//g)")
    assert ",line=7,title=connprof%3A " in properties
    assert "%250A" in message


def test_annotations_stand_at_the_line_whose_share_grew():
    outcome = outcome_of(BASE, POOLED)
    grown = tuple(
        replace(one, counts=replace(one.counts, contexts_count=one.counts.contexts_count + 9 * (k == 2)))
        for k, one in enumerate(outcome.counts.sites)
    )
    head = with_changed(candidate(), POOLED, "counts", client__contexts_count=14, sites=grown)
    shown = github.render(made(BASE, head)[0])
    assert shown.startswith("::error file=bench/helpers/crawler_api.py,line=39,title=connprof%3A fetch_json pays more")
    assert "SSL contexts 5 -> 14" in shown
    assert "once and share it" in shown


def test_annotations_are_no_more_than_github_shows():
    names = [sketch.name for sketch in samples.SKETCHES]
    records = tuple(
        replace(record, case=replace(record.case, concurrency_count=k)) for k in (1, 2) for record in BASE.records
    )
    base = replace(BASE, records=records)
    head = replace(candidate(), records=tuple(replace(r, outcome=Failed(stage="counts", message="")) for r in records))
    lines = github.render(made(base, head)[0]).splitlines()
    assert len([line for line in lines if line.startswith("::error")]) == github.MOST
    assert f"{2 * len(names) - github.MOST} more places" in lines[-1]


def test_a_failure_without_any_row_is_still_annotated():
    nothing = made(replace(BASE, records=()), replace(candidate(), records=()))[0]
    assert github.render(nothing).startswith("::error title=connprof::Nothing was compared")


def test_without_anything_to_say_there_is_no_annotation():
    assert github.render(made(BASE, candidate())[0]) == ""


def test_json_holds_every_row_unrounded():
    head = with_changed(candidate(), POOLED, "memory", ssl__context_bytes=33_750_001)
    _view, parts = made(BASE, head)
    content = json.loads(figures.render(*parts, exit_code=1))
    assert content["schema"] == "connprof-comparison/1"
    assert (content["exit_code"], content["answer"], content["tally"]["regressed"]) == (1, "regressed", 1)
    assert len(content["rows"]) == sum(content["tally"].values())
    worst = content["rows"][0]
    assert worst["metric"], worst["class"] == ("context_bytes", "banded")
    assert (worst["baseline"], worst["candidate"], worst["limit_percent"]) == (33_750_000, 33_750_001, 0)


def test_one_byte_can_be_seen_in_the_ratio():
    head = with_changed(candidate(), POOLED, "memory", ssl__context_bytes=33_750_001)
    assert made(BASE, head)[0].lines[0].ratio == "1.00000003"


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [(5, 40, "8.0000"), (40, 5, "0.1250"), (0, 3, "–"), (3, 0, "0.0000"), (1000, 1010, "1.0100")],  # noqa: RUF001
)
def test_ratios_are_candidate_over_baseline(before, after, shown):
    base, head = (
        with_changed(report, POOLED, "counts", client__contexts_count=value)
        for report, value in ((BASE, before), (candidate(), after))
    )
    assert next(line for line in made(base, head)[0].lines if line.metric == "SSL contexts").ratio == shown


def test_a_long_table_is_cut_where_a_comment_would_be_and_says_so():
    line = made(BASE, with_changed(candidate(), POOLED, "counts", client__contexts_count=9))[0].lines[0]
    view = made(BASE, candidate())[0]
    shown = markdown.render(replace(view, lines=(line,) * 5_000))
    assert len(shown) <= markdown.LARGEST_LETTERS + 200
    assert re.search(r"And [\d,]+ more rows", shown)
    page = html.render(replace(view, lines=(line,) * (html.MOST_ROWS + 1)))
    assert "1 more rows are in the JSON file" in page


def test_what_is_only_shown_does_not_bury_the_rest():
    from connprof.report.comparing.view import MOST_SHOWN

    records = tuple(
        replace(record, case=replace(record.case, concurrency_count=k)) for k in range(1, 5) for record in BASE.records
    )
    head = replace(candidate(), records=records)
    view = made(replace(BASE, records=records), head)[0]
    assert view.lines == ()
    moved = tuple(
        replace(one, outcome=replace(one.outcome, retained=replace(one.outcome.retained, retained_bytes=7)))
        if one.case.strategy in {"per-call-async", "per-call-client", "per-call-get"}
        else one
        for one in records
    )
    view = made(replace(BASE, records=records), replace(head, records=moved))[0]
    assert [line.verdict for line in view.lines] == ["shown"] * MOST_SHOWN
    assert {(line.metric, line.kind, line.limit) for line in view.lines} == {("retained bytes", "", "")}
    assert "shown" in view.left_out


def test_a_figure_without_a_limit_that_reads_the_same_on_both_sides_is_not_listed():
    head = with_changed(candidate(), "per-call-get", "retained", retained_bytes=38_401)
    assert [(line.case, line.baseline, line.candidate) for line in made(BASE, head)[0].lines] == [
        (samples.case("per-call-get").key, "38,400", "38,401")
    ]
    still = made(BASE, candidate())[0]
    assert still.lines == ()
    assert "There is no row to show. Not listed: 24 shown and 84 unchanged" in html.render(still)


def test_head_and_foot_count_the_same_shown_figures():
    head = with_changed(candidate(), "per-call-get", "retained", retained_bytes=38_401)
    view = made(BASE, head)[0]
    assert "24 shown" in view.tally
    assert view.calls_to_action[-1].startswith("24 figures only shown, 1 of them with a change: ")


def test_a_band_of_nothing_is_said_in_per_cent_and_a_count_must_be_equal():
    said = {(line.kind, line.limit) for line in made(BASE, candidate(), show_all=True)[0].lines if line.kind != "noisy"}
    assert ("exact", "equal") in said
    assert ("banded", "0 %") in said
    assert ("banded", "equal") not in said


def test_what_differs_and_what_to_mind_is_wrapped_and_no_wrapped_line_is_a_command():
    long = samples.run(interrupted=f"{'a long tale ' * 20}::error::{' and so on' * 20}", seed=68)
    head = with_identity(candidate(run=long), client_library="some-library-with-a-long-name")
    shown = text.render(made(BASE, head)[0]).splitlines()
    top = shown[: shown.index("") if "" in shown else None]
    assert [line for line in top[4:] if len(line) > 100 and "::error" not in line] == []
    assert {line[:13] for line in top[4:] if line[2:3] == " "} == {" " * 13}
    assert [line for line in shown if line.lstrip().startswith("::")] == []


def test_allowed_rows_say_so_and_are_no_failures():
    baseline, head = ("b", abridge(BASE)), ("h", abridge(without(candidate(), POOLED)))
    comparison = compare(baseline[1], head[1])
    allowed = judge(comparison, Policy(allow_missing=frozenset({samples.case(POOLED).key})))
    view = build(allowed, comparison, baseline, head)
    assert view.lines[0].verdict == "missing, allowed"
    assert ET.fromstring(junit.render(view)).find(".//failure") is None
    assert github.render(view) == ""


def test_a_column_that_says_nothing_is_not_drawn():
    def head_of(head, base=BASE):
        return next(line for line in text.render(made(base, head)[0]).splitlines() if line.startswith("verdict"))

    assert "limit" not in head_of(without(candidate(), POOLED))
    assert head_of(with_changed(candidate(), POOLED, "counts", client__contexts_count=40)).endswith("limit")
