"""They share one context, and the oldest is dropped.

contexts: 1
handshakes: 20
"""

import os
import ssl
from collections import OrderedDict

import httpx

API = os.environ["API_URL"]
CONTEXT = ssl.create_default_context()
_clients = OrderedDict()


def client_of(conversation):
    if conversation not in _clients:
        _clients[conversation] = httpx.Client(base_url=API, verify=CONTEXT)
        if len(_clients) > 4:
            _clients.popitem(last=False)[1].close()
    return _clients[conversation]


for conversation in range(20):
    for turn in range(3):
        client_of(conversation).get(f"/api/conversations/{conversation}/{turn}")
print(len(_clients), "clients")
