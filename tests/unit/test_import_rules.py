"""The arrows of the house: who may import whom."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ORDER = [
    "errors", "codes", "explained", "plain", "model", "profile", "abridged", "store", "stats", "paired", "observe",
    "memory", "checks", "verdict", "axes", "safety", "advice", "merge", "findings", "assemble", "compare", "gate",
    "settings", "lint", "launch", "history", "report", "plugin", "cli", "__main__",
]  # fmt: skip
STANDARD_LIBRARY_ONLY = [
    "src/connprof/observe", "src/connprof/__init__.py", "bench/registry.py", "bench/workloads.py",
    "bench/driver.py", "bench/worker.py", "bench/turns.py", "server/connprof_server/target.py",
    "bench/hazards/crowd.py", "bench/hazards/dials.py", "bench/hazards/finding.py", "bench/hazards/forks.py",
    "bench/hazards/registry.py", "bench/hazards/stage.py", "bench/hazards/subject.py", "bench/hazards/worker.py",
    *(f"bench/hazards/{file.name}" for file in sorted((ROOT / "bench" / "hazards").glob("h[0-9][0-9]*.py"))),
]  # fmt: skip


def modules_imported(file):
    """Absolute names that ``file`` imports anywhere; relative imports are not used in this project."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} has a relative import"
            yield node.module
            if node.module == "connprof":
                yield from (f"connprof.{alias.name}" for alias in node.names)


def files(folder):
    found = sorted((ROOT / folder).rglob("*.py")) if (ROOT / folder).is_dir() else [ROOT / folder]
    assert found, f"nothing to look at in {folder}"
    return found


def top(name):
    return name.partition(".")[0]


@pytest.mark.parametrize("file", files("src"), ids=str)
def test_the_package_imports_neither_suite_nor_server(file):
    may_serve = file.parts[-2:] == ("plugin", "server.py")  # the fixture of our pytest plugin
    forbidden = {"bench", "connprof_server"} - ({"connprof_server"} if may_serve else set())
    assert not forbidden & {top(name) for name in modules_imported(file)}


@pytest.mark.parametrize("file", files("server"), ids=str)
def test_the_server_imports_nothing_of_ours(file):
    assert not {"bench", "connprof"} & {top(name) for name in modules_imported(file)}


@pytest.mark.parametrize("file", files("src/connprof"), ids=str)
def test_inside_the_package_imports_go_only_upwards(file):
    own = file.relative_to(ROOT / "src" / "connprof").parts[0].removesuffix(".py")
    if own == "__init__":
        allowed = set()
    else:
        assert own in ORDER, f"{own} has no place in the order"
        allowed = set(ORDER[: ORDER.index(own) + 1])
    for name in modules_imported(file):
        if name.startswith("connprof.") and not name.startswith("connprof.__"):
            assert name.split(".")[1] in allowed, f"{file} imports {name}"


@pytest.mark.parametrize("place", STANDARD_LIBRARY_ONLY)
def test_what_workers_load_needs_the_standard_library_only(place):
    ours = {"bench", "connprof", "connprof_server", "__future__"}
    foreign = {
        top(name) for file in files(place) for name in modules_imported(file)
    } - ours - sys.stdlib_module_names  # fmt: skip
    assert foreign <= {"sitecustomize", "uvloop"}


def test_a_worker_can_load_its_modules_without_any_package():
    code = (
        "import sys; sys.path[:0] = sys.argv[1:]; import connprof.observe, bench.driver, bench.worker, bench.passes\n"
        "import bench.hazards.stage, bench.hazards.subject, bench.hazards.worker\n"
        "print([name for name in ('msgspec', 'click', 'rich', 'httpx', 'uvicorn', 'trustme') if name in sys.modules])"
    )
    paths = [str(ROOT), str(ROOT / "src"), str(ROOT / "server")]
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code, *paths], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
