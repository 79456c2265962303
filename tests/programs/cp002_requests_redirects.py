"""requests.get, each call following two redirects: three requests, and one call.

environment: others
contexts: 8
handshakes: 8
"""

import os

import requests

API = os.environ["API_URL"]

for _ in range(8):
    print(requests.get(f"{API}/redirect/2", timeout=10).status_code)  # finding: CP002
