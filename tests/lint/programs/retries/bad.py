"""A loop that makes a client for every attempt, and goes on."""
import httpx


def all_pages(url):
    pages = []
    for number in range(100):
        with httpx.Client() as client:  # expect: CP004 certain
            pages.append(client.get(url, params={"page": number}))
    return pages
