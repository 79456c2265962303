from contextlib import asynccontextmanager
from functools import lru_cache

import httpx
from fastapi import Depends, FastAPI, Request


@asynccontextmanager
async def lifespan(app: FastAPI):
    async with httpx.AsyncClient() as client:
        app.state.client = client
        yield


@asynccontextmanager
async def prepared(app):
    client = httpx.AsyncClient()
    yield {"client": client}
    await client.aclose()


app = FastAPI(lifespan=prepared)


@app.on_event("startup")
async def open_client():
    app.state.other = httpx.AsyncClient()


@app.on_event("startup")
async def warm_up():
    async with httpx.AsyncClient() as client:
        await client.get("https://api.example")


@app.get("/items/{item}")
async def read_item(request: Request, item: str):
    return await request.app.state.client.get(f"https://api.example/{item}")


@lru_cache
def service_client():
    return httpx.AsyncClient()


@app.get("/by-dependency")
async def by_dependency(client: httpx.AsyncClient = Depends(service_client)):
    return await client.get("https://api.example")


def create_app():
    client = httpx.AsyncClient()
    made = FastAPI()

    @made.get("/")
    async def index():
        return await client.get("https://api.example")

    return made
