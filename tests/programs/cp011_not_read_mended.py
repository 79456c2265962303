"""Responses that are read to their end.

contexts: 1
handshakes: 1
"""

import os

import httpx

with httpx.Client(base_url=os.environ["API_URL"]) as client:
    for name in "abcdefgh":
        print(name, client.get(f"/api/files/{name}").status_code)
