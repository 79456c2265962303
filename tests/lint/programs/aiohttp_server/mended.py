import aiohttp
from aiohttp import web

routes = web.RouteTableDef()


@routes.get("/")
async def index(request):
    await request.app["session"].get("https://api.example")
    return web.Response()


async def session_context(app):
    app["session"] = aiohttp.ClientSession()
    yield
    await app["session"].close()


async def other_context(app):
    async with aiohttp.ClientSession() as session:
        app["other"] = session
        yield


app = web.Application()
app.add_routes(routes)
app.cleanup_ctx.append(session_context)
