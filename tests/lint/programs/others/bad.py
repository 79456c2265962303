import http.client
from http.client import HTTPSConnection

import httpx2
import niquests
import urllib3
from niquests import AsyncSession


def a(host, path):
    connection = http.client.HTTPSConnection(host)  # expect: CP001 likely
    connection.request("GET", path)
    return connection.getresponse()


def b(paths):
    for path in paths:
        connection = HTTPSConnection("api.example")  # expect: CP004 certain
        connection.request("GET", path)


def c(url):
    return urllib3.PoolManager().request("GET", url)  # expect: CP001 likely


async def d(url):
    async with AsyncSession() as session:  # expect: CP001 likely
        return await session.get(url)


def e(url):
    with niquests.Session() as session:  # expect: CP001 likely
        return session.get(url)


async def f(url):
    async with httpx2.AsyncClient() as client:  # expect: CP001 likely
        return await client.get(url)
