import aiohttp
from aiohttp import web

routes = web.RouteTableDef()


@routes.get("/")
async def index(request):
    async with aiohttp.ClientSession() as session:  # expect: CP005 certain
        return web.json_response(await (await session.get("https://api.example")).json())


async def other(request: web.Request):
    async with aiohttp.ClientSession() as session:  # expect: CP005 certain
        await session.get("https://api.example")
    return web.Response()


class Item(web.View):
    async def get(self):
        session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=5))  # expect: CP005 certain, CP007 likely
        return await session.get("https://api.example")


app = web.Application()
app.add_routes(routes)
app.router.add_get("/other", other)
