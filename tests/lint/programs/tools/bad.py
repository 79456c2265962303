"""Tools of an LLM server run once for each call of the model."""
import httpx
from langchain.tools import tool
from mcp.server.fastmcp import FastMCP

mcp = FastMCP("weather")
API = "https://weather.example"


async def ask(url):
    async with httpx.AsyncClient() as client:  # expect: CP001 certain
        response = await client.get(url, timeout=30.0)
        return response.json()


@mcp.tool()
async def forecast(place: str) -> str:
    return await ask(f"{API}/{place}")


@tool
def search(query: str) -> str:
    with httpx.Client() as client:  # expect: CP005 certain
        return client.get(API, params={"q": query}).text


def lambda_handler(event, context):
    with httpx.Client() as client:  # expect: CP005 certain
        return client.get(event["url"]).text
