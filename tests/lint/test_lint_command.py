"""The command: formats, options from both places, suppression, exit codes, and files that cannot be checked."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest

from connprof.cli import cli, guarded
from connprof.codes import BY_CODE, CODES
from connprof.explained import explained
from connprof.lint import Sureness, lint
from connprof.lint.libraries import KNOWN_TOPS
from connprof.lint.settings import LINT_CODES, LintSettings

pytestmark = pytest.mark.once
ROOT = Path(__file__).resolve().parents[2]
BAD = "import httpx\n\n\ndef fetch(url):\n    with httpx.Client() as client:\n        return client.get(url)\n"
CLEAN = "import httpx\n\nclient = httpx.Client()\n"
GUESS = 'import httpx\n\n\ndef newest():\n    return httpx.get("https://api.example")\n'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "bad.py").write_text(BAD, encoding="utf-8")
    (tmp_path / "clean.py").write_text(CLEAN, encoding="utf-8")
    return tmp_path


@pytest.fixture
def run(capfd, folder):  # noqa: ARG001 - it makes that folder the current one
    def run(*arguments):
        code = guarded(cli, ["lint", *map(str, arguments)])
        out, err = capfd.readouterr()
        assert "Traceback" not in out + err
        return code, out, err

    return run


def codes_in(out):
    return re.findall(r"^\S+:\d+:\d+: (CP\d+) ", out, re.MULTILINE)


def test_a_finding_is_one_line_that_editors_can_follow(run):
    code, out, err = run("bad.py")
    assert (code, err) == (1, "")
    first, *rest = out.splitlines()
    assert first == (
        "bad.py:5:10: CP001 httpx.Client is made in fetch() and not kept: an SSL context and a TLS handshake each time "
        "(likely: nothing in the project keeps fetch() to one call)"
    )
    assert rest[-1] == "1 finding (1 likely) in 1 file."
    assert BY_CODE["CP001"].fix[:40] in out


def test_the_fix_that_the_docs_show_is_no_more_than_a_guess_and_is_told_as_one(folder, run):
    """A client around the batch, as docs/pytest.md has it."""
    batch = "    with httpx.Client() as client:\n        return [client.get(url).json() for url in urls]\n"
    (folder / "weather.py").write_text(f"import httpx\n\n\ndef forecasts(urls):\n{batch}", encoding="utf-8")
    assert run("weather.py", "--level", "likely")[0] == 0
    _, out, _ = run("weather.py")
    assert "(guess: nothing in the project keeps forecasts() to one call; it serves a batch there)" in out
    assert BY_CODE["CP001"].fix[:40] not in out
    assert "it is right to make one for that; if the function is called" in out
    assert BY_CODE["CP001"].fix[:40] in run("weather.py", "bad.py")[1]


def test_quiet_when_clean(run):
    assert run("clean.py") == (0, "", "")


@pytest.mark.parametrize("kind", ["json", "sarif"])
def test_other_formats_end_with_the_same_codes(run, kind):
    for name, expected in (("clean.py", 0), ("bad.py", 1)):
        code, out, _ = run(name, "--format", kind)
        assert (code, bool(json.loads(out))) == (expected, True)


def test_json_holds_everything(run):
    _, out, _ = run(".", "--format", "json")
    content = json.loads(out)
    assert (content["schema"], content["files_count"]) == ("connprof-lint/1", 2)
    (finding,) = content["findings"]
    assert finding["place"] == {"path": "bad.py", "line": 5, "column": 10, "end_line": 5, "end_column": 24}
    assert (finding["function"], finding["measured_as"], finding["sureness"]) == ("fetch", "CP001", "likely")
    assert finding["documentation"] == "docs/lint.md#cp001"


def test_the_chain_leads_to_where_it_is_made(folder, run):
    (folder / "made.py").write_text("import httpx\n\n\ndef make():\n    return httpx.Client()\n", encoding="utf-8")
    (folder / "user.py").write_text(
        "from made import make\n\n\ndef fetch(url):\n    with make() as c:\n        c.get(url)\n", encoding="utf-8"
    )
    _, out, _ = run("user.py")
    assert "user.py:5:10: CP001 httpx.Client by way of make()" in out
    assert "; made at made.py:5 (" in out
    _, out, _ = run("user.py", "--format", "sarif")
    (result,) = json.loads(out)["runs"][0]["results"]
    (related,) = result["relatedLocations"]
    assert related["physicalLocation"]["artifactLocation"]["uri"] == "made.py"


# --- SARIF ------------------------------------------------------------------------------------------------


def check_sarif(log):
    """The rules of the 2.1.0 schema and specification that this output comes near."""
    assert set(log) == {"$schema", "version", "runs"}
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    assert set(run) <= {"tool", "columnKind", "originalUriBaseIds", "invocations", "results"}
    assert run["columnKind"] in {"utf16CodeUnits", "unicodeCodePoints"}
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    for rule in rules:
        assert set(rule) <= {
            "id", "name", "shortDescription", "fullDescription", "help", "defaultConfiguration", "properties",
        }  # fmt: skip
        assert all(rule[each]["text"] for each in ("shortDescription", "fullDescription", "help"))
        assert rule["shortDescription"]["text"].endswith(".")
    for base in run["originalUriBaseIds"].values():
        assert re.fullmatch(r"[a-z]+://.*/", base["uri"])
    for invocation in run["invocations"]:
        assert isinstance(invocation["executionSuccessful"], bool)
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in {"none", "note", "warning", "error"}
        assert 0 <= result["rank"] <= 100
        assert result["message"]["text"]
        assert all(isinstance(value, str) for value in result["partialFingerprints"].values())
        for location in (*result["locations"], *result.get("relatedLocations", ())):
            check_place(location["physicalLocation"], run)
    prints = [result["partialFingerprints"]["connprof/v1"] for result in run["results"]]
    assert len(set(prints)) == len(prints)


def check_place(place, run):
    artifact, region = place["artifactLocation"], place["region"]
    assert re.fullmatch(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+", artifact["uri"])
    assert artifact.get("uriBaseId", "SRCROOT") in run["originalUriBaseIds"]
    assert all(isinstance(region[each], int) and region[each] >= 1 for each in region)
    assert (region["startLine"], region["startColumn"]) <= (region["endLine"], region["endColumn"])


def test_sarif_is_valid(folder, run):
    (folder / "a folder").mkdir()
    odd = folder / "a folder" / "höher.py"
    odd.write_text(BAD + BAD.replace("fetch", "again") + GUESS, encoding="utf-8")
    (folder / "broken.py").write_text("def f(:\n", encoding="utf-8")
    code, out, _ = run(".", "--format", "sarif")
    log = json.loads(out)
    check_sarif(log)
    results = log["runs"][0]["results"]
    assert code == 2
    assert len(results) == 4
    assert {unquote(each["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]) for each in results} == {
        "bad.py",
        "a folder/höher.py",
    }
    (invocation,) = log["runs"][0]["invocations"]
    assert not invocation["executionSuccessful"]
    assert "broken.py" in invocation["toolExecutionNotifications"][0]["message"]["text"]
    assert {each["level"] for each in results} == {"warning", "note"}


def test_a_fingerprint_outlives_lines_added_above(folder, run):
    def prints():
        _, out, _ = run("bad.py", "--format", "sarif")
        return [each["partialFingerprints"] for each in json.loads(out)["runs"][0]["results"]]

    before = prints()
    (folder / "bad.py").write_text("import os\n\n" + BAD, encoding="utf-8")
    assert prints() == before != []


def test_columns_count_characters(folder, run):
    (folder / "bad.py").write_text('import httpx\n\n\ndef f(u):\n    return "höhö", httpx.get(u)\n', encoding="utf-8")
    _, out, _ = run("bad.py")
    assert out.startswith("bad.py:5:20: CP002 ")


# --- options ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "table", "left"),
    [
        (["--select", "CP007"], 'select = ["CP007"]', []),
        (["--select", "CP007,cp001"], 'select = ["CP001", "CP007"]', ["CP001"]),
        (["--ignore", "CP001"], 'ignore = ["CP001"]', []),
        (["--ignore", "CP002", "--ignore", "CP010"], 'ignore = ["CP002", "CP010"]', ["CP001"]),
        (["--exclude", "bad.py"], 'exclude = ["bad.py"]', []),
        (["--exclude", "b*"], 'exclude = ["b*"]', []),
        (["--level", "certain"], 'level = "certain"', []),
        (["--level", "likely"], 'level = "likely"', ["CP001"]),
    ],
)
def test_every_option_works_from_both_places(folder, run, option, table, left):
    code, out, _ = run(".", *option)
    assert (code, codes_in(out)) == (int(bool(left)), left)
    (folder / "pyproject.toml").write_text(f"[tool.connprof.lint]\n{table}\n", encoding="utf-8")
    code, out, _ = run(".")
    assert (code, codes_in(out)) == (int(bool(left)), left)


def test_the_command_line_replaces_the_file(folder, run):
    (folder / "pyproject.toml").write_text('[tool.connprof.lint]\nselect = ["CP007"]\n', encoding="utf-8")
    assert run("bad.py")[0] == 0
    assert run("bad.py", "--select", "CP001")[0] == 1
    (folder / "other.toml").touch()
    assert run("bad.py", "--config", "other.toml")[0] == 1


def test_further_clients_can_be_named(folder, run):
    (folder / "own.py").write_text(
        "from acme import Api\n\n\ndef ask(x):\n    with Api() as api:\n        return api.ask(x)\n", encoding="utf-8"
    )
    assert run("own.py")[0] == 0
    (folder / "pyproject.toml").write_text('[tool.connprof.lint]\nclients = ["acme.Api"]\n', encoding="utf-8")
    code, out, _ = run("own.py")
    assert (code, codes_in(out)) == (1, ["CP001"])


def test_guesses_that_are_left_out_are_counted(folder, run):
    (folder / "bad.py").write_text(GUESS, encoding="utf-8")
    code, out, err = run("bad.py", "--level", "likely")
    assert (code, out, err) == (0, "", "1 less sure finding left out (--level guess shows all).\n")


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("chosen = 1", "no key 'chosen'"),
        ('select = ["CP999"]', "no code 'CP999'"),
        ('select = ["CP010"]', "found by running the program only"),
        ('select = "CP001"', "must be a list"),
        ("exclude = [1]", "must be a list"),
        ('level = "sure"', "must be one of"),
        ("level = []", "must be one of"),
        ("= 1", "not valid TOML"),
    ],
)
def test_wrong_settings_are_one_sentence(folder, run, table, words):
    (folder / "pyproject.toml").write_text(f"[tool.connprof.lint]\n{table}\n", encoding="utf-8")
    code, out, err = run("bad.py")
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert words in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "at least one file"),
        (["absent.py"], "does not exist"),
        (["bad.py", "--select", "CP999"], "no code 'CP999'"),
        (["bad.py", "--select", ","], "no code is named"),
        (["bad.py", "--format", "xml"], "'xml'"),
        (["--explain", "E501"], "no code 'E501'"),
        (["bad.py", "-o", "bad.py/out.json"], "cannot be written"),
    ],
)
def test_wrong_use_is_one_sentence(run, arguments, words):
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert words in err


def test_a_folder_without_python_is_wrong_use(folder, run):
    (folder / "empty").mkdir()
    assert run("empty") == (2, "", "Error: empty holds no Python file.\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a full disk that Linux has")
def test_an_output_that_cannot_be_written_is_no_finding(folder):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "connprof", "lint", "bad.py"], cwd=folder, stdout=full,
            stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "standard output cannot be written" in done.stderr


def test_output_goes_into_a_file(folder, run):
    code, out, _ = run("bad.py", "--format", "sarif", "-o", "out/lint.sarif")
    assert (code, out) == (1, "")
    check_sarif(json.loads((folder / "out" / "lint.sarif").read_text(encoding="utf-8")))


@pytest.mark.parametrize("code", [each.code for each in CODES])
def test_every_code_can_be_explained(run, code):
    status, out, _ = run("--explain", code)
    assert status == 0
    sections = re.split(r"^###? .*$", (ROOT / "docs" / "lint.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    title = BY_CODE[code].title
    (section,) = [each for each in sections if f"**{title}" in each]
    assert section.startswith(f"\n\n**{title}.** ")
    section = section.partition(".** ")[2]
    head, _, told = out.partition("\n")
    assert head.endswith(f": {title}")
    assert title not in " ".join(told.split()), "it is told once"
    assert "\n#" not in out, "the next section is another's"
    assert not re.search(r"[`*\x1b]|\]\(", out)
    assert all(len(line) <= 100 for line in out.splitlines())
    bare = re.sub(r"\*([A-Z]\w+)[.:]\*", r"\1", section).replace("Run ", "What a run sees ", 1)
    assert " ".join(out.split()).endswith(" ".join(re.sub(r"[`*]", "", bare).split())), "not a word is lost"


def test_bad_and_good_examples_have_headings_of_their_own(run):
    out = run("--explain", "CP004")[1]
    assert (
        "\n\nBad\n    for url in urls:\n        with httpx.Client() as client:\n            client.get(url)\n"
        "\nGood\n    with httpx.Client() as client:\n        for url in urls:\n            client.get(url)\n\n"
    ) in out


def test_a_terminal_shows_marks_as_looks_and_fills_lines_to_its_width():
    shown = explained(
        "**a b** and `c d`, [e](f.md).\n\n*Run.* A *g*.\n\n    x = 1",
        width=9,
        styled=lambda said, look: f"<{look[0]}:{said}>",
    )
    assert shown.splitlines() == [
        "<s:a> <s:b> and <c:c>", "<c:d>, e.", "", "<h:What a run sees>", "A <s:g>.", "", "<c:    x = 1>",
    ]  # fmt: skip
    assert explained("one two three four", width=9).splitlines() == ["one two", "three", "four"]
    assert explained("one two33", width=9).splitlines() == ["one two33"]


# --- suppression ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("comment", "left"),
    [
        ("# noqa: CP001", []),
        ("# noqa", []),
        ("# NOQA:CP001", []),
        ("# noqa: E501, CP001", []),
        ("# noqa: E501,CP001 - once a day", []),
        ("# a test double # noqa: CP001", []),
        ("# noqa: CP002", ["CP001"]),
        ("# noqa: because of this", ["CP001"]),
        ("# noqa-like", ["CP001"]),
        ("# CP001", ["CP001"]),
    ],
)
def test_comments_suppress(folder, run, comment, left):
    (folder / "bad.py").write_text(BAD.replace("as client:", f"as client:  {comment}"), encoding="utf-8")
    assert codes_in(run("bad.py")[1]) == left


def test_a_comment_may_stand_on_the_last_line_of_a_call(folder):
    text = (
        "import httpx\n\n\ndef f(u):\n    c = httpx.Client(\n        timeout=1,\n    )  # noqa: CP001\n    c.close()\n"
    )
    (folder / "bad.py").write_text(text, encoding="utf-8")
    outcome = lint([folder / "bad.py"])
    assert (outcome.findings, outcome.suppressed_count) == ((), 1)


def test_a_string_is_no_comment(folder, run):
    text = BAD.replace("return client.get(url)", 'return client.get("# noqa")')
    text = text.replace("with httpx.Client() as client:", 'with httpx.Client(base_url="# noqa") as client:')
    (folder / "bad.py").write_text(text, encoding="utf-8")
    assert codes_in(run("bad.py")[1]) == ["CP001"]


# --- names of files ---------------------------------------------------------------------------------------

HOSTILE = "x\n::error file=a.py::pwned\x1b[31m\u202e.py"


@pytest.mark.parametrize("kind", ["json", "sarif"])
def test_a_name_that_is_no_text_is_told_in_every_format(folder, run, kind):
    """Bytes that are no UTF-8 come from archives and foreign disks, and JSON cannot hold them."""
    for name, content in ((b"caf\xe9.py", BAD), (b"br\xe9.py", "def f(:")):
        try:
            Path(os.fsdecode(name)).write_text(content, encoding="utf-8")
        except OSError:
            pytest.skip("the disk takes names in UTF-8 only")
    (folder / "bad.py").unlink()
    code, out, _ = run(".", "--format", kind)
    assert code == 2
    assert json.loads(out)
    assert {"json": "caf\\\\udce9.py", "sarif": "caf%E9.py"}[kind] in out


def test_a_name_gives_no_command_to_a_terminal_or_a_ci_system(folder, run):
    for name in (HOSTILE, "::error file=b.py::pwned.py"):
        (folder / name).write_text(BAD, encoding="utf-8")
    (folder / f"broken{HOSTILE}").write_text("def f(:\n", encoding="utf-8")
    (folder / "pwned\n::error::.ipynb").touch()
    code, out, err = run(".", "pwned\n::error::.ipynb")
    _, _, absent = run("absent\n::error::")
    lines = (out + err + absent).splitlines()
    assert (code, "\x1b" in "".join(lines), "\u202e" in "".join(lines)) == (2, False, False)
    assert [line for line in lines if line.lstrip().startswith(("::", "##["))] == []
    assert out.count(": CP001 httpx.Client is made") == 3


# --- files that cannot be checked -------------------------------------------------------------------------

UNREADABLE = {
    "syntax.py": (b"def f(:\n", "cannot be parsed"),
    "latin.py": (b'name = "\xe9"\n', "cannot be decoded"),
    "cookie.py": (b"# coding: no-such-code\n", "cannot be decoded"),
    "null.py": (b"a = 1\0\n", "null bytes"),
    "old.py": (b'import httpx\nprint "x"\n', "is Python 2"),
    "deep.py": (b"a = " + b"(" * 5_000 + b")" * 5_000 + b"\n", "cannot be parsed|nested too deeply"),
    "deeper.py": (b"a = " + b"-" * 100_000 + b"1\n", "nested too deeply"),
    "huge.py": (b"#" * 5_000_001, "larger than 5 MB"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_checked_is_one_sentence_after_the_rest(folder, run, name):
    content, words = UNREADABLE[name]
    (folder / name).write_bytes(content)
    code, out, err = run(".")
    assert code == 2
    assert codes_in(out) == ["CP001"]
    assert len(err.splitlines()) == 1
    assert re.search(words, err)
    assert err.startswith(name)


def test_deep_nesting_that_parses_is_checked(folder, run):
    deep = "".join(f"{' ' * depth}if u:\n" for depth in range(1, 90))
    (folder / "bad.py").write_text(f"import httpx\ndef f(u):\n{deep}{' ' * 90}httpx.get(u)\n", encoding="utf-8")
    assert codes_in(run("bad.py")[1]) == ["CP002"]
    calls = ".a()" * 500
    (folder / "bad.py").write_text(f"import httpx\ndef f(u):\n  return httpx.get(u){calls}\n", encoding="utf-8")
    assert codes_in(run("bad.py")[1]) == ["CP002"]
    added = " + ".join(["u"] * 2_000)
    (folder / "bad.py").write_text(f"import httpx\ndef f(u):\n  return httpx.get({added})\n", encoding="utf-8")
    assert codes_in(run("bad.py")[1]) in (["CP002"], [])


def test_links_in_a_circle_and_odd_files_are_left_alone(folder, run):
    package = folder / "package"
    package.mkdir()
    (package / "again").symlink_to(folder, target_is_directory=True)
    (package / "bad_link.py").symlink_to(folder / "bad.py")
    (folder / "notes.ipynb").write_text("{}", encoding="utf-8")
    (folder / "lost.py").symlink_to(folder / "nowhere.py")
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "bad.py").write_text(BAD, encoding="utf-8")
    (folder / "env").mkdir()
    (folder / "env" / "pyvenv.cfg").touch()
    (folder / "env" / "bad.py").write_text(BAD, encoding="utf-8")
    os.mkfifo(folder / "pipe.py")
    code, out, err = run(".")
    assert code == 2
    assert codes_in(out) == ["CP001"]
    assert "pipe.py is no regular file" in err
    assert "lost.py cannot be read" in err


def test_a_notebook_is_left_alone_in_words(folder, run):
    (folder / "notes.ipynb").write_text("{}", encoding="utf-8")
    assert run("notes.ipynb") == (0, "", "notes.ipynb is a notebook, and was left alone.\n")


def test_modules_that_import_each_other_come_to_an_end(folder, run):
    (folder / "one.py").write_text("from two import Client, two\none = two\nimport httpx\n", encoding="utf-8")
    (folder / "two.py").write_text(
        "from one import Client, one\ntwo = one\nClient = Client\n\n\ndef f(u):\n    return Client().get(f(u))\n"
        "class A(B): pass\nclass B(A): x = A()\nfrom two import *\n",
        encoding="utf-8",
    )
    assert run(".")[0] == 1


# --- hook, documents, house -------------------------------------------------------------------------------


def test_the_hook_runs_with_file_names(folder):
    text = (ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")
    entry = re.search(r"^  entry: (.+)$", text, re.MULTILINE).group(1)
    assert re.search(r"^  types_or: \[python\]$", text, re.MULTILINE)
    assert entry.split()[0] == "connprof"
    command = [sys.executable, "-m", *shlex.split(entry)]
    paths = os.pathsep.join([str(ROOT / "src")])

    def hook(*names):
        done = subprocess.run(
            [*command, *names], capture_output=True, text=True, check=False, cwd=folder,
            env={**os.environ, "PYTHONPATH": paths},
        )  # fmt: skip
        return done.returncode, done.stdout, done.stderr

    assert hook("clean.py") == (0, "", "")
    code, out, err = hook("clean.py", "bad.py")
    assert (code, codes_in(out), err) == (1, ["CP001"], "")


def test_the_documentation_explains_every_code():
    text = (ROOT / "docs" / "lint.md").read_text(encoding="utf-8")
    for code in CODES:
        assert f"\n### {code.code}\n" in text
        assert code.title in text
    assert re.findall(r"^### (CP\d+)$", text, re.MULTILINE) == [code.code for code in CODES]


def test_codes_are_in_order_and_unique():
    assert [code.code for code in CODES] == [f"CP{number:03}" for number in range(1, len(CODES) + 1)]
    assert len({code.name for code in CODES}) == len(CODES)
    assert all(code.fix.endswith(".") and code.fix.count(". ") == 0 for code in CODES)
    assert all(code.measured_as in {None, *BY_CODE} for code in CODES)
    assert all("run" in BY_CODE[code.measured_as].sources for code in CODES if code.measured_as)
    assert {"CP001", "CP008"} <= set(LINT_CODES)


def test_nothing_that_is_checked_is_imported(folder, run):
    (folder / "bad.py").write_text("import httpx\nraise SystemExit(9)\n" + BAD, encoding="utf-8")
    before = set(sys.modules)
    assert run("bad.py")[0] == 1
    assert not (set(sys.modules) - before) & KNOWN_TOPS


def test_our_own_package_is_clean_and_the_strategies_that_churn_are_not():
    outcome = lint([ROOT / "src", ROOT / "server", ROOT / "bench" / "strategies"], LintSettings(level=Sureness.LIKELY))
    names = {Path(each.place.path).name for each in outcome.findings}
    assert {"per_call_async.py", "per_call_client.py", "per_call_get.py", "per_call_shared_context.py"} <= names
    assert not {"one_client.py", "client_per_helper.py", "floor.py"} & names
    assert {Path(each.place.path).parent.name for each in outcome.findings} == {"strategies"}
    assert outcome.problems == ()


@pytest.mark.parametrize(
    ("call", "costs"),
    [
        ("requests.get(url)", "an SSL context and a TLS handshake each time"),
        ("niquests.get(url)", "makes a TLS handshake each time"),
        ("urllib.request.urlopen(url)", "an SSL context and a TLS handshake each time"),
        ("urllib.request.urlopen(url, context=shared)", "makes a TLS handshake each time"),
    ],
)
def test_what_a_shortcut_costs_is_what_a_run_counts(folder, run, call, costs):
    module = call.partition("(")[0].rpartition(".")[0]
    text = f"import {module}\n\n\ndef fetch(url, shared):\n    for _ in range(3):\n        {call}\n"
    (folder / "one.py").write_text(text, encoding="utf-8")
    assert costs in run("one.py", "--level", "guess")[1]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look into any folder")
def test_a_closed_folder_in_a_project_is_passed_over(folder, run):
    before = run(".")
    (folder / "data").mkdir(mode=0)
    assert run(".") == before


@pytest.mark.parametrize("arguments", [
    ("-o", "bad.py", "bad.py"),
    ("-o", "./bad.py", "."),
    ("--config", "pyproject.toml", "-o", "pyproject.toml", "bad.py"),
])  # fmt: skip
def test_what_is_read_is_not_written_over(run, folder, arguments):
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.endswith("would be overwritten, and it is read: name another file.\n")
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_findings_may_be_written_over_earlier_ones(run, folder):
    (folder / "found.txt").write_text("earlier")
    assert run("-o", "found.txt", ".")[0] == 1
    assert codes_in((folder / "found.txt").read_text()) == ["CP001"]
