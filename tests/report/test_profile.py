"""What a run's profile says, in each format, and in which words."""

import html
import json
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from connprof.assemble import assemble
from connprof.codes import BY_CODE, CODES, DOCUMENTATION
from connprof.profile import Costs, Counts, Linted, Price, Profile, SiteTally
from connprof.report.profile import render
from connprof.report.profile.text import MOST_BRIEF, MOST_FULL, MOST_ROWS
from connprof.report.profile.view import build
from tests import run_samples as samples

KINDS = ("text", "json", "html", "sarif", "markdown")


def rendered(state, kind="text", **options):
    made = samples.STATES[state]() if isinstance(state, str) else state
    return render(made, kind, folder=samples.FOLDER, **options)


def viewed(profile):
    return build(profile, folder=samples.FOLDER)


# --- the summary ----------------------------------------------------------------------------------------------------


def test_the_incident_is_told_by_line_with_its_cost_and_what_the_fix_leaves():
    text = rendered("incident")
    lines = text.splitlines()
    assert lines[0] == (
        "connprof: 5 findings: 40 SSL contexts, 40 TLS handshakes, 40 connections, 40 requests (1.0 per"
    )
    at = lines.index("  helpers/datagouv.py:14 in fetch_datagouv()")
    assert lines[at - 1] == "CP001 client made per call"
    told = "\n".join(lines[at:])
    for said in (
        "called from session.py:31 in run_tool(), from session.py:60 in main() (8x)",
        "evidence    clients made: 8; requests: 8; requests per connection: 1.0",
        "cost here   8 SSL contexts, 8 handshakes, 8 connections, 65.6 ms CPU and 80.0 ms wall",
        "leaves over 1 SSL context, 1 handshake, 1 connection, 8.20 ms CPU and 10.0 ms wall",
        "explained   connprof lint --explain CP001",
    ):
        assert said in told
    assert [line for line in lines if line.startswith("CP001")] == ["CP001 client made per call"] * 5
    assert text.index("CP001") < text.index("Totals") < text.index("Origins") < text.index("Lines that pay")
    assert "Processes" not in text


@pytest.mark.parametrize(("amount", "lines"), [(None, 0), (49_999, 0), (50_000, 1)])
def test_lines_that_pay_nothing_are_not_listed(amount, lines):
    line = SiteTally(site=samples.place(), counts=Counts(requests_count=0), costs=Costs(), ssl_bytes=amount)
    assert len(viewed(samples.profile(sites=(line,))).lines) == lines


def test_limits_are_told_worst_first_and_take_the_good_mark_away():
    view = viewed(samples.limited())
    assert view.limits_told == "4 limits, 1 broken and 1 not checked."
    assert [each.state for each in view.limits] == ["broken", "unchecked", "kept", "kept"]
    assert 'class="verdict bad"' in rendered("limited", "html")
    assert 'class="verdict good"' in rendered("clean", "html")
    assert rendered("limited", "markdown").startswith("## \u26a0")
    (invocation,) = json.loads(rendered("limited", "sarif"))["runs"][0]["invocations"]
    levels = [(each["level"], each["message"]["text"][:19]) for each in invocation["toolExecutionNotifications"]]
    assert levels[0] == ("warning", "Limit broken: 1 han")
    assert levels[2][0] == "note"


def test_what_lint_found_is_told_with_what_of_it_ran():
    view = viewed(samples.linted()).lint
    assert view.headline == "connprof lint has 7 findings there, of which 5 were seen to run."
    assert [each.ran for each in view.marks] == [True] * 5 + [False] * 2
    for kind in ("html", "sarif", "markdown"):
        text = rendered("linted", kind).replace("\\", "")
        assert view.headline in text
        assert "cannot be parsed" in text
        assert view.headline not in rendered("incident", kind)
    assert "Not seen to run: scripts" in rendered("linted", "markdown")
    nothing = replace(samples.linted(), lint=Linted(marks=()))
    assert "connprof lint has found nothing there." in rendered(nothing, "html")


def test_a_fix_is_told_once_for_each_code():
    text = " ".join(rendered("incident").split())
    assert text.count(BY_CODE["CP001"].fix) == 1
    assert text.count("as for the first CP001 above") == 4


def test_the_page_explains_the_codes_that_it_shows():
    page = rendered("incident", "html")
    assert page.count('href="#explained-CP001"') == 5
    assert page.count('id="explained-') == page.count('id="explained-CP001"') == 1


def test_the_way_to_a_line_is_told_once():
    text = rendered("incident")
    assert text.count("from session.py:31 in run_tool()") == 1
    unfound = rendered(replace(samples.incident(), findings=samples.incident().findings[1:]))
    assert "    from session.py:31 in run_tool(), from session.py:60 in main()\n" in unfound


def test_ways_are_short_beside_a_whole_path():
    long = samples.chain(("packages/web/helpers/session.py", 31, "run_tool"), ("a/b.py", 2, "main"))
    made = replace(samples.helper_finding("datagouv", 0), chains=(long,))
    text = rendered(replace(samples.incident(), findings=(made,)))
    assert "called from helpers/session.py:31 in run_tool(), from a/b.py:2 in main() (8x)" in text


def test_bytes_that_were_asked_for_are_told_without_a_finding():
    text = rendered(replace(samples.memory(), findings=()))
    assert "SSL bytes   299.1 MB allocated, freed or not" in text
    assert text.index("Totals") < text.index("Lines that pay")


def test_a_clean_run_is_one_calm_sentence():
    assert " ".join(rendered("clean").split()) == (
        "connprof: Nothing found. 1 SSL context, 1 TLS handshake, 1 connection, 1,240 requests (1,240.0 per "
        "connection)."
    )


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (
            "partial",
            "which is not all. At least 1 SSL context, 1 TLS handshake, 1 connection, 1,240 requests (1,240.0 per",
        ),
        ("incident", "5 findings in what was recorded, which is not all: at least 40 SSL contexts, 40 TLS handshakes,"),
        ("silent", "No TLS and no HTTP is in what was recorded, which is not all."),
        ("partial", "connection recorded)."),
        ("unobserved", "Nothing was recorded."),
    ],
)
def test_what_is_known_to_be_incomplete_is_said_to_be_in_the_first_line(state, said):
    made = replace(samples.STATES[state](), is_incomplete=True)
    for kind in ("text", "html", "markdown"):
        page = rendered(made, kind)
        assert said in " ".join(html.unescape(page).split()), kind
        assert "No TLS and no HTTP was seen" not in page
        assert "None was seen" not in page
        assert "observed, exit code" not in page
    assert json.loads(rendered(made, "json"))["is_incomplete"] is True
    assert json.loads(rendered(state if state != "partial" else "clean", "json"))["is_incomplete"] is False


def test_nothing_is_green_where_not_all_was_recorded():
    assert "\x1b[32m" in rendered("clean", color=True)
    assert "\x1b[32m" not in rendered("partial", color=True)
    assert 'class="verdict good"' in rendered("clean", "html")
    assert 'class="verdict warn"' in rendered("partial", "html")
    assert rendered("partial", "markdown").startswith("## ⚠️")
    assert [each.value for each in viewed(samples.partial()).bigs] == ["≥ 1", "≥ 1", "≥ 1", "1,240.0"]
    assert viewed(samples.partial()).bigs[3].note.startswith("in what was recorded: ")
    totals = dict(viewed(samples.partial()).totals)
    assert (totals["recorded"][:7], totals["requests"]) == ("not all", "1,240, 1,240.0 per connection recorded")


def test_other_connections_of_an_incomplete_record_are_the_least_that_there_were():
    made = replace(samples.silent(), counts=Counts(connections_count=3), is_incomplete=True)
    said = "No TLS and no HTTP, but at least 3 other connections, is in what was recorded, which is not all."
    assert rendered(made, width=120) == f"connprof: {said}\n"


def test_no_request_is_claimed_not_to_have_been_where_nobody_could_see_one():
    counts = Counts(
        contexts_count=1, handshakes_full_count=3, connections_count=3, connections_unknown_count=3, requests_count=0
    )
    made = replace(samples.clean(), counts=counts)
    assert "3 connections; requests could not be counted." in " ".join(rendered(made).split())
    assert dict(viewed(made).totals)["requests"] == "could not be counted"
    assert viewed(made).bigs[3].note == "requests could not be counted"
    known = replace(made, counts=replace(counts, connections_unknown_count=2))
    assert "3 connections, 0 requests (0.0 per connection, 2 connections left out)." in " ".join(
        rendered(known).split()
    )


def test_handshakes_that_failed_are_in_the_headline():
    made = replace(samples.clean(), counts=Counts(contexts_count=4, handshakes_failed_count=3, requests_count=0))
    assert "Nothing found. 4 SSL contexts, 0 TLS handshakes, 3 failed handshakes, 0 connections" in rendered(made)
    assert "failed" not in rendered("clean")


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("silent", "No TLS and no HTTP was seen."),
        ("unobserved", "Nothing was observed: no Python process reported."),
    ],
)
def test_what_was_not_there_is_said(state, said):
    assert rendered(state) == f"connprof: {said}\n"
    assert said in rendered(state, "html")
    assert said in rendered(state, "markdown")


def test_a_process_that_imported_nothing_that_connects_was_observed_all_the_same():
    made = replace(samples.unobserved(), quiet_processes_count=1)
    assert rendered(made) == "connprof: No TLS and no HTTP was seen.\n"


def test_connections_that_are_no_tls_are_not_hidden():
    made = replace(samples.silent(), counts=Counts(connections_count=3))
    assert rendered(made) == "connprof: No TLS and no HTTP was seen, but 3 other connections.\n"
    made = replace(samples.silent(), counts=Counts(connections_failed_count=2_000))
    assert rendered(made) == "connprof: No TLS and no HTTP was seen, but 2,000 failed connections.\n"
    made = replace(samples.silent(), counts=Counts(connections_count=1, connections_failed_count=1))
    assert rendered(made) == (
        "connprof: No TLS and no HTTP was seen, but 1 other connection and 1 failed connection.\n"
    )


def test_failed_connections_are_in_the_first_line():
    made = replace(samples.incident(), counts=samples.counts(40, connections_failed_count=2))
    assert "40 connections, 2 failed connections, 40 requests" in " ".join(rendered(made).split())


def part_of(page, name):
    found = re.search(f'<section id="{name}">(.*?)</section>', page, re.DOTALL)
    return " ".join(re.sub("<[^>]+>", " ", found[1]).split()) if found else None


def test_what_counts_leave_out_and_what_a_reader_must_know_are_two_things():
    made = replace(samples.clean(), blind_spots=("pycurl is not seen.",), notes=("It was slow.",), memory=True)
    page = rendered(made, "html")
    assert part_of(page, "unseen") == "What the counts leave out pycurl is not seen."
    assert part_of(page, "notes") == (
        "Notes It was slow. Memory was recorded, which slows a program down: no times are shown."
    )
    noted = part_of(rendered(replace(made, blind_spots=()), "html"), "unseen")
    assert noted.startswith("What the counts leave out Nothing that is known, beside what the notes say: no")
    page = rendered("clean", "html")
    assert "Nothing that is known: no library" in part_of(page, "unseen")
    assert part_of(page, "notes") is None
    assert "Not all was recorded: the notes say more." in part_of(rendered("partial", "html"), "unseen")
    assert part_of(rendered("unobserved", "html"), "unseen").endswith("Everything: no process reported.")


def test_a_clean_run_says_what_it_could_not_see():
    text = rendered(replace(samples.clean(), blind_spots=("pycurl is in use.",), notes=("One was killed.",)))
    assert text.splitlines()[-2:] == ["Not seen    pycurl is in use.", "Note        One was killed."]


def test_what_only_a_process_knows_is_said_once():
    process = samples.process(blind_spots=("pycurl is in use.",), errors=("KeyError: 1",))
    made = replace(samples.clean(), blind_spots=("pycurl is in use.",), processes=(process, process))
    view = viewed(made)
    assert view.blind_spots == ("pycurl is in use.",)
    assert view.notes == ("The observer itself failed in process 4711, so that counts may lack something: KeyError: 1",)


def test_a_fix_for_safety_is_no_saving_where_it_is_told_in_short():
    first, *others = samples.incident().findings
    made = replace(samples.incident(), findings=(replace(first, leaves=first.cost), *others))
    items = re.findall(r"<li><a href=\"#finding.*?</li>", rendered(made, "html"))
    assert "→" not in items[0]
    assert "SSL contexts 8, handshakes 8," in items[0]
    assert "; the fix leaves over all of it: it is a matter of safety, not of cost<" in items[0]
    assert all("SSL contexts 8 → <strong>1</strong>" in item and "safety" not in item for item in items[1:])


def test_a_failed_connect_is_seen_where_it_failed():
    view = viewed(samples.refused())
    for rows in (view.origins, view.lines, view.processes):
        assert [each.counts[5] for each in rows] == ["12,345, 1,234 failed", "3 failed"]
    for kind in ("text", "html", "markdown"):
        shown = rendered("refused", kind)
        assert shown.count("12,345, 1,234 failed") >= 2
        assert "localhost:1" in shown
    assert all(each.counts[5] == "8" for each in viewed(samples.incident()).origins)


@pytest.mark.parametrize("errors", [(), ("KeyError: 1",)])
def test_where_the_observer_failed_not_all_was_recorded(errors):
    processes = [samples.process(), samples.process(errors=errors)]
    made = assemble(processes, command=("app.py",), started_at=samples.clean().started_at, duration_ns=1, exit_code=0)
    assert made.is_incomplete is bool(errors)


def test_where_nothing_is_wrapped_sentences_have_a_line_each_and_tables_their_form():
    lines, wrapped = (rendered("forked", wraps=wraps).splitlines() for wraps in (False, True))
    assert lines[0].endswith(" 40 requests (1.0 per connection).")
    assert f"  fix         {BY_CODE['CP001'].fix}" in lines
    assert " ".join(" ".join(lines).split()) == " ".join(" ".join(wrapped).split())
    for table in ("Origins", "Lines that pay"):
        start, before = lines.index(table), wrapped.index(table)
        assert lines[start : start + 6] == wrapped[before : before + 6]


@pytest.mark.parametrize("state", samples.STATES)
@pytest.mark.parametrize("width", [100, 72, 60])
def test_no_line_is_wider_than_asked_for(state, width):
    assert max(map(len, rendered(state, width=width).splitlines())) <= width


def test_colour_only_when_asked_for():
    plain, colored = rendered("incident"), rendered("incident", color=True)
    assert "\x1b" not in plain
    assert "\x1b[" in colored
    import click

    assert click.unstyle(colored) == plain


def test_more_than_anybody_reads_is_counted():
    text = rendered("many")
    assert text.count("  cost here ") == MOST_FULL
    assert f"{700 - MOST_FULL} more findings" in text
    for number in (700 - MOST_FULL - MOST_BRIEF, 700 - MOST_ROWS, 699 - MOST_ROWS, 399 - MOST_ROWS):
        assert f"  and {number} more, which --json FILE has" in text
    assert len(rendered("many", "markdown")) < 65_536
    assert "500 more findings in the JSON file." in rendered("many", "html")


# --- figures --------------------------------------------------------------------------------------------------------


def test_requests_per_connection():
    def said(requests, connections):
        counts = Counts(contexts_count=1, requests_count=requests, connections_count=connections)
        return viewed(replace(samples.clean(), counts=counts)).bigs[3].value

    assert said(40, 5) == "8.0"
    assert said(12_400, 1) == "12,400.0"
    assert said(0, 4) == "0.0"
    assert said(None, 4) == "-"
    assert said(4, 0) == "-"


def test_requests_per_connection_leave_out_connections_of_which_nothing_is_known():
    counts = Counts(
        contexts_count=2, handshakes_full_count=5, connections_count=5, connections_unknown_count=4, requests_count=1
    )
    made = replace(samples.clean(), counts=counts)
    text = " ".join(rendered(made).split())
    assert "5 connections, 1 request (1.0 per connection, 4 connections left out)." in text
    assert "On 4 of 5 connections nothing was sent by a library that is known: requests there, if any, are" in text
    assert viewed(made).bigs[3].value == "1.0"
    unknown = replace(made, counts=replace(counts, connections_count=4, requests_count=0))
    assert viewed(unknown).bigs[3].value == "-"
    assert "nothing was sent by a library" not in rendered("clean")


def test_requests_that_could_not_be_counted():
    text = rendered("unknown")
    assert "12 connections; requests could not be counted." in " ".join(text.split())
    assert "requests    could not be counted\n" in text


def test_bytes_are_shown_in_mb_and_no_times_where_memory_was_recorded():
    text = " ".join(rendered("memory").split())
    assert "cost here 8 SSL contexts, 8 handshakes, 8 connections and 59.8 MB of SSL bytes" in text
    assert "leaves over 1 SSL context, 1 handshake, 1 connection and 7.5 MB of SSL bytes" in text
    assert "SSL bytes 299.1 MB allocated, freed or not" in text
    assert " ms" not in text
    assert "no times are shown" in text
    assert "59.8" in rendered("memory", "html")
    assert "SSL bytes" not in rendered("incident")


@pytest.mark.parametrize(
    ("cost", "leaves", "said", "left"),
    [
        (Price(), Price(), "no figure is known", "no figure is known"),
        (Price(handshakes_count=7), Price(), "7 handshakes", "no figure is known"),
        (Price(handshakes_count=7), Price(handshakes_count=0, contexts_count=0), "7 handshakes", "nothing of it"),
        (Price(handshakes_count=7, contexts_count=0), Price(handshakes_count=2, contexts_count=0), "7 handshakes",
         "2 handshakes"),
        (Price(handshakes_count=7), Price(handshakes_count=2, contexts_count=1), "7 handshakes",
         "1 SSL context and 2 handshakes"),
        (Price(contexts_count=9, cpu_ns=5), Price(contexts_count=9, cpu_ns=5), "9 SSL contexts and 0.000 ms CPU",
         "all of it: it is a matter of safety, not of cost"),
    ],
)  # fmt: skip
def test_what_a_finding_costs_and_leaves(cost, leaves, said, left):
    finding = viewed(
        replace(samples.incident(), findings=(replace(samples.incident().findings[0], cost=cost, leaves=leaves),))
    ).findings[0]
    assert (finding.cost, finding.leaves) == (said, left)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (0, "exit code 0"),
        (3, "exit code 3"),
        (-15, "killed by SIGTERM"),
        (-99, "killed by signal 99"),
        (None, "not known"),
    ],
)
def test_how_the_program_ended(code, said):
    assert said in rendered(replace(samples.incident(), exit_code=code))


# --- places ---------------------------------------------------------------------------------------------------------


def test_how_a_place_is_known_is_said_where_it_is_not_the_stack():
    text = rendered("unknown")
    assert "\n  app.py:14 in fetch() (by way of its task or thread)\n" in text
    assert "\n  app.py:14 in fetch() (where its SSL context was made)\n" in text
    assert "\n  unknown\n" in text
    assert "\n  called from unknown (2x)\n" in text
    assert "(" not in viewed(samples.incident()).findings[0].place.function.removesuffix("()")


def test_paths_are_relative_below_the_folder_only():
    finding = samples.incident().findings[0]

    def where(file):
        place = samples.Place(file=file, line=3, function="<module>", certainty="stack")
        return viewed(replace(samples.incident(), findings=(replace(finding, place=place),))).findings[0].place.text

    assert where("/srv/app/a/b.py") == "a/b.py:3 at module level"
    assert where("/srv/application/b.py") == "/srv/application/b.py:3 at module level"
    assert where("<string>") == "<string>:3 at module level"


def test_the_current_folder_is_the_default(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    place = samples.Place(file=str(tmp_path / "x.py"), line=3, function="f", certainty="stack")
    finding = replace(samples.incident().findings[0], place=place)
    made = replace(samples.incident(), findings=(finding,), sites=())
    assert "\n  x.py:3 in f()\n" in render(made, "text")


def test_processes_are_told_when_there_are_several():
    text = rendered("forked")
    assert "4712 (SIGTERM) fork of app.py --calls 40: 20 SSL contexts, 20 TLS handshakes," in text
    assert "4713 (without a last word)" in text
    assert "4715 (became another program) app.py --calls 40: nothing" in text
    assert "4716 (by a signal, seen up to then) fork of app.py --calls 40: nothing" in text
    assert "4717 (still running) fork of app.py --calls 40: nothing" in text
    assert "seen in     2 processes" in text
    assert "without a last word" in rendered("forked", "html")


# --- every code, every format ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_each_code_has_its_title_fix_and_explanation(kind):
    shown = rendered(replace(samples.every_code(), sites=(), origins=()), kind)
    if kind == "markdown":
        shown = shown.replace("\\", "")
    shown = " ".join(html.unescape(shown).split())
    for code in (each for each in CODES if "run" in each.sources):
        assert code.code in shown
        assert code.fix in shown
        assert kind in {"json", "sarif"} or code.title in shown
        assert kind == "json" or f"connprof lint --explain {code.code}" in shown
        assert "docs/lint.md" not in shown, "which a user's repository does not have"


def test_documentation_has_a_section_for_each_code():
    page = (Path(__file__).parents[2] / DOCUMENTATION).read_text(encoding="utf-8")
    sections = {part.partition("\n")[0]: part for part in page.split("\n### ")[1:]}
    for code in CODES:
        assert len(sections[code.code].split()) > 25, code.code
        if "run" in code.sources:
            assert "*Run.*" in sections[code.code], code.code


def test_json_is_the_profile():
    for state in samples.STATES.values():
        made = state()
        text = render(made, "json")
        if state is not samples.hostile:
            assert msgspec.json.decode(text, type=Profile) == made
        assert json.loads(text)["schema"] == "connprof-profile/1"


def test_json_spells_out_bytes_that_are_no_text():
    assert json.loads(rendered("hostile", "json"))["command"][1].endswith("\\udc80")


def test_text_json_sarif_and_markdown_need_the_bare_package_alone():
    code = (
        "import sys\n"
        "class Missing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name in {'jinja2', 'rich', 'matplotlib'}: raise ImportError(name)\n"
        "sys.meta_path.insert(0, Missing())\n"
        "from connprof.errors import MissingPackageError\n"
        "from connprof.report.profile import render\n"
        "from tests import run_samples\n"
        "for kind in ('text', 'json', 'sarif', 'markdown'): assert render(run_samples.incident(), kind)\n"
        "try: render(run_samples.incident(), 'html')\n"
        "except MissingPackageError as error: print(error)\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=root,
        env={"PYTHONPATH": f"{root}:{root / 'src'}", "PATH": ""},
    )
    assert (done.stdout.strip(), done.stderr) == (
        "jinja2 is needed to write the HTML page: pip install 'connprof[report]'.",
        "",
    )
