"""Names by which people call the libraries."""
import httpx as h
from httpx import AsyncClient as C
import aiohttp.client
from requests import Session, get as fetch_url
import urllib3.poolmanager as pools

Chosen = h.Client
Again = Chosen


def a(url):
    with h.Client() as client:  # expect: CP001 likely
        return client.get(url)


async def b(url):
    async with C() as client:  # expect: CP001 likely
        return await client.get(url)


async def c(url):
    async with aiohttp.client.ClientSession() as session:  # expect: CP001 likely
        return await session.get(url)


def d(url):
    with Session() as session:  # expect: CP001 likely
        return session.get(url)


def e(url):
    return fetch_url(url)  # expect: CP002 likely


def f(url):
    with pools.PoolManager() as pool:  # expect: CP001 likely
        return pool.request("GET", url)


def g(url):
    with Again() as client:  # expect: CP001 likely
        return client.get(url)


def i(url):
    import httpx

    with httpx.Client() as client:  # expect: CP001 likely
        return client.get(url)


def j(url):
    httpx = {"Client": dict}
    return httpx["Client"](url)
