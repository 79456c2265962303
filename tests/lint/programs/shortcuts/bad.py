"""Module-level functions, each of which makes a client for one request."""
import urllib.request
from urllib.request import Request, urlopen

import aiohttp
import httpx
import niquests
import requests

BASE = "https://api.example"


def a(url):
    return httpx.get(url)  # expect: CP002 likely


def b(url):
    with httpx.stream("GET", url) as response:  # expect: CP002 likely
        return response.read()


def c(path):
    return requests.post(f"{BASE}{path}", json={})  # expect: CP002 likely


def d(path):
    return urllib.request.urlopen(BASE + path)  # expect: CP002 likely


def e(path):
    return urlopen(Request(BASE + path))  # expect: CP002 likely


async def f(url):
    async with aiohttp.request("GET", url) as response:  # expect: CP002 likely
        return await response.text()


async def g(url):
    return await niquests.aget(url)  # expect: CP002 likely


def main():
    for page in range(10):
        requests.get(f"{BASE}?page={page}")  # expect: CP002 certain


def newest():
    return httpx.get(BASE)  # expect: CP002 guess
