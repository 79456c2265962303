"""requests: a session for every page, and all pages kept, with the contexts of their closed sessions.

environment: others
contexts: 12
handshakes: 12
"""

import os

import requests

API = os.environ["API_URL"]
pages = {}


def fetch(number):
    with requests.Session() as session:  # finding: CP001
        return session.get(f"{API}/api/pages/{number}", timeout=10)


for number in range(12):
    pages[number] = fetch(number)
print([page.json()["path"] for page in pages.values()])
