"""The catalogue: datasets and their resources."""

import os

import httpx

BASE_URL = os.environ["API_URL"]


async def _get(path, session=None, **params):
    own = session is None
    if own:
        session = httpx.AsyncClient(timeout=30.0)  # finding: CP001
    try:
        answer = await session.get(f"{BASE_URL}{path}", params=params)
        answer.raise_for_status()
        return answer
    finally:
        if own:
            await session.aclose()


async def search_datasets(query, page=1, session=None):
    return (await _get("/api/1/datasets/", session, q=query, page=page)).json()


async def get_dataset(dataset, session=None):
    return (await _get(f"/api/1/datasets/{dataset}/", session)).json()


async def get_resource(resource, session=None):
    return (await _get(f"/api/2/datasets/resources/{resource}/", session)).json()
