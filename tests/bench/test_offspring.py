import asyncio
import os
import subprocess
import sys
import threading

import pytest

from bench import offspring, places, sums
from bench.offspring import OffspringError, followed
from bench.places import CallTime, Place
from tests.bench.conftest import ROOT

CHILD = """
import os, ssl
from bench import offspring
offspring.enter(is_worker={is_worker})
offspring.enter()
ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
{end}
offspring.leave()
"""


def child(*, is_worker=True, end=""):
    paths = os.pathsep.join(str(ROOT / name) for name in ("", "src", "server"))
    code = CHILD.format(is_worker=is_worker, end=end)
    subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": paths}, check=False)


def test_what_children_do_is_collected_and_only_those_that_make_calls_are_counted():
    with followed("counts") as children:
        child()
        child(is_worker=False)
    assert children.workers_count == 1
    assert [each["seen"]["client"]["contexts_count"] for each in children.all] == [1, 1]
    assert "CONNPROF_OFFSPRING" not in os.environ


def test_a_timing_pass_takes_their_cpu_time_and_nothing_else():
    with followed("timing") as children:
        child(end="sum(range(1_000_000))")
    assert [each.keys() - {"is_worker"} for each in children.all] == [{"cpu_ns"}]
    assert 1_000_000 < children.all[0]["cpu_ns"] < 10_000_000_000


def test_a_child_that_does_not_say_what_it_did_is_an_error():
    with pytest.raises(OffspringError, match="1 child processes ended without saying"), followed("counts"):
        child(end="os._exit(0)")


def test_what_a_session_raises_is_not_hidden_by_what_its_children_did_not_say():
    def session():
        with followed("counts"):
            child(end="os._exit(0)")
            raise KeyError("the session's own")

    with pytest.raises(KeyError, match="own"):
        session()


def test_without_a_pass_nothing_is_measured():
    offspring.enter()
    assert offspring._window is None
    offspring.leave()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_has_a_window_of_its_own():
    code = """
import os, ssl
from bench import offspring
offspring.enter(is_worker=False)
ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
child = os.fork()
offspring.enter()
ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
if child:
    os.waitpid(child, 0)
offspring.leave()
"""
    paths = os.pathsep.join(str(ROOT / name) for name in ("", "src", "server"))
    with followed("counts") as children:
        subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": paths}, check=True)
    by_role = {each["is_worker"]: each["seen"]["client"]["contexts_count"] for each in children.all}
    assert by_role == {False: 2, True: 1}


def test_sums_keep_what_nobody_knows_unknown():
    assert sums.clients([{"a": 1, "b": None}, {"a": 2, "b": None}]) == {"a": 3, "b": None}
    assert sums.clients([{"a": 1, "b": None}, {"a": 2, "b": 5}]) == {"a": 3, "b": 5}
    assert sums.clients([{"a": 1, "b": 5}, {"a": 2, "b": None}, {"a": 0, "b": 1}]) == {"a": 3, "b": 6}
    assert sums.clients([{"b": 5}, {"b": None}]) == {"b": 5}


def call(origin, start_ns, end_ns, place=Place(1, 1, 1), batch=0):  # noqa: B008 - it is immutable
    return CallTime(origin, start_ns, end_ns, place, batch or start_ns)


@pytest.mark.parametrize(
    ("calls", "connections"),
    [
        ([call("a", 0, 1), call("a", 1, 2)], 1),
        ([call("a", 0, 2), call("a", 1, 3)], 2),
        ([call("a", 0, 2), call("b", 1, 3)], 2),
        ([call("a", 0, 9), call("a", 1, 2), call("a", 3, 4)], 2),
    ],
)
def test_a_pool_needs_a_connection_for_each_call_in_flight_at_once(calls, connections):
    assert places.amounts(calls)["handshakes"]["origins"] == connections


def test_places_are_told_apart_by_task_thread_and_loop():
    calls = [call("a", 0, 1, Place(1, 1, 1)), call("a", 2, 3, Place(2, 1, 1)), call("b", 4, 5, Place(3, 2, 1))]
    found = places.amounts(calls)
    assert found["contexts"] == {"batches": 3, "tasks": 3, "threads": 2, "loops": 1}
    assert found["handshakes"] == {"origins": 2, "tasks": 3, "threads": 2, "loops": 2}


def test_calls_that_are_handed_over_together_are_one_batch():
    assert places.amounts([call("a", 0, 1, batch=7), call("b", 0, 1, batch=7)])["contexts"]["batches"] == 1


def test_a_task_that_starts_after_its_parent_has_sent_belongs_to_it():
    async def main():
        early = asyncio.create_task(asyncio.sleep(0, places.here()))
        first = places.here()
        late = await asyncio.create_task(asyncio.to_thread(places.here))
        return first, await early, late

    places.start_afresh()
    first, early, late = asyncio.run(main())
    assert first.task == early.task == late.task
    assert first.thread != late.thread
    assert (first.loop != 0, late.loop) == (True, 0)


def test_threads_that_follow_each_other_are_not_the_same():
    seen = []
    for _number in range(3):
        thread = threading.Thread(target=lambda: seen.append(places.here().thread))
        thread.start()
        thread.join()
    assert len(set(seen)) == 3
