import httpx as h
from httpx import AsyncClient as C
from somewhere import Client, get

kept, other = h.Client(), C()


def a(url):
    return kept.get(url)


def b(url):
    with Client() as client:
        return client.get(url), get(url)


class requests:
    @staticmethod
    def get(url):
        return url


def c(url):
    return requests.get(url)
