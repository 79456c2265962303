"""Responses that are closed unread: their connections are closed with them.

contexts: 1
handshakes: 8
"""

import os

import httpx

with httpx.Client(base_url=os.environ["API_URL"]) as client:  # finding: CP011
    for name in "abcdefgh":
        with client.stream("GET", f"/api/files/{name}") as answer:
            print(name, answer.status_code)
