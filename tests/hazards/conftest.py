import pytest

from bench.hazards.runner import Prober


@pytest.fixture(scope="session")
def prober():
    """One prober for all tests: its standard servers are started once."""
    with Prober() as prober:
        yield prober
