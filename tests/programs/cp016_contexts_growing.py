"""A client for each conversation, in a dictionary that nothing is ever taken out of.

contexts: 20
handshakes: 20
"""

import os

import httpx

API = os.environ["API_URL"]
_clients = {}


def client_of(conversation):
    if conversation not in _clients:
        _clients[conversation] = httpx.Client(base_url=API)  # finding: CP016
    return _clients[conversation]


for conversation in range(20):
    for turn in range(3):
        client_of(conversation).get(f"/api/conversations/{conversation}/{turn}")
print(len(_clients), "clients")
