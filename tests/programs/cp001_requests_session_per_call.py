"""requests: a session for every call.

environment: others
contexts: 10
handshakes: 10
"""

import os

import requests

API = os.environ["API_URL"]


def search(word):
    with requests.Session() as session:  # finding: CP001
        session.headers["accept"] = "application/json"
        return session.get(f"{API}/api/search?q={word}", timeout=10).json()


for word in "one two three four five six seven eight nine ten".split():
    print(search(word)["path"])
