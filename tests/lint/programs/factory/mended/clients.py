from functools import lru_cache

import httpx


@lru_cache(maxsize=None)
def make_client(token):
    return httpx.AsyncClient(headers={"Authorization": token})


def fresh_client():
    return httpx.AsyncClient()


_client = None


def the_client():
    global _client
    if _client is None:
        _client = httpx.AsyncClient()
    return _client
