"""The rows inside a resource."""

import os

import httpx

BASE_URL = os.environ["API_URL"]
_client = None


def _shared():
    global _client
    if _client is None:
        _client = httpx.AsyncClient(timeout=30.0)
    return _client


async def _get(path, session=None, **params):
    answer = await (session or _shared()).get(f"{BASE_URL}{path}", params=params)
    answer.raise_for_status()
    return answer


async def query_rows(resource, page=1, session=None):
    return (await _get(f"/api/resources/{resource}/data/", session, page=page)).json()


async def get_profile(resource, session=None):
    return (await _get(f"/api/resources/{resource}/profile/", session)).json()
