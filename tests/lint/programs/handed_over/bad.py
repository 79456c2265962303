"""Shortcuts that are handed over to what calls them."""
import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import httpx
import requests


def mapped(urls):
    with ThreadPoolExecutor() as pool:
        pool.map(requests.get, urls)  # expect: CP002 certain
        pool.map(partial(requests.get, timeout=5), urls)  # expect: CP002 certain
    return list(map(httpx.get, urls))  # expect: CP002 certain


def submitted(executor, urls):
    executor.submit(httpx.get, urls[0])  # expect: CP002 likely
    return [executor.submit(httpx.get, url) for url in urls]  # expect: CP002 certain


async def threaded(url):
    await asyncio.to_thread(requests.get, url)  # expect: CP002 likely
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(None, requests.get, url)  # expect: CP002 likely


def applied(column):
    return column.apply(requests.get)  # expect: CP002 likely


def timed(scheduler):
    scheduler.add_job(requests.get, args=["https://api.example"])  # expect: CP002 likely


def ask(urls):
    fetch = partial(requests.get, timeout=5)
    for url in urls:
        fetch(url)  # expect: CP002 certain
