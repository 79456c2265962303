"""One client for all calls.

contexts: 1
handshakes: 1
"""

import os

import httpx

API = os.environ["API_URL"]


def fetch(client, number):
    return client.get(f"{API}/api/items/{number}").json()


with httpx.Client(timeout=10) as shared:
    print(len([fetch(shared, number) for number in range(10)]), "items")
