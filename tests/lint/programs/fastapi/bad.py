"""A client for each request: in handlers, dependencies, middleware and helpers that they call."""
from contextlib import asynccontextmanager
from typing import Annotated

import httpx
from fastapi import APIRouter, Depends, FastAPI

app = FastAPI()
router = APIRouter()


@app.get("/items/{item}")
async def read_item(item: str):
    async with httpx.AsyncClient() as client:  # expect: CP005 certain
        return (await client.get(f"https://api.example/{item}")).json()


@router.post("/items")
def write_item(body: dict):
    return httpx.post("https://api.example", json=body)  # expect: CP002 certain


async def helper(item):
    async with httpx.AsyncClient() as client:  # expect: CP001 certain
        return await client.get(f"https://api.example/{item}")


@router.get("/by-helper")
async def by_helper(item: str):
    return await helper(item)


async def client_of_request():
    async with httpx.AsyncClient() as client:  # expect: CP005 certain
        yield client


Client = Annotated[httpx.AsyncClient, Depends(client_of_request)]


@router.get("/by-dependency")
async def by_dependency(client: Client):
    return await client.get("https://api.example")


class Service:
    def __init__(self):
        self.client = httpx.AsyncClient()


def service():
    return Service()  # expect: CP005 certain


@router.get("/by-service")
async def by_service(service: Service = Depends(service)):
    return await service.client.get("https://api.example")


@app.middleware("http")
async def authorize(request, call_next):
    async with httpx.AsyncClient() as client:  # expect: CP005 certain
        await client.get("https://auth.example")
    return await call_next(request)


async def listed(request):
    async with httpx.AsyncClient() as client:  # expect: CP005 certain
        return await client.get("https://api.example")


app.add_api_route("/listed", listed)


VIEWS = {}


@router.get("/views/{view}")
async def by_memory(view: str):
    if view in VIEWS:
        return VIEWS[view]
    async with httpx.AsyncClient() as client:  # expect: CP005 likely
        VIEWS[view] = (await client.get("https://api.example")).json()
    return VIEWS[view]


@router.get("/fresh/{view}")
async def remembered_after(view: str):
    async with httpx.AsyncClient() as client:  # expect: CP005 certain
        VIEWS[view] = (await client.get("https://api.example")).json()
    return VIEWS[view]
