"""requests with stream=True, where nobody reads.

environment: others
contexts: 8
handshakes: 8
"""

import os

import requests

API = os.environ["API_URL"]

with requests.Session() as session:  # finding: CP011
    for name in "abcdefgh":
        answer = session.get(f"{API}/api/files/{name}", stream=True, timeout=10)
        print(name, answer.status_code)
