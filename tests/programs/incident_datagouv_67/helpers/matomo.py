"""A ping to the visitor statistics for each tool that is called."""

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


async def track(tool, session=None):
    await _get("/api/matomo", session, action_name=tool)
