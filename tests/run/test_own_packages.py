"""A program that is an installed package itself: its lines are told where it says that it is the user's own."""

import json
import os
import sys

import pytest

from connprof.observe.own import Own, is_entry_script, whole_names

CORE = """\
import os
import httpx


def fetch():
    with httpx.Client() as client:
        return client.get(os.environ["URL"])


def main():
    for _ in range(4):
        fetch()
"""
FROM_FOLDER = {"dir_info": {}, "url": "file:///home/me/mine"}
FROM_FILE = {"archive_info": {}, "url": "file:///wheels/mine-1-py3-none-any.whl"}


def installed(folder, origin, installer="pip"):
    """A package ``mine`` as pip would have installed it; gives back its ``site-packages``."""
    packages = folder / "lib" / "site-packages"
    (packages / "mine").mkdir(parents=True)
    (packages / "mine" / "__init__.py").write_text("")
    (packages / "mine" / "__main__.py").write_text("from mine.core import main\nmain()\n")
    (packages / "mine" / "core.py").write_text(CORE)
    (packages / "other.py").write_text(CORE)
    information = packages / "Mine-1.0.dist-info"
    information.mkdir()
    if origin is not None:
        (information / "direct_url.json").write_text(origin if isinstance(origin, str) else json.dumps(origin))
    (information / "INSTALLER").write_text(installer)
    (information / "RECORD").write_text(
        'mine/__init__.py,sha256=x,0\nmine/__main__.py,sha256=x,41\n"mine/core.py",sha256=x,200\nMine-1.0.dist-info/RECORD,,\n'
    )
    return packages


@pytest.mark.parametrize(("origin", "installer", "options", "line"), [
    (FROM_FOLDER, "pip", (), "lib/site-packages/mine/core.py:6"),
    (FROM_FOLDER, "conda", (), ":0"),
    (FROM_FILE, "pip", (), ":0"),
    ("no JSON, with dir_info", "pip", (), ":0"),
    ({"dir_info": {"editable": True}, "url": "file:///x"}, "pip", (), ":0"),
    (None, "pip", (), ":0"),
    (None, "pip", ("--user-code", "mine"), "lib/site-packages/mine/core.py:6"),
    (None, "pip", ("--user-code", "other", "--user-code", "mine.core"), "lib/site-packages/mine/core.py:6"),
    (None, "pip", ("--user-code", "min"), ":0"),
    (None, "pip", ("--user-code", "lib/site-packages/mine"), "lib/site-packages/mine/core.py:6"),
])  # fmt: skip
def test_whose_lines_are_told(runs, origin, installer, options, line):
    runs.variables["PYTHONPATH"] = os.pathsep.join([str(installed(runs.folder, origin, installer)), *sys.path[1:]])
    done = runs(*options, "--fail-on", "CP001", "-m", "mine")
    assert (done.code, done.counts) == (1, (4, 4, 4, 4)), done.err
    places = {f"{each.site.file}:{each.site.line}" for each in done.profile.sites}
    assert places == (
        {":0"} if line == ":0" else {str(runs.folder / line), str(runs.folder / "lib/site-packages/mine/core.py:7")}
    )
    said = (
        "CP001 cannot be told, because of what was made at unknown lines; --user-code names packages of yours"
        if line == ":0"
        else "CP001 was found at 1 line"
    )
    assert f"Limit: {said} (--fail-on CP001).\n" in done.err
    assert ("name it (--user-code NAME)" in done.err) == (line == ":0")
    unmet = [name for name in ("other", "min") if name in options]
    told = [note for note in done.profile.notes if "--user-code" in note and "imported it" in note]
    assert told == [f"--user-code {name}: no process in which anything was to be seen imported it." for name in unmet]


def test_a_module_that_is_the_program_itself_was_imported(runs):
    runs.variables["PYTHONPATH"] = os.pathsep.join([str(installed(runs.folder, None)), *sys.path[1:]])
    (runs.folder / "alone.py").write_text(f"{CORE}\n\nmain()\n")
    done = runs("--user-code", "alone", "-m", "alone")
    assert (done.code, done.counts) == (0, (4, 4, 4, 4)), done.err
    assert "imported it" not in done.err


@pytest.mark.parametrize("origin", [FROM_FOLDER, None])
def test_the_script_that_an_installer_writes_is_nobodys_line(runs, origin):
    runs.variables["PYTHONPATH"] = os.pathsep.join([str(installed(runs.folder, origin)), *sys.path[1:]])
    runs.write(
        f"#!{sys.executable}\n# -*- coding: utf-8 -*-\nimport re\nimport sys\nfrom mine.core import main\n"
        "if __name__ == '__main__':\n    sys.argv[0] = re.sub('.exe', '', sys.argv[0])\n    sys.exit(main())\n",
        "bin/mine",
    )
    done = runs("--fail-on", "any", "bin/mine")
    assert done.code == 1
    files = {each.site.file for each in done.profile.sites}
    assert files == ({""} if origin is None else {str(runs.folder / "lib/site-packages/mine/core.py")})
    assert ("Limit: CP001 cannot be told" in done.err) == (origin is None)


def test_bytes_are_those_of_the_same_lines(runs):
    pytest.importorskip("memray")
    runs.variables["PYTHONPATH"] = os.pathsep.join([str(installed(runs.folder, None)), *sys.path[1:]])
    done = runs("--user-code", "mine", "--memory", "-m", "mine")
    at = {each.site.line: each.ssl_bytes for each in done.profile.sites}
    assert set(at) == {6, 7}
    assert at[6] > 1_000_000


def test_names_that_make_no_sense(runs):
    runs.program("get()")
    for name, said in (
        ("a-b", "'a-b' is no name that can be imported, and no folder"),
        ("x/y", "there is no file or folder 'x/y'"),
    ):
        done = runs("--user-code", name, "app.py")
        assert (done.code, done.err.strip().splitlines()[-1]) == (2, f"Error: --user-code: {said}.")


def test_paths_are_seen_from_where_they_were_given(tmp_path):
    (tmp_path / "a-b").mkdir()
    assert whole_names(["a-b", "a.b"], str(tmp_path)) == (str(tmp_path / "a-b"), "a.b")


def test_a_folder_that_two_distributions_share(tmp_path):
    packages = installed(tmp_path, FROM_FOLDER)
    own = Own()
    assert own.holds(str(packages / "mine" / "core.py"))
    assert not own.holds(str(packages / "mine" / "of_another.py"))
    assert not own.holds(str(packages / "mine.py"))
    assert not own.holds(str(tmp_path / "lib" / "mine" / "core.py"))
    assert not Own().holds("/nowhere/site-packages/mine/core.py")


@pytest.mark.parametrize("name", ["httpx", "HTTPX", "urllib3.future", "connprof"])
def test_a_library_is_one_even_when_it_was_installed_from_a_folder(tmp_path, name):
    packages = installed(tmp_path, FROM_FOLDER)
    (packages / "Mine-1.0.dist-info").rename(packages / f"{name}-1.0.dist-info")
    assert not Own().holds(str(packages / "mine" / "core.py"))


@pytest.mark.parametrize(("file", "text", "is_one"), [
    ("bin/x", "from a import b\nsys.argv[0] = 1\nsys.exit(b())\n", False),
    ("bin/x", "#!python\nfrom a import b\nsys.argv[0] = 1\nsys.exit(b())\n", True),
    ("Scripts/x-script.py", "#!python\nfrom a import b\nsys.argv[0] = 1\nsys.exit(b())\n", True),
    ("bin/x", "#!python\nfrom a import b\nsys.argv[0] = 1\nsys.exit(b())\n" + "#" * 2_000, False),
    ("bin/x", "#!python\nfrom a import b\nsys.exit(b())\n", False),
    ("tools/x", "#!python\nfrom a import b\nsys.argv[0] = 1\nsys.exit(b())\n", False),
])  # fmt: skip
def test_what_is_an_installers_script(tmp_path, file, text, is_one):
    path = tmp_path / file
    assert not is_entry_script(str(path))
    path.parent.mkdir()
    path.write_text(text)
    assert is_entry_script(str(path)) == is_one


@pytest.mark.parametrize("origin", ["[" * 100_000 + "dir_info", "[]", "null", '{"dir_info": []}', '"dir_info"'])
def test_what_tells_its_origin_in_no_way_that_is_known_is_a_librarys(tmp_path, origin):
    assert not Own().holds(str(installed(tmp_path, origin) / "mine" / "core.py"))


def test_an_empty_name_is_a_mistake():
    with pytest.raises(ValueError, match="a name is empty"):
        whole_names([""])
