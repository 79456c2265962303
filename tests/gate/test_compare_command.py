"""``connprof compare`` from the command line: exit codes, files, options."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from connprof.abridged import AbridgedReport
from connprof.axes import AXES
from connprof.cli import cli, guarded
from connprof.errors import FileError
from connprof.gate import Status
from connprof.model import Failed
from connprof.report.comparing import view
from connprof.store import abridge, encode, load_abridged, save_report
from tests import samples
from tests.gate.sides import (
    POOLED,
    candidate,
    consistent,
    declaring,
    key,
    save_consistent,
    with_changed,
    with_identity,
    without,
)

pytestmark = pytest.mark.once

BASE = samples.report()
FULL = Path("/dev/full")
SSL_BYTES_UP = with_changed(candidate(), POOLED, "memory", ssl__io_bytes=14_000_000)


@pytest.fixture
def compare(tmp_path, monkeypatch, capsys):
    """Compare two reports in an empty folder: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    def run(base, head, *options):
        save_consistent(base, tmp_path / "base.json")
        save_consistent(head, tmp_path / "head.json")
        code = guarded(cli, ["compare", "base.json", "head.json", *options])
        return code, *capsys.readouterr()

    return run


def failed(report, strategy):
    return samples.with_outcome(report, strategy, Failed(stage="counts", message="It died."))


def regressed():
    return with_changed(candidate(), POOLED, "counts", client__contexts_count=40)


def improved():
    fewer = with_changed(candidate(), POOLED, "counts", client__contexts_count=4)
    return declaring(fewer, POOLED, contexts=4)


@pytest.mark.parametrize(
    ("head", "code", "headline"),
    [
        (candidate(), 0, "PASS: 84 figures compared, none regressed."),
        (improved(), 0, "none regressed, 1 improved."),
        (with_changed(candidate(), POOLED, "counts", client__contexts_count=4), 3, "cannot be trusted: 1 row invalid."),
        (regressed(), 1, "FAIL: 1 of 84 figures regressed."),
        (failed(candidate(), POOLED), 3, "FAIL: The candidate cannot be trusted: 1 row failed."),
        (failed(regressed(), "floor"), 3, "1 row failed, and 1 figure regressed."),
        (samples.invalid(), 3, "1 row invalid."),
        (without(candidate(), POOLED), 4, "1 row of the baseline missing"),
        (without(regressed(), "floor"), 1, "regressed, and 1 missing."),
        (replace(candidate(), records=()), 4, "Nothing was compared"),
    ],
)
def test_each_exit_code_with_its_headline(compare, head, code, headline):
    found, out, err = compare(BASE, head)
    assert (found, err) == (code, "")
    assert headline in out.splitlines()[0]


def test_the_exit_code_of_a_process_is_the_same(compare, tmp_path):
    compare(BASE, regressed())
    command = [sys.executable, "-m", "connprof", "compare", "base.json", "head.json"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 1


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["base.json"],
        ["base.json", "absent.json"],
        ["base.json", "head.json", "--format", "xml"],
        ["base.json", "head.json", "--config", "absent.toml"],
        ["base.json", "head.json", "--html", "one", "--json", "one"],
        ["base.json", "head.json", "-o", "head.json/out"],
        ["base.json", "."],
        ["base.json", "nothing"],
    ],
)
def test_wrong_use_is_exit_code_two_and_no_traceback(compare, tmp_path, arguments, capsys):
    compare(BASE, candidate())
    (tmp_path / "nothing").mkdir()
    (tmp_path / "other.json").write_text("{}", encoding="utf-8")
    assert guarded(cli, ["compare", *arguments]) == 2
    assert "Traceback" not in capsys.readouterr().err


# --- what a side can be ---------------------------------------------------------------------------------------------


def test_a_side_is_a_file_or_a_folder_with_a_report_or_one_of_shards(compare, tmp_path, capsys):
    compare(BASE, candidate())
    save_report(candidate(), tmp_path / "latest" / "report.json")
    (tmp_path / "latest" / "pytest-benchmark.json").write_text("{}", encoding="utf-8")
    for number, part in enumerate((samples.SKETCHES[:4], samples.SKETCHES[4:])):
        shard = replace(samples.report(part), run=candidate().run)
        save_report(shard, tmp_path / "shards" / f"{number}.json")
    for head in ("latest", "latest/report.json", "shards"):
        assert guarded(cli, ["compare", "base.json", head]) == 0
        assert "84 figures compared" in capsys.readouterr().out


def test_a_folder_of_folders_with_a_report_each_is_merged_as_ci_artifacts_arrive(compare, tmp_path, capsys):
    compare(BASE, candidate())
    for number, part in enumerate((samples.SKETCHES[:4], samples.SKETCHES[4:])):
        shard = replace(samples.report(part), run=candidate().run)
        save_report(shard, tmp_path / "shards" / f"{number}" / "report.json")
    (tmp_path / "shards" / "duel.json").write_text('{"schema": "connprof-duel/1"}', encoding="utf-8")
    assert guarded(cli, ["compare", "base.json", "shards"]) == 0
    out, err = capsys.readouterr()
    assert "84 figures compared" in out
    assert err.startswith("Passed over: shards/duel.json is a duel, not a report")
    # The folder that is merged into may hold the shards' folders.
    (tmp_path / "shards" / "duel.json").unlink()
    assert guarded(cli, ["merge", "shards", "shards/0", "shards/1"]) == 0
    assert (tmp_path / "shards" / "report.json").exists()


def test_a_folder_of_shards_that_clash_is_refused(compare, tmp_path, capsys):
    compare(BASE, candidate())
    save_report(BASE, tmp_path / "shards" / "a.json")
    save_report(regressed(), tmp_path / "shards" / "b.json")
    assert guarded(cli, ["compare", "base.json", "shards"]) == 2
    assert "cannot be merged" in capsys.readouterr().err


def test_a_condition_that_differs_is_named_where_nothing_could_be_compared(compare):
    head = candidate()
    records = tuple(replace(one, case=replace(one.case, rtt_ms=20.0)) for one in head.records)
    code, out, _err = compare(BASE, replace(head, records=records))
    assert code == 4
    assert out.startswith(
        "FAIL: Nothing was compared: no case is on both sides, as they were measured under another round trip."
    )
    assert "  differs    round trip, ms: 0 -> 20 (cases that only one side has)\n" in out
    both = compare(BASE, replace(head, records=(*head.records, *records)))[1]
    assert "round trip" not in both


def test_conditions_that_differ_are_named_in_words(compare):
    head = candidate()
    records = tuple(
        replace(one, case=replace(one.case, workload="gaps-short", calls_count=6, python="3.13"))
        for one in head.records
    )
    out = compare(BASE, replace(head, records=records))[1]
    assert " measured under another workload, number of calls and Python.\n" in out
    assert "  differs    number of calls: 40 -> 6 (cases that only one side has)\n" in out
    assert "  differs    Python: the suite's own -> 3.13 (cases that only one side has)\n" in out
    assert not [axis for axis in AXES if "_" in axis and axis not in view._AXES]


def test_a_missing_case_is_named_once_in_the_page_and_in_its_annotation(compare, tmp_path):
    name = "one-client/llm-session/calls=40"
    out = compare(BASE, without(candidate(), "one-client"), "--format", "github", "--html", str(tmp_path / "c.html"))[1]
    assert out == f"::error title=connprof%3A {name} missing::The case is not in the candidate.\n"
    page = (tmp_path / "c.html").read_text(encoding="utf-8")
    assert (page.count(name), page.count("The case is not in the candidate.")) == (1, 1)


@pytest.mark.parametrize(
    "arguments",
    [
        ["compare", "", "head.json"],
        ["compare", "base.json", ""],
        ["compare", "base.json", "head.json", "--junit", ""],
        ["compare", "base.json", "head.json", "--config", ""],
        ["merge", "", "base.json", "head.json"],
        ["history", ""],
        ["report", ""],
        ["report", "base.json", "--html", ""],
    ],
)
def test_an_empty_name_does_not_stand_for_the_current_folder(compare, capsys, arguments):
    compare(BASE, candidate())
    assert guarded(cli, arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "it is empty; is a variable unset?" in err


def test_nothing_is_answered_where_a_file_that_was_asked_for_cannot_be_written(compare, tmp_path):
    (tmp_path / "file").touch()
    code, out, err = compare(BASE, candidate(), "--markdown", "good.md", "--junit", "file/below.xml")
    assert (code, out) == (2, "")
    assert "cannot be written" in err
    assert not (tmp_path / "good.md").exists()


# --- options --------------------------------------------------------------------------------------------------------


def test_cases_can_be_allowed_from_the_command_line_and_from_the_file(compare, tmp_path):
    gone, broken = without(candidate(), POOLED), failed(candidate(), POOLED)
    assert compare(BASE, gone, "--allow-missing", key(POOLED))[0] == 0
    assert compare(BASE, broken, "--allow-failed", key(POOLED))[0] == 0
    assert compare(BASE, broken, "--allow-missing", key(POOLED))[0] == 3
    for name, head in (("allow_missing", gone), ("allow_failed", broken)):
        (tmp_path / "pyproject.toml").write_text(f"[tool.connprof.gate]\n{name} = ['{key(POOLED)}']", encoding="utf-8")
        code, out, _err = compare(BASE, head)
        assert code == 0
        assert "allowed" in out
        # What stands in the file holds as well when the command line names another.
        assert compare(BASE, head, "--allow-missing", "other")[0] == 0


def test_limits_come_from_the_current_folder_or_from_the_file_that_is_named(compare, tmp_path):
    assert compare(BASE, SSL_BYTES_UP)[0] == 1
    (tmp_path / "pyproject.toml").write_text("[tool.connprof.gate.limits]\nssl_bytes = 20", encoding="utf-8")
    assert compare(BASE, SSL_BYTES_UP)[0] == 0
    (tmp_path / "strict.toml").write_text(
        f'[tool.connprof.gate.cases."{key(POOLED)}"]\nssl_bytes = 1', encoding="utf-8"
    )
    assert compare(BASE, SSL_BYTES_UP, "--config", "strict.toml")[0] == 1
    (tmp_path / "pyproject.toml").write_text("[tool.connprof.gate]\nlimit = 1", encoding="utf-8")
    code, _out, err = compare(BASE, SSL_BYTES_UP)
    assert code == 2
    assert "has no key 'limit'" in err


def test_unchanged_figures_are_listed_on_demand(compare):
    listed = compare(BASE, candidate())[1]
    assert "Not listed: 24 shown and 84 unchanged" in listed
    assert "only shown" not in listed
    out = compare(BASE, candidate(), "--all")[1]
    assert out.count("\nunchanged  ") == 84
    assert "Not listed" not in out


@pytest.mark.parametrize("kind", ["text", "markdown", "json", "html", "junit", "github"])
def test_each_format_goes_to_standard_output_or_into_a_file(compare, tmp_path, kind):
    printed = compare(BASE, regressed(), "--format", kind)
    assert printed[0] == 1
    assert printed[1]
    code, out, _err = compare(BASE, regressed(), "--format", kind, "-o", "out")
    assert (code, out) == (1, "")
    assert (tmp_path / "out").read_text(encoding="utf-8") == printed[1]


def test_several_outputs_in_one_call(compare, tmp_path):
    names = ("markdown", "html", "json", "junit")
    options = [option for name in names for option in (f"--{name}", f"out/{name}")]
    code, out, _err = compare(BASE, regressed(), *options, "--annotations")
    assert code == 1
    assert out.startswith("FAIL")
    assert "::error file=bench/helpers/" in out
    for name in names:
        assert (tmp_path / "out" / name).read_text(encoding="utf-8") == compare(BASE, regressed(), "--format", name)[1]


@pytest.mark.parametrize(
    "other", ["./sub/../out", "{tmp_path}/out", "link", "base.json", "{tmp_path}/sub/../head.json"]
)
def test_outputs_overwrite_neither_each_other_nor_a_report(compare, tmp_path, other):
    (tmp_path / "sub").mkdir()
    (tmp_path / "link").symlink_to("out")
    code, out, err = compare(BASE, candidate(), "--json", "out", "--junit", other.format(tmp_path=tmp_path))
    assert (code, out) == (2, "")
    assert "would be written" in err
    assert not (tmp_path / "out").exists()
    assert load_abridged(tmp_path / "base.json") == abridge(consistent(BASE))


def test_a_name_that_no_file_can_have_is_one_sentence(compare):
    code, out, err = compare(BASE, candidate(), "--json", 300 * "x")
    assert (code, out) == (2, "")
    assert err.endswith("x cannot be reached: File name too long.\n")


def test_a_files_name_need_not_be_text(tmp_path, capsys):
    file = tmp_path / os.fsdecode(b"\xff.json")
    save_report(BASE, file)
    for kind in ("text", "markdown", "json", "html", "junit", "github"):
        assert guarded(cli, ["compare", str(file), str(file), "--format", kind]) == 0
    assert "Traceback" not in capsys.readouterr().err


def test_junit_lists_what_passes_too(compare):
    out = compare(BASE, regressed(), "--format", "junit")[1]
    assert out.count("<testcase ") == 108
    assert 'failures="1" errors="0"' in out


def test_annotations_are_not_printed_twice(compare):
    assert compare(BASE, regressed(), "--annotations", "--format", "github")[1].count("::error ") == 1


def test_improvements_ask_for_a_new_baseline(compare):
    out = compare(BASE, with_changed(candidate(), POOLED, "counts", client__contexts_count=4))[1]
    assert "improved" in out
    assert "1 figure improved: refresh the baseline" in out


def test_unlike_environments_are_named_with_what_they_hide(compare):
    head = with_identity(candidate(), openssl="OpenSSL 3.5.1", client_library_version="0.29")
    code, out, _err = compare(BASE, head)
    assert code == 0
    said = " ".join(out.split())
    assert "openssl: OpenSSL 3.0.15 3 Sep 2024 -> OpenSSL 3.5.1 (bytes and time ratios are incomparable)" in said
    assert "client_library_version: 0.28.1 -> 0.29 (compared all the same)" in out
    assert "incomparable" not in compare(BASE, candidate())[1]


def test_packages_that_differ_are_named(compare):
    packages = {name: version for name, version in BASE.environment.packages.items() if name != "h11"}
    environment = replace(BASE.environment, packages={**packages, "httpcore": "2.0", "h2": "4.3.0"})
    code, out, _err = compare(BASE, replace(candidate(), environment=environment))
    assert code == 0
    assert "packages: h11 0.16.0 -> absent, httpcore 1.0.9 -> 2.0, h2 absent -> 4.3.0 (compared" in " ".join(
        out.split()
    )
    many = replace(environment, packages={f"package-{k}": "1" for k in range(20)})
    out = compare(BASE, replace(candidate(), environment=many))[1]
    assert " more (compared all the same)" in " ".join(out.split())


def test_a_report_held_against_itself_is_told(compare):
    assert "Both sides are the same run" in compare(BASE, BASE)[1]
    assert "Both sides" not in compare(BASE, candidate())[1]


def test_an_interrupted_candidate_is_told(compare):
    code, out, _err = compare(BASE, samples.interrupted())
    assert code == 3
    assert "The candidate's run was interrupted: Stopped by Ctrl-C" in out


def test_help_tells_the_exit_codes_and_their_order(capsys):
    assert guarded(cli, ["compare", "--help"]) == 0
    text = capsys.readouterr().out
    places = [text.index(f"\n    {code} ") for code in (2, 3, 1, 4, 0)]
    assert places == sorted(places)


def test_text_markdown_and_json_need_neither_rich_nor_jinja2_nor_matplotlib(compare, tmp_path):
    compare(BASE, regressed())
    code = (
        "import sys\n"
        "for name in ('rich', 'jinja2', 'markupsafe', 'matplotlib', 'numpy'): sys.modules[name] = None\n"
        "from connprof.cli import main\n"
        "main()"
    )

    def run(kind):
        command = [sys.executable, "-c", code, "compare", "base.json", "head.json", "--format", kind]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert {run(kind).returncode for kind in ("text", "markdown", "json", "junit", "github")} == {1}
    page = run("html")
    assert page.returncode == 2
    assert page.stderr.startswith("Error: jinja2 is needed to write the HTML page: pip install")


def test_text_is_said_in_the_encoding_that_there_is(compare, tmp_path):
    compare(BASE, samples.hostile())
    command = [sys.executable, "-m", "connprof", "compare", "base.json", "head.json"]
    environment = {"PYTHONIOENCODING": "ascii", "PATH": "", "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, env=environment, check=False)
    assert (done.returncode, done.stderr) == (3, b"")
    assert done.stdout.isascii()


@pytest.fixture
def process(compare, tmp_path):
    """The same in a process of its own, whose standard output is what is given."""

    def run(output, head, *options):
        compare(BASE, head)
        command = [sys.executable, "-m", "connprof", "compare", "base.json", "head.json", *options]
        # With a buffer, as it is by default: what is left in it is written once more when Python ends.
        variables = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
        done = subprocess.run(
            command, cwd=tmp_path, env=variables, stdout=output, stderr=subprocess.PIPE, text=True, check=False
        )
        return done.returncode, done.stderr

    return run


@pytest.mark.parametrize(("head", "code"), [(candidate(), 0), (regressed(), 1), (without(candidate(), POOLED), 4)])
def test_a_reader_that_has_gone_changes_neither_the_answer_nor_the_files(process, tmp_path, head, code):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as output:
        assert process(output, head, "--markdown", "summary.md") == (code, "")
    assert (tmp_path / "summary.md").read_text(encoding="utf-8")


@pytest.mark.skipif(not FULL.exists(), reason="a full disk that Linux has")
def test_an_output_that_cannot_be_written_is_no_regression(process):
    with FULL.open("wb") as output:
        assert process(output, candidate()) == (
            2, "Error: standard output cannot be written: No space left on device.\n",
        )  # fmt: skip


def test_a_comparison_stopped_by_hand_has_its_own_exit_code(compare, monkeypatch):
    def stopped(_path):
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["connprof.cli.compare"], "load_abridged", stopped)
    assert compare(BASE, candidate()) == (130, "", "\nInterrupted.\n")


# --- files that are none --------------------------------------------------------------------------------------------


def change(report, path, value):
    """The report's JSON with another value at ``path``; ``...`` takes the key away."""
    content = json.loads(encode(report))
    inner = content
    for step in path[:-1]:
        inner = inner[step]
    if value is ...:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return json.dumps(content).encode()


CLIENT = ("records", 5, "outcome", "counts", "client")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "head.json is empty"),
        (b" \n", "head.json is empty"),
        (encode(BASE)[:-1000], "head.json is damaged"),
        (b"[" * 100_000, "head.json is"),
        (b"# A text\n", "head.json is not a connprof report: it is not JSON."),
        (b'{"schema": "connprof/1"}', "missing required field"),
        (change(BASE, ["schema"], "connprof/2"), "was written by a newer connprof"),
        (change(BASE, ["schema"], "connprof/0"), "which no connprof has written"),
        (change(BASE, ["schema"], "connprof/" + 5_000 * "9"), "is not a connprof report: its schema is 'connprof/999"),
        (change(BASE, ["schema"], "connprof/\u0661"), "is not a connprof report: its schema is"),
        (b"\xef\xbb\xbf{}", "head.json is damaged: JSON is malformed"),
        (change(BASE, ["schema"], "other/1"), "is not a connprof report: its schema is 'other/1'"),
        (b'{"version": "5", "benchmarks": []}', "is not a connprof report: object missing required field `schema`"),
        (change(BASE, [*CLIENT, "contexts_count"], ...), "missing required field `contexts_count`"),
        (change(BASE, [*CLIENT, "contextz_count"], 5), "unknown field `contextz_count`"),
        (change(BASE, [*CLIENT, "contexts_count"], "5"), "$.records[5].outcome.counts.client.contexts_count"),
        (change(BASE, [*CLIENT, "contexts_count"], 5.5), "contexts_count"),
        (change(BASE, ["records", 5, "outcome", "problems"], ...), "missing required field `problems`"),
        (change(BASE, ["records", 5], json.loads(encode(BASE.records[4]))), "holds the case 'per-call-shared-context"),
    ],
)
def test_a_broken_file_is_one_sentence_with_file_and_place(compare, tmp_path, content, message, capsys):
    compare(BASE, candidate())
    (tmp_path / "head.json").write_bytes(content)
    for arguments in (["base.json", "head.json"], ["head.json", "base.json"]):
        assert guarded(cli, ["compare", *arguments]) == 2
        err = capsys.readouterr().err
        assert err.startswith("Error: head.json")
        assert message in err
        assert err.count("\n") == 1


def test_a_newer_schema_that_reads_the_same_is_refused_all_the_same(tmp_path):
    (tmp_path / "r.json").write_bytes(change(BASE, ["schema"], "connprof/17"))
    with pytest.raises(FileError, match="newer connprof"):
        load_abridged(tmp_path / "r.json")


def test_a_huge_file_is_refused_unread(compare, tmp_path, capsys):
    compare(BASE, candidate())
    with (tmp_path / "head.json").open("wb") as file:
        file.truncate(600_000_000)
    assert guarded(cli, ["compare", "base.json", "head.json"]) == 2
    assert "larger than 512 MB" in capsys.readouterr().err


@pytest.mark.parametrize("make", samples.STATES.values())
def test_any_report_of_the_suite_can_be_compared_with_any(compare, make):
    for base, head in ((make(), candidate()), (candidate(), make()), (make(), make())):
        code, out, err = compare(base, head)
        assert code in {0, 1, 3, 4}
        assert out.startswith(("PASS", "FAIL"))
        assert err == ""


# --- the abridged types ---------------------------------------------------------------------------------------------


def test_what_a_comparison_reads_has_the_fields_of_what_is_stored():
    import msgspec

    from connprof import abridged, model

    twins = {
        abridged.AbridgedReport: model.Report,
        abridged.OneRecord: model.Record,
        abridged.MeasuredFigures: model.Measured,
        abridged.FailedFigures: model.Failed,
        abridged.CountsFigures: model.CountsPass,
        abridged._Client: model.ClientCounts,
        abridged.LedgerFigures: model.LedgerCounts,
        abridged.MemoryFigures: model.MemoryPass,
        abridged.RetainedFigures: model.RetainedPass,
        abridged.TimingFigures: model.TimingPass,
        abridged.CellFigures: model.SafetyCell,
    }
    for short, full in twins.items():
        fields = [{field.name for field in msgspec.structs.fields(kind)} for kind in (short, full)]
        assert fields[0] == fields[1], short


def test_a_report_abridged_in_memory_and_from_its_file_are_the_same(tmp_path):
    save_report(samples.failed_cases(), tmp_path / "r.json")
    loaded = load_abridged(tmp_path / "r.json")
    assert isinstance(loaded, AbridgedReport)
    assert loaded == abridge(samples.failed_cases())


def test_every_verdict_has_its_place_in_every_renderer():
    from connprof.report.comparing import html, markdown

    assert set(html._TONES) == set(markdown._MARKS) == set(Status)


COMMAND = "x\n::error file=a.py,line=1::boo \x1b[31mred"


@pytest.mark.parametrize(
    "arguments",
    [
        ["report", "odd.json"],
        ["merge", "out.json", "odd.json", "base.json"],
        ["compare", "base.json", COMMAND],
        ["merge", "out.json", COMMAND, "base.json"],
        ["report", COMMAND],
        ["history", COMMAND],
        ["compare", "base.json", "head.json", "--format", COMMAND],
        ["compare", "base.json", "head.json", COMMAND],
    ],
)
def test_no_name_begins_a_line_or_sets_a_colour_in_an_error(compare, tmp_path, capsys, arguments):
    compare(BASE, candidate())
    odd = BASE.records[0]
    odd = replace(odd, case=replace(odd.case, strategy=COMMAND))
    save_report(replace(BASE, records=(*BASE.records, odd, odd)), tmp_path / "odd.json")
    assert guarded(cli, arguments) == 2
    err = capsys.readouterr().err
    assert "boo" in err
    assert "\x1b" not in err
    assert not [line for line in err.splitlines() if line.lstrip().startswith("::")]
