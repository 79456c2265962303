"""The project's own promises: what the README says is what is run, and no file names a machine or a registry."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
COMMAND = "python3 -m venv .venv && .venv/bin/pip install -q -c constraints.txt nox && .venv/bin/nox -s "


def tracked():
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        pytest.skip("this is not a git checkout, so there is no list of tracked files")
    return [ROOT / name for name in done.stdout.decode().split("\0") if name]


def texts():
    for file in tracked():
        try:
            yield file, file.read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError):
            continue


def test_the_readme_has_the_two_commands():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"    {COMMAND}bench\n" in readme
    assert f"    {COMMAND}tests\n" in readme


def test_ci_runs_the_readmes_test_command():
    assert f"\n{COMMAND}tests\n" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_everything_that_the_suite_needs_is_pinned():
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {re.split("==", line)[0].lower().replace("_", "-") for line in pins if line and not line.startswith("#")}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = [*project["project"]["dependencies"]]
    for extra in project["project"]["optional-dependencies"].values():
        wanted += extra
    for group in project["dependency-groups"].values():
        wanted += group
    names = {re.match(r"[\w.-]+", each).group().lower().replace("_", "-") for each in wanted} - {"connprof"}
    assert names <= pinned
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in pins if line)


def test_the_matrix_session_installs_all_that_strategies_import():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    wanted = [each for extra in ("server", "report", "bench", "matrix") for each in extras[extra]]
    installed = {re.match(r"[\w.-]+", each).group() for each in wanted} | {"anyio", "httpcore", "bench"}
    trees = [ast.parse(file.read_bytes()) for file in [*(ROOT / "bench" / "strategies").glob("*.py")]]
    nodes = [node for tree in [*trees, ast.parse((ROOT / "bench" / "axes.py").read_bytes())] for node in ast.walk(tree)]
    imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    names = {name.partition(".")[0] for name in imported} - sys.stdlib_module_names
    assert {"celery", "httpx", "truststore"} <= names <= installed | {"connprof", "connprof_server"}
    session = (ROOT / "noxfile.py").read_text(encoding="utf-8").partition("def matrix(")[2].partition("\n\n")[0]
    assert 'install(session, extra="matrix")' in session


def test_no_tracked_file_names_a_registry_or_a_path_of_a_machine():
    forbidden = re.compile(r"files[.]pythonhoste[d]|pyp[i][.]org/simple|/ro[o]t/|/wor[k]/")
    found = {str(file.relative_to(ROOT)): match.group() for file, text in texts() if (match := forbidden.search(text))}
    assert found == {}


def test_links_between_documents_lead_somewhere():
    for file in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for link in re.findall(r"\]\(([^)#:]+)\)", file.read_text(encoding="utf-8")):
            assert (file.parent / link).exists(), f"{file.name} links to {link}"
