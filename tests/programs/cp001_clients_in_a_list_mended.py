"""One client.

contexts: 1
handshakes: 1
"""

import os

import httpx

API = os.environ["API_URL"]

with httpx.Client() as client:
    for number in range(8):
        print(client.get(f"{API}/api/items/{number}").json()["path"])
