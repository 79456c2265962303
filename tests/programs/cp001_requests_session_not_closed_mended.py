"""One session for all calls.

environment: others
contexts: 1
handshakes: 1
"""

import os

import requests

API = os.environ["API_URL"]


class Api:
    def __init__(self):
        self.session = requests.Session()

    def item(self, number):
        return self.session.get(f"{API}/api/items/{number}", timeout=10).json()


api = Api()
print(len([api.item(number) for number in range(8)]), "items")
