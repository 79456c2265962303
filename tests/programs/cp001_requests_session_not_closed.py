"""A session for every call, closed by nobody.

environment: others
contexts: 8
handshakes: 8
"""

import os

import requests

API = os.environ["API_URL"]


class Api:
    def __init__(self):
        self.session = requests.Session()  # finding: CP001

    def item(self, number):
        return self.session.get(f"{API}/api/items/{number}", timeout=10).json()


print(len([Api().item(number) for number in range(8)]), "items")
