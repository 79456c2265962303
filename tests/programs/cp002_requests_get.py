"""requests.get in a loop.

environment: others
contexts: 8
handshakes: 8
"""

import os

import requests

API = os.environ["API_URL"]

for number in range(8):
    print(requests.get(f"{API}/api/items/{number}", timeout=10).json()["path"])  # finding: CP002
