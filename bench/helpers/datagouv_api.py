"""The catalogue: datasets and their resources."""

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


async def search_datasets(query: str, page: str = "1", *, session: httpx.AsyncClient | None = None) -> httpx.Response:
    """One page of the datasets that match ``query``."""
    return await _get("/api/1/datasets/", session, q=query, page=page, page_size="20")


async def get_dataset(dataset: str, *, session: httpx.AsyncClient | None = None) -> httpx.Response:
    """All that is known of one dataset."""
    return await _get(f"/api/1/datasets/{dataset}/", session)


async def get_resource(resource: str, *, session: httpx.AsyncClient | None = None) -> httpx.Response:
    """One resource, whichever dataset it belongs to."""
    return await _get(f"/api/2/datasets/resources/{resource}/", session)


async def request(method: str, path: str, *, session: httpx.AsyncClient | None = None) -> httpx.Response:
    """Anything else that the service can be asked."""
    return await (session or _shared()).request(method, f"{BASE_URL}{path}")


async def close() -> None:
    """Close this module's client, at shutdown."""
    global _client  # noqa: PLW0603 - see above
    if _client is not None:
        await _client.aclose()
        _client = None
