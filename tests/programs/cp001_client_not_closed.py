"""A client for every call, closed by nobody: all wait for the garbage collector.

contexts: 10
handshakes: 10
"""

import os

import httpx

API = os.environ["API_URL"]


def fetch(number):
    return httpx.Client(timeout=10).get(f"{API}/api/items/{number}").json()  # finding: CP001


print(len([fetch(number) for number in range(10)]), "items")
