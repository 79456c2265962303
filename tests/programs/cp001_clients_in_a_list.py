"""Clients made beforehand, each used for one call, and all closed: one of them would have done.

contexts: 8
handshakes: 8
"""

import os

import httpx

API = os.environ["API_URL"]

clients = [httpx.Client() for _ in range(8)]  # finding: CP001
for number, client in enumerate(clients):
    print(client.get(f"{API}/api/items/{number}").json()["path"])
for client in clients:
    client.close()
