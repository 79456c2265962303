"""Probes that turn settings of httpx's pools say nothing of libraries that have none of them."""

import ast
from pathlib import Path

import pytest

from bench.hazards.dials import reach
from bench.hazards.finding import Finding, of_an_earlier_loop
from bench.hazards.registry import load, names
from tests.bench.conftest import ROOT

# What the dials of these do is done to any library, or decides nothing: the address of a name, retries, a shorter wait.
ANY_LIBRARY = {"H2s", "H5", "H9"}


def uses_dials(source):
    imported = (node.module for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom))
    return bool({"bench.hazards.dials", "bench.hazards.fate"} & set(imported))


def test_every_probe_that_acts_by_dials_says_so():
    loaded = [load(name) for name in names()]
    turning = {each.id for each in loaded if uses_dials(Path(ROOT, each.source).read_text())}
    assert {each.id for each in loaded if each.by_dials} == turning - ANY_LIBRARY
    assert turning > ANY_LIBRARY


@pytest.mark.parametrize(
    ("library", "is_reached"),
    [("httpx", True), ("httpx==0.28.1", True), ("httpx2==2.16.2", True), ("aiohttp==3.14.5", False),
     ("requests==2.34.2", False), ("http.client", False)],
)  # fmt: skip
def test_dials_reach_httpx_and_its_fork(library, is_reached):
    assert reach(library) is is_reached


@pytest.mark.once
@pytest.mark.parametrize("strategy", ["per-call", "shared-client"])
def test_a_library_that_dials_do_not_reach_is_not_said_to_hold(prober, strategy):
    cell = prober.probe("H14", strategy, client_library="http.client")
    assert (cell.signature, cell.attempts_count) == ("does not apply", 0)
    assert cell.symptom.endswith("which reaches no client of http.client: nothing is known of it.")


@pytest.mark.once
def test_other_probes_are_made_on_it_all_the_same(prober):
    assert prober.probe("H1b", "shared-client", client_library="http.client").symptom.startswith("It has no event loop")
    broken = prober.probe("H5", "shared-client", client_library="http.client")
    assert (broken.outcome.value, broken.attempts_count) == ("broke", 20)


def test_failures_of_an_earlier_event_loop_are_told_as_what_they_are():
    found = Finding("broke", "x.", 5, 2, errors={"RuntimeError: Event loop is closed": 2, "ReadError": 1})
    assert of_an_earlier_loop("H5", found).symptom == "x. 2 failed as under H1, of an event loop that had ended."
    assert of_an_earlier_loop("H1", found) is found
    without = Finding("broke", "x.", errors={"ReadError": 1})
    assert of_an_earlier_loop("H5", without) is without
