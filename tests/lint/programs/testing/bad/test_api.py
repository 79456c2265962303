"""In tests a client per test is right; one in a loop is not."""
import httpx


def test_pages():
    for number in range(10):
        with httpx.Client() as client:  # expect: CP004 certain
            assert client.get(f"https://api.example/{number}")
