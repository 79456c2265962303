"""Probes as people and the matrix run them: what a probe does must never cost more than its cell."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from tests.bench.conftest import ROOT, processes_of

HAZARDS = {
    "h90_hangs": """
@hazard("H90", title="hangs", raised_by="sleeping", limit_s=4)
def probe(subject, stage):
    "It leaves a child and a server behind."
    stage.start()
    if os.fork() == 0:
        time.sleep(60)
    stage.progress(Tally([Reply(call_of("a")), Reply(call_of("b"), error="ReadError")]), "ok, error")
    time.sleep(60)
""",
    "h91_raises": """
@hazard("H91", title="raises", raised_by="raising")
def probe(subject, stage):
    "It raises."
    print("a probe may print")
    raise ValueError("nothing to see\\x1b[31m")
""",
    "h92_dies": """
@hazard("H92", title="dies", raised_by="dying")
def probe(subject, stage):
    "It dies."
    os.kill(os.getpid(), 9)
""",
    "h93_plays": """
@hazard("H93", title="plays", raised_by="playing", signatures={"per-call-get": "broke 1 of 3: RemoteProtocolError"})
def probe(subject, stage):
    "It uses all of the stage."
    standard = stage.standard()
    own, plain = stage.start(), stage.start(tls=False)
    stage.folder.joinpath("file").write_text("x")
    tally = Tally()
    for target, name in ((standard.target, "one"), (own.target, "two"), (plain.target, "cut")):
        with subject.held(target) as held:
            tally.add(held.call(name))
    tally.observed["handshakes"] = standard.settled_ledger().handshakes_full_count
    tally.observed["requests"] = standard.ledger().requests_count + own.ask("settled")["requests"]
    tally.observed["executions"] = len(standard.executions())
    try:
        own.ask("nonsense")
    except RuntimeError as error:
        return tally.finding(str(error))
""",
    "h95_babbles": """
@hazard("H95", title="babbles", raised_by="babbling")
def probe(subject, stage):
    "What it tells is no message."
    stage._channel.tell(["x"])
""",
    "h96_misshapen": """
@hazard("H96", title="misshapen", raised_by="a count that is none")
def probe(subject, stage):
    "Its finding has the wrong shape."
    return Finding("held", "x", attempts_count="many")
""",
    "h94_rate": """
@hazard("H94", title="rate", raised_by="chance", statistical=True)
def probe(subject, stage):
    "It has a rate."
    return Tally([Reply(call_of("a"), error="ReadError: x")]).finding("x")
""",
}
TOP = """
import os, time
from bench.hazards.finding import Finding, Reply, Tally
from bench.hazards.registry import hazard
from bench.hazards.subject import call_of
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A copy of the project with hazards of the tests' own."""
    root = tmp_path_factory.mktemp("copy") / "project"
    for name in ("bench", "src", "server"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in HAZARDS.items():
        (root / "bench" / "hazards" / f"{name}.py").write_text(TOP + text)
    return root


def start(root, *arguments, **variables):
    paths = os.pathsep.join(str(root / name) for name in ("", "src", "server"))
    return subprocess.Popen(
        [sys.executable, "-m", "bench.hazards", *arguments],
        cwd=root,
        env=os.environ | {"PYTHONPATH": paths} | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run(root, *arguments, **variables):
    process = start(root, *arguments, **variables)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


@pytest.fixture(scope="module")
def cells(root):
    """Exit code, cells by hazard, and what was left running."""
    wanted = [f"per-call-get/H{number}" for number in range(90, 97)]
    code, out, err = run(root, "--json", *wanted, HAZARD_TEST="what-is-left-behind")
    assert err == ""
    found = {cell["hazard"]: cell for cell in map(json.loads, out.splitlines())}
    return code, found, processes_of("HAZARD_TEST=what-is-left-behind")


@pytest.mark.once
def test_a_probe_that_hangs_is_killed_with_all_that_it_started_and_what_it_knew_is_kept(cells):
    _code, found, left_running = cells
    cell = found["H90"]
    assert (cell["outcome"], cell["attempts_count"], cell["failed_count"]) == ("hung", 2, 1)
    assert cell["symptom"] == "It had not ended after 4 s and was killed; until then: ok, error"
    assert cell["errors"] == {"ReadError": 1}
    assert left_running == []


@pytest.mark.once
def test_a_probe_that_does_not_work_says_nothing_about_the_strategy(cells):
    code, found, _left_running = cells
    assert code == 3
    assert {found[name]["outcome"] for name in ("H91", "H92", "H95", "H96")} == {"not probed"}
    assert found["H91"]["symptom"] == "The probe did not work: ValueError: nothing to see [31m"
    assert "was killed by SIGKILL without an answer" in found["H92"]["symptom"]
    assert "answered something that is no outcome" in found["H95"]["symptom"]
    assert "wrong shape: Expected `int`, got `str`" in found["H96"]["symptom"]


@pytest.mark.once
def test_a_probe_has_servers_counts_and_a_folder(cells):
    cell = cells[1]["H93"]
    assert cell["symptom"] == "the probe's own server says: KeyError: 'nonsense'"
    assert cell["observed"] == {"handshakes": 1, "requests": 2, "executions": 0}
    assert cell["errors"] == {"RemoteProtocolError: Server disconnected without sending a response.": 1}
    assert cell["expected"] == "broke 1 of 3: RemoteProtocolError"
    assert cell["command"] == "nox -s matrix -- --probe per-call-get/H93"
    assert cell["duration_ns"] > 0


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("per-call-get/H94",), 0, "/H94: broke 1 of 1: ReadError  (statistical: a rate, expected of nothing)"),
        (("per-call-async/H93",), 1, "(NOT as expected: held, or does not apply)"),
        (("--list",), 0, "rate (statistical)"),
        (("--help",), 0, "Exit codes"),
    ],
)
def test_a_cell_is_told_in_words_and_by_the_exit_code(root, arguments, code, words):
    ended, out, err = run(root, *arguments)
    assert (ended, err) == (code, "")
    assert words in out


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "Error: say which cell to probe, as STRATEGY/HAZARD, e.g. lazy-service/H1; --list names them.\n"),
        (("H1",), "Error: 'H1' is not of the form STRATEGY/HAZARD, e.g. lazy-service/H1.\n"),
        (("one-client/",), "Error: 'one-client/' is not of the form STRATEGY/HAZARD, e.g. lazy-service/H1.\n"),
        (("one-client/H99",), "Error: there is no hazard 'H99'; there are: H1, H1b, "),
        (("none/H1",), "Error: there is no strategy 'none'; there are: "),
    ],
)
def test_wrong_use_is_told_in_one_sentence(arguments, sentence, capsys):
    from bench.hazards.command import hazards
    from connprof.cli.exits import guarded

    assert guarded(hazards, list(arguments)) == 2
    err = capsys.readouterr().err
    assert err.startswith(sentence)
    assert err.count("\n") == 1


@pytest.mark.once
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_ends_it_and_leaves_nothing_running(root, number):
    marker = f"HAZARD_TEST=interrupted-{number}"
    process = start(root, "all/H90", HAZARD_TEST=f"interrupted-{number}")
    deadline = time.monotonic() + 20
    while len(processes_of(marker)) < 4 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(number)
    _out, err = process.communicate(timeout=20)
    assert (process.returncode, err.strip()) == (130, "Interrupted.")
    assert processes_of(marker) == []
