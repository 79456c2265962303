"""Thin clients over something that is kept, or over no network."""
import aiohttp
import httpx
from openai import AsyncOpenAI

transport = httpx.HTTPTransport()
shared = httpx.AsyncClient()


async def a(url, connector):
    async with aiohttp.ClientSession(connector=connector, connector_owner=False) as session:
        return await session.get(url)


def b(url):
    with httpx.Client(transport=transport) as client:
        return client.get(url)


async def c(prompt):
    return await AsyncOpenAI(http_client=shared).chat.completions.create(messages=[prompt])


def d(app, handler):
    with httpx.Client(transport=httpx.MockTransport(handler)) as client:
        client.get("https://nowhere.example")
    with httpx.Client(transport=httpx.WSGITransport(app=app)) as client:
        return client.get("https://nowhere.example")
