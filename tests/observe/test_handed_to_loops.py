"""Coroutines of a library's that a loop is given as they are: none of the user's code is on their stack."""

from __future__ import annotations

import asyncio
import contextvars
import threading

import httpx
import pytest

from connprof.observe import observe

from .test_standing_calls import USUAL, process_of, requests_by_function

CLOSE = {"connection": "close"}


def by_run(client, url):
    asyncio.run(client.get(url, headers=CLOSE))


def by_runner(client, url):
    with asyncio.Runner() as runner:
        runner.run(client.get(url, headers=CLOSE))


def by_run_until_complete(client, url):
    loop = asyncio.new_event_loop()
    loop.run_until_complete(client.get(url, headers=CLOSE))
    loop.close()


def by_a_task_of_a_context(client, url):
    async def main():
        await asyncio.create_task(client.get(url, headers=CLOSE), context=contextvars.copy_context())

    asyncio.run(main())


@pytest.mark.parametrize(
    ("way", "function"),
    [
        (by_run, "by_run"),
        (by_runner, "by_runner"),
        (by_run_until_complete, "by_run_until_complete"),
        (by_a_task_of_a_context, "by_a_task_of_a_context.<locals>.main"),
    ],
)
def test_the_line_that_hands_it_over_pays(server, way, function):
    with observe() as seen:
        way(httpx.AsyncClient(), server.url)
    (site,) = [each for each in process_of(seen).sites if each.counts.requests_count]
    assert (site.site.function, site.site.certainty) == (function, "context")
    assert site.counts.handshakes_full_count == 1


def test_what_began_a_loop_is_told_of_what_its_first_task_makes(server):
    async def main():
        async with httpx.AsyncClient() as client:
            await client.get(server.url)

    with observe() as seen:
        asyncio.run(main())
    starts = {chain.started_at.function for each in process_of(seen).clients for chain in each.chains}
    assert starts == {"test_what_began_a_loop_is_told_of_what_its_first_task_makes"}


def test_a_runner_tells_each_line_that_runs_something(server):
    def one():
        runner.run(client.get(server.url))

    def two():
        runner.run(client.get(server.url))

    with observe() as seen, asyncio.Runner() as runner:
        client = httpx.AsyncClient()
        for _ in range(USUAL + 3):
            one()
        two()
        runner.run(client.aclose())
    counted = requests_by_function(process_of(seen))
    assert {name.rpartition(".")[2]: count for name, count in counted.items()} == {"one": USUAL + 3, "two": 1}


def test_a_loop_in_a_thread_tells_who_hands_over_and_not_who_started_the_thread(server):
    def start():
        thread.start()

    def one():
        asyncio.run_coroutine_threadsafe(client.get(server.url), loop).result()

    def two():
        loop.call_soon_threadsafe(lambda: done.append(loop.create_task(client.get(server.url))))
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0.1), loop).result()

    done = []
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    with observe() as seen:
        start()
        client = httpx.AsyncClient()
        for _ in range(USUAL + 3):
            one()
        two()
        asyncio.run_coroutine_threadsafe(client.aclose(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
    loop.close()
    counted = {name.rpartition(".")[2]: count for name, count in requests_by_function(process_of(seen)).items()}
    assert counted == {"one": USUAL + 3, "<lambda>": 1}
