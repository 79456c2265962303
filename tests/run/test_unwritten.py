"""The word that a process leaves while it has something unwritten, whoever else is at it in the same moment."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from connprof.launch.gathered import _unwritten
from connprof.observe import start

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links are not for everybody there")


@pytest.fixture
def follower(tmp_path):
    (tmp_path / "trouble").touch(0o600)
    return start._Follower(str(tmp_path), live=False, memory=False)


def told(folder):
    """The reasons that are there, and whether there was trouble to leave one."""
    reasons = sorted(str(link.readlink()) for link in folder.glob("unwritten-*"))
    return reasons, bool((folder / "trouble").stat().st_mode & 0o100)


def test_what_is_told_while_another_thread_withdraws_stays(follower, tmp_path, monkeypatch):
    unlink = os.unlink

    def withdrawing(path):
        monkeypatch.undo()
        follower._tell_failure("killed")
        unlink(path)

    follower._tell_failure("killed")
    monkeypatch.setattr(os, "unlink", withdrawing)
    follower._withdraw_failures()
    assert told(tmp_path) == (["killed"], False)
    follower._withdraw_failures()
    assert told(tmp_path) == ([], False)


def test_what_is_withdrawn_before_it_is_there_does_not_stay(follower, tmp_path, monkeypatch):
    symlink = os.symlink

    def telling(reason, path):
        follower._withdraw_failures()
        symlink(reason, path)

    monkeypatch.setattr(os, "symlink", telling)
    follower._tell_failure("killed")
    assert told(tmp_path) == ([], False)


def test_of_two_threads_that_tell_at_once_one_is_heard(follower, tmp_path, monkeypatch):
    symlink = os.symlink

    def telling(reason, path):
        monkeypatch.undo()
        follower._tell_failure("RuntimeError")
        symlink(reason, path)

    monkeypatch.setattr(os, "symlink", telling)
    follower._tell_failure("killed")
    assert told(tmp_path) == (["RuntimeError"], False)
    follower._withdraw_failures()
    assert told(tmp_path) == ([], False)


def test_where_no_link_can_be_made_that_is_told_all_the_same(follower, tmp_path, monkeypatch):
    def refusing(_reason, _path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "symlink", refusing)
    follower._tell_failure("killed")
    assert told(tmp_path) == ([], True)


def test_a_process_that_two_threads_told_of_is_named_once(tmp_path):
    for number in range(2):
        (tmp_path / f"unwritten-12-34-{number}").symlink_to("No space left on device")
    assert _unwritten(tmp_path) == {"No space left on device": [12]}


@pytest.mark.skipif(sys.platform != "linux", reason="where the system tells which threads there are")
def test_a_thread_that_was_stopped_is_gone_for_the_system_too():
    def threads():
        return {each.name for each in Path("/proc/self/task").iterdir()}

    before = threads()
    for _ in range(200):
        later = start._Later(lambda: None, 60.0)
        later.stop()
        assert threads() <= before
    for _ in range(20):
        ticker = start._Ticker(lambda: None)
        ticker.stop()
        assert threads() <= before
