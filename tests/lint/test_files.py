"""Which folder is the project's."""

import pytest

from connprof.lint import files
from connprof.lint.files import project_root


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "of-somebody" / "project"
    (folder / "package").mkdir(parents=True)
    (folder / "package" / "one.py").touch()
    return folder


def test_a_project_ends_at_its_nearest_mark(project):
    (project / "pyproject.toml").touch()
    (project.parent / ".git").mkdir()
    assert project_root([project / "package" / "one.py"]) == project


def test_a_mark_in_the_home_folder_or_above_makes_no_project(project, monkeypatch):
    monkeypatch.setattr("pathlib.Path.home", lambda: project.parent)
    (project.parent / "pyproject.toml").touch()
    (project.parent.parent / "pyproject.toml").touch()
    assert project_root([project / "package" / "one.py"]) == project / "package"


def test_a_mark_in_the_root_of_the_disk_makes_no_project(project, monkeypatch):
    top = next(each.name for each in project.parents[-1].iterdir() if each != project.parents[-2])
    monkeypatch.setattr(files, "_ROOT_MARKS", (top,))
    assert project_root([project / "package" / "one.py"]) == project / "package"
