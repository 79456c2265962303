"""requests: a session for every page, with a few calls each. Sessions can share no SSL context.

environment: others
contexts: 5
handshakes: 5
"""

import os

import requests

API = os.environ["API_URL"]


def page(number):
    with requests.Session() as session:  # finding: CP001
        session.get(f"{API}/redirect/2", timeout=10)
        session.get(f"{API}/api/pages/{number}/head", timeout=10)
        return session.get(f"{API}/api/pages/{number}", timeout=10).json()


for number in range(5):
    print(page(number)["path"])
