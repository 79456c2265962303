"""A client around the batch is the fix where the batch runs once: a guess, unless the batches come in a loop."""
import asyncio
import contextlib
import functools
from concurrent.futures import ThreadPoolExecutor

import httpx
import requests
from fastapi import FastAPI

app = FastAPI()


def forecasts(urls):
    with httpx.Client() as client:  # expect: CP001 guess
        return [client.get(url).json() for url in urls]


async def gathered(urls):
    async with httpx.AsyncClient() as client:  # expect: CP001 guess
        return await asyncio.gather(*(client.get(url) for url in urls))


async def two(a, b):
    async with httpx.AsyncClient() as client:  # expect: CP001 guess
        return await asyncio.gather(client.get(a), client.get(b))


async def grouped(urls):
    async with httpx.AsyncClient() as client, asyncio.TaskGroup() as group:  # expect: CP001 guess
        for url in urls:
            group.create_task(client.get(url))


def mapped(urls):
    with requests.Session() as session, ThreadPoolExecutor() as pool:  # expect: CP001 guess
        return list(pool.map(session.get, urls))


def mapped_partial(urls):
    with requests.Session() as session, ThreadPoolExecutor() as pool:  # expect: CP001 guess
        return list(pool.map(functools.partial(one, session), urls))


def one(session, url):
    return session.get(url)


async def sem(urls):
    limit = asyncio.Semaphore(3)
    async with httpx.AsyncClient() as client:  # expect: CP001 guess

        async def fetch(url):
            async with limit:
                return await client.get(url)

        return await asyncio.gather(*map(fetch, urls))


def pages(session, urls):
    return [session.get(url) for url in urls]


def handed(urls):
    client = httpx.Client()  # expect: CP001 guess
    try:
        return pages(client, urls=urls)
    finally:
        client.close()


def stacked(urls):
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(httpx.Client())  # expect: CP001 guess
        for url in urls:
            client.get(url)


def single(url):
    with httpx.Client() as client:  # expect: CP001 likely
        for line in client.get(url).iter_lines():
            print(line)


def retried(url):
    with httpx.Client() as client:  # expect: CP001 likely
        for _ in range(3):
            try:
                return client.get(url)
            except httpx.HTTPError:
                pass


def looped(urls):
    with httpx.Client() as client:  # expect: CP001 certain
        return [client.get(url) for url in urls]


def outer(batches):
    for each in batches:
        looped(each)


class Sync:
    def all(self, urls):
        with httpx.Client() as client:  # expect: CP001 guess
            for url in urls:
                client.get(url)


@app.get("/all")
async def endpoint(urls: list[str]):
    async with httpx.AsyncClient() as client:  # expect: CP005 certain
        return [(await client.get(url)).text for url in urls]
