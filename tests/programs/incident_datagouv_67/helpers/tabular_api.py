"""The rows inside a resource."""

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


async def query_rows(resource, page=1, session=None):
    return (await _get(f"/api/resources/{resource}/data/", session, page=page)).json()


async def get_profile(resource, session=None):
    return (await _get(f"/api/resources/{resource}/profile/", session)).json()
