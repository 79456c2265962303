import httpx


async def _get(path, session=None):
    own = session is None
    if own:
        session = httpx.AsyncClient()
    try:
        return await session.get(path)
    finally:
        if own:
            await session.aclose()


async def track(tool, session=None):
    await _get(f"/track/{tool}", session)


async def search(query, *, session=None):
    return await _get(f"/search/{query}", session=session)


async def report(query, session=None):
    session = session or shared
    return await _get(f"/report/{query}", session)


async def public(query, session=None):
    return await _get(f"/public/{query}", session)


shared = httpx.AsyncClient()


async def main(queries):
    async with httpx.AsyncClient() as session:
        for query in queries:
            await track("search", session)
            await search(query, session=session)
            await report(query)
    await track("end")
