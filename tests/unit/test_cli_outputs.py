"""Where the commands read from and print to, when that is no file, full or closed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from connprof.cli import cli, guarded
from connprof.model import HazardOutcome
from connprof.report import require_packages
from connprof.store import encode, save_report
from tests import samples, wide_samples

FULL = Path("/dev/full")
LONG = 300 * "x"
COMMANDS = {
    "report": ["report", "base.json"],
    "compare": ["compare", "base.json", "base.json"],
    "history": ["history", "."],
    "lint": ["lint", "client.py"],
    "merge": ["merge", "out.json", "base.json", "other.json"],
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_report(samples.report(), tmp_path / "base.json")
    save_report(samples.report(samples.SKETCHES[:2]), tmp_path / "other.json")
    (tmp_path / "client.py").write_text("import httpx\n\n\ndef f():\n    httpx.get('x')\n", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize(
    "ending", [pytest.param("> /dev/full", marks=pytest.mark.skipif(not FULL.exists(), reason="Linux")), ">&-"]
)
def test_an_output_that_cannot_be_written_is_one_sentence(folder, name, ending):
    command = f'exec "$0" -m connprof {" ".join(COMMANDS[name])} {ending}'
    found = subprocess.run(
        ["sh", "-c", command, sys.executable], cwd=folder, capture_output=True, text=True, timeout=30, check=False
    )
    assert found.returncode == 2
    assert found.stderr.startswith("Error: standard output cannot be written: ")
    assert found.stderr.count("\n") == 1


# --- what is no file ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["fifo", "device", "folder"])
@pytest.mark.parametrize("place", ["itself", "report.json", "one of several"])
def test_what_is_no_file_is_refused_unopened(folder, capsys, kind, place):
    path = {"itself": folder / "odd", "report.json": folder / "in" / "report.json"}.get(place, folder / "in" / "a.json")
    path.parent.mkdir(exist_ok=True)
    if place == "one of several":
        save_report(samples.report(), folder / "in" / "b.json")
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    side = str(path if place == "itself" else path.parent)
    commands = [["compare", "base.json", side], ["compare", side, "base.json"], ["merge", "new", "base.json", side]]
    commands += [["report", side]] if place != "one of several" else []
    commands += [["history", "."]] if place == "report.json" and kind != "folder" else []
    for command in commands:
        assert guarded(cli, command) == 2
        err = capsys.readouterr().err
        assert err.count("\n") == 1
        if kind != "folder":  # in one that is called as a report, another report may be looked for
            assert {"fifo": "is a pipe", "device": "is a device"}[kind] in err


def test_a_pipe_from_the_shell_is_read_up_to_the_limit(folder, monkeypatch, capsys):
    save_report(samples.report(), folder / "base.json")
    command = f'cat base.json | "{sys.executable}" -m connprof compare base.json /dev/stdin'
    assert subprocess.run(["sh", "-c", command], capture_output=True, timeout=30, check=False).returncode == 0
    monkeypatch.setattr("connprof.store.LARGEST_FILE_BYTES", 10)
    reading, writing = os.pipe()
    os.write(writing, encode({"schema": "connprof/1"}))
    os.close(writing)
    assert guarded(cli, ["report", f"/dev/fd/{reading}"]) == 2
    assert "is larger than" in capsys.readouterr().err
    os.close(reading)


# --- the code of the run --------------------------------------------------------------------------------------------


def test_the_report_of_a_wide_run_ends_as_that_run_did(folder):
    matrix = wide_samples.matrix()
    wide = replace(samples.report(), hazards=matrix.hazards, safety=matrix.safety)
    codes = {}
    for name, report in {
        "declared": replace(wide, safety=tuple(_as_declared(cell) for cell in wide.safety)),
        "unlike": replace(wide, safety=tuple(replace(_as_declared(cell), expected="hung") for cell in wide.safety)),
        "axis alone": replace(samples.not_measured(), run=samples.run(command="nox -s matrix -- --axis rtt=0")),
        "suite": samples.not_measured(),
    }.items():
        save_report(report, folder / f"{name}.json")
        codes[name] = guarded(cli, ["report", f"{name}.json"])
    assert codes == {"declared": 0, "unlike": 1, "axis alone": 0, "suite": 4}


def _as_declared(cell):
    known = cell if cell.outcome is not HazardOutcome.NOT_PROBED else replace(cell, outcome=HazardOutcome.HELD)
    return replace(known, expected=known.signature)


# --- the bare package -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("absent", ["jinja2", "matplotlib"])
def test_without_what_draws_the_page_the_summary_is_printed(folder, monkeypatch, capsys, absent):
    _without(monkeypatch, absent)
    assert guarded(cli, ["report", "base.json"]) == 0
    assert "per-call-async" in capsys.readouterr().out
    assert guarded(cli, ["report", "base.json", "--html", "page"]) == 2
    out, err = capsys.readouterr()
    assert "per-call-async" in out
    assert f"the page was not drawn: {absent} is needed" in err
    assert not (folder / "page").exists()


@pytest.mark.usefixtures("folder")
def test_without_what_prints_it_is_one_sentence(monkeypatch, capsys):
    _without(monkeypatch, "rich")
    assert guarded(cli, ["report", "base.json"]) == 2
    assert capsys.readouterr().err == "Error: rich is needed to print the summary: pip install 'connprof[report]'.\n"


def _without(monkeypatch, absent):
    def find_spec(name):
        return None if name == absent else True

    for module in (sys.modules[require_packages.__module__], sys.modules["connprof.cli.report"]):
        monkeypatch.setattr(module, "find_spec", find_spec)


OUT_OF_REACH = {
    "compare": ["compare", "base.json", "{}"],
    "baseline": ["compare", "{}", "base.json"],
    "page": ["compare", "base.json", "base.json", "--html", "{}"],
    "config": ["compare", "base.json", "base.json", "--config", "{}"],
    "report": ["report", "{}"],
    "merge": ["merge", "{}", "base.json", "other.json"],
    "history": ["history", "{}"],
    "lint": ["lint", "{}"],
    "run": ["run", "--json", "{}", "client.py"],
}


@pytest.mark.parametrize("name", OUT_OF_REACH)
@pytest.mark.usefixtures("folder")
def test_a_name_that_is_too_long_is_one_sentence(name, capsys):
    assert guarded(cli, [word.format(LONG) for word in OUT_OF_REACH[name]]) == 2
    assert capsys.readouterr() == ("", f"Error: {LONG} cannot be reached: File name too long.\n")


@pytest.mark.parametrize("name", OUT_OF_REACH)
@pytest.mark.skipif(os.geteuid() == 0, reason="root may look into any folder")
def test_what_lies_in_a_folder_that_is_closed_is_one_sentence(folder, name, capsys):
    (folder / "closed").mkdir(mode=0o600)
    assert guarded(cli, [word.format("closed/one.json") for word in OUT_OF_REACH[name]]) == 2
    assert capsys.readouterr() == ("", "Error: closed/one.json cannot be reached: Permission denied.\n")


@pytest.mark.parametrize("arguments", [["report"], ["compare", "base.json"], ["merge", "out.json", "base.json"]])
@pytest.mark.skipif(os.geteuid() == 0, reason="root may look into any folder")
def test_a_folder_of_which_only_the_names_can_be_read_is_one_sentence(folder, arguments, capsys):
    save_report(samples.report(), folder / "listed" / "report.json")
    (folder / "listed").chmod(0o600)
    assert guarded(cli, [*arguments, "listed"]) == 2
    out, err = capsys.readouterr()
    assert (out, err) == ("", "Error: listed/report.json cannot be read: Permission denied.\n")


@pytest.mark.parametrize("command", [["compare", "base.json"], ["history"]])
@pytest.mark.skipif(os.geteuid() == 0, reason="root may look into any folder")
def test_a_closed_folder_among_reports_is_named(folder, command, capsys):
    (folder / "all" / "closed").mkdir(parents=True, mode=0o700)
    (folder / "all" / "closed").chmod(0o600)
    assert guarded(cli, [*command, "all"]) == 2
    assert "Error: all/closed/report.json cannot be read: Permission denied." in capsys.readouterr().err
