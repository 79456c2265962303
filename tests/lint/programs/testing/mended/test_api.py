import unittest

import httpx
import pytest


@pytest.fixture
def client():
    with httpx.Client() as client:
        yield client


@pytest.fixture(scope="session")
def session_client():
    client = httpx.Client()
    yield client
    client.close()


def fetch(url):
    with httpx.Client() as client:
        return client.get(url)


def test_index(client):
    assert client.get("https://api.example")
    assert fetch("https://api.example")


@pytest.mark.parametrize("url", ["a", "b"])
def test_each(url):
    with httpx.Client() as client:
        assert client.get(url)


class TestApi(unittest.TestCase):
    def setUp(self):
        self.client = httpx.Client()

    def test_index(self):
        assert httpx.get("https://api.example")

    def test_one_that_is_left_open(self):
        client = httpx.Client()
        assert client.get("https://api.example")
