"""The session's method.

environment: others
contexts: 1
handshakes: 1
"""

import os

import requests

API = os.environ["API_URL"]

with requests.Session() as session:
    responses = [session.get(f"{API}/api/items/{number}", timeout=10) for number in range(12)]
print([response.status_code for response in responses])
