"""requests: one session.

environment: others
contexts: 1
handshakes: 1
"""

import os

import requests

API = os.environ["API_URL"]
pages = {}


def fetch(session, number):
    return session.get(f"{API}/api/pages/{number}", timeout=10)


with requests.Session() as session:
    for number in range(12):
        pages[number] = fetch(session, number)
print([page.json()["path"] for page in pages.values()])
