"""Small programs: what is bad is flagged at its very line, and its mended twin not at all."""

import re
import shutil
from pathlib import Path

import pytest

from connprof.lint import lint

PROGRAMS = Path(__file__).parent / "programs"
_EXPECTED = re.compile(r"# expect: (.+)$")


def programs(name):
    found = sorted(
        path for folder in PROGRAMS.iterdir() for path in folder.iterdir() if path.stem == name and path.stem[0] != "_"
    )
    assert found
    return found


def expected(folder):
    return sorted(
        (file.relative_to(folder).as_posix(), number, *each.split())
        for file in folder.rglob("*.py")
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1)
        if (match := _EXPECTED.search(line))
        for each in match.group(1).split(", ")
    )


def findings(outcome):
    return sorted((each.place.path, each.place.line, each.code, each.sureness.value) for each in outcome.findings)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder that is a project of its own, and the current one."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)

    def put(program):
        if program.is_dir():
            shutil.copytree(program, folder, dirs_exist_ok=True)
        else:
            shutil.copy(program, folder / "program.py")
        (folder / "pyproject.toml").touch()
        return folder

    return put


@pytest.mark.parametrize("program", programs("bad"), ids=lambda path: path.parent.name)
def test_bad_programs_are_flagged_at_the_very_line(program, project):
    folder = project(program)
    outcome = lint([folder])
    assert findings(outcome) == expected(folder)
    assert outcome.findings
    assert not outcome.problems


@pytest.mark.parametrize("program", programs("mended"), ids=lambda path: path.parent.name)
def test_mended_programs_are_not(program, project):
    outcome = lint([project(program)])
    assert findings(outcome) == []
    assert not outcome.problems


def test_every_bad_program_has_a_mended_twin():
    assert {path.parent for path in programs("bad")} == {path.parent for path in programs("mended")}
    assert {folder for folder in PROGRAMS.iterdir() if folder.is_dir()} == {path.parent for path in programs("bad")}


def test_one_file_alone_gives_what_the_whole_project_gives(project):
    """A hook gets the names of changed files: the rest of the project is read beside them."""
    for program in programs("bad"):
        folder = project(program)
        whole = lint([folder])
        for file in folder.rglob("*.py"):
            alone = lint([file])
            path = file.relative_to(folder).as_posix()
            assert findings(alone) == [each for each in findings(whole) if each[0] == path]
        for each in folder.iterdir():
            shutil.rmtree(each) if each.is_dir() else each.unlink()
