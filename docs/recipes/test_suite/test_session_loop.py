"""Mended without touching the code: one loop for all tests, which also closes the client at its end.

Tests then share the client's connections and cookies, as the program's own calls do. With pytest-asyncio the same is
`asyncio_default_test_loop_scope = session` and `asyncio_default_fixture_loop_scope = session`.
"""

from collections.abc import AsyncIterator

import pytest
from api import client, size


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Asked for by a fixture that lives as long as the session, and so does the loop."""
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
async def _closed_client(anyio_backend: str) -> AsyncIterator[None]:  # noqa: ARG001 - it holds the loop
    yield
    await client.aclose()


@pytest.mark.anyio
@pytest.mark.parametrize("number", range(6))
async def test_an_answer_has_a_size(number: int) -> None:
    """Makes one call."""
    assert await size(f"/api/datasets/{number}") > 0
