"""The session's method.

environment: others
contexts: 1
handshakes: 1
"""

import os

import requests

API = os.environ["API_URL"]

with requests.Session() as session:
    for number in range(8):
        print(session.get(f"{API}/api/items/{number}", timeout=10).json()["path"])
