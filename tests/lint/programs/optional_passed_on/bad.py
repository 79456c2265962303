"""A client that may be passed, by way of callers that nobody passes one either."""
import httpx


async def _get(path, session=None):
    own = session is None
    if own:
        session = httpx.AsyncClient()  # expect: CP001 certain
    try:
        return await session.get(path)
    finally:
        if own:
            await session.aclose()


async def track(tool, session=None):
    await _get(f"/track/{tool}", session)


async def search(query, *, session=None):
    return await _get(f"/search/{query}", session=session)


async def main(queries):
    for query in queries:
        await track("search")
        await search(query)
