"""What is known is not measured again; what may have changed is."""

import os
import shutil
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.libraries import PER_CALL, SHARED
from bench.wide import sources
from bench.wide.cache import Cache, KeptCase, KeptCell, key_of
from bench.wide.interpreters import Interpreter, own_interpreter
from bench.wide.keys import Keys
from bench.wide.plan import Probe
from bench.wide.run import is_lasting
from bench.wide.sources import closure, installed
from connprof.model import Case, HazardOutcome, SafetyCell
from tests import samples

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parents[2]
CASES = [
    *(
        Case(strategy=name, workload="llm-session", calls_count=40)
        for name in ("one-client", "floor", "client-per-helper")
    ),
    *(
        Case(strategy=name, workload="llm-session", calls_count=40, client_library=library)
        for name in (PER_CALL, SHARED)
        for library in ("requests==2.31.0", "http.client")
    ),
]
CELLS = [(strategy, hazard) for strategy in ("one-client", "lazy-service") for hazard in ("H1", "H16")]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project, to be changed."""
    root = tmp_path_factory.mktemp("project")
    for name in ("bench", "src", "server"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    return root


@contextmanager
def changed(file):
    """A line more in ``file``; a run reads each file once, so what was read of it is forgotten."""
    before = file.read_bytes()
    try:
        file.write_bytes(before + b"\n# changed\n")
        sources._digest.cache_clear()
        yield
    finally:
        file.write_bytes(before)
        sources._digest.cache_clear()


def keys_of(project, interpreter=None, rounds_count=1):
    keys = Keys(project)
    here = interpreter or own_interpreter()
    return {case.key: keys.case(case, here, rounds_count=rounds_count) for case in CASES} | {
        "/".join(cell): keys.cell(Probe(*cell), here) for cell in CELLS
    }


@pytest.fixture(scope="module")
def unchanged(project):
    return keys_of(project)


@pytest.mark.parametrize(
    ("file", "others"),
    [
        ("bench/strategies/one_client.py", {"one-client/llm-session/calls=40", "one-client/H1", "one-client/H16"}),
        ("bench/strategies/per_call_get.py", set()),
        ("bench/helpers/matomo.py", {"client-per-helper/llm-session/calls=40"}),
        ("bench/libraries/requests.py", {case.key for case in CASES if "requests" in case.key}),
        ("bench/libraries/niquests.py", set()),
        ("bench/hazards/h16_siblings.py", {"one-client/H16", "lazy-service/H16"}),
        ("bench/hazards/servers/http1.py", {"/".join(cell) for cell in CELLS}),
        ("bench/hazards/subject.py", {"/".join(cell) for cell in CELLS}),
        ("bench/measuring.py", {case.key for case in CASES}),
        ("bench/gathered.py", {case.key for case in CASES}),
        ("bench/passes.py", {case.key for case in CASES}),
        ("src/connprof/observe/window.py", {case.key for case in CASES}),
        ("src/connprof/report/words.py", set()),
        ("bench/wide/run.py", set()),
        ("bench/hazards/runner.py", {"/".join(cell) for cell in CELLS}),
    ],
)  # fmt: skip
def test_a_change_of_a_file_changes_the_keys_of_what_depends_on_it_and_no_other(project, unchanged, file, others):
    with changed(project / file):
        now = keys_of(project)
    assert {name for name, key in now.items() if unchanged[name] != key} == others


@pytest.mark.parametrize("file", ["server/connprof_server/app.py", "bench/workloads.py"])
def test_a_change_of_what_all_cases_run_on_changes_all_cases(project, unchanged, file):
    with changed(project / file):
        now = keys_of(project)
    assert all(now[case.key] != unchanged[case.key] for case in CASES)


def test_all_keys_differ_and_come_out_the_same_elsewhere(unchanged):
    assert len(set(unchanged.values())) == len(CASES) + len(CELLS)
    assert keys_of(ROOT) == unchanged


def test_another_python_openssl_package_or_number_of_rounds_is_another_key(unchanged):
    own = own_interpreter()
    others = [
        Interpreter(own.path, "CPython 3.99.0", own.openssl),
        Interpreter(own.path, own.python, "OpenSSL 9.9.9"),
        Interpreter(own.path, own.python, own.openssl, {"requests": "2.31.0"}),
    ]
    for other in others:
        now = keys_of(ROOT, other)
        assert all(now[case.key] != unchanged[case.key] for case in CASES)
    assert all(keys_of(ROOT, rounds_count=2)[case.key] != unchanged[case.key] for case in CASES)


@pytest.mark.parametrize(
    ("name", "is_another"),
    [
        ("MALLOC_ARENA_MAX", True),
        ("PYTHONGC", True),
        ("OPENSSL_MODULES", True),
        ("PYTHONMALLOC", False),
        ("PS1", False),
    ],
)
def test_a_variable_that_workers_inherit_and_may_heed_is_another_key(unchanged, monkeypatch, name, is_another):
    monkeypatch.setenv(name, "1")
    now = keys_of(ROOT)
    assert {now[each] != key for each, key in unchanged.items()} == {is_another}


def test_what_is_edited_during_a_run_is_noticed_and_concerns_what_depends_on_it_alone(project):
    keys, here = Keys(project), own_interpreter()
    one, other = (keys.cell(Probe(name, "H1"), here) for name in ("one-client", "lazy-service"))
    assert keys.is_current(one)
    file = project / "bench/strategies/one_client.py"
    before = file.read_bytes()
    try:
        file.write_bytes(before + b"\n# edited\n")
        assert [keys.is_current(key) for key in (one, other)] == [False, True]
        file.unlink()
        assert not keys.is_current(one)
    finally:
        file.write_bytes(before)
        sources._digest.cache_clear()


def test_where_an_interpreter_lies_changes_no_key(unchanged):
    own = own_interpreter()
    now = keys_of(ROOT, Interpreter("/elsewhere/python", own.python, own.openssl))
    assert [now[case.key] for case in CASES] == [unchanged[case.key] for case in CASES]


def test_a_strategy_depends_on_no_other_strategy():
    for file in (ROOT / "bench" / "strategies").glob("[a-z]*.py"):
        found = closure(frozenset({f"bench.strategies.{file.stem}"}))
        beside = {each.stem for each in found if each.parent == file.parent} - {file.stem, "__init__"}
        assert beside == set(), file.name


def test_a_module_that_is_named_in_a_string_counts_and_what_is_imported_for_types_does_not(tmp_path):
    folder = tmp_path / "bench"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "one.py").write_text(
        "from typing import TYPE_CHECKING\nfrom bench import two\nif TYPE_CHECKING:\n    import bench.four\n"
        "command = ['python', '-m', 'bench.three']\n"
    )
    for name in ("two", "three", "four", "five"):
        (folder / f"{name}.py").write_text("")
    found = closure(frozenset({"bench.one"}), tmp_path)
    assert {file.stem for file in found} == {"__init__", "one", "two", "three"}


def test_a_word_that_looks_like_the_name_of_a_module_and_is_none_does_not_count(tmp_path):
    for name, text in {"bench/one.py": "KEY = 'connprof.connection'\n", "src/connprof/__init__.py": ""}.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)
    assert {file.name for file in closure(frozenset({"bench.one"}), tmp_path)} == {"one.py"}


def test_a_file_that_cannot_be_parsed_still_counts(tmp_path):
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench" / "one.py").write_text("def (")
    assert {file.stem for file in closure(frozenset({"bench.one"}), tmp_path)} == {"one"}


def test_packages_are_those_that_are_imported_and_what_they_require():
    found = installed(["httpx"])
    assert {"httpx", "httpcore", "h11", "certifi", "anyio"} <= set(found)
    assert not {"pytest", "ruff", "matplotlib"} & set(found)
    assert installed(["json"]) == {}


# --- the folder -----------------------------------------------------------------------------------------------


CELL = SafetyCell(strategy="floor", hazard="H1", outcome=HazardOutcome.HELD, symptom="Nothing.", command="x")


@pytest.mark.parametrize(
    ("hazard", "outcome", "expected", "is_kept"),
    [
        ("H1", HazardOutcome.HELD, None, True),
        ("H1", HazardOutcome.BROKE, None, True),
        ("H3", HazardOutcome.HUNG, "hung", True),
        ("H3", HazardOutcome.HUNG, None, False),
        ("H2s", HazardOutcome.HUNG, None, True),
        ("H1", HazardOutcome.NOT_PROBED, None, False),
    ],
)
def test_a_cell_is_kept_unless_it_may_be_of_a_busy_moment(hazard, outcome, expected, is_kept):
    cell = SafetyCell(
        strategy="floor", hazard=hazard, outcome=outcome, symptom="What happened.", command="x", expected=expected
    )
    assert is_lasting(cell) is is_kept


@pytest.fixture
def said():
    return []


@pytest.fixture
def cache(tmp_path, said):
    return Cache(tmp_path / "cache", said.append)


def kept_case():
    outcome = samples.report().records[0].outcome
    return KeptCase(
        measured_at="2026-11-22T10:00:00+00:00",
        counts=outcome.counts,
        memory=outcome.memory,
        timing=dict(enumerate(outcome.timing)),
    )


def test_what_is_kept_comes_back(cache, said):
    case, cell = kept_case(), KeptCell(measured_at="2026-11-22T10:00:00+00:00", cell=CELL)
    cache.keep("a", case)
    cache.keep("b", cell)
    assert cache.load("a", KeptCase) == case
    assert cache.load("b", KeptCell) == cell
    assert cache.load("c", KeptCase) is None
    assert said == []
    assert {file.name for file in cache.folder.iterdir()} == {"a.json", "b.json"}


def damage_middle(file):
    text = bytearray(file.read_bytes())
    text[len(text) // 2] ^= 1
    file.write_bytes(text)


DAMAGES = {
    "cut": lambda file: file.write_bytes(file.read_bytes()[:-20]),
    "empty": lambda file: file.write_bytes(b""),
    "one bit": damage_middle,
    "something else": lambda file: file.write_bytes(b"\xff\xfe\n{}"),
    "another's": lambda file: (
        Cache(file.parent, print).keep("b", kept_case()),
        file.with_name("b.json").replace(file),
    ),
    "of another kind": lambda file: Cache(file.parent, print).keep("a", KeptCell(measured_at="x", cell=CELL)),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_entry_is_said_and_not_believed(cache, said, name):
    cache.keep("a", kept_case())
    DAMAGES[name](cache.folder / "a.json")
    assert cache.load("a", KeptCase) is None
    assert said == ["a.json in the cache is damaged or another's copy; it is measured again."]
    cache.keep("a", kept_case())
    assert cache.load("a", KeptCase) == kept_case()


def test_a_folder_in_the_place_of_an_entry_is_said(cache, said):
    (cache.folder / "a.json").mkdir(parents=True)
    assert cache.load("a", KeptCase) is None
    assert "cannot be read" in said[0]


def test_a_cache_that_cannot_be_written_is_said_once(tmp_path, said):
    (tmp_path / "file").write_text("")
    cache = Cache(tmp_path / "file" / "cache", said.append)
    for key in ("a", "b"):
        cache.keep(key, kept_case())
    assert len(said) == 1
    assert said[0].startswith("Nothing more is kept for a later run: ")


def test_a_fresh_run_reads_nothing_and_keeps_what_it_measures(cache, said):
    cache.keep("a", kept_case())
    fresh = Cache(cache.folder, said.append, fresh=True)
    assert fresh.load("a", KeptCase) is None
    fresh.keep("b", kept_case())
    assert cache.load("b", KeptCase) == kept_case()


def test_what_no_run_has_asked_for_in_two_months_is_swept_away(cache):
    for key, days in (("old", 61), ("young", 59), ("used", 61)):
        cache.keep(key, kept_case())
        then = time.time() - days * 24 * 3600
        os.utime(cache.folder / f"{key}.json", (then, then))
    assert cache.load("used", KeptCase) is not None
    cache.sweep()
    assert {file.stem for file in cache.folder.iterdir()} == {"young", "used"}


def test_a_link_that_leads_nowhere_does_not_end_the_sweep_and_what_cannot_be_removed_is_named(cache, said):
    cache.keep("old", kept_case())
    (cache.folder / "folder.json").mkdir()
    for name in ("old", "folder"):
        os.utime(cache.folder / f"{name}.json", (0, 0))
    (cache.folder / "link.json").symlink_to("nowhere")
    cache.sweep()
    assert {file.name for file in cache.folder.iterdir()} == {"folder.json", "link.json"}
    assert len(said) == 1
    assert said[0].startswith("folder.json in the cache cannot be swept: ")


def test_sweeping_where_there_is_no_cache_is_no_fault(cache, said):
    cache.sweep()
    assert said == []


def test_keys_do_not_depend_on_the_order_of_what_they_are_made_of():
    assert key_of({"a": 1, "b": {"c": 2, "d": 3}}) == key_of({"b": {"d": 3, "c": 2}, "a": 1})
    assert key_of({"a": 1}) != key_of({"a": 2})
