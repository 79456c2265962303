"""A client for every call, of a server that closes each connection, and of a stream of which only the head is read.

contexts: 12
handshakes: 12
"""

import os

import httpx

API = os.environ["API_URL"]


def get(path):
    with httpx.Client(timeout=10) as client:  # finding: CP001
        return client.get(f"{API}{path}").status_code


def first_bytes(size):
    with (
        httpx.Client(timeout=10) as client,  # finding: CP001
        client.stream("GET", f"{API}/bytes/{size}") as response,
    ):
        return len(next(response.iter_raw(16)))


print([get("/close") for _ in range(4)], [get("/api/items/1") for _ in range(3)])
print([first_bytes(100_000) for _ in range(5)])
