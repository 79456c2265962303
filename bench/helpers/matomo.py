"""Usage pings, sent in the background."""

from __future__ import annotations

import httpx

BASE_URL = ""

_client: httpx.AsyncClient | None = None


def _shared() -> httpx.AsyncClient:
    global _client  # noqa: PLW0603 - a module-level client is what this strategy is about
    if _client is None:
        _client = httpx.AsyncClient()
    return _client


async def _get(path: str, session: httpx.AsyncClient | None, **params: str) -> httpx.Response:
    response = await (session or _shared()).get(f"{BASE_URL}{path}", params=params or None)
    return response.raise_for_status()


async def ping(action: str, *, session: httpx.AsyncClient | None = None) -> httpx.Response:
    """Record that a tool was used."""
    return await _get("/status/204", session, idsite="1", rec="1", action_name=action)


async def request(method: str, path: str, *, session: httpx.AsyncClient | None = None) -> httpx.Response:
    """Anything else that the service can be asked."""
    return await (session or _shared()).request(method, f"{BASE_URL}{path}")


async def close() -> None:
    """Close this module's client, at shutdown."""
    global _client  # noqa: PLW0603 - see above
    if _client is not None:
        await _client.aclose()
        _client = None
