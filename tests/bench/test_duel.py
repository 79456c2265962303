"""Duels, run as their users run them, in a small git repository that holds a copy of the suite."""

import asyncio
import contextlib
import itertools
import json
import os
import random
import selectors
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from bench.calibration import page
from bench.calibration.pool import CHANGES, RIVALS, SAME, Pool, count_duels
from bench.calibration.tally import Calibration
from bench.checkouts import commit_of, requirements, worktrees
from bench.children import Stopped
from bench.duel import DuelSettings, Sampled, Sampler
from bench.duel_report import DuelReport, Trio, Turns, answered, paired_test
from bench.environments import Requirements, environment
from bench.trios import Seat, Sitting, take_turns
from bench.turns import Delay, watch_selectors
from connprof.cli import cli, guarded
from connprof.cli.exits import duel_exit_code
from connprof.errors import RunError, UsageError
from connprof.model import Case
from connprof.store import decode
from tests.bench.conftest import ROOT, processes_of

pytestmark = pytest.mark.once
on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks for left-over processes in /proc")
BURN = "import time\nend = time.thread_time() + 0.03\nwhile time.thread_time() < end:\n    pass\n"


class Repository:
    """A copy of the project with commits of its own, and an environment that is this one."""

    def __init__(self, root, temporary):
        self.root = root
        self.temporary = temporary
        self.git("init", "--quiet", "--initial-branch=trunk")
        self.commit("first")

    def git(self, *arguments):
        variables = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | {
            "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org",
            "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.org",
            "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1",
        }  # fmt: skip
        done = subprocess.run(
            ["git", *arguments], cwd=self.root, env=variables, capture_output=True, text=True, check=True
        )
        return done.stdout

    def commit(self, name):
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", name)
        self.git("tag", name)

    def strategy(self, name):
        return self.root / "bench" / "strategies" / f"{name.replace('-', '_')}.py"

    def start(self, *arguments, marker="duel", stdout=subprocess.PIPE):
        paths = os.pathsep.join(str(self.root / name) for name in ("", "src", "server"))
        return subprocess.Popen(
            [sys.executable, "-c", "from connprof.cli import main; main()", "duel", *map(str, arguments)],
            cwd=self.root / "docs",
            env=os.environ | {"PYTHONPATH": paths, "TMPDIR": str(self.temporary), "TEST_RUN": marker},
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments):
        process = self.start(*arguments)
        out, err = process.communicate(timeout=150)
        assert "Traceback" not in err, err
        return process.returncode, out, err

    def report(self):
        return decode((self.root / "reports" / "duel.json").read_bytes(), DuelReport, name="duel.json")

    def nothing_is_left(self):
        assert list(self.temporary.iterdir()) == []
        assert len(self.git("worktree", "list").splitlines()) == 1


@pytest.fixture
def repository(tmp_path):
    root, temporary = tmp_path / "project", tmp_path / "temporary"
    temporary.mkdir()
    for name in ("bench", "src", "server"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "constraints.txt", ".gitignore"):
        shutil.copy(ROOT / name, root / name)
    (root / "docs").mkdir()
    # The environment stands in its cache already: this one, under its own interpreter.
    home = root / ".duel" / requirements(root, ()).key
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (home / "bin" / "python").chmod(0o755)
    (home / "complete").touch()
    return Repository(root, temporary)


QUICKLY = ("--trios", "11", "--budget", "1", "--calls", "2", "--seed", "7")


def test_a_commit_against_itself(repository):
    code, printed, complaints = repository.run("HEAD", "HEAD", "--only", "floor", *QUICKLY)
    assert (code, complaints) == (0, ""), printed
    assert "unchanged  floor/llm-session/calls=2" in printed
    assert "\x1b" not in printed
    report = repository.report()
    (case,) = report.cases
    assert (report.schema, report.seed, report.dirty) == ("connprof-duel/1", 7, False)
    assert report.command == "connprof duel HEAD HEAD --only floor --trios 11 --budget 1 --calls 2 --seed 7"
    assert report.base.commit == report.head.commit == repository.git("rev-parse", "HEAD").strip()
    assert [unit.unit for unit in case.units] == ["thread_time_ns", "unhindered_ns"]
    assert (report.first_count, report.tests_count, report.interrupted) == (4, 2, None)
    assert all(unit.low <= unit.ratio <= unit.high for unit in case.units)
    assert len(case.trios) in {4, 11}
    assert all(len(turns.wall_ns) >= 2 for trio in case.trios for turns in (trio.base, trio.twin, trio.head))
    repository.nothing_is_left()


def test_a_slower_commit_is_found_and_what_only_one_side_has_is_a_row(repository):
    text = repository.strategy("floor").read_text()
    repository.strategy("brand-new").write_text(text.replace('"floor"', '"brand-new"'))
    indented = "".join(f"    {line}\n" for line in BURN.splitlines())
    repository.strategy("floor").write_text(text.replace("    yield send\n", f"    yield send\n{indented}"))
    repository.strategy("one-client").unlink()
    repository.commit("second")
    (repository.root / "README.md").write_text("not committed\n")
    repository.git("add", "README.md")
    code, printed, _complaints = repository.run(
        "first", "second", "--only", "one-client,floor,brand-new", *QUICKLY, "--trios", "13"
    )
    assert code == 1, printed
    assert {case.case.strategy: case.answer for case in repository.report().cases} == {
        "floor": "regressed", "one-client": "missing", "brand-new": "new",
    }  # fmt: skip
    assert "The checkout has changes that are in no commit; they are on neither side." in printed
    assert "the head has no such strategy" in printed
    assert "the base has no such strategy" in printed
    repository.nothing_is_left()
    code, printed, _complaints = repository.run("first", "second", "--only", "one-client", *QUICKLY)
    assert code == 4, printed
    code, printed, _complaints = repository.run("first", "second", "--only", "brand-new", *QUICKLY)
    assert code == 4, printed


def test_a_strategy_that_raises_at_the_head_has_failed(repository):
    file = repository.strategy("one-client")
    file.write_text(file.read_text().replace("    yield send", "    raise OSError('no more')\n        yield send"))
    repository.commit("second")
    code, printed, _complaints = repository.run("first", "second", "--only", "one-client", *QUICKLY)
    assert code == 3, printed
    assert "failed     one-client/llm-session/calls=2: head: OSError at one_client.py:" in printed
    repository.nothing_is_left()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "there is no commit 'nowhere' here"),
        (["HEAD", "nowhere"], "there is no commit 'nowhere' here"),
        (["--only", "nothing"], "neither side has a strategy 'nothing'"),
        (["--trios", "12"], "12 trios cannot decide 6 tests; at least 13 are needed."),
        (["--rtt", "soon"], "'soon' is not a time such as 20ms or 0.1s"),
        (["--with", "?"], "'?' is no requirement such as httpx==0.28.1."),
        (["--budget", "0"], "0 is not in the range"),
        (["one", "two", "three"], "Got unexpected extra argument"),
    ],
)
def test_wrong_use_is_one_sentence_and_exit_code_two(repository, arguments, message):
    code, _printed, complaints = repository.run(*arguments)
    assert code == 2
    assert message in complaints
    repository.nothing_is_left()


def test_help_teaches(repository):
    code, printed, _complaints = repository.run("--help")
    assert code == 0
    for word in ("--with", "--against", "--only", "--seed", "Exit codes", "unstable"):
        assert word in printed


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize(("full", "code"), [(True, 2), (False, 4)])
def test_the_samples_are_written_though_the_output_is_full_or_unread(repository, full, code):
    shutil.copy(repository.strategy("floor"), repository.strategy("new"))
    repository.commit("second")
    with Path("/dev/full").open("wb") as stream:
        process = repository.start("first", "second", "--only", "new", stdout=stream if full else subprocess.PIPE)
    if not full:
        process.stdout.close()
        process.stdout = None
    _printed, complaints = process.communicate(timeout=60)
    assert process.returncode == code
    assert complaints == ("Error: standard output cannot be written: No space left on device.\n" if full else "")
    assert [row.answer for row in repository.report().cases] == ["new"]
    repository.nothing_is_left()


def interrupted(repository, number, *, when):
    """A duel stopped as soon as ``when`` says so of its processes and of what it has printed."""
    marker = f"duel-interrupted-{number}-{when.__name__}"
    process = repository.start("--only", "floor,one-client", "--seed", "1", "--calls", "2", marker=marker)
    end = time.monotonic() + 90
    while not when(workers_of(f"TEST_RUN={marker}")):
        assert time.monotonic() < end, "it did not come so far"
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    os.killpg(process.pid, number)  # as a terminal does: to the whole group
    printed, complaints = process.communicate(timeout=60)
    assert process.returncode == (129 if number == signal.SIGHUP else 130), printed + complaints
    assert "Traceback" not in complaints
    end = time.monotonic() + 5
    while processes_of(f"TEST_RUN={marker}"):
        assert time.monotonic() < end, processes_of(f"TEST_RUN={marker}")
        time.sleep(0.05)
    repository.nothing_is_left()
    return printed, complaints


def workers_of(marker):
    """The process ids of a duel's workers.

    A child that a worker starts shows its command until it has begun its own program: it is no worker.
    """
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            is_worker = b"turns.py" in (folder / "cmdline").read_bytes()
            if is_worker and marker.encode() in (folder / "environ").read_bytes():
                parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    return {worker for worker, parent in parents.items() if parent not in parents}


def at_its_first_workers(workers):
    return bool(workers)


@on_linux
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_duel_interrupted_before_its_first_trio_leaves_nothing(repository, number):
    _printed, complaints = interrupted(repository, number, when=at_its_first_workers)
    assert complaints.count("Interrupted.") == 1
    assert not (repository.root / "reports" / "duel.json").exists()


@on_linux
def test_an_interrupted_duel_keeps_what_it_has_measured(repository):
    seen = set()

    def in_its_third_trio(workers):
        seen.update(workers)
        return len(seen) > 2 * 3

    printed, _complaints = interrupted(repository, signal.SIGINT, when=in_its_third_trio)
    report = repository.report()
    assert report.interrupted is not None
    assert report.interrupted in printed
    assert {row.answer for row in report.cases} == {"unfinished"}
    assert sum(len(row.trios) for row in report.cases) == 2
    assert any(row.sentence == "1 of 6 trios were taken." or "2 of 6" in row.sentence for row in report.cases)


@on_linux
def test_the_next_duel_removes_what_a_killed_one_left(repository, monkeypatch):
    process = repository.start("--only", "one-client", "--seed", "1", marker="duel-killed")
    end = time.monotonic() + 60
    while not any("turns.py" in line for line in processes_of("TEST_RUN=duel-killed")):
        assert time.monotonic() < end, "no worker was started"
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)  # the command alone: the duel must not live on behind it
    process.communicate()
    end = time.monotonic() + 15
    while processes_of("TEST_RUN=duel-killed"):
        assert time.monotonic() < end, processes_of("TEST_RUN=duel-killed")
        time.sleep(0.05)
    assert len(repository.git("worktree", "list").splitlines()) == 4
    monkeypatch.setattr("tempfile.tempdir", str(repository.temporary))
    with worktrees(repository.root, {"only": commit_of(repository.root, "HEAD")}) as made:
        assert (made["only"].tree / "bench").is_dir()
        assert len(repository.git("worktree", "list").splitlines()) == 2
    repository.nothing_is_left()


def test_worktrees_go_when_the_block_raises(repository, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(repository.temporary))
    commit = commit_of(repository.root, "HEAD")
    with pytest.raises(KeyboardInterrupt), worktrees(repository.root, {"base": commit, "head": commit}):
        raise KeyboardInterrupt
    repository.nothing_is_left()


def test_outside_a_checkout_it_is_one_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert guarded(cli, ["duel", "main", "HEAD"]) == 2
    assert capsys.readouterr().err == (
        "Error: a duel needs the suite: run it in a checkout of connprof, which holds bench/duel.py.\n"
    )


def test_a_folder_without_git_is_one_sentence(tmp_path):
    with pytest.raises(UsageError, match="is not a git checkout"):
        commit_of(tmp_path, "HEAD")


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        (["unchanged"], 0),
        (["improved", "new"], 0),
        (["unchanged", "regressed"], 1),
        (["missing", "regressed"], 1),
        (["regressed", "unstable"], 3),
        (["failed", "unchanged"], 3),
        (["missing", "unchanged"], 4),
        (["new"], 4),
        ([], 4),
    ],
)
def test_exit_codes(answers, code):
    assert duel_exit_code(answers) == code


# --- environments ---------------------------------------------------------------------------------------------


def test_requirements_are_the_sides_clients_at_its_pins():
    wanted = requirements(ROOT, ())
    assert any(line.startswith("httpx") for line in wanted.packages)
    assert not any(line.startswith(("connprof", "memray", "pytest")) for line in wanted.packages)
    assert any(line.startswith("httpx==") for line in wanted.constraints)


def test_what_is_asked_for_goes_before_the_pins_and_makes_another_environment():
    wanted = requirements(ROOT, ["HTTPX==0.27.2"])
    assert "HTTPX==0.27.2" in wanted.packages
    assert sum(line.lower().startswith("httpx") for line in wanted.packages) == 1
    assert not any(line.startswith("httpx==") for line in wanted.constraints)
    assert wanted.key != requirements(ROOT, ()).key == requirements(ROOT, ()).key


def test_a_dependency_that_does_not_install_is_one_sentence_and_leaves_no_environment(tmp_path):
    wanted = Requirements((f"nothing-of-ours @ file://{tmp_path}/absent",), (), "3")
    with pytest.raises(RunError, match=r"nothing-of-ours @ .* could not be installed: .+\.$"):
        environment(wanted, tmp_path / "environments")
    assert not (tmp_path / "environments" / wanted.key).exists()


def test_an_environment_is_made_once(tmp_path):
    wanted = Requirements((), (), "3")
    (tmp_path / wanted.key).mkdir()
    (tmp_path / wanted.key / "complete").touch()
    assert environment(wanted, tmp_path) == tmp_path / wanted.key / "bin" / "python"


def test_what_is_killed_while_it_makes_an_environment_leaves_nothing(tmp_path, monkeypatch):
    temporary, folder, interpreter = tmp_path / "temporary", tmp_path / "environments", tmp_path / "python"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    interpreter.write_text('#!/bin/sh\n(while :; do : > "$TMPDIR/pip-$$"; sleep 0.01; done) & wait\n')
    interpreter.chmod(0o755)
    wanted = Requirements(packages=(), constraints=(), python="3", interpreter=str(interpreter))
    with pytest.raises(Stopped):
        environment(wanted, folder, lambda: any(tmp_path.rglob("pip-*")))
    assert [path.name for path in folder.iterdir()] == [f"{wanted.key}.lock"]
    assert list(temporary.iterdir()) == []


# --- the calibration's own arithmetic -------------------------------------------------------------------------


def pool(draw, groups_count=60):
    """A synthetic pool: each seat is as slow as its name says, and noisy."""
    factors = dict.fromkeys(SAME, 1.0) | {name: 1 + sum(options.values()) for name, options in CHANGES.items()}

    def turns(factor):
        times = tuple(round(1e6 * factor * draw.lognormvariate(0, 0.01)) for _ in range(5))
        return Turns(wall_ns=times, thread_time_ns=times, delay_ns=(0,) * len(times))

    groups = tuple({name: turns(factor) for name, factor in factors.items()} for _ in range(groups_count))
    return Pool(condition="quiet", strategy="one-client", groups=groups, seconds=1.0, load="")


def test_drawn_duels_find_what_is_there_and_nothing_else():
    draw = random.Random(1)
    counts = count_duels(pool(draw), draws_count=100, draw=draw)
    ours = {(each.change, each.said): each.hits for each in counts if each.method == "connprof duel"}
    assert all(ours["none", said] == 0 for said in ("regressed", "improved", "unstable"))
    assert ours["+10 % CPU", "regressed"] == ours["+25 % waiting", "regressed"] == 100
    rivals = {(each.method, each.change): each.hits for each in counts if each.method in RIVALS}
    assert rivals["pytest-benchmark mean:5%", "+25 % CPU"] == 100
    assert rivals["pytest-benchmark mean:5%", "none"] == 0
    assert rivals["twice the mean", "+25 % CPU"] == 0


def trio_of(base, twin, head):
    base, twin, head = (
        Turns(wall_ns=side, thread_time_ns=tuple(each // 2 for each in side), delay_ns=(0,) * len(side))
        for side in (base, twin, head)
    )
    return Trio(base=base, twin=twin, head=head)


FLAT, SLOW = (100, 102, 101), (200, 204, 202)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [(SLOW, SLOW, "regressed"), (FLAT, SLOW, "unchanged"), (SLOW, FLAT, "unchanged"), (SLOW, None, "unchanged")],
)
def test_both_looks_decide(first, second, expected):
    heads = [first] * 6 + ([second] * 8 if second else [])
    case = Case(strategy="floor", workload="llm-session", calls_count=2)
    trios = [trio_of(FLAT, FLAT, head) for head in heads]
    (row,) = answered({case: (trios, 1.0)}, first_count=6, tests_count=6, seed=1)
    assert row.answer == expected


def test_the_k_th_turns_of_a_trio_are_held_against_each_other():
    test = paired_test([trio_of((10, 100, 1000), (10, 100, 1000), (12, 120, 1200))] * 3, "unhindered_ns", first_count=3)
    assert test.head.first.ratio == pytest.approx(1.2)
    assert test.twin.first.ratio == 1.0


def test_what_was_waited_for_a_core_is_not_the_codes_and_something_is_always_left():
    turns = Turns(wall_ns=(100, 100, 100, 100), thread_time_ns=(40, 40, 40, 0), delay_ns=(0, 50, 95, 100))
    assert turns.unhindered_ns == (100, 50, 10, 1)


@on_linux
def test_the_wait_for_a_core_is_told_from_other_waiting():
    script = """
import os, subprocess, sys, time
from bench.turns import Delay, delays_ns
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
burner = subprocess.Popen([sys.executable, "-c", "print(flush=True)\\nwhile True: pass"], stdout=subprocess.PIPE)
burner.stdout.readline()
def work():
    end = time.thread_time() + 0.1
    while time.thread_time() < end: pass
    time.sleep(0.05)
try:
    delay, start = Delay([]), time.perf_counter()
    with delay:
        work()
    wall = time.perf_counter() - start
finally:
    burner.kill()
    burner.wait()
print(wall, delay.ns / 1e9)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    wall_s, delay_s = map(float, done.stdout.split())
    assert delay_s > 0.03
    assert 0.14 < wall_s - delay_s < 0.25


def test_a_partners_wait_counts_while_the_event_loop_waits_and_only_then(monkeypatch):
    monkeypatch.setattr(selectors.DefaultSelector, "select", selectors.DefaultSelector.select)
    watch_selectors()
    clock = itertools.count(0, 10)
    monkeypatch.setattr(Delay, "partners_ns", lambda _self: next(clock))
    monkeypatch.setattr("bench.turns.delays_ns", lambda _process: 0)
    asyncio.run(asyncio.sleep(0.01))
    assert next(clock) == 0, "no window is open"
    with Delay([]) as _, selectors.DefaultSelector() as selector:
        selector.select(0)
    assert next(clock) == 10, "it does not wait"
    delay = Delay([])
    with delay, selectors.DefaultSelector() as selector:
        selector.select(0.001)
        selector.select(0.001)
    assert delay.ns == 20


def test_the_budget_but_a_reserve_is_shared_by_the_trios_that_are_left():
    settings = DuelSettings(base="a", head="b", budget_s=60, trios_count=14)
    assert settings.first_count == 6
    assert settings.trio_s(0, 0.0) == pytest.approx(58.8 / 14)
    assert settings.trio_s(10, 50.0) == pytest.approx(8.8 / 4)
    assert settings.trio_s(13, 70.0) == 0.0


@pytest.fixture
def players(monkeypatch):
    """Processes that need no time but what their clock is told: a start, and turns of any length."""
    clock = SimpleNamespace(now_s=1000.0, start_s=0.5, turn_s=lambda: 0.1)

    class Player:
        def __init__(self, seat, _sitting, stack):
            self.seat = seat
            stack.callback(self._end)

        def wait_until_ready(self):
            clock.now_s += clock.start_s

        def turn(self):
            took_s = clock.turn_s()
            clock.now_s += took_s
            return dict.fromkeys(("wall_ns", "thread_time_ns", "delay_ns"), round(took_s * 1e9))

        def _end(self):
            clock.now_s += 0.01

    monkeypatch.setattr("bench.trios._Player", Player)
    monkeypatch.setattr("bench.trios.time", SimpleNamespace(monotonic=lambda: clock.now_s))
    monkeypatch.setattr("bench.duel.time", SimpleNamespace(monotonic=lambda: clock.now_s))
    return clock


SEATS = [Seat(name=name, tree=ROOT) for name in ("base", "twin", "head")]


@pytest.mark.parametrize(
    ("seconds", "rounds_count"), [(0.0, 2), (2.1, 2), (2.44, 2), (2.46, 3), (2.74, 3), (2.76, 4), (1000.0, 60)]
)
def test_no_round_is_begun_that_would_end_too_late(players, seconds, rounds_count):
    sitting = Sitting(case={}, target={}, variables={}, seconds=seconds)
    taken = take_turns(SEATS, sitting, random.Random(1))  # three starts of 0.5 s, and rounds of 0.3 s
    assert {len(sample.wall_ns) for sample in taken.values()} == {rounds_count}
    assert rounds_count == 2 or players.now_s - 1000 <= seconds


@pytest.mark.parametrize("typical_s", [0.003, 0.02, 0.1, 0.3])
def test_both_looks_base_against_base_included_end_within_the_budget(players, typical_s):
    draw = random.Random(1)
    players.turn_s = lambda: typical_s * draw.lognormvariate(0, 0.5)
    settings = DuelSettings(base="a", head="b")
    server = SimpleNamespace(target=SimpleNamespace(to_dict=dict), pid=None, proxy_pid=None)
    sampler = Sampler(settings, SEATS, server=server, variables={}, listener=Mock(), draw=draw)
    case = Case(strategy="floor", workload="llm-session", calls_count=2)
    sampler.sampled = {case: Sampled()}
    sampler._take(range(settings.trios_count), [case])
    found = sampler.sampled[case]
    assert len(found.trios) == settings.trios_count
    assert found.seconds <= settings.budget_s
    assert found.seconds > 0.9 * settings.budget_s or typical_s < 0.01, "time was left that more sessions could use"


@pytest.mark.parametrize(
    ("heads", "wanted"), [([SLOW] * 5, 6), ([SLOW] * 6, 14), ([FLAT] * 6, 6), ([SLOW] * 14, 14), ([], 6)]
)
def test_how_many_trios_an_answer_needs(heads, wanted):
    found = Sampled(trios=[trio_of(FLAT, FLAT, head) for head in heads])
    assert found.wanted_count(DuelSettings(base="a", head="b")) == wanted


def published():
    return decode((ROOT / "docs" / "calibration.json").read_bytes(), Calibration, name="calibration.json")


def test_the_published_page_is_that_of_the_published_figures():
    assert (ROOT / "docs" / "calibration.md").read_text(encoding="utf-8") == page.render(published())


def test_the_methodology_quotes_the_published_figures():
    text = (ROOT / "METHODOLOGY.md").read_text(encoding="utf-8")
    assert page.quoted(text, published()) == text
    with pytest.raises(ValueError, match="there is no <!-- counted"):
        page.quoted("nothing", published())


def test_the_published_calibration_names_no_path_of_a_machine():
    page = ROOT / "docs" / "calibration.md"
    figures = json.loads((ROOT / "docs" / "calibration.json").read_text())
    assert figures["schema"] == "connprof-calibration/1"
    assert not [word for word in page.read_text().split() if Path(word).is_absolute()]
