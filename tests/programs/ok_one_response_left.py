"""Streams that are read in a hurry: closed early now and then, which costs a connection each, and rightly so.

contexts: 1
handshakes: 2
"""

import os

import httpx

with httpx.Client(base_url=os.environ["API_URL"]) as client:
    with client.stream("GET", "/bytes/5000000") as answer:
        print(len(next(answer.iter_bytes(1000))))  # the rest is not worth its transfer
    for number in range(6):
        print(client.get(f"/api/items/{number}").status_code)
