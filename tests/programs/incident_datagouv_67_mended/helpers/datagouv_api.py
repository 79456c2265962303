"""The catalogue: datasets and their resources."""

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


async def search_datasets(query, page=1, session=None):
    return (await _get("/api/1/datasets/", session, q=query, page=page)).json()


async def get_dataset(dataset, session=None):
    return (await _get(f"/api/1/datasets/{dataset}/", session)).json()


async def get_resource(resource, session=None):
    return (await _get(f"/api/2/datasets/resources/{resource}/", session)).json()
