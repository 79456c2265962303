"""A connector, transport or client of its own for each thin client."""
import aiohttp
import httpx
from openai import AsyncOpenAI


async def a(url):
    connector = aiohttp.TCPConnector(limit=10)
    async with aiohttp.ClientSession(connector=connector) as session:  # expect: CP001 likely
        return await session.get(url)


def b(url):
    with httpx.Client(transport=httpx.HTTPTransport(retries=2)) as client:  # expect: CP001 likely
        return client.get(url)


async def c(prompt):
    client = AsyncOpenAI(http_client=httpx.AsyncClient())  # expect: CP001 likely
    return await client.chat.completions.create(messages=[prompt])


def d(url):
    with httpx.Client(mounts={"https://": httpx.HTTPTransport()}) as client:  # expect: CP001 likely
        return client.get(url)
