"""The oracle in short: what a run counts, held against the server, with the libraries that are at hand."""

from __future__ import annotations

from dataclasses import fields, replace
from importlib.util import find_spec

import pytest

from bench.oracle.command import _exit_code, _Row
from bench.oracle.holding import Figures, Held, Stage, _differences
from bench.oracle.plan import SUBJECTS
from connprof.cli.exits import ExitCode
from connprof.errors import RunError
from connprof.profile import Counts, Profile

_LIBRARIES = sorted({each.module for each in SUBJECTS} - {"niquests"})
"""All of them but niquests, which brings a urllib3 of its own: ``nox -s oracle`` has an environment for it."""
_FEW = 4
COUNTED = Figures(**{each.name: 0 for each in fields(Figures)})


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with Stage(tmp_path_factory.mktemp("environments")) as running:
        yield running


@pytest.mark.parametrize("module", _LIBRARIES)
def test_a_run_counts_what_the_server_saw(stage, module, tmp_path):
    pytest.importorskip(module)
    subject = next(each for each in SUBJECTS if each.module == module)
    ways = {way: _FEW for way in subject.ways if way not in {"uvloop", "trio"} or find_spec(way)}
    held = stage.hold(replace(subject, name=module, beside=(), ways=ways), tmp_path)
    assert held.differences == ()
    assert held.unknown_count == 0
    assert held.oracle.connections >= _FEW * (len(ways) - 1)
    assert held.oracle.handshakes_failed >= _FEW


def profile(**counts):
    return Profile(
        schema="", command=(), started_at="", duration_ns=0, exit_code=0, counts=Counts(**counts), costs=None,
        sites=(), origins=(), findings=(), processes=(),
    )  # fmt: skip


@pytest.mark.parametrize("name", [each.name for each in fields(Figures)])
@pytest.mark.parametrize("by", [-1, 1])
def test_one_more_or_less_is_a_difference(name, by):
    assert not list(_differences(profile(), COUNTED, COUNTED, {}))
    assert list(_differences(profile(), COUNTED, replace(COUNTED, **{name: by}), {})) == [
        f"{name}: 0 counted, {by} really"
    ]


def test_what_no_line_or_another_origin_has_is_a_difference():
    seen = replace(COUNTED, connections=2)
    assert "connections_count: 1 in all, 0 by line" in list(_differences(profile(connections_count=1), seen, seen, {}))
    assert list(_differences(profile(), seen, seen, {"host:1": seen})) == [
        "handshakes and connections at host:1: (0, 0) counted, (0, 2) really"
    ]


def test_a_difference_and_a_failure_end_in_a_code_of_their_own():
    agrees, differs = Held((), COUNTED, COUNTED, 0, ()), Held((), COUNTED, COUNTED, 0, ("contexts: 1 counted",))
    assert _exit_code([_Row("a", "all", agrees)]) is ExitCode.PASS
    assert _exit_code([_Row("a", "all", agrees), _Row("b", "all", differs)]) is ExitCode.NEGATIVE
    assert _exit_code([_Row("a", "all", differs), _Row("b", "all", "failed")]) is ExitCode.INVALID
    assert _exit_code([]) is ExitCode.INVALID


def test_a_program_that_fails_is_no_comparison(stage, tmp_path):
    subject = next(each for each in SUBJECTS if each.module == "http.client")
    with pytest.raises(RunError, match="ended with"):
        stage.hold(replace(subject, ways={"no-such-way": 1}), tmp_path)
