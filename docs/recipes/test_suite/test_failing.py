"""A loop for each test, and a client at module level: every second test fails.

The first test leaves a connection in the client's pool. The second, in another loop, takes it from there and fails with
"Event loop is closed", which throws the connection away; the third opens a new one; and so on.
"""

import pytest
from api import size


@pytest.fixture
def anyio_backend() -> str:
    """Each test has an event loop of its own, which is the default of pytest's plugins."""
    return "asyncio"


@pytest.mark.anyio
@pytest.mark.parametrize("number", range(6))
async def test_an_answer_has_a_size(number: int) -> None:
    """Makes one call."""
    assert await size(f"/api/datasets/{number}") > 0
