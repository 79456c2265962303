import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench import registry
from bench.registry import AsyncStrategy, StrategyError, SyncStrategy, load, names, strategy

ROOT = Path(__file__).resolve().parents[2]
ALL = {
    "client-per-helper", "floor", "lazy-service", "one-client", "per-call-async", "per-call-client", "per-call-get",
    "per-call-shared-context",
}  # fmt: skip


def test_every_file_is_a_strategy():
    assert set(names()) >= ALL
    for name in names():
        assert load(name).name == name


def test_both_kinds_are_told_apart():
    assert isinstance(load("per-call-get"), SyncStrategy)
    assert isinstance(load("per-call-async"), AsyncStrategy)


def test_every_strategy_says_what_it_is_and_what_it_mends():
    for name in names():
        loaded = load(name)
        assert loaded.title
        assert loaded.source == f"bench/strategies/{name.replace('-', '_')}.py"
        assert loaded.fixes is None or loaded.fixes in names()


def test_an_unknown_strategy_is_named_with_those_that_exist():
    with pytest.raises(StrategyError, match=r"no strategy 'none'; there are: .*client-per-helper"):
        load("none")


def test_a_strategy_whose_package_is_not_installed_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "celery", None)
    for module in ("bench.celery_worker", "bench.celery_files", "bench.strategies.celery_worker_init"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    with pytest.raises(StrategyError, match="'celery-worker-init' needs celery, which is not installed here"):
        load("celery-worker-init")


def test_a_name_that_is_not_the_files_is_refused():
    with pytest.raises(StrategyError, match=r"test_registry\.py registers the strategy 'floor'"):

        @strategy("floor", contexts="one", handshakes="origins")
        def floor(_target):
            """Another one."""
            yield None


def test_a_function_that_is_no_generator_is_refused():
    with pytest.raises(StrategyError, match="generator function"):

        @strategy("test-registry", contexts="one", handshakes="origins")
        def plain(target):
            """It returns."""


def test_a_strategy_without_a_title_is_refused():
    with pytest.raises(StrategyError, match="docstring"):

        @strategy("test-registry", contexts="one", handshakes="origins")
        def untitled(_target):
            yield None


def copy_of_project(folder):
    for name in ("bench", "src", "server"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def listing(folder):
    code = "from bench.registry import load, names; [load(name) for name in names()]; print(' '.join(names()))"
    variables = {"PYTHONPATH": ":".join(str(folder / name) for name in ("", "src", "server")), "PATH": ""}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=variables, capture_output=True, text=True, check=False
    )


def test_swapping_two_strategies_files_is_an_error(tmp_path):
    folder = copy_of_project(tmp_path) / "bench" / "strategies"
    first, second = folder / "per_call_async.py", folder / "one_client.py"
    one, other = first.read_text(), second.read_text()
    first.write_text(other)
    second.write_text(one)
    done = listing(tmp_path)
    assert done.returncode != 0
    assert "its name must be that of its file" in done.stderr


def test_a_new_strategy_is_one_new_file(tmp_path):
    copy_of_project(tmp_path)
    (tmp_path / "bench" / "strategies" / "my_own.py").write_text(
        'from bench.registry import strategy\n\n\n@strategy("my-own", contexts="one", handshakes="origins")\n'
        'def my_own(target):\n    """Mine."""\n    yield None\n'
    )
    done = listing(tmp_path)
    assert done.returncode == 0, done.stderr
    assert "my-own" in done.stdout.split()


@pytest.fixture(autouse=True)
def untouched():
    """What a test registers must not stay."""
    yield
    registry._registry.pop("test-registry", None)
