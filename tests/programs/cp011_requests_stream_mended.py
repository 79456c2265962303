"""requests with stream=True, read to the end.

environment: others
contexts: 1
handshakes: 1
"""

import os

import requests

API = os.environ["API_URL"]

with requests.Session() as session:
    for name in "abcdefgh":
        with session.get(f"{API}/api/files/{name}", stream=True, timeout=10) as answer:
            for _ in answer.iter_content(4096):
                pass
            print(name, answer.status_code)
