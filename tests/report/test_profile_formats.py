"""What each format makes of names that want to be markup, table cells or terminal codes; SARIF's own rules."""

import json
import re

import pytest

from connprof.profile import Place
from connprof.report.profile import render
from tests import run_samples as samples


def rendered(state, kind="text", **options):
    return render(samples.STATES[state](), kind, folder=samples.FOLDER, **options)


def test_text_has_no_control_code_and_no_command_to_a_runner():
    text = rendered("hostile")
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e]", text)
    assert "::error::" in text
    assert [line for line in text.splitlines() if line.lstrip().startswith(("::", "##["))] == []
    text.encode()


def test_markdown_stays_text():
    text = rendered("hostile", "markdown")
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e]", text)
    assert set(re.findall(r"</?[a-z]+>", text)) <= {"<code>", "</code>"}
    assert "@user" not in text
    assert "www.evil" not in text
    assert not re.search(r"(?<!\\)[`\[~$]", text)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} <= {10, 11}


def test_the_page_stays_text():
    page = rendered("hostile", "html")
    assert "<script" not in page
    assert "\u202e" not in page
    assert "\x1b" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&amp;amp;" in page
    assert not re.search(r'(?:src|href)="(?!data:,|#finding-|#explained-|#limits")', page)


def test_no_option_is_broken_at_its_dashes():
    limits = rendered("limited", "html").partition('id="limits"')[2].partition("</ul>")[0]
    assert limits.count("--") == len(re.findall(r'<span class="option">[^ <]*--[^ <]+</span>', limits)) == 4


@pytest.mark.parametrize("kind", ["json", "sarif"])
def test_figures_are_json_whatever_names_hold(kind):
    assert json.loads(rendered("hostile", kind))


# --- SARIF ----------------------------------------------------------------------------------------------------------


def run_of(state):
    log = json.loads(rendered(state, "sarif"))
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    return run


@pytest.mark.parametrize("state", samples.STATES)
def test_sarif_keeps_its_rules(state):
    run = run_of(state)
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert len(set(rules)) == len(rules)
    assert run["originalUriBaseIds"] == {"SRCROOT": {"uri": "file:///srv/app/"}}
    assert len(run["results"]) == len(samples.STATES[state]().findings)
    prints = [result["partialFingerprints"]["connprof/v1"] for result in run["results"]]
    assert len(set(prints)) == len(prints)
    for result in run["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
        assert result["level"] == "warning"
        assert result["message"]["text"].strip()
        related = result.get("relatedLocations", [])
        assert len({each["id"] for each in related}) == len(related)
        for location in (*result.get("locations", []), *related):
            physical = location["physicalLocation"]
            assert physical["region"]["startLine"] >= 1
            uri = physical["artifactLocation"]["uri"]
            assert uri.isascii()
            assert ("uriBaseId" in physical["artifactLocation"]) == (not uri.startswith("file:///"))


def test_sarif_says_what_it_cost_and_what_the_fix_leaves():
    result = run_of("incident")["results"][0]
    assert result["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "helpers/datagouv.py", "uriBaseId": "SRCROOT"},
        "region": {"startLine": 14},
    }
    assert [each["physicalLocation"]["region"]["startLine"] for each in result["relatedLocations"]] == [31, 60]
    message = result["message"]["text"]
    assert message.startswith("8 httpx.AsyncClient made in fetch_datagouv(), one request each (clients made: 8; ")
    assert "It cost 8 SSL contexts, 8 handshakes, " in message
    assert message.endswith("That leaves over: 1 SSL context, 1 handshake, 1 connection, 8.20 ms CPU and 10.0 ms wall.")


def test_an_unknown_place_is_not_lost():
    known, _, unknown = run_of("unknown")["results"]
    assert "(by way of its task or thread)" in known["message"]["text"]
    assert "locations" not in unknown
    assert unknown["ruleId"] == "CP001"
    assert run_of("unknown")["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"].startswith("pycurl")


def test_a_fingerprint_outlives_lines_and_figures():
    made = samples.incident()
    first, *rest = made.findings
    moved = Place(file=first.place.file, line=99, function=first.place.function, certainty="stack")
    from msgspec.structs import replace

    again = replace(made, findings=(replace(first, place=moved, what="9 httpx.AsyncClient made"), *rest))
    before, after = (
        json.loads(render(each, "sarif", folder=samples.FOLDER))["runs"][0]["results"][0]["partialFingerprints"]
        for each in (made, again)
    )
    assert before == after
