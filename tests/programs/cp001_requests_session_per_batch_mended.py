"""One session for all pages, which forgets its cookies between them.

environment: others
contexts: 1
handshakes: 1
"""

import os

import requests

API = os.environ["API_URL"]


def page(session, number):
    session.cookies.clear()
    session.get(f"{API}/redirect/2", timeout=10)
    session.get(f"{API}/api/pages/{number}/head", timeout=10)
    return session.get(f"{API}/api/pages/{number}", timeout=10).json()


with requests.Session() as session:
    for number in range(5):
        print(page(session, number)["path"])
