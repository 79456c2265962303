"""requests: one session.

environment: others
contexts: 1
handshakes: 1
"""

import os

import requests

API = os.environ["API_URL"]


def search(session, word):
    return session.get(f"{API}/api/search?q={word}", timeout=10).json()


with requests.Session() as session:
    session.headers["accept"] = "application/json"
    for word in "one two three four five six seven eight nine ten".split():
        print(search(session, word)["path"])
