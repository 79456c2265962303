import asyncio
import inspect
from concurrent.futures import ThreadPoolExecutor

import httpx
import requests

client = httpx.Client()


def mapped(urls):
    with ThreadPoolExecutor() as pool:
        pool.map(client.get, urls)
    return list(map(client.get, urls))


async def threaded(url):
    await asyncio.to_thread(client.get, url)
    await asyncio.to_thread(requests.get, "http://localhost:8000/")


def told(show, url):
    show(inspect.signature(requests.get))
    return show(httpx.get, url)


def main():
    with ThreadPoolExecutor() as pool:
        pool.submit(requests.get, "https://api.example")
