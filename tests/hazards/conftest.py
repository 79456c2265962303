import pytest

from bench.hazards.runner import Prober


@pytest.fixture(scope="session")
def prober():
    """One prober for all tests: its standard server is started once."""
    with Prober(lanes_count=1) as prober:
        yield prober
