import http.client

import httpx2
import niquests
import urllib3

pool = urllib3.PoolManager()
session = niquests.Session()
client = httpx2.AsyncClient()


def a(paths):
    connection = http.client.HTTPConnection("localhost")
    for path in paths:
        connection.request("GET", path)


def c(url):
    return pool.request("GET", url), session.get(url)


async def f(url):
    return await client.get(url)
