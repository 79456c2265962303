"""The line that pays, exactly: marked in this file by a comment."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import importlib
import os
import runpy
import ssl
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool
from pathlib import Path

import anyio
import anyio.to_thread
import httpx
import msgspec
import pytest

from connprof import model
from connprof.observe import observe, sites
from connprof.observe.sites import SiteFinder

HERE = Path(__file__)


def line_of(marker):
    """The number of the one line that ends in ``# pays: marker``."""
    lines = HERE.read_text("utf-8").splitlines()
    (number,) = (n for n, line in enumerate(lines, 1) if line.endswith(f"# pays: {marker}"))
    return number


def payers(observation, field):
    """Line, certainty and how often, for each site that has any of ``field``."""
    assert observation.errors.errors_count == 0, observation.errors.first
    return {
        (entry.site.line, entry.site.certainty): count
        for entry in observation.sites
        if (count := getattr(entry.counts, field))
    }


def lines(observation, field):
    return {line for line, _ in payers(observation, field)}


def test_direct_sync(server):
    with observe() as observation:
        client = httpx.Client()  # pays: sync context
        client.get(server.url)  # pays: sync call
        client.close()
    created, called = line_of("sync context"), line_of("sync call")
    assert {(created, "stack"): 1} == payers(observation, "contexts_count")
    assert {(created, "stack"): 1} == payers(observation, "ca_loads_count")
    assert {(called, "stack"): 1} == payers(observation, "handshakes_full_count")
    assert {(called, "stack"): 1} == payers(observation, "connections_count")
    assert {(called, "stack"): 1} == payers(observation, "requests_count")
    assert {str(HERE)} == {entry.site.file for entry in observation.sites}
    assert {"test_direct_sync"} == {entry.site.function for entry in observation.sites}


def test_direct_async(server):
    async def main():
        async with httpx.AsyncClient() as client:  # pays: async context
            await client.get(server.url)  # pays: async call

    with observe() as observation:
        asyncio.run(main())
    created, called = line_of("async context"), line_of("async call")
    assert {(created, "stack"): 1} == payers(observation, "contexts_count")
    assert {(called, "stack"): 1} == payers(observation, "handshakes_full_count")
    assert {(called, "context"): 1} == payers(observation, "connections_count")  # made in a child task
    assert {(called, "stack"): 1} == payers(observation, "requests_count")


def fetch(url):
    return httpx.get(url)  # pays: in the helper


def test_through_a_function_of_ones_own(server):
    """The innermost line of user code pays, since that is where the fix goes."""
    with observe() as observation:
        fetch(server.url)
        fetch(server.url)
    called = line_of("in the helper")
    for field in ("contexts_count", "handshakes_full_count", "connections_count", "requests_count"):
        assert {(called, "stack"): 2} == payers(observation, field)
    assert {"fetch"} == {entry.site.function for entry in observation.sites}


def test_gather_of_ones_own_coroutines(server):
    async def call(client):
        await client.get(server.url)  # pays: gathered, own

    async def main():
        async with httpx.AsyncClient() as client:
            await asyncio.gather(*(call(client) for _ in range(3)))

    with observe() as observation:
        asyncio.run(main())
    called = line_of("gathered, own")
    assert {called} == lines(observation, "handshakes_full_count") == lines(observation, "connections_count")
    assert {(called, "stack"): 3} == payers(observation, "requests_count")


def test_gather_of_the_librarys_coroutines(server):
    async def main():
        async with httpx.AsyncClient() as client:
            await asyncio.gather(client.get(server.url), client.get(server.url))  # pays: gathered, library's

    with observe() as observation:
        asyncio.run(main())
    called = line_of("gathered, library's")
    for field in ("handshakes_full_count", "connections_count", "requests_count"):
        assert {(called, "context"): 2} == payers(observation, field)


def test_create_task(server):
    async def main():
        async with httpx.AsyncClient() as client:
            first = asyncio.create_task(client.get(server.url))  # pays: task one
            second = asyncio.create_task(client.get(server.url))  # pays: task two
            await first
            await second

    with observe() as observation:
        asyncio.run(main())
    expected = {(line_of("task one"), "context"): 1, (line_of("task two"), "context"): 1}
    assert expected == payers(observation, "handshakes_full_count")
    assert expected == payers(observation, "connections_count")


def test_task_group(server):
    async def main():
        async with httpx.AsyncClient() as client, asyncio.TaskGroup() as group:
            group.create_task(client.get(server.url))  # pays: task group

    with observe() as observation:
        asyncio.run(main())
    assert {(line_of("task group"), "context"): 1} == payers(observation, "handshakes_full_count")


async def close(writer):
    writer.close()
    with contextlib.suppress(ssl.SSLError, OSError):
        await writer.wait_closed()


def test_open_connection(server):
    """Its handshake runs in callbacks of the loop, below ``asyncio.run``, which must not be named."""
    context = ssl.create_default_context()

    async def main():
        _, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=context)  # pays: streams
        await close(writer)

    with observe() as observation:
        asyncio.run(main())  # must not pay
    called = line_of("streams")
    assert {(called, "context"): 1} == payers(observation, "handshakes_full_count")
    assert {(called, "stack"): 1} == payers(observation, "connections_count")


def test_callback_with_nothing_carried_falls_back_to_the_contexts_creation(server):
    """A connection opened from a bare callback: only the context tells who."""

    def begin(loop, context, done):
        def opened(transport):
            transport.close()
            done.set_result(None)

        class Protocol(asyncio.Protocol):
            def connection_made(self, transport):
                opened(transport)

        coroutine = loop.create_connection(Protocol, "127.0.0.1", server.port, ssl=context, server_hostname="127.0.0.1")
        done.task = asyncio.Task(coroutine)  # not create_task: nothing is carried

    with observe() as observation:
        context = ssl.create_default_context()  # pays: by creation
        loop = asyncio.new_event_loop()
        done = threading.Event()
        done.set_result = lambda _: loop.call_later(0.05, loop.stop)
        loop.call_soon(begin, loop, context, done)
        loop.run_forever()
        loop.close()
    assert {(line_of("by creation"), "creation"): 1} == payers(observation, "handshakes_full_count")
    assert payers(observation, "connections_count") == {(0, "unknown"): 1}
    (unknown,) = (entry.site for entry in observation.sites if entry.site.certainty == "unknown")
    assert (unknown.file, unknown.function) == ("", "")


def test_pool_of_threads_with_a_function_of_ones_own(server):
    def call(_):
        return httpx.get(server.url)  # pays: in a pool

    with observe() as observation, ThreadPoolExecutor(2) as pool:
        list(pool.map(call, range(4)))
    assert {(line_of("in a pool"), "stack"): 4} == payers(observation, "handshakes_full_count")


def test_pool_of_threads_with_a_librarys_function(server):
    with observe() as observation, ThreadPoolExecutor(2) as pool:
        pool.submit(httpx.get, server.url).result()  # pays: submit one
        pool.submit(httpx.get, server.url).result()  # pays: submit two
    expected = {(line_of("submit one"), "context"): 1, (line_of("submit two"), "context"): 1}
    assert expected == payers(observation, "handshakes_full_count")
    assert expected == payers(observation, "contexts_count")


def test_thread_with_a_librarys_function(server):
    with observe() as observation:
        thread = threading.Thread(target=httpx.get, args=(server.url,))
        thread.start()  # pays: thread
        thread.join()
    assert {(line_of("thread"), "context"): 1} == payers(observation, "handshakes_full_count")


def test_to_thread(server):
    async def main():
        await asyncio.to_thread(httpx.get, server.url)  # pays: to_thread

    with observe() as observation:
        asyncio.run(main())
    assert {(line_of("to_thread"), "context"): 1} == payers(observation, "handshakes_full_count")


def test_threads_that_wait_for_work_are_nobodys(server):
    async def first():
        await asyncio.to_thread(httpx.get, server.url)  # pays: first to_thread

    async def second():
        for _ in range(2):
            await asyncio.to_thread(httpx.get, server.url, headers={"a": "b"})  # pays: second to_thread

    async def third():
        await anyio.to_thread.run_sync(httpx.get, server.url)  # pays: first run_sync

    async def fourth():
        for _ in range(2):
            await anyio.to_thread.run_sync(httpx.get, server.url)  # pays: second run_sync

    async def main():
        for function in (first, second, third, fourth):
            await asyncio.create_task(function())

    with observe() as observation:
        asyncio.run(main())
    assert payers(observation, "handshakes_full_count") == {
        (line_of("first to_thread"), "context"): 1,
        (line_of("second to_thread"), "context"): 2,
        (line_of("first run_sync"), "context"): 1,
        (line_of("second run_sync"), "context"): 2,
    }


def test_threads_of_trio(server):
    trio = pytest.importorskip("trio")

    async def main():
        await trio.to_thread.run_sync(httpx.get, server.url)  # pays: first trio
        for _ in range(2):
            await trio.to_thread.run_sync(httpx.get, server.url)  # pays: second trio

    with observe() as observation:
        trio.run(main)
    assert payers(observation, "handshakes_full_count") == {
        (line_of("first trio"), "context"): 1,
        (line_of("second trio"), "context"): 2,
    }


def test_pool_of_threads_by_multiprocessing(server):
    with observe() as observation, ThreadPool(2) as pool:
        pool.map(httpx.get, [server.url] * 3)  # pays: map
        pool.apply(httpx.get, [server.url])  # pays: apply
        list(pool.imap_unordered(httpx.get, [server.url] * 2))  # pays: imap
        pool.starmap(httpx.get, [(server.url,)])  # pays: starmap
    assert payers(observation, "handshakes_full_count") == {
        (line_of("map"), "context"): 3,
        (line_of("apply"), "context"): 1,
        (line_of("imap"), "context"): 2,
        (line_of("starmap"), "context"): 1,
    }


@pytest.mark.parametrize("is_turned", [False, True])
def test_lines_that_pay_the_same_come_in_the_order_of_their_places(is_turned):
    def one():
        ssl.create_default_context()

    def other():
        ssl.create_default_context()

    with observe() as seen:
        for make in (other, one) if is_turned else (one, other):
            make()
    assert [entry.site.function.rpartition(".")[2] for entry in seen.sites] == ["one", "other"]


def test_two_lines_are_two_sites_and_the_costliest_comes_first(server):
    with observe() as observation:
        with httpx.Client() as client:  # pays: cheap line
            client.get(server.url)
        for _ in range(2):
            httpx.get(server.url)  # pays: dear line
    assert [line_of("dear line"), line_of("cheap line")] == [e.site.line for e in observation.sites[:2]]
    totals = observation.counts
    for field in ("contexts_count", "ca_loads_count", "handshakes_full_count", "connections_count"):
        assert getattr(totals, field) == sum(getattr(entry.counts, field) for entry in observation.sites)


def test_handshakes_name_their_line(server):
    with observe() as observation:
        httpx.get(server.url)  # pays: handshake's own
    assert observation.handshakes[0].site.line == line_of("handshake's own")


# --- what is user code ------------------------------------------------------------------------------------


def test_user_code_as_prefixes(server):
    """With this folder declared foreign nothing is left to name."""
    with observe(user_code=["/nowhere"]) as observation:
        httpx.get(server.url)
    assert payers(observation, "handshakes_full_count") == {(0, "unknown"): 1}
    with observe(user_code=[str(HERE.parent)]) as observation:
        httpx.get(server.url)  # pays: within the prefix
    assert {(line_of("within the prefix"), "stack"): 1} == payers(observation, "handshakes_full_count")


def test_prefix_ends_at_a_folder():
    finder = SiteFinder([str(HERE.parent)[:-1]])
    assert finder.find(sys._getframe()) is None
    assert SiteFinder([str(HERE)]).find(sys._getframe()) is not None


def test_user_code_as_a_function(server):
    with observe(user_code=lambda file: file.endswith("_client.py") and "httpx" in file) as observation:
        httpx.get(server.url)
    (entry,) = (entry for entry in observation.sites if entry.counts.handshakes_full_count)
    assert entry.site.file.endswith("_client.py")


def test_windows_with_different_user_code_each_keep_their_own(server):
    with observe() as usual, observe(user_code=["/nowhere"]) as blind:
        httpx.get(server.url)  # pays: two windows
    assert {(line_of("two windows"), "stack"): 1} == payers(usual, "handshakes_full_count")
    assert payers(blind, "handshakes_full_count") == {(0, "unknown"): 1}


def test_user_code_that_raises_loses_no_counts(server):
    def broken(file):
        raise RuntimeError(file)

    with observe(user_code=broken) as observation:
        httpx.get(server.url)
    counts = observation.counts
    assert (counts.contexts_count, counts.handshakes_full_count, counts.requests_count) == (1, 1, 1)
    assert observation.errors.errors_count > 0
    assert "RuntimeError" in observation.errors.first


def test_a_window_whose_user_code_is_deeper_finds_it_beside_another(server):
    def is_client(file):
        return file.endswith("_client.py")

    with observe() as usual, observe(user_code=is_client) as deeper:
        client = httpx.Client()  # pays: making, beside
        client.get(server.url)  # pays: calling, beside
        client.close()
    assert {line_of("making, beside")} == lines(usual, "contexts_count")
    assert {line_of("calling, beside")} == lines(usual, "connections_count")
    for field in ("contexts_count", "connections_count", "handshakes_full_count", "requests_count"):
        found = [entry.site for entry in deeper.sites if getattr(entry.counts, field)]
        assert [(Path(site.file).name, site.certainty) for site in found] == [("_client.py", "stack")]


def test_user_code_that_raises_takes_no_ways_from_other_windows():
    def broken(file):
        raise RuntimeError(file)

    def make():
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # pays: beside a broken window

    with observe() as usual, observe(user_code=broken):
        make()
    (site,) = usual.snapshot()["sites"]
    assert line_of("beside a broken window") == site["site"]["line"]
    assert [chain["frames"][0]["function"] for chain in site["chains"]] == [site["site"]["function"].split(".")[0]]


def test_a_place_that_is_carried_and_calls_itself_is_on_the_stack(server):
    def run(function, *args):
        return function(*args)  # pays: carried and calls

    with observe() as observation, ThreadPoolExecutor(1) as pool, httpx.Client() as client:
        run(pool.submit, run, client.get, server.url).result()
    called = line_of("carried and calls")
    for field in ("handshakes_full_count", "connections_count", "requests_count"):
        assert {(called, "stack"): 1} == payers(observation, field)


def test_ways_go_on_through_an_import(tmp_path, monkeypatch):
    (tmp_path / "mine_that_connects.py").write_text("import ssl\nssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)\n", "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))

    def load():
        importlib.import_module("mine_that_connects")

    with observe() as observation:
        load()
    (site,) = observation.snapshot()["sites"]
    assert Path(site["site"]["file"]).name == "mine_that_connects.py"
    assert [chain["frames"][0]["function"].rpartition(".")[2] for chain in site["chains"]] == ["load"]


# --- what a finder keeps ----------------------------------------------------------------------------------


def code_named(file, lines_before=0):
    scope = {"getframe": sys._getframe}
    exec(compile("\n" * lines_before + "def ask(): return getframe()", file, "exec"), scope)
    return scope["ask"]


def test_lines_are_right_when_more_code_has_called_than_is_kept(monkeypatch):
    monkeypatch.setattr(sites, "_CACHED_CODES_MAX", 10)
    finder = SiteFinder(["/mine"])
    for number in range(200):
        is_mine = number % 3 > 0
        ask = code_named(f"/mine/{number}.py" if is_mine else f"/other/{number}.py", number)
        for _ in range(2):
            found = finder.find(ask())
            assert found == ((f"/mine/{number}.py", number + 1, "ask") if is_mine else None) or not is_mine
        del ask
        assert len(finder._kinds) <= 10
        kept = {id(code) for code in finder._codes}
        assert set(finder._kinds) == kept
        assert set(finder._lines) <= kept
        assert set(finder.places) <= kept


def test_what_is_kept_is_not_changed_by_two_at_once(monkeypatch):
    """A finalizer, or another thread, looks for a line while something is being kept, and what is kept is full."""
    monkeypatch.setattr(sites, "_CACHED_CODES_MAX", 3)
    finder = SiteFinder(["/mine"])
    amid = []

    class Codes(list):
        def append(self, code):
            super().append(code)
            if not amid:
                amid.extend("begun")
                amid[:] = [finder.find(code_named(f"/mine/amid-{number}.py")())[0] for number in range(5)]

    finder._codes = Codes()
    assert finder.find(code_named("/mine/first.py")())[0] == "/mine/first.py"
    assert amid == [f"/mine/amid-{number}.py" for number in range(5)]
    assert set(finder._kinds) == {id(code) for code in finder._codes}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_keeps_what_a_thread_of_its_parent_was_about_to():
    finder = sites.DEFAULT_FINDER
    with observe():
        assert finder._keeping.acquire(blocking=False)  # as that thread
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # this process may have threads
                child = os.fork()
            if not child:
                code = code_named("/mine/in-the-child.py")
                finder.find(code())
                os._exit(id(code.__code__) not in finder._kinds)
        finally:
            finder._keeping.release()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize(
    ("file", "is_user"),
    [
        (str(HERE), True),
        (str(HERE.parents[2] / "bench" / "worker.py"), True),
        ("/home/someone/app.py", True),
        ("/opt/x/lib/python3.11/site-packages/httpx/_client.py", False),
        ("/usr/lib/python3/dist-packages/requests/api.py", False),
        ("/home/someone/my-site-packages-fork/app.py", True),
        (httpx.__file__, False),
        (http.client.__file__, False),
        (asyncio.__file__, False),
        (sys.modules["connprof.observe.sites"].__file__, False),
        ("<frozen importlib._bootstrap>", False),
        ("<string>", False),
    ],
)
def test_what_is_user_code(file, is_user):
    scope = {"getframe": sys._getframe}
    exec(compile("def ask(): return getframe()", file, "exec"), scope)  # a frame with that file name
    frame = scope["ask"]()
    found = SiteFinder().find(frame)
    assert (found is not None and found[0] == file) == is_user


def test_a_file_named_from_a_folder_is_found_from_another(plain_server, tmp_path, monkeypatch):
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "calls.py").write_text(f"import httpx\nhttpx.get({plain_server.url!r})\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with observe() as observation:
        runpy.run_path(os.path.join("app", "calls.py"))  # noqa: PTH118 - as a program names it
        os.chdir("app")
    file = str(tmp_path / "app" / "calls.py")
    assert {entry.site.file for entry in observation.sites} == {file}
    assert {site["site"]["file"] for site in observation.snapshot()["sites"]} == {file}


# --- the plain form ---------------------------------------------------------------------------------------


def test_plain_form_decodes_into_the_models_types(server):
    with observe() as observation:
        httpx.get(server.url)
    plain = msgspec.json.decode(msgspec.json.encode(observation.to_dict(relative_to=HERE.parent)))
    assert {"client", "sites", "events", "blind_spots"} == set(plain)
    client = msgspec.convert(plain["client"], model.ClientCounts)
    sites = msgspec.convert(plain["sites"], tuple[model.SiteCounts, ...])
    events = msgspec.convert(plain["events"], tuple[model.Event, ...])
    assert msgspec.convert(plain["blind_spots"], tuple[str, ...]) == ()
    expected = model.ClientCounts(
        contexts_count=1, ca_loads_count=1, handshakes_full_count=1, connections_count=1, requests_count=1
    )
    assert expected == client
    assert [(HERE.name, client)] == [(entry.site.file, entry.counts) for entry in sites]
    assert {"connect", "handshake", "connection"} == {event.kind.value for event in events}


def test_files_outside_the_folder_stay_absolute(server, tmp_path):
    with observe() as observation:
        httpx.get(server.url)
    assert str(HERE) == observation.to_dict(relative_to=tmp_path)["sites"][0]["site"]["file"]
    assert str(HERE) == observation.to_dict()["sites"][0]["site"]["file"]
