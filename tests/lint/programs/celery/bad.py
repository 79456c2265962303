import asyncio

import httpx
from celery import Celery, shared_task

app = Celery()


@app.task(bind=True)
def fetch(self, url):
    with httpx.Client() as client:  # expect: CP005 certain
        return client.get(url).text


@shared_task
def fetch_again(url):
    return asyncio.run(get(url))


async def get(url):
    async with httpx.AsyncClient() as client:  # expect: CP001 certain
        return (await client.get(url)).text
