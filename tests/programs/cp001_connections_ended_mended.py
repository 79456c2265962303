"""One client each: its contexts are saved, and handshakes only where the connection can be kept.

contexts: 2
handshakes: 10
"""

import os

import httpx

API = os.environ["API_URL"]


def get(client, path):
    return client.get(f"{API}{path}").status_code


def first_bytes(client, size):
    with client.stream("GET", f"{API}/bytes/{size}") as response:
        return len(next(response.iter_raw(16)))


with httpx.Client(timeout=10) as shared:
    print([get(shared, "/close") for _ in range(4)], [get(shared, "/api/items/1") for _ in range(3)])
with httpx.Client(timeout=10) as other:
    print([first_bytes(other, 100_000) for _ in range(5)])
