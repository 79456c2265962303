"""Mended for good: a client for each test, in the loop of that test, and nothing left for the next.

They share one SSL context, as making it takes longer than all the rest of such a test.
"""

import os
import ssl
from collections.abc import AsyncIterator

import httpx
import pytest
from api import size


@pytest.fixture
def anyio_backend() -> str:
    """Each test has an event loop of its own."""
    return "asyncio"


@pytest.fixture(scope="session")
def context() -> ssl.SSLContext:
    """Belongs to no loop, so that all tests may share it."""
    return httpx.create_ssl_context()


@pytest.fixture
async def client(context: ssl.SSLContext) -> AsyncIterator[httpx.AsyncClient]:
    """A client that is closed when its test ends."""
    async with httpx.AsyncClient(base_url=os.environ["UPSTREAM"], verify=context) as client:
        yield client


@pytest.mark.anyio
@pytest.mark.parametrize("number", range(6))
async def test_an_answer_has_a_size(number: int, client: httpx.AsyncClient) -> None:
    """Makes one call."""
    assert await size(f"/api/datasets/{number}", by=client) > 0
