import httpx
from mcp.server.fastmcp import FastMCP

mcp = FastMCP("weather")
API = "https://weather.example"
client = httpx.AsyncClient(timeout=30.0)
sync_client = httpx.Client()


async def ask(url, session: httpx.AsyncClient | None = None):
    response = await (session or client).get(url)
    return response.json()


@mcp.tool()
async def forecast(place: str) -> str:
    return await ask(f"{API}/{place}")


def lambda_handler(event, context):
    return sync_client.get(event["url"]).text
