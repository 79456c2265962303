"""The session's method.

environment: others
contexts: 1
handshakes: 1
"""

import os

import requests

API = os.environ["API_URL"]

with requests.Session() as session:
    for _ in range(8):
        print(session.get(f"{API}/redirect/2", timeout=10).status_code)
